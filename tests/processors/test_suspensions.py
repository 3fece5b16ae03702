"""Suspensions: executions that wait hold no memory, survive, and are woken by time or a signal."""

import asyncio
import tracemalloc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from eventlog.log import EventLog, NewRecord
from eventlog.sqlite import SqliteLog
from processors import execution, python_processes, suspensions
from schemas import codec, events, ids
from schemas.ids import ExecutionId
from schemas.instants import SECOND, Instant
from schemas.topics import EXECUTIONS, TRIGGERS, partition_of
from tests.processors import instances, python_instances
from tests.processors.at_work import processing, said_on

APPROVAL = """
from penstock.sdk import Integration, flow, webhook

def note(text):
    return text

@flow(trigger=webhook(), name="Approve")
async def approve(context, trigger):
    first = await context.step("note", note, trigger.body.data["text"])
    who = await context.wait_for("approved", timeout=86_400)
    return await context.step("thank", note, f"{first}, {who['by']}")

integration = Integration(name="Test", flows=[approve])
"""
PAUSE = instances.definition(
    instances.flow(
        "Pause",
        "webhook-triggers/webhook",
        'sleep/sleep ms: {type: value, value: "600000"}',
        "log/writeLog message: {type: value, value: awake}",
    )
)


@asynccontextmanager
async def log_in(folder: Path) -> AsyncIterator[SqliteLog]:
    log = await SqliteLog.open(folder / "log.db")
    try:
        yield log
    finally:
        await log.close()


async def suspended(log: EventLog, count: int = 1) -> list[events.ExecutionCarried]:
    """The records of suspensions, once there are so many."""
    said = await instances.until(
        log, lambda said: len(instances.of(events.ExecutionCarried, said)) >= count
    )
    return instances.of(events.ExecutionCarried, said)


def signal(
    execution_id: ExecutionId, data: Any, key: str = "", name: str = "approved"
) -> NewRecord:
    received = events.SignalReceived(
        instance_id=instances.INSTANCE,
        execution_id=execution_id,
        name=name,
        data=data,
        idempotency_key=key,
    )
    return NewRecord(TRIGGERS.name, instances.INSTANCE, codec.encode([received]))


def results(said: list[events.Event]) -> dict[str, Any]:
    return {e.step: e.result for e in instances.of(events.StepSucceeded, said) if e.sequence}


async def test_a_signal_wakes_an_execution_that_waits_for_it(tmp_path: Path) -> None:
    async with log_in(tmp_path) as log:
        await python_instances.deploy(log, APPROVAL)
        async with processing(log, tmp_path):
            await log.append([instances.call("Approve", '{"text": "hello"}')])
            [carried] = await suspended(log)
            await log.append([signal(carried.execution_id, {"by": "ann"})])
            said = await instances.ended(log, 1)
        assert results(said)["thank"] == "hello, ann"


async def test_a_restart_changes_nothing_for_an_execution_that_waits(tmp_path: Path) -> None:
    async with log_in(tmp_path) as log:
        await python_instances.deploy(log, APPROVAL)
        async with processing(log, tmp_path):
            await log.append([instances.call("Approve", '{"text": "hello"}')])
            [carried] = await suspended(log)
        async with processing(log, tmp_path):
            assert len(await suspended(log)) == 1
            await log.append([signal(carried.execution_id, {"by": "ann"})])
            said = await instances.ended(log, 1)
        scheduled = [e.step for e in instances.of(events.StepScheduled, said)]
        assert sorted(set(scheduled)) == ["note", "thank"]
        assert results(said)["thank"] == "hello, ann"


async def test_signals_that_came_while_no_worker_ran_count_once_each(tmp_path: Path) -> None:
    async with log_in(tmp_path) as log:
        await python_instances.deploy(log, APPROVAL)
        async with processing(log, tmp_path):
            await log.append([instances.call("Approve", '{"text": "hello"}')])
            [carried] = await suspended(log)
        execution_id = carried.execution_id
        for record in (
            signal(execution_id, {"by": "nobody"}, name="other"),
            signal(execution_id, {"by": "ann"}, key="k"),
            signal(execution_id, {"by": "bob"}, key="k"),
            signal(ExecutionId(ids.derived("no such")), {"by": "eve"}),
        ):
            await log.append([record])
        async with processing(log, tmp_path):
            said = await instances.ended(log, 1)
        assert results(said)["thank"] == "hello, ann"
        assert len(instances.of(events.ExecutionCompleted, said)) == 1


async def test_a_signal_to_an_execution_that_has_ended_changes_nothing(tmp_path: Path) -> None:
    async with log_in(tmp_path) as log:
        await python_instances.deploy(log, APPROVAL)
        async with processing(log, tmp_path):
            await log.append([instances.call("Approve", '{"text": "hello"}')])
            [carried] = await suspended(log)
            await log.append([signal(carried.execution_id, {"by": "ann"})])
            said = await instances.ended(log, 1)
            await log.append([signal(carried.execution_id, {"by": "bob"})])
            await log.append([instances.call("Approve", '{"text": "again"}')])
            await suspended(log, 2)
        after = (await said_on(log, EXECUTIONS))[len(said) :]
        assert not instances.of(events.SignalReceived, after)


async def test_an_execution_that_is_due_when_a_worker_starts_is_woken(tmp_path: Path) -> None:
    async with log_in(tmp_path) as log:
        await instances.deploy(log, PAUSE)
        async with processing(log, tmp_path):
            await log.append([instances.call("Pause")])
            [carried] = await suspended(log)
        assert carried.wake_at is not None
        await make_due(log, carried.execution_id)
        async with processing(log, tmp_path):
            said = await instances.ended(log, 1)
        assert [e.message for e in instances.of(events.LogWritten, said)] == ["awake"]
        assert len(instances.of(events.ExecutionResumed, said)) == 1


