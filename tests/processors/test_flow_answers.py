"""Steps that wait for the answer of a flow that they call: whole, durable, and not for ever."""

from pathlib import Path
from typing import Any

import orjson
import pytest

from eventlog.log import NewRecord
from eventlog.sqlite import SqliteLog
from processors import execution_driving, flow_answers
from schemas import codec, events, ids
from schemas.events import Reason
from schemas.instants import Instant
from schemas.topics import ADMISSIONS, EXECUTIONS
from tests.processors import facts
from tests.processors.at_work import processing
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
)
from tests.processors.test_cross_flow import results

ASK = (
    "cross-flow/invokeFlow flowName: {type: value, value: Second},"
    " data: {type: reference, value: step0.results.body.data}"
)
AFTER = (
    "collection-tools/createObject keyValueInput: {type: complex, value:"
    " [{name: told, type: reference, value: step1.results.sku}]}"
)
FIRST = flow("First", "webhook-triggers/webhook", ASK, AFTER)
SYNCHRONOUS = "isSynchronous: true"
SECOND = flow(
    "Second",
    "cross-flow/crossFlow",
    "collection-tools/createObject keyValueInput: {type: complex, value:"
    " [{name: sku, type: reference, value: step0.results.body.data.sku}]}",
    extra=SYNCHRONOUS,
)
FAILING = flow("Second", "cross-flow/crossFlow", "loop/loopOverItems", extra=SYNCHRONOUS)


async def ran(folder: Path, text: str, *, executions: int, sku: str = "A") -> list[events.Event]:
    """What the journal says of a call of First, once so many executions have ended."""
    log = await SqliteLog.open(folder / "log.db")
    await deploy(log, text)
    async with processing(log, folder):
        await log.append([call("First", f'{{"sku": "{sku}"}}')])
        said = await ended(log, executions)
    await log.close()
    return said


@pytest.mark.parametrize("held_s", [0.0, 2.0], ids=["left to the log", "held"])
async def test_the_answer_of_a_synchronous_flow_is_the_result_of_the_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, held_s: float
) -> None:
    monkeypatch.setattr(execution_driving, "HELD_S", held_s)
    said = await ran(tmp_path, definition(FIRST, SECOND), executions=2)
    assert results(said, "step2") == [{"told": "A"}]
    assert len(of(events.ExecutionStarted, said)) == 2
    [answer] = of(events.FlowAnswered, said)
    [invoked] = {e.execution_id for e in of(events.FlowInvoked, said)}
    assert answer.invoked == invoked


@pytest.mark.parametrize("held_s", [0.0, 2.0], ids=["left to the log", "held"])
async def test_a_long_answer_comes_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, held_s: float
) -> None:
    monkeypatch.setattr(execution_driving, "HELD_S", held_s)
    counts = (
        "text-manipulation/stringLength text: {type: reference, value: step1.results.sku}",
        'sleep/sleep ms: {type: value, value: "1"}',
        "text-manipulation/stringLength text: {type: reference, value: step1.results.sku}",
    )
    first = flow("First", "webhook-triggers/webhook", ASK, *counts)
    said = await ran(tmp_path, definition(first, SECOND), executions=2, sku="A" * 400_000)
    assert [*results(said, "step2"), *results(said, "step4")] == [400_000, 400_000]


async def test_an_invoked_flow_sees_who_invoked_it(tmp_path: Path) -> None:
    said = await ran(tmp_path, definition(FIRST, SECOND), executions=2)
    sent = dict(of(events.FlowInvoked, said)[0].request.headers)
    frame: dict[str, Any] = orjson.loads(sent["prismatic-invoked-by"])
    caller = of(events.ExecutionStarted, said)[0].execution_id
    assert sent["prismatic-invoke-type"] == "Cross Flow"
    assert (
        frame["executionId"]
        == sent["prismatic-executionid"]
        == ids.to_global(ids.EXECUTION, caller)
    )
    assert (frame["stepName"], frame["loopPath"], frame["componentActionKey"]) == (
        "Step 1",
        "",
        "invokeFlow",
    )


async def test_a_flow_that_fails_fails_the_step_that_called_it(tmp_path: Path) -> None:
    said = await ran(tmp_path, definition(FIRST, FAILING), executions=2)
    second, first = of(events.ExecutionFailed, said)
    assert first.step == "step1"
    assert first.error == f"flow 'Second' failed: {second.error}"


async def test_each_attempt_at_the_step_calls_the_flow_anew(tmp_path: Path) -> None:
    retried = FIRST.replace(
        "key: invokeFlow, component: {key: cross-flow}}\n",
        "key: invokeFlow, component: {key: cross-flow}}\n"
        "        errorConfig: {errorHandlerType: retry, maxAttempts: 1, delaySeconds: 0}\n",
    )
    said = await ran(tmp_path, definition(retried, FAILING), executions=3)
    assert len({e.execution_id for e in of(events.FlowInvoked, said)}) == 2
    assert [e.attempt for e in of(events.StepFailed, said) if "'Second'" in e.error] == [2]


