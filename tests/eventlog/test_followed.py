"""What has been said of schedules is read back from a bounded place, also when that is gone."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from eventlog import followed
from eventlog.log import NewRecord
from eventlog.sqlite import SqliteLog
from schemas import codec, events
from schemas.followed import State
from schemas.ids import InstanceId, ScheduleId
from schemas.instants import SECOND, Instant
from schemas.topics import TRIGGERS

DUE = Instant(1_700_000_000 * SECOND)


@pytest.fixture
async def log(tmp_path: Path) -> AsyncIterator[SqliteLog]:
    opened = await SqliteLog.open(tmp_path / "log.db")
    yield opened
    await opened.close()


def tick(number: int) -> events.TickElapsed:
    due_at = Instant(DUE + number * 60 * SECOND)
    return events.TickElapsed(
        schedule_id=ScheduleId("s"),
        instance_id=InstanceId("i"),
        flow="Sync",
        due_at=due_at,
        first_due_at=due_at,
        change=3,
        expression="* * * * *",
        time_zone="",
        engine="croniter",
        engine_version="5.0.1",
    )


def all_said(number: int, change: int = 4) -> events.SchedulesFollowed:
    return events.SchedulesFollowed(through=tick(number).due_at, change=change)


async def said(log: SqliteLog, *told: events.Event | bytes) -> State:
    """Append events, and what a reader knows that has followed all of them."""
    values = [each if isinstance(each, bytes) else codec.encode([each]) for each in told]
    await log.append([NewRecord(TRIGGERS.name, "", value) for value in values])
    state = State()
    for record in await log.read(TRIGGERS, 0, 0):
        if record.value != b"junk":
            state.note(record.offset, codec.decode(record.value).events[0])
    return state


async def test_nothing_is_known_of_a_log_where_nothing_was_said(log: SqliteLog) -> None:
    assert await followed.read_back(log, 0, change=9) == State()


async def test_a_reader_that_begins_at_the_record_to_rest_on_knows_as_much(log: SqliteLog) -> None:
    state = await said(log, tick(1), all_said(1), b"junk", tick(2), all_said(2), tick(3))
    await followed.commit(log, 0, state)
    again = await followed.read_back(log, 0, change=9)
    assert (again.base, again.through, again.change) == (4, tick(2).due_at, 4)
    assert again.said == {"s": tick(3).due_at}
    assert [again.unsaid(tick(n)) for n in (1, 2, 3)] == [None] * 3
    assert again.unsaid(tick(4)) == tick(4)


async def test_it_is_read_back_as_it_stood_at_an_offset(log: SqliteLog) -> None:
    state = await said(log, tick(1), all_said(1), tick(2), tick(3))
    await followed.commit(log, 0, state)
    at_three = await followed.read_back(log, 0, change=9, end=3)
    assert at_three.unsaid(tick(2)) is None
    assert at_three.unsaid(tick(3)) == tick(3)


async def test_where_that_record_is_gone_the_instant_is_still_known(log: SqliteLog) -> None:
    state = await said(log, tick(1), all_said(1))
    await followed.commit(log, 0, state)
    end = (await log.read(TRIGGERS, 0, 0))[-1].at
    await log.compact(Instant(end + (TRIGGERS.retention_s or 0) * SECOND + 1))
    assert (await log.marks(TRIGGERS, 0)).low == 2
    again = await followed.read_back(log, 0, change=9)
    assert again.unsaid(tick(1)) is None
    assert again.unsaid(tick(2)) == tick(2)
