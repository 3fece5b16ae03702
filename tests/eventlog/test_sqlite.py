"""What the embedded log promises beyond the contract: durability, one process, retention."""

import asyncio
import contextlib
import os
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from eventlog import sqlite
from eventlog.log import LogUnavailable, Marks, NewRecord, OffsetOutOfRange, Record
from eventlog.sqlite import SqliteLog
from eventlog.sqlite_stream import TAIL_RECORDS
from schemas.errors import Bug, Unusable
from schemas.instants import SECOND, Instant
from schemas.topics import DEFINITIONS, EXECUTIONS, REPLIES, TRIGGERS, Topic

FOREIGN = b"this is no database" * 100
RETENTION = (TRIGGERS.retention_s or 0) * SECOND


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "log.db"


@pytest.fixture
def foreign(path: Path) -> Path:
    """A file that is there already and is no database."""
    path.write_bytes(FOREIGN)
    return path


def content_of(path: Path) -> bytes:
    return path.read_bytes()


def damage(path: Path) -> None:
    """Overwrite the list of tables in the first page."""
    content = bytearray(path.read_bytes())
    content[200:4096] = b"\xff" * (4096 - 200)
    path.write_bytes(content)


@pytest.fixture
async def log(path: Path) -> AsyncIterator[SqliteLog]:
    opened = await SqliteLog.open(path)
    yield opened
    await opened.close()


def triggers(count: int, size: int = 1) -> list[NewRecord]:
    return [NewRecord("triggers", "endpoint", bytes(size)) for _ in range(count)]


def definition(key: str, version: int) -> NewRecord:
    return NewRecord("definitions", key, b"%s v%d" % (key.encode(), version))


async def read_all(log: SqliteLog, topic: Topic, offset: int = 0) -> list[Record]:
    found: list[Record] = []
    while more := await log.read(topic, 0, offset):
        found += more
        offset = more[-1].offset + 1
    return found


async def test_records_positions_and_counters_outlive_a_restart(path: Path) -> None:
    log = await SqliteLog.open(path)
    [first] = await log.append([NewRecord("triggers", "endpoint", b"first")])
    await log.commit("projections.a", TRIGGERS, 0, 0)
    await log.commit("projections.a", TRIGGERS, 0, 1)
    await log.close()

    log = await SqliteLog.open(path)
    [second] = await log.append([NewRecord("triggers", "endpoint", b"second")])
    records = await read_all(log, TRIGGERS)
    position = await log.committed("projections.a", TRIGGERS, 0)
    await log.close()

    assert [(record.offset, record.at) for record in records] == [
        (0, first.at),
        (1, second.at),
    ]
    assert [record.value for record in records] == [b"first", b"second"]
    assert position == 1


async def test_instants_do_not_fall_when_the_clock_was_set_back_between_runs(path: Path) -> None:
    log = await SqliteLog.open(path)
    [before] = await log.append(triggers(1))
    await log.close()
    ahead = before.at + 3_600 * SECOND
    database = sqlite3.connect(path)
    [(table,)] = database.execute("SELECT 'records_' || number FROM streams WHERE topic='triggers'")
    database.execute(f"UPDATE {table} SET at = ?", (ahead,))
    database.commit()
    database.close()

    log = await SqliteLog.open(path)
    [after] = await log.append(triggers(1))
    await log.close()

    assert after.at == ahead


_APPEND_FOR_EVER = """
import asyncio, sys
from pathlib import Path
from eventlog.log import NewRecord
from eventlog.sqlite import SqliteLog

async def append(log, name):
    number = 0
    while True:
        value = f"{name}/{number}"
        [where] = await log.append([NewRecord("triggers", name, value.encode())])
        print(where.offset, value, flush=True)
        number += 1

async def main():
    log = await SqliteLog.open(Path(sys.argv[1]))
    await asyncio.gather(*[append(log, f"a{n}") for n in range(8)])

asyncio.run(main())
"""


