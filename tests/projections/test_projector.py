"""The projector: from the log to the views, through rebuilds, rivals, gaps and outages."""

import asyncio
import logging
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest
from sqlalchemy import func, select

from eventlog.log import NewRecord
from eventlog.sqlite import SqliteLog
from projections import queries, tables
from projections.projector import Projector, rebuild, rebuild_here
from projections.store import Partition, Views
from schemas import codec, events
from schemas.instants import SECOND, Instant
from schemas.topics import ADMISSIONS, EXECUTIONS, partition_of
from tests.projections import story

DEADLINE_S = 90.0


@pytest.fixture
async def log(tmp_path: Path) -> AsyncIterator[SqliteLog]:
    opened = await SqliteLog.open(tmp_path / "log.db", partitions=2)
    yield opened
    await opened.close()


async def say(log: SqliteLog, topic: str, *said: events.Event) -> None:
    await log.append([NewRecord(topic, story.INSTANCE, codec.encode([event])) for event in said])


async def run_through(log: SqliteLog, *numbers: int) -> None:
    """Executions from admission to end."""
    for number in numbers:
        await say(log, "admissions", story.admitted(number))
        await say(log, "executions", story.started(number), story.completed(number))


def statuses(views: Views) -> list[str]:
    """Of all executions, the newest first."""
    return [row["status"] for row in queries.list_executions(views, queries.Filter())["executions"]]


@asynccontextmanager
async def following(log: SqliteLog, views: Views) -> AsyncIterator[Projector]:
    projector = Projector(log, views)
    task = asyncio.create_task(projector.run())
    try:
        yield projector
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while not await asyncio.to_thread(condition):  # noqa: ASYNC110  # a database wakes nobody
            await asyncio.sleep(0.01)


async def test_catching_up_reads_everything_there_is(log: SqliteLog, views: Views) -> None:
    await say(log, "definitions", *story.deployments())
    await run_through(log, 0, 1, 2)
    projector = Projector(log, views)
    await projector.catch_up()
    assert statuses(views) == ["succeeded"] * 3
    assert projector.projected == 12


async def test_catching_up_goes_on_from_what_is_stored(log: SqliteLog, views: Views) -> None:
    await run_through(log, 0)
    await Projector(log, views).catch_up()
    await run_through(log, 1)
    second = Projector(log, views)
    await second.catch_up()
    assert (second.projected, statuses(views)) == (3, ["succeeded"] * 2)


async def test_a_following_projector_sees_what_is_appended(log: SqliteLog, views: Views) -> None:
    async with following(log, views):
        await run_through(log, 0)
        await until(lambda: statuses(views) == ["succeeded"])
        await run_through(log, 1)
        await until(lambda: statuses(views) == ["succeeded"] * 2)


async def test_rebuilding_gives_equal_tables(log: SqliteLog, views: Views) -> None:
    await say(log, "definitions", *story.deployments())
    await run_through(log, *range(5))
    await Projector(log, views).catch_up()
    before = story.contents(views)
    told: list[tuple[int, int]] = []
    await rebuild_here(log, views, lambda done, of: told.append((done, of)))
    assert story.contents(views) == before
    assert told[-1] == (18, 18)


async def test_an_idle_projector_notices_a_rebuild(log: SqliteLog, views: Views) -> None:
    await run_through(log, 0)
    async with following(log, views):
        await until(lambda: statuses(views) == ["succeeded"])
        before = story.contents(views)
        await asyncio.to_thread(rebuild, views)
        await until(lambda: story.contents(views) == before)


async def test_two_projectors_do_no_harm(log: SqliteLog, views: Views, views_url: str) -> None:
    other = Views.open(views_url)
    try:
        async with following(log, views), following(log, other):
            await run_through(log, *range(20))
            await until(lambda: statuses(views) == ["succeeded"] * 20)
    finally:
        other.close()
    after = story.contents(views)
    await rebuild_here(log, views)
    assert story.contents(views) == after


async def test_a_poisoned_record_is_logged_and_left_out(
    log: SqliteLog, views: Views, caplog: pytest.LogCaptureFixture
) -> None:
    await run_through(log, 0)
    await log.append([NewRecord("admissions", story.INSTANCE, b"\xff")])
    await run_through(log, 1)
    projector = Projector(log, views)
    with caplog.at_level(logging.ERROR):
        await projector.catch_up()
    assert statuses(views) == ["succeeded"] * 2
    assert projector.skipped == 1
    assert "left out of the views: admissions/" in caplog.text


async def test_where_retention_has_overtaken_the_views_they_go_on(
    log: SqliteLog, views: Views
) -> None:
    await run_through(log, 0)
    (appended,) = await log.append([NewRecord("triggers", "k", b"")])
    long_after = ADMISSIONS.retention_s or 0
    await log.compact(Instant(appended.at + (long_after + 1) * SECOND))
    assert (await log.marks(EXECUTIONS, partition_of_instance(log))).low > 0
    await run_through(log, 1)
    await Projector(log, views).catch_up()
    assert statuses(views) == ["succeeded"]


def partition_of_instance(log: SqliteLog) -> int:
    return partition_of(story.INSTANCE, log.partitions(EXECUTIONS))


async def test_an_outage_of_the_database_is_told_once_and_survived(
    log: SqliteLog, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    views = Views.open(f"sqlite:///{tmp_path}/views.db")
    database = sqlite3.connect(tmp_path / "views.db")
    database.execute("ALTER TABLE executions RENAME TO away")
    await run_through(log, 0)
    with caplog.at_level(logging.WARNING):
        async with following(log, views) as projector:
            await until(lambda: projector.failures > 1)
            database.execute("ALTER TABLE away RENAME TO executions")
            await until(lambda: statuses(views) == ["succeeded"])
    database.close()
    views.close()
    assert caplog.text.count("the views stand still") == 1


async def test_the_lag_is_what_has_not_been_read(log: SqliteLog, views: Views) -> None:
    await run_through(log, 0)
    partition = partition_of_instance(log)
    behind = await queries.positions(views, log)
    await Projector(log, views).catch_up()
    caught_up = await queries.positions(views, log)
    assert {
        (at["topic"], at["lag"]) for at in behind["projections"] if at["partition"] == partition
    } >= {("admissions", 1), ("executions", 2)}
    assert [at["lag"] for at in caught_up["projections"]] == [0] * 6
    assert views.positions()[Partition("executions", partition)].offset == 2


async def test_an_execution_is_never_shown_without_its_admission(
    log: SqliteLog, views: Views
) -> None:
    """Also where what led to it fills more reads than what it did."""
    appending = [
        log.append([NewRecord(topic, story.INSTANCE, codec.encode([event]), 0)])
        for number in range(1_000)
        for topic, event in (
            ("admissions", story.admitted(number)),
            ("admissions", story.refused(number)),
            ("admissions", story.refused(number)),
            ("executions", story.completed(number)),
        )
    ]
    await asyncio.gather(*appending)
    bare = select(func.count()).where(tables.EXECUTIONS.c.received_at.is_(None))
    seen: list[int] = []
    await Projector(log, views).catch_up(lambda *_: seen.append(views.rows(bare)[0][0]))
    assert len(seen) > 1
    assert set(seen) == {0}
    assert set(statuses(views)) == {"succeeded"}
