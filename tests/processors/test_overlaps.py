"""Overlaps: a tick while a former run of its schedule is open, by the schedule's policy."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventlog.log import EventLog, NewRecord
from eventlog.sqlite import SqliteLog
from processors import execution, overlaps, suspensions
from processors.execution import State, fold
from processors.overlaps import Runs
from schemas import codec, events, ids
from schemas.events import Overlap, Scheduled, Skip
from schemas.ids import ExecutionId, ScheduleId
from schemas.instants import SECOND, Instant
from schemas.topics import ADMISSIONS, EXECUTIONS, TRIGGERS
from tests.processors.at_work import processing, said_on
from tests.processors.instances import INSTANCE, definition, deploy, ended, flow, of, tell, until

SCHEDULE = ids.schedule_of(INSTANCE, "Sync")
DUE = 1_700_000_000 * SECOND


@pytest.fixture
async def log(tmp_path: Path) -> AsyncIterator[EventLog]:
    opened = await SqliteLog.open(tmp_path / "log.db")
    yield opened
    await opened.close()


async def scheduled(log: EventLog, overlap: Overlap, sleep_ms: int) -> None:
    """An instance whose flow sleeps so long at each tick."""
    sleep = f"sleep/sleep ms: {{type: value, value: '{sleep_ms}'}}"
    deployed = await deploy(log, definition(flow("Sync", "schedule-triggers/schedule", sleep)))
    rule = Scheduled(flow="Sync", expression="*/5 * * * *", overlap=overlap)
    await tell(log, replace(deployed, schedules=[rule]))


def tick(number: int) -> NewRecord:
    due_at = Instant(DUE + number * 300 * SECOND)
    elapsed = events.TickElapsed(
        schedule_id=SCHEDULE,
        instance_id=INSTANCE,
        flow="Sync",
        due_at=due_at,
        first_due_at=due_at,
        change=3,
        expression="*/5 * * * *",
        time_zone="",
        engine="croniter",
        engine_version="5.0.1",
    )
    return NewRecord(TRIGGERS.name, INSTANCE, codec.encode([elapsed]))


def run(number: int) -> ExecutionId:
    return ids.execution_of_tick(SCHEDULE, DUE + number * 300 * SECOND)


async def once(log: EventLog, kind: type, count: int) -> list[events.Event]:
    """The journal once it has so many of these."""
    return await until(log, lambda said: len(of(kind, said)) >= count)


async def folded(log: EventLog) -> State:
    state = State()
    for record in await log.read(EXECUTIONS, 0, 0, max_records=10_000):
        fold(state, record.offset, codec.decode(record.value))
    return state


async def open_runs(log: EventLog) -> list[ExecutionId]:
    """What a worker that takes over now finds open, in the order of their schedules."""
    return [each for runs in (await folded(log)).runs.of.values() for each in runs]


async def test_a_tick_is_skipped_while_a_run_is_open_also_after_a_restart(
    log: EventLog, tmp_path: Path
) -> None:
    await scheduled(log, Overlap.SKIP, 900_000)
    async with processing(log, tmp_path):
        await log.append([tick(1)])
        await once(log, events.ExecutionStarted, 1)
        await log.append([tick(2)])
        await once(log, events.TickSkipped, 1)
    async with processing(log, tmp_path):
        await log.append([tick(3)])
        skipped = of(events.TickSkipped, await once(log, events.TickSkipped, 2))
    assert [each.execution_id for each in skipped] == [run(2), run(3)]
    assert {(each.reason, each.open_execution_id) for each in skipped} == {(Skip.OVERLAP, run(1))}
    assert await open_runs(log) == [run(1)]


async def test_a_tick_cancels_the_run_that_is_open_and_takes_its_place(
    log: EventLog, tmp_path: Path
) -> None:
    await scheduled(log, Overlap.CANCEL, 900_000)
    async with processing(log, tmp_path):
        await log.append([tick(1)])
        await once(log, events.ExecutionStarted, 1)
        await log.append([tick(2)])
        await once(log, events.ExecutionStarted, 2)
    async with processing(log, tmp_path):
        await log.append([tick(3)])
        canceled = of(events.ExecutionCanceled, await once(log, events.ExecutionCanceled, 2))
    assert [(each.execution_id, each.by) for each in canceled] == [
        (run(1), run(2)),
        (run(2), run(3)),
    ]
    assert await open_runs(log) == [run(3)]


async def test_queued_ticks_run_one_after_the_other(log: EventLog, tmp_path: Path) -> None:
    await scheduled(log, Overlap.QUEUE, 50)
    async with processing(log, tmp_path):
        await log.append([tick(1), tick(2)])
        await log.append([tick(3)])
        said = await ended(log, 3)
    told = [
        (event.execution_id, type(event).__name__)
        for event in said
        if isinstance(event, events.StepSucceeded | events.ExecutionCompleted)
    ]
    steps = ["StepSucceeded", "StepSucceeded", "ExecutionCompleted"]
    assert told == [(run(number), step) for number in (1, 2, 3) for step in steps]
    assert await open_runs(log) == []


async def test_a_queued_run_stays_held_after_a_restart(log: EventLog, tmp_path: Path) -> None:
    await scheduled(log, Overlap.QUEUE, 900_000)
    async with processing(log, tmp_path):
        await log.append([tick(1)])
        await log.append([tick(2)])
        await once(log, events.ExecutionStarted, 2)
    async with processing(log, tmp_path):
        await log.append([tick(3)])
        said = await once(log, events.ExecutionStarted, 3)
    assert {event.execution_id for event in of(events.StepSucceeded, said)} <= {run(1)}
    assert await open_runs(log) == [run(1), run(2), run(3)]


@pytest.mark.parametrize(
    ("overlap", "left"),
    [
        (Overlap.ALLOW, [1, 2, 3]),
        (Overlap.SKIP, [1]),
        (Overlap.QUEUE, [1, 2, 3]),
        (Overlap.CANCEL, [3]),
    ],
)
async def test_ticks_of_one_batch_leave_what_a_takeover_finds(
    log: EventLog, tmp_path: Path, overlap: Overlap, left: list[int]
) -> None:
    await scheduled(log, overlap, 900_000)
    await log.append([tick(number) for number in (1, 2, 3)])
    async with processing(log, tmp_path):
        await until(
            log,
            lambda said: (
                len(of(events.ExecutionStarted, said)) + len(of(events.TickSkipped, said)) == 3
            ),
        )
    assert await open_runs(log) == [run(number) for number in left]
    assert set((await folded(log)).open) | set((await folded(log)).suspended) == {
        run(number) for number in left
    }


async def test_another_schedule_is_no_overlap(log: EventLog, tmp_path: Path) -> None:
    await scheduled(log, Overlap.SKIP, 900_000)
    other = codec.decode(tick(2).value).events[0]
    assert isinstance(other, events.TickElapsed)
    apart = replace(other, schedule_id=ScheduleId("other"))
    async with processing(log, tmp_path):
        await log.append([tick(1)])
        await log.append([NewRecord(TRIGGERS.name, INSTANCE, codec.encode([apart]))])
        said = await once(log, events.ExecutionStarted, 2)
    assert of(events.TickSkipped, said) == []


@given(st.lists(st.integers(0, 5), max_size=30))
def test_of_queued_runs_all_but_the_first_are_held_and_each_is_released_once(
    doings: list[int],
) -> None:
    runs, queue, number = Runs(), list[ExecutionId](), 0
    for doing in doings:
        if doing < 3:
            number += 1
            queue.append(ExecutionId(str(number)))
            runs.enter(SCHEDULE, queue[-1], Overlap.QUEUE)
        elif queue:
            at = 0 if doing < 5 else len(queue) - 1
            runs.leave(queue.pop(at))
            expected = queue[:1] if at == 0 else []
            assert runs.take_released() == expected
        assert [each for each in queue if not runs.is_held(each)] == queue[:1]


def test_a_run_whose_start_is_read_no_more_stands_before_those_that_wait_for_it() -> None:
    runs = Runs()
    runs.enter(SCHEDULE, ExecutionId("2"), Overlap.QUEUE)
    runs.return_to(SCHEDULE, ExecutionId("1"))
    assert runs.is_held(ExecutionId("2"))
    runs.leave(ExecutionId("1"))
    assert runs.take_released() == ["2"]


async def test_a_run_of_which_only_its_carried_record_is_read_is_in_the_way(
    log: EventLog, tmp_path: Path
) -> None:
    await scheduled(log, Overlap.SKIP, 0)
    async with processing(log, tmp_path):
        await log.append([tick(1)])
        await ended(log, 1)
    [admitted] = of(events.ExecutionAdmitted, await said_on(log, ADMISSIONS))
    state = State()
    fold(state, 90, codec.Envelope(tuple(suspensions.carried(admitted, None, []))))
    later = replace(admitted, execution_id=run(2))
    [skipped] = overlaps.decide(state.runs, later, execution.started(later, 0, 7))
    assert isinstance(skipped, events.TickSkipped)
    assert skipped.open_execution_id == run(1)


async def test_the_journal_alone_says_all_of_it(log: EventLog, tmp_path: Path) -> None:
    await scheduled(log, Overlap.SKIP, 900_000)
    async with processing(log, tmp_path):
        await log.append([tick(1)])
        await log.append([tick(2)])
        await once(log, events.TickSkipped, 1)
    state = await folded(log)
    assert state.started_through[0] == 1
    assert len(await said_on(log, EXECUTIONS)) > 0