def acknowledged_until_kill_9(path: Path) -> dict[int, str]:
    """What a process that appends for ever was told to be durable before it was killed."""
    with start_appending(path) as child:
        assert child.stdout is not None
        lines = [child.stdout.readline() for _ in range(200)]
        child.kill()
        lines += [line for line in child.stdout if line.endswith("\n")]
    return {int(offset): value for offset, value in map(str.split, lines)}


def start_appending(path: Path) -> "subprocess.Popen[str]":
    command = [sys.executable, "-c", _APPEND_FOR_EVER, str(path)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


async def test_what_was_acknowledged_outlives_kill_9(path: Path) -> None:
    acknowledged = acknowledged_until_kill_9(path)

    log = await SqliteLog.open(path)
    there = {record.offset: record.value.decode() for record in await read_all(log, TRIGGERS)}
    await log.close()

    assert sorted(there) == list(range(len(there)))
    assert len(acknowledged) >= 200
    assert acknowledged.items() <= there.items()


async def test_a_second_process_is_refused_with_the_id_of_the_first(
    log: SqliteLog, path: Path
) -> None:
    with start_appending(path) as second:
        _, complaint = await asyncio.to_thread(second.communicate)

    assert second.returncode != 0
    assert f"Unusable: log {path} is in use by process {os.getpid()}" in complaint


async def test_a_closed_log_can_be_opened_again(log: SqliteLog, path: Path) -> None:
    with pytest.raises(Unusable, match="is in use by process"):
        await SqliteLog.open(path)
    await log.close()

    await (await SqliteLog.open(path)).close()


async def test_a_newer_layout_is_refused(path: Path) -> None:
    await (await SqliteLog.open(path)).close()
    database = sqlite3.connect(path)
    database.execute("PRAGMA user_version=99")
    database.close()

    with pytest.raises(Unusable, match=r"layout version 99, newer than 1, which this version"):
        await SqliteLog.open(path)


async def test_what_is_not_a_log_is_refused_and_left_as_it_was(foreign: Path) -> None:
    with pytest.raises(Unusable, match="not a usable log file: file is not a database"):
        await SqliteLog.open(foreign)

    assert content_of(foreign) == FOREIGN


async def test_the_database_of_something_else_is_refused(path: Path) -> None:
    database = sqlite3.connect(path)
    database.execute("CREATE TABLE theirs(a)")
    database.close()

    with pytest.raises(Unusable, match="is an SQLite database, but not a log of Penstock"):
        await SqliteLog.open(path)


async def test_a_damaged_log_is_refused(path: Path) -> None:
    await (await SqliteLog.open(path)).close()
    damage(path)

    with pytest.raises(Unusable, match=rf"log {path} "):
        await SqliteLog.open(path)


async def test_a_folder_in_place_of_the_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Unusable, match="is a folder, not a file"):
        await SqliteLog.open(tmp_path)


async def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Unusable, match=r"cannot be opened: No such file or directory"):
        await SqliteLog.open(tmp_path / "missing" / "log.db")


async def test_the_files_are_for_their_owner_alone(log: SqliteLog, path: Path) -> None:
    await log.append(triggers(1))

    modes = {each.name: each.stat().st_mode & 0o777 for each in path.parent.iterdir()}

    assert modes == dict.fromkeys(("log.db", "log.db-wal", "log.db-shm", "log.db.lock"), 0o600)


async def _limit_pages(log: SqliteLog, more: int) -> None:
    """Make the disk full for `log`, as SQLite sees it, once `more` pages have been added."""

    def limit(connection: sqlite3.Connection) -> int:
        (pages,) = connection.execute("PRAGMA page_count").fetchone()
        connection.execute(f"PRAGMA max_page_count={pages + more}").fetchone()
        return 0

    await log._change(limit)


async def test_a_full_disk_fails_what_it_cannot_hold_and_nothing_later(log: SqliteLog) -> None:
    await log.append(triggers(3))
    await _limit_pages(log, 10)

    with pytest.raises(LogUnavailable, match="database or disk is full"):
        await log.append(triggers(1, size=1_000_000))
    still_fits = await log.append(triggers(1))
    await _limit_pages(log, 1_000_000)
    large = await log.append(triggers(1, size=1_000_000))

    assert [still_fits[0].offset, large[0].offset] == [3, 4]
    assert len(await read_all(log, TRIGGERS)) == 5