async def make_due(log: EventLog, execution_id: ExecutionId) -> None:
    """Say the execution's record again as it would stand, had it been due long ago."""
    for partition in range(log.partitions(EXECUTIONS)):
        for record in await log.read(EXECUTIONS, partition, 0):
            envelope = codec.decode(record.value)
            if isinstance(envelope.events[0], events.ExecutionCarried):
                past = [_in_the_past(event) for event in envelope.events]
                value = codec.encode(past, envelope.claim)
                await log.append([NewRecord(EXECUTIONS.name, record.key, value, partition)])


def _in_the_past(event: events.Event) -> events.Event:
    match event:
        case events.ExecutionCarried():
            return events.ExecutionCarried(execution_id=event.execution_id, wake_at=Instant(1))
        case events.ExecutionSuspended():
            return events.ExecutionSuspended(
                execution_id=event.execution_id, step=event.step, until=Instant(1)
            )
    return event


async def test_the_alarm_gives_what_is_due_in_the_order_of_its_instants() -> None:
    now = Instant(10 * SECOND)
    alarm = suspensions.Alarm(lambda: now)
    for second in (7, 3, 9, 12):
        alarm.set(Instant(second * SECOND), ExecutionId(str(second)))
    alarm.set(None, ExecutionId("never"))
    assert [await alarm.next_due() for _ in range(3)] == ["3", "7", "9"]
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(alarm.next_due(), 0.01)
    now = Instant(12 * SECOND)
    assert await alarm.next_due() == "12"


async def test_an_earlier_instant_wakes_who_waits_for_a_later_one() -> None:
    now = Instant(10 * SECOND)
    alarm = suspensions.Alarm(lambda: now)
    alarm.set(Instant(1_000 * SECOND), ExecutionId("later"))
    waiting = asyncio.ensure_future(alarm.next_due())
    await asyncio.sleep(0)
    alarm.set(Instant(9 * SECOND), ExecutionId("now"))
    assert await waiting == "now"


class Journal:
    """A partition of the journal of which only the suspended executions matter."""

    def __init__(self, state: execution.State) -> None:
        self.partition, self.claim, self.state = 0, 0, state
        self.noted: list[int] = []

    def note(self, offset: int, records: int) -> None:
        self.noted.append(offset)


async def test_old_waits_are_carried_to_the_end_of_the_journal(tmp_path: Path) -> None:
    async with log_in(tmp_path) as log:
        await python_instances.deploy(log, APPROVAL)
        async with processing(log, tmp_path):
            for text in "abc":
                await log.append([instances.call("Approve", f'{{"text": "{text}"}}')])
            await suspended(log, 3)
        partition = partition_of(instances.INSTANCE, log.partitions(EXECUTIONS))
        state = execution.State()
        for record in await log.read(EXECUTIONS, partition, 0):
            execution.fold(state, record.offset, codec.decode(record.value))
        high = (await log.marks(EXECUTIONS, partition)).high
        assert execution.low_water(state) < high
        journal = Journal(state)
        journal.partition, journal.claim = partition, state.claim
        await suspensions.carry_forward(log, journal, high)
        assert {known.offset for known in state.suspended.values()} == {high, high + 1, high + 2}
        again = execution.State()
        for record in await log.read(EXECUTIONS, partition, high):
            execution.fold(again, record.offset, codec.decode(record.value))
        assert again.suspended == state.suspended
        told = await suspensions.read(log, partition, high)
        assert told.admitted.flow == "Approve"


def test_a_hundred_thousand_waiting_executions_take_less_than_100_mb() -> None:
    tracemalloc.start()
    state, alarm = execution.State(), suspensions.Alarm()
    for number in range(100_000):
        execution_id = ExecutionId(ids.derived("waiting", number))
        wake_at = Instant(1_000_000_000 * SECOND + number)
        carried = events.ExecutionCarried(execution_id=execution_id, wake_at=wake_at)
        execution.evolve(state, 1_000_000 + number, carried)
        alarm.set(wake_at, execution_id)
    size, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(state.suspended) == 100_000
    assert size < 100_000_000


CROWD = """
from penstock.sdk import Integration, flow, webhook

@flow(trigger=webhook(), name="Nap")
async def nap(context, trigger):
    await context.sleep(trigger.body.data["seconds"])
    return await context.step("wake", str, "awake")

integration = Integration(name="Test", flows=[nap])
"""


async def test_who_only_waits_for_a_while_leaves_its_process_to_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(python_processes, "MAX_JOBS", 1)
    async with log_in(tmp_path) as log:
        await python_instances.deploy(log, CROWD)
        async with processing(log, tmp_path, code_timeout_s=60):
            await log.append([instances.call("Nap", '{"seconds": 50}')])
            await log.append([instances.call("Nap", '{"seconds": 0}')])
            said = await instances.ended(log, 1)
            [carried] = await suspended(log)
    [ended] = instances.of(events.ExecutionCompleted, said)
    assert carried.execution_id != ended.execution_id
    assert carried.wake_at is not None


async def test_who_left_its_process_comes_back_when_its_time_is_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(python_processes, "MAX_JOBS", 1)
    async with log_in(tmp_path) as log:
        await python_instances.deploy(log, CROWD)
        async with processing(log, tmp_path, code_timeout_s=60):
            calls = [instances.call("Nap", '{"seconds": 1.2}') for _ in range(3)]
            await log.append(calls)
            said = await instances.ended(log, 3)
    assert len(instances.of(events.ExecutionCompleted, said)) == 3
    assert instances.of(events.ExecutionResumed, said)