async def test_flows_that_call_one_another_in_a_circle_come_to_an_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(flow_answers, "MOST_WAITING", 3)
    circle = flow("Second", "cross-flow/crossFlow", ASK, extra=SYNCHRONOUS)
    said = await ran(tmp_path, definition(FIRST, circle), executions=4)
    failures = of(events.ExecutionFailed, said)
    assert len(failures) == 4
    assert "3 flows wait for one another already" in failures[0].error


async def test_after_a_crash_at_any_point_it_comes_to_the_same_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(execution_driving, "HELD_S", 0.0)
    text = definition(FIRST, SECOND)
    whole = await SqliteLog.open(tmp_path / "whole.db")
    await deploy(whole, text)
    async with processing(whole, tmp_path):
        await whole.append([call("First", '{"sku": "A"}')])
        await ended(whole, 2)
    journal = await whole.read(EXECUTIONS, 0, 0, max_records=1_000)
    runs = await admitted(whole)
    first = next(run for run in runs.values() if run.flow == "First")
    await whole.close()
    for count in range(1, len(journal)):
        log = await SqliteLog.open(tmp_path / f"crashed{count}.db")
        await deploy(log, text)
        await log.append(
            [
                call("First", '{"sku": "A"}'),
                NewRecord(ADMISSIONS.name, INSTANCE, codec.encode([first])),
                *(
                    NewRecord(EXECUTIONS.name, record.key, record.value)
                    for record in journal[:count]
                ),
            ]
        )
        async with processing(log, tmp_path):
            said = await ended(log, 2)
        assert {repr(told) for told in results(said, "step2")} == {"{'told': 'A'}"}, count
        assert not of(events.ExecutionFailed, said)
        await log.close()


async def test_a_call_of_a_paused_instance_fails_the_step_that_waits(tmp_path: Path) -> None:
    """Its worker ended before the call had been admitted, and then the instance was paused."""
    whole = await SqliteLog.open(tmp_path / "log.db")
    text = definition(FIRST, SECOND)
    await deploy(whole, text)
    async with processing(whole, tmp_path):
        await whole.append([call("First", '{"sku": "A"}')])
        await ended(whole, 2)
    first = next(run for run in (await admitted(whole)).values() if run.flow == "First")
    journal = await whole.read(EXECUTIONS, 0, 0, max_records=1_000)
    asked = next(i for i, record in enumerate(journal) if b"flow.invoked" in record.value)
    await whole.close()
    log = await SqliteLog.open(tmp_path / "paused.db")
    await deploy(log, text)
    await tell(log, events.InstancePaused(instance_id=INSTANCE))
    started = [NewRecord(EXECUTIONS.name, one.key, one.value) for one in journal[: asked + 1]]
    admission = NewRecord(ADMISSIONS.name, INSTANCE, codec.encode([first]))
    await log.append([call("First", '{"sku": "A"}'), admission, *started])
    async with processing(log, tmp_path):
        said = await ended(log, 1)
    [failed] = of(events.ExecutionFailed, said)
    assert failed.error == "flow 'Second' failed: it was refused: instance_paused"
    await log.close()


async def test_what_is_too_late_fails_the_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(flow_answers, "ANSWER_S", 0.01)
    slow = flow(
        "Second",
        "cross-flow/crossFlow",
        'sleep/sleep ms: {type: value, value: "600000"}',
        extra=SYNCHRONOUS,
    )
    said = await ran(tmp_path, definition(FIRST, slow), executions=1)
    [failed] = of(events.ExecutionFailed, said)
    assert failed.error == "flow 'Second' has not answered within 0.01 s"


async def test_an_asynchronous_flow_is_not_waited_for(tmp_path: Path) -> None:
    alone = SECOND.replace(SYNCHRONOUS, "isSynchronous: false")
    said = await ran(tmp_path, definition(FIRST, alone), executions=2)
    assert not of(events.FlowAnswered, said)
    assert results(said, "step2") == [{"told": None}]


def test_a_refused_call_is_answered_with_its_reason() -> None:
    parent, child = ids.ExecutionId("parent"), ids.ExecutionId("child")
    invoked = events.FlowInvoked(
        execution_id=child,
        instance_id=INSTANCE,
        flow="Second",
        request=facts.NOTHING_SENT,
        invoked_by=parent,
        step="step1",
        waits=True,
    )
    refusal = events.TriggerRefused(
        execution_id=child,
        trigger_partition=0,
        trigger_offset=0,
        received_at=Instant(1),
        endpoint_id=ids.EndpointId(""),
        instance_id=INSTANCE,
        flow="Second",
        reason=Reason.INSTANCE_PAUSED,
    )
    answer = flow_answers.refused(invoked, refusal)
    assert answer is not None
    assert (answer.execution_id, answer.error) == (parent, "it was refused: instance_paused")


@pytest.mark.parametrize(("status", "error"), [(200, ""), (415, "flow 'Second' answered 415")])
def test_a_status_that_says_so_is_an_error(status: int, error: str) -> None:
    response = events.Response(status=status, result={"a": 1})
    answer = events.FlowAnswered(
        execution_id=ids.ExecutionId("parent"),
        invoked=ids.ExecutionId("child"),
        response=response,
    )
    performed = flow_answers.performed(answer, "Second", Instant(1), Instant(1))
    assert performed.error == error
    assert (performed.outcome is None) == bool(error)