async def test_of_a_failed_append_nothing_is_there_after_a_restart(path: Path) -> None:
    log = await SqliteLog.open(path)
    await _limit_pages(log, 10)
    failing = log.append([*triggers(5), *triggers(1, size=1_000_000)])
    with pytest.raises(LogUnavailable):
        await failing
    await log.close()

    log = await SqliteLog.open(path)
    assert await log.marks(TRIGGERS, 0) == Marks(0, 0)
    await log.close()


async def test_a_full_queue_refuses_at_once_and_takes_more_once_it_is_written(
    log: SqliteLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite, "QUEUE_BYTES", 10_000)
    taken = log.append(triggers(1, size=10_000))

    with pytest.raises(LogUnavailable, match="queue is full"):
        await log.append(triggers(1))
    await taken

    assert [where.offset for where in await log.append(triggers(1))] == [1]


async def test_records_older_than_the_tail_are_read_from_the_file(log: SqliteLog) -> None:
    count = TAIL_RECORDS + 500
    await log.append([NewRecord("triggers", "e", b"%d" % number) for number in range(count)])

    found = await read_all(log, TRIGGERS)

    assert [record.value for record in found] == [b"%d" % number for number in range(count)]


async def test_one_read_of_large_records_is_bounded_in_bytes(path: Path) -> None:
    log = await SqliteLog.open(path)
    await log.append(triggers(12, size=1_000_000))
    await log.close()

    log = await SqliteLog.open(path)
    assert len(await log.read(TRIGGERS, 0, 0)) == 9
    assert len(await read_all(log, TRIGGERS)) == 12
    await log.close()


async def test_retention_removes_what_is_older_and_raises_the_low_mark(log: SqliteLog) -> None:
    await log.append(triggers(4))
    [last] = await log.append(triggers(1))

    removed = await log.compact(Instant(last.at + RETENTION))

    assert removed == 4
    assert await log.marks(TRIGGERS, 0) == Marks(4, 5)
    assert [record.offset for record in await log.read(TRIGGERS, 0, 4)] == [4]
    with pytest.raises(OffsetOutOfRange, match="triggers/0 begins at offset 4, not at 3") as error:
        await log.read(TRIGGERS, 0, 3)
    assert error.value.low == 4
    assert await log.offset_at(TRIGGERS, 0, Instant(0)) == 4


async def test_offsets_and_instants_go_on_where_everything_was_removed(path: Path) -> None:
    log = await SqliteLog.open(path)
    [*_, last] = await log.append(triggers(5))
    assert await log.compact(Instant(last.at + RETENTION + SECOND)) == 5
    assert await log.marks(TRIGGERS, 0) == Marks(5, 5)
    await log.close()

    log = await SqliteLog.open(path)
    assert await log.marks(TRIGGERS, 0) == Marks(5, 5)
    assert await log.read(TRIGGERS, 0, 5) == []
    [next_one] = await log.append(triggers(1))
    assert next_one.offset == 5
    assert next_one.at >= last.at
    await log.close()


async def test_each_topic_is_kept_for_its_own_time(log: SqliteLog) -> None:
    [last] = await log.append(triggers(1))
    await log.append([NewRecord("executions", "instance", b"")])

    await log.compact(Instant(last.at + RETENTION + SECOND))

    assert await log.marks(TRIGGERS, 0) == Marks(1, 1)
    assert await log.marks(EXECUTIONS, 0) == Marks(0, 1)


async def test_compaction_keeps_the_last_record_of_each_key(log: SqliteLog) -> None:
    said = [definition("a", 1), definition("b", 1), definition("a", 2), definition("c", 1)]
    await log.append([*said, definition("a", 3)])

    removed = await log.compact(Instant(0))

    records = await read_all(log, DEFINITIONS)
    assert removed == 2
    assert [(record.offset, record.value) for record in records] == [
        (1, b"b v1"),
        (3, b"c v1"),
        (4, b"a v3"),
    ]
    assert await log.marks(DEFINITIONS, 0) == Marks(0, 5)


