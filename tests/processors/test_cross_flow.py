"""Flows that start flows: once each, linked, and never lost."""

from pathlib import Path

import pytest

from eventlog.log import NewRecord
from eventlog.sqlite import SqliteLog
from processors import interpreter
from processors.execution import State, fold
from schemas import codec, events
from schemas.events import InvokeType
from schemas.ids import ExecutionId
from schemas.topics import ADMISSIONS, EXECUTIONS, TRIGGERS
from tests.processors import facts
from tests.processors.at_work import processing, said_on
from tests.processors.instances import (
    INSTANCE,
    admitted,
    call,
    definition,
    deploy,
    ended,
    flow,
    of,
    tell,
    until,
)

FIRST = flow(
    "First",
    "webhook-triggers/webhook",
    "cross-flow/invokeFlow flowName: {type: value, value: Second},"
    " data: {type: reference, value: step0.results.body.data}",
)
SECOND = flow(
    "Second",
    "cross-flow/crossFlow",
    "persist-data/incrementCrossFlowValue keyInput: {type: value, value: runs}",
    "collection-tools/createObject keyValueInput: {type: complex, value:"
    " [{name: got, type: reference, value: step0.results.body.data.sku}]}",
)
TWO_FLOWS = definition(FIRST, SECOND)


def results(said: list[events.Event], step: str) -> list[object]:
    return [e.result for e in of(events.StepSucceeded, said) if e.step == step]


async def test_a_flow_starts_another_one_with_data_and_is_named_as_its_cause(
    tmp_path: Path,
) -> None:
    log = await SqliteLog.open(tmp_path / "log.db")
    await deploy(log, TWO_FLOWS)
    async with processing(log, tmp_path):
        await log.append([call("First", '{"sku": "A"}')])
        said = await ended(log, 2)
    runs = {event.flow: event for event in (await admitted(log)).values()}
    assert runs["Second"].invoked_by == runs["First"].execution_id
    assert runs["Second"].invoke_type == InvokeType.CROSS_FLOW
    assert runs["Second"].invoke_url.startswith("http://localhost/trigger/SW5z")
    assert {"got": "A"} in results(said, "step2")
    [told] = results(said, "step1")[:1]
    assert isinstance(told, dict)
    assert set(told) == {"executionId"}
    await log.close()


async def test_api_keys_do_not_go_onto_the_log_with_what_is_sent(tmp_path: Path) -> None:
    first = FIRST.replace("value: step0.results.body.data", "value: step0.results")
    log = await SqliteLog.open(tmp_path / "log.db")
    await deploy(log, definition(first, SECOND), api_keys={"First": ["k3y"]})
    async with processing(log, tmp_path):
        await log.append([call("First", '{"sku": "A"}')])
        said = await ended(log, 2)
    [invoked] = of(events.FlowInvoked, said)
    assert '"sku":"A"' in invoked.request.body
    assert "k3y" not in invoked.request.body
    await log.close()


async def test_an_unknown_flow_is_named_in_the_error_of_the_step(tmp_path: Path) -> None:
    log = await SqliteLog.open(tmp_path / "log.db")
    await deploy(log, definition(FIRST.replace("Second", "Third"), SECOND))
    async with processing(log, tmp_path):
        await log.append([call("First")])
        said = await ended(log, 1)
    [failed] = of(events.ExecutionFailed, said)
    assert failed.step == "step1"
    assert "no flow 'Third'" in failed.error
    assert "'First', 'Second'" in failed.error
    await log.close()


async def test_an_invocation_that_stands_on_triggers_twice_starts_one_execution(
    tmp_path: Path,
) -> None:
    log = await SqliteLog.open(tmp_path / "log.db")
    await deploy(log, TWO_FLOWS)
    async with processing(log, tmp_path):
        await log.append([call("First", '{"sku": "A"}')])
        await ended(log, 2)
        [invoked] = of(events.FlowInvoked, await said_on(log, TRIGGERS))
        again = NewRecord(TRIGGERS.name, INSTANCE, codec.encode([invoked]))
        await log.append([again, again, call("Second")])
        said = await ended(log, 3)
    assert len(of(events.FlowInvoked, await said_on(log, TRIGGERS))) == 3
    assert len(of(events.ExecutionStarted, said)) == 3
    assert results(said, "step1")[1:] == [1, 2]
    await log.close()


async def test_an_invocation_that_its_worker_left_on_the_journal_is_started_by_the_next_one(
    tmp_path: Path,
) -> None:
    """The worker ends before the admission comes: the next one says the invocation again."""
    log = await SqliteLog.open(tmp_path / "log.db")
    await deploy(log, TWO_FLOWS)
    async with processing(log, tmp_path):
        await log.append([call("First", '{"sku": "A"}')])
        said = await ended(log, 2)
    crashed = await SqliteLog.open(tmp_path / "crashed.db")
    await deploy(crashed, TWO_FLOWS)
    child = of(events.FlowInvoked, said)[0].execution_id
    [first] = [e for e in (await admitted(log)).values() if e.flow == "First"]
    journal = [e for e in said if getattr(e, "execution_id", child) != child]
    [invoked] = of(events.FlowInvoked, said)
    position = next(i for i, e in enumerate(journal) if isinstance(e, events.ExecutionCompleted))
    journal.insert(position, invoked)
    claim = codec.encode([events.PartitionClaimed(owner="gone")])
    await crashed.append(
        [
            call("First", '{"sku": "A"}'),
            NewRecord(ADMISSIONS.name, INSTANCE, codec.encode([first])),
            NewRecord(EXECUTIONS.name, "", claim),
            NewRecord(EXECUTIONS.name, INSTANCE, codec.encode(journal, 0)),
        ]
    )
    async with processing(crashed, tmp_path):
        said = await ended(crashed, 2)
    assert [e.flow for e in of(events.ExecutionStarted, said)] == ["First", "Second"]
    await log.close()
    await crashed.close()


