"""Triggers that do more than pass a request on: they answer, choose a branch, poll, and fail."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest

from eventlog.sqlite import SqliteLog
from processors import registry
from processors.actions import (
    Action,
    Answer,
    Context,
    Outcome,
    Runs,
    StepError,
    TriggerTraits,
    World,
)
from schemas import events
from schemas.events import ResultType
from schemas.topics import REPLIES
from tests.processors.at_work import CODE_TIMEOUT_S, processing, said_on
from tests.processors.instances import call, definition, deploy, ended, flow, of

COUNTS = "persist-data/incrementCrossFlowValue keyInput: {type: value, value: runs}"
CHALLENGE = """module.exports = async (context, payload) => {
  const asked = payload.body.data.challenge;
  if (asked === undefined) return { payload, branch: 'Notification' };
  return { payload: { asked }, branch: 'URL Verify',
    response: { statusCode: 203, contentType: 'text/plain', headers: { 'X-A': 'b' },
      body: asked } };
};"""


def code_flow(code: str) -> str:
    """A flow whose trigger runs `code`, with two branches and a step after them."""
    lines = "\n".join(f"              {line}" for line in code.splitlines())
    return f"""
  - name: Hook
    steps:
      - name: Trigger
        isTrigger: true
        action: {{key: runCodeTrigger, component: {{key: code}}}}
        inputs:
          code:
            type: value
            value: |
{lines}
        branches:
          - name: Notification
            steps:
              - name: Notified
                action: {{key: createObject, component: {{key: collection-tools}}}}
                inputs: {{}}
          - name: URL Verify
            steps:
              - name: Verified
                action: {{key: createObject, component: {{key: collection-tools}}}}
                inputs: {{}}
      - name: After
        action: {{key: createObject, component: {{key: collection-tools}}}}
        inputs: {{}}
