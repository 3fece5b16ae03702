"""Reading the embedded log beside its owner: the owner's records, woken by its news."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from eventlog.log import LogUnavailable, Marks, NewRecord, OffsetOutOfRange
from eventlog.sqlite import SqliteLog
from eventlog.sqlite_follower import Follower
from schemas.errors import Bug
from schemas.instants import SECOND, Instant
from schemas.topics import EXECUTIONS, TRIGGERS, Topic

STRANGE = Topic(name="strange", keyed_by="nothing", partitions=1, retention_s=None)


@pytest.fixture
async def log(tmp_path: Path) -> AsyncIterator[SqliteLog]:
    opened = await SqliteLog.open(tmp_path / "log.db")
    yield opened
    await opened.close()


@pytest.fixture
async def follower(log: SqliteLog) -> AsyncIterator[Follower]:
    """One that is told all news of `log`."""
    follower = Follower(log.path)
    await follower.open()
    end_watch = log.watch(follower.take)
    yield follower
    end_watch()
    await follower.close()


def triggers(*values: bytes) -> list[NewRecord]:
    return [NewRecord("triggers", "endpoint", value) for value in values]


async def test_it_has_the_partitions_and_marks_of_its_owner(log: SqliteLog) -> None:
    await log.append(triggers(b"before", b"before too"))
    follower = Follower(log.path)
    await follower.open()
    for topic in (TRIGGERS, EXECUTIONS):
        assert follower.partitions(topic) == log.partitions(topic)
        assert await follower.marks(topic, 0) == await log.marks(topic, 0)
    assert [record.value for record in await follower.read(TRIGGERS, 0, 0)] == [
        b"before",
        b"before too",
    ]
    await follower.close()


async def test_it_reads_what_its_owner_reads(log: SqliteLog, follower: Follower) -> None:
    for turn in range(5):
        await log.append(triggers(b"%d" % turn, b"more"))
        for offset in (0, 2 * turn, 2 * turn + 2):
            for most in (1, 1_000):
                expected = await log.read(TRIGGERS, 0, offset, max_records=most)
                assert await follower.read(TRIGGERS, 0, offset, max_records=most) == expected


async def test_who_waits_at_the_end_is_woken_by_the_news(
    log: SqliteLog, follower: Follower
) -> None:
    waiting = asyncio.create_task(follower.read(TRIGGERS, 0, 0, wait_s=60))
    await asyncio.sleep(0)
    await log.append(triggers(b"news"))
    assert [record.value for record in await waiting] == [b"news"]


async def test_without_news_it_gives_up_when_it_was_to(follower: Follower) -> None:
    assert await follower.read(TRIGGERS, 0, 0, wait_s=0.01) == []


async def test_marks_only_rise(follower: Follower) -> None:
    follower.take("triggers", 0, Marks(2, 7))
    follower.take("triggers", 0, Marks(1, 5))
    assert await follower.marks(TRIGGERS, 0) == Marks(2, 7)


async def test_below_the_low_mark_and_beyond_the_end_are_told(
    log: SqliteLog, follower: Follower
) -> None:
    [*_, last] = await log.append(triggers(b"old", b"older"))
    await log.append(triggers(b"young"))
    with pytest.raises(LogUnavailable, match="ends at offset 3, before 4"):
        await follower.read(TRIGGERS, 0, 4)
    retention = (TRIGGERS.retention_s or 0) * SECOND
    assert await log.compact(Instant(last.at + retention + 60 * SECOND)) == 3
    with pytest.raises(OffsetOutOfRange):
        await follower.read(TRIGGERS, 0, 0)


async def test_a_partition_that_is_not_there_is_a_bug(follower: Follower) -> None:
    with pytest.raises(Bug, match="no partition strange/0"):
        await follower.read(STRANGE, 0, 0)
