"""A flow that goes on in further executions of itself, with a cursor."""

from pathlib import Path

from eventlog.log import NewRecord
from eventlog.sqlite import SqliteLog
from schemas import codec, events
from schemas.events import Occasion
from schemas.topics import TRIGGERS
from tests.processors.at_work import processing
from tests.processors.instances import INSTANCE, admitted, call, definition, deploy, ended, flow, of

CHAIN = definition(
    """
  - name: Work
    steps:
      - name: Trigger
        isTrigger: true
        action: {key: recursiveTrigger, component: {key: recursive-flow}}
        inputs:
          runOnDeploy: {type: value, value: "true"}
          defaultCursor: {type: value, value: "1"}
      - name: Cursor
        action: {key: getCursor, component: {key: recursive-flow}}
        inputs: {}
      - name: Next
        action: {key: runCode, component: {key: code}}
        inputs:
          code:
            type: value
            value: "module.exports = async (c, r) => ({ data: Number(r.cursor.results) + 1 });"
      - name: Keep
        action: {key: setCursor, component: {key: recursive-flow}}
        inputs: {cursor: {type: reference, value: next.results}}
      - name: More
        action: {key: branchOnValue, component: {key: branch}}
        inputs:
          inputValue: {type: reference, value: next.results}
          branchValueMappings:
            type: complex
            value: [{name: Done, type: value, value: "4"}]
        branches:
          - {name: Done, steps: []}
          - name: Else
            steps:
              - name: Again
                action: {key: invokeRecursive, component: {key: recursive-flow}}
                inputs: {}
"""
)


def deployed() -> NewRecord:
    event = events.LifecycleHappened(
        instance_id=INSTANCE, occasion=Occasion.DEPLOY, change=1, part="flow", flow="Work"
    )
    return NewRecord(TRIGGERS.name, INSTANCE, codec.encode([event]))


async def test_each_execution_goes_on_from_the_cursor_of_the_one_before(tmp_path: Path) -> None:
    log = await SqliteLog.open(tmp_path / "log.db")
    await deploy(log, CHAIN)
    async with processing(log, tmp_path):
        await log.append([deployed()])
        said = await ended(log, 3)
    assert of(events.ExecutionFailed, said) == []
    assert [e.result for e in of(events.StepSucceeded, said) if e.step == "cursor"] == ["1", 2, 3]
    runs = list((await admitted(log)).values())
    assert [run.invoked_by for run in runs] == [None, runs[0].execution_id, runs[1].execution_id]
    await log.close()


async def test_a_caller_may_say_where_to_begin(tmp_path: Path) -> None:
    log = await SqliteLog.open(tmp_path / "log.db")
    await deploy(log, CHAIN)
    async with processing(log, tmp_path):
        await log.append([call("Work", '{"cursor": 3}')])
        said = await ended(log, 1)
    assert [e.result for e in of(events.StepSucceeded, said) if e.step == "cursor"] == [3]
    await log.close()


async def test_a_flow_with_another_trigger_has_no_cursor(tmp_path: Path) -> None:
    log = await SqliteLog.open(tmp_path / "log.db")
    await deploy(
        log, definition(flow("Other", "webhook-triggers/webhook", "recursive-flow/getCursor"))
    )
    async with processing(log, tmp_path):
        await log.append([call("Other")])
        said = await ended(log, 1)
    [failed] = of(events.ExecutionFailed, said)
    assert "no cursor" in failed.error
    await log.close()