async def test_what_a_worker_says_that_has_lost_its_partition_starts_nothing(
    tmp_path: Path,
) -> None:
    log = await SqliteLog.open(tmp_path / "log.db")
    await deploy(log, TWO_FLOWS)
    async with processing(log, tmp_path):
        await log.append([call("First")])
        said = await ended(log, 2)
        [invoked] = of(events.FlowInvoked, said)
        stray = events.FlowInvoked(
            execution_id=ExecutionId("stray"),
            instance_id=INSTANCE,
            flow="Second",
            request=invoked.request,
            invoked_by=invoked.invoked_by,
            step="step1",
        )
        await log.append([NewRecord(TRIGGERS.name, INSTANCE, codec.encode([stray]))])
        await log.append([call("Second")])
        said = await ended(log, 3)
    assert "stray" not in {e.execution_id for e in of(events.ExecutionStarted, said)}
    await log.close()


async def test_a_flow_of_a_paused_instance_is_not_started_also_after_a_restart(
    tmp_path: Path,
) -> None:
    log = await SqliteLog.open(tmp_path / "log.db")
    await deploy(log, TWO_FLOWS)
    async with processing(log, tmp_path):
        await log.append([call("First")])
        await ended(log, 2)
        [invoked] = of(events.FlowInvoked, await said_on(log, TRIGGERS))
    await log.close()
    paused = await SqliteLog.open(tmp_path / "paused.db")
    await deploy(paused, TWO_FLOWS)
    await tell(paused, events.InstancePaused(instance_id=INSTANCE))
    claim = codec.encode([events.PartitionClaimed(owner="gone")])
    await paused.append(
        [
            NewRecord(EXECUTIONS.name, "", claim),
            NewRecord(EXECUTIONS.name, INSTANCE, codec.encode([invoked], 0)),
        ]
    )
    async with processing(paused, tmp_path):
        await until(paused, lambda said: bool(of(events.TriggerRefused, said)))
    [refused] = of(events.TriggerRefused, await said_on(paused, ADMISSIONS))
    assert refused.reason == events.Reason.INSTANCE_PAUSED
    await tell(paused, events.InstanceResumed(instance_id=INSTANCE))
    async with processing(paused, tmp_path):
        await paused.append([call("Second")])
        said = await ended(paused, 1)
    assert len(of(events.ExecutionStarted, said)) == 1
    await paused.close()


def test_an_invocation_is_forgotten_once_it_has_started_and_kept_until_then() -> None:
    state = State()
    child = ExecutionId("child")
    invoked = events.FlowInvoked(
        execution_id=child,
        instance_id=INSTANCE,
        flow="Second",
        request=facts.NOTHING_SENT,
        invoked_by=ExecutionId("parent"),
        step="s",
    )
    fold(state, 7, codec.Envelope((invoked,)))
    assert state.invoked[child].offset == 7
    started = events.ExecutionStarted(
        execution_id=child,
        instance_id=INSTANCE,
        flow="Second",
        admission_partition=0,
        admission_offset=3,
    )
    fold(state, 9, codec.Envelope((started,)))
    assert not state.invoked
    assert state.open[child].invoked_by == "parent"


async def test_an_execution_does_not_run_far_ahead_of_those_that_it_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(interpreter, "INVOKED_BETWEEN_WAITS", 5)
    monkeypatch.setattr(interpreter, "MOST_UNSTARTED", 10)
    invoke = "{key: triggerFlow, component: {key: cross-flow}}"
    many = f"""
  - name: First
    steps:
      - name: Trigger
        isTrigger: true
        action: {{key: webhook, component: {{key: webhook-triggers}}}}
        inputs: {{}}
      - name: Each
        action: {{key: loopNTimes, component: {{key: loop}}}}
        inputs: {{iterationCount: {{type: value, value: "60"}}}}
        steps:
          - name: Invoke
            action: {invoke}
            inputs: {{flowName: {{type: value, value: Second}}}}
"""
    log = await SqliteLog.open(tmp_path / "log.db")
    await deploy(log, definition(many, SECOND))
    async with processing(log, tmp_path):
        await log.append([call("First")])
        said = await ended(log, 61)
    waiting = most = 0
    for event in said:
        waiting += isinstance(event, events.FlowInvoked)
        waiting -= isinstance(event, events.ExecutionStarted)
        most = max(most, waiting)
    assert most <= 10 + 5
    assert len(of(events.ExecutionCompleted, said)) == 61
    await log.close()