"""


def steps(said: list[events.Event]) -> list[str]:
    return [event.step for event in of(events.StepSucceeded, said)]


async def test_a_trigger_answers_a_challenge_and_chooses_the_branch_that_follows(
    tmp_path: Path,
) -> None:
    log = await SqliteLog.open(tmp_path / "log.db")
    await deploy(log, definition(code_flow(CHALLENGE)))
    async with processing(log, tmp_path):
        await log.append([call("Hook", '{"challenge": "c7"}', reply_to="node")])
        said = await ended(log, 1)
        assert steps(said) == ["trigger", "verified", "after"]
        await log.append([call("Hook", '{"a": 1}', number=2, reply_to="node")])
        said = await ended(log, 2)
        assert steps(said)[3:] == ["trigger", "notified", "after"]
    first, second = of(events.TriggerAnswered, await said_on(log, REPLIES))
    assert (first.status, first.content_type, first.body) == (203, "text/plain", "c7")
    assert first.headers == {"X-A": "b"}
    assert (second.status, second.error, second.request_no) == (None, None, 2)
    await log.close()


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("throw new Error('not ' + 'signed')", "not signed"),
        ("for (;;) {}", "longer than 1 s"),
        ("return 7", "must return an object"),
        ("return { payload: [1] }", "payload is a list, not an object"),
        ("return { payload: {}, branch: 'Third' }", "chose branch 'Third'"),
        ("return { payload: {}, response: { statusCode: 'x' } }", "status must be a number"),
    ],
)
async def test_a_trigger_that_fails_fails_its_own_execution_and_tells_its_caller_why(
    tmp_path: Path, code: str, reason: str
) -> None:
    log = await SqliteLog.open(tmp_path / "log.db")
    function = f"module.exports = async (context, payload) => {{ {code} }};"
    await deploy(log, definition(code_flow(function), flow("Other", "webhook-triggers/webhook")))
    limit_s = 1 if "longer" in reason else CODE_TIMEOUT_S
    async with processing(log, tmp_path, code_timeout_s=limit_s):
        await log.append([call("Hook", reply_to="node"), call("Other")])
        said = await ended(log, 2)
    [failed] = of(events.ExecutionFailed, said)
    assert reason in failed.error
    assert failed.step == "trigger"
    assert len(of(events.ExecutionCompleted, said)) == 1
    [answered] = of(events.TriggerAnswered, await said_on(log, REPLIES))
    assert answered.error == failed.error
    await log.close()


async def test_a_code_trigger_counts_what_all_instances_share(tmp_path: Path) -> None:
    function = """module.exports = async (context, payload) => {
  const calls = (context.integrationState.calls || 0) + 1;
  return { payload: { calls }, integrationState: { calls } };
};"""
    log = await SqliteLog.open(tmp_path / "log.db")
    await deploy(log, definition(code_flow(function)))
    async with processing(log, tmp_path):
        for count in (1, 2):
            await log.append([call("Hook")])
            said = await ended(log, count)
    results = [e.result for e in of(events.StepSucceeded, said) if e.step == "trigger"]
    assert results == [{"calls": 1}, {"calls": 2}]
    await log.close()


@dataclass(slots=True)
class Polling:
    """A polling trigger over a list that grows: it gives what it has not given yet."""

    items: list[int] = field(default_factory=list)
    polls: int = 0

    async def perform(self, _inputs: Mapping[str, Any], context: Context, _world: World) -> Outcome:
        self.polls += 1
        seen = context.polling.get("seen", 0)
        new = self.items[seen:]
        return Outcome(
            result={**context.payload, "body": {"data": new}},
            polling={"seen": len(self.items)},
            polled_no_changes=not new,
        )


Adds = Callable[[str, Action], None]


@pytest.fixture
def adds(monkeypatch: pytest.MonkeyPatch) -> Adds:
    """Adds a trigger `tests/<key>` to the registry."""

    def add(key: str, action: Action) -> None:
        known = {**registry.ACTIONS, ("tests", key): action}
        monkeypatch.setattr(registry, "ACTIONS", MappingProxyType(known))

    return add


def trigger(key: str, perform: Any, **traits: Any) -> Action:
    return Action(
        component="tests",
        key=key,
        label=key,
        perform=perform,
        runs=Runs.ASYNC,
        is_trigger=True,
        trigger=TriggerTraits(**traits),
    )


FAILS_ON_3 = (
    "collection-tools/createObject keyValueInput: {type: complex, value: []}",
    "code/runCode code: {type: value, value: 'module.exports = async (c, r) => "
    '{ if (r.step0.results.body.data.includes(3)) throw new Error("three"); return {}; };\'}',
)


async def test_a_cursor_moves_only_when_the_execution_that_it_started_has_succeeded(
    tmp_path: Path, adds: Adds
) -> None:
    polling = Polling([1, 2])
    adds("poll", trigger("poll", polling.perform, is_polling=True))
    log = await SqliteLog.open(tmp_path / "log.db")
    await deploy(log, definition(flow("Poll", "tests/poll", *FAILS_ON_3)))
    async with processing(log, tmp_path):
        for items in ([1, 2], [1, 2, 3], [1, 2, 3, 4]):
            polling.items = items
            await log.append([call("Poll")])
            said = await ended(log, len(items) - 1)
    polled = [e.result["body"]["data"] for e in of(events.StepSucceeded, said) if e.step == "step0"]
    assert polled == [[1, 2], [3], [3, 4]]
    assert len(of(events.ExecutionFailed, said)) == 2
    async with processing(log, tmp_path):
        polling.items = [1, 2, 5]
        await log.append([call("Poll")])
        said = await ended(log, 4)
    [*_, last] = [e for e in of(events.StepSucceeded, said) if e.step == "step0"]
    assert last.result["body"]["data"] == [5]
    await log.close()


async def test_a_poll_without_news_is_a_success_of_its_own_kind_and_runs_no_step(
    tmp_path: Path, adds: Adds
) -> None:
    polling = Polling([])
    adds("poll", trigger("poll", polling.perform, is_polling=True))
    log = await SqliteLog.open(tmp_path / "log.db")
    await deploy(log, definition(flow("Poll", "tests/poll", COUNTS)))
    async with processing(log, tmp_path):
        await log.append([call("Poll")])
        said = await ended(log, 1)
        [completed] = of(events.ExecutionCompleted, said)
        assert completed.result_type == ResultType.POLLED_NO_CHANGES
        assert steps(said) == ["step0"]
        polling.items = [1]
        await log.append([call("Poll")])
        said = await ended(log, 2)
    assert of(events.ExecutionCompleted, said)[1].result_type == ResultType.COMPLETED
    await log.close()


async def test_a_trigger_may_answer_and_fail_at_once(tmp_path: Path, adds: Adds) -> None:
    async def perform(_inputs: Any, context: Context, _world: World) -> Outcome:
        return Outcome(result={}, answer=Answer(status=403, body="no"), failed="not signed")

    adds("hook", trigger("hook", perform, answers=True))
    log = await SqliteLog.open(tmp_path / "log.db")
    await deploy(log, definition(flow("Hook", "tests/hook", COUNTS)))
    async with processing(log, tmp_path):
        await log.append([call("Hook", reply_to="node")])
        said = await ended(log, 1)
    assert [e.error for e in of(events.ExecutionFailed, said)] == ["not signed"]
    [answered] = of(events.TriggerAnswered, await said_on(log, REPLIES))
    assert (answered.status, answered.body, answered.error) == (403, "no", None)
    await log.close()


async def test_a_trigger_that_breaks_names_its_error(tmp_path: Path, adds: Adds) -> None:
    async def perform(_inputs: Any, context: Context, _world: World) -> Outcome:
        raise StepError("nobody home")

    adds("hook", trigger("hook", perform))
    log = await SqliteLog.open(tmp_path / "log.db")
    await deploy(log, definition(flow("Hook", "tests/hook", COUNTS)))
    async with processing(log, tmp_path):
        await log.append([call("Hook", reply_to="node")])
        said = await ended(log, 1)
    assert [e.error for e in of(events.ExecutionFailed, said)] == ["nobody home"]
    assert of(events.TriggerAnswered, await said_on(log, REPLIES)) == []
    await log.close()