async def test_followers_and_searches_cope_with_the_gaps_of_compaction(log: SqliteLog) -> None:
    for version in range(6):
        await log.append([definition("a", version)])
    await log.compact(Instant(0))
    [later] = await log.append([definition("b", 1)])

    records = await read_all(log, DEFINITIONS, offset=2)

    assert [record.offset for record in records] == [5, 6]
    assert await log.offset_at(DEFINITIONS, 0, Instant(0)) == 5
    assert await log.offset_at(DEFINITIONS, 0, later.at) in (5, 6)
    assert await log.offset_at(DEFINITIONS, 0, Instant(later.at + 1)) == 7


async def test_appends_go_on_while_the_log_is_compacted(
    log: SqliteLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite, "COMPACT_STEP", 10)
    [*_, last] = await log.append(triggers(200))
    await log.append([definition("a", version) for version in range(100)])

    compacting = asyncio.create_task(log.compact(Instant(last.at + RETENTION + 1)))
    appended = 0
    while not compacting.done():
        await log.append([definition("b", appended)])
        appended += 1

    assert await compacting >= 299
    assert appended > 20
    assert (await log.marks(TRIGGERS, 0)).low == 200
    assert (await read_all(log, DEFINITIONS))[-1].value == b"b v%d" % (appended - 1)


async def test_a_caller_who_goes_away_does_not_harm_the_others(log: SqliteLog) -> None:
    impatient = asyncio.ensure_future(log.append(triggers(1)))
    patient = log.append(triggers(1))
    impatient.cancel()

    assert [where.offset for where in await patient] == [1]


def reply(value: bytes) -> NewRecord:
    return NewRecord("replies", "node", value)


async def test_replies_are_read_like_any_other_and_never_written_to_the_file(path: Path) -> None:
    log = await SqliteLog.open(path)
    [first, second] = [(await log.append([reply(b"%d" % n)]))[0] for n in range(2)]
    assert await log.append([reply(b"2"), reply(b"3")])
    found = await log.read(REPLIES, 0, second.offset)
    assert [record.value for record in found] == [b"1", b"2", b"3"]
    assert await log.offset_at(REPLIES, 0, second.at) <= second.offset
    assert await log.offset_at(REPLIES, 0, Instant(found[-1].at + 1)) == found[-1].offset + 1
    await log.close()
    reopened = await SqliteLog.open(path)
    assert await reopened.marks(REPLIES, 0) == Marks(first.offset, first.offset)
    await reopened.close()


async def test_a_reader_of_replies_is_woken_by_the_next_one(log: SqliteLog) -> None:
    reading = asyncio.ensure_future(log.read(REPLIES, 0, 0, wait_s=30.0))
    await asyncio.sleep(0)
    await log.append([reply(b"now")])
    assert [record.value for record in await reading] == [b"now"]


async def test_memory_for_replies_is_bounded(log: SqliteLog) -> None:
    for _ in range(3):
        await log.append([reply(b"") for _ in range(TAIL_RECORDS)])
    low, high = await log.marks(REPLIES, 0)
    assert (low, high) == (2 * TAIL_RECORDS, 3 * TAIL_RECORDS)
    with pytest.raises(OffsetOutOfRange):
        await log.read(REPLIES, 0, low - 1)


async def test_replies_that_an_earlier_release_kept_are_removed(path: Path) -> None:
    await (await SqliteLog.open(path)).close()
    with contextlib.closing(sqlite3.connect(path)) as file:
        sql = "SELECT number FROM streams WHERE topic = 'replies'"
        [table] = [f"records_{number}" for (number,) in file.execute(sql)]
        file.execute(f"INSERT INTO {table} VALUES (7, 1, 'node', x'00')")
        file.commit()
        log = await SqliteLog.open(path)
        assert await log.marks(REPLIES, 0) == Marks(8, 8)
        assert file.execute(f"SELECT count(*) FROM {table}").fetchone() == (0,)
        await log.close()


async def test_an_append_is_all_durable_or_not_at_all(log: SqliteLog) -> None:
    with pytest.raises(Bug, match="volatile"):
        await log.append([reply(b""), *triggers(1)])
