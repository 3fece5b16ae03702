"""The file of the embedded log: its lock, its layout and its connections.

Each partition has a table of its own whose row id is the offset: an append goes to the right-most
page of a small tree, which of three layouts tried was the fastest (a shared table by packed row id
took 10 % to 40 % more CPU, one WITHOUT ROWID 60 % or more). A file never shrinks; pages that
retention frees are used again.
"""

import fcntl
import os
import sqlite3
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from eventlog.log import Record
from eventlog.sqlite_stream import Stream
from schemas.errors import Unusable
from schemas.instants import Instant
from schemas.topics import Topic

LAYOUT_VERSION = 1
APPLICATION_ID = 0x50656E73
"""`Pens`: tells our files from databases of others (SQLite file format, section 1.3.17)."""

ROWS_PER_INSERT = 256
READ_BYTES = 8 * 1024 * 1024
CHECKPOINT_PAGES = 4_000

_LAYOUT = """
CREATE TABLE streams(
    number INTEGER PRIMARY KEY, topic TEXT NOT NULL, partition INTEGER NOT NULL,
    low INTEGER NOT NULL DEFAULT 0, next INTEGER NOT NULL DEFAULT 0,
    last_at INTEGER NOT NULL DEFAULT 0, UNIQUE(topic, partition));
CREATE TABLE positions(
    reader TEXT NOT NULL, topic TEXT NOT NULL, partition INTEGER NOT NULL, offset INTEGER NOT NULL,
    PRIMARY KEY(reader, topic, partition)) WITHOUT ROWID;
"""


def lock(path: Path) -> int:
    """Take `<path>.lock` for this process; closing the descriptor gives it back.

    Raises Unusable when another process has it, or when the folder cannot be written.
    """
    beside = path.with_name(path.name + ".lock")
    try:
        descriptor = os.open(beside, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise Unusable(f"log {path} cannot be opened: {error.strerror}") from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        holder = os.read(descriptor, 20).decode(errors="replace").strip() or "unknown"
        os.close(descriptor)
        raise Unusable(f"log {path} is in use by process {holder}") from error
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, str(os.getpid()).encode(), 0)
    return descriptor


def open_writer(path: Path) -> sqlite3.Connection:
    """The writing connection of the log at `path`, made if it is not there. Raises Unusable."""
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        connection = _connect(path)
    except (OSError, sqlite3.Error) as error:
        raise Unusable(f"log {path} cannot be opened: {_reason(error)}") from error
    try:
        _check_layout(connection, path)
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute(f"PRAGMA wal_autocheckpoint={CHECKPOINT_PAGES}")
    except sqlite3.Error as error:
        connection.close()
        raise Unusable(f"log {path} is not a usable log file: {error}") from error
    except Unusable:
        connection.close()
        raise
    return connection


def open_reader(path: Path) -> sqlite3.Connection:
    connection = _connect(path)
    connection.execute("PRAGMA query_only=ON")
    return connection


def _connect(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(
        path, isolation_level=None, check_same_thread=False, cached_statements=512
    )


def _reason(error: Exception) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error)


def _check_layout(connection: sqlite3.Connection, path: Path) -> None:
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    if not tables and not version:
        _create(connection)
    elif application != APPLICATION_ID:
        raise Unusable(f"log {path} is an SQLite database, but not a log of Penstock")
    elif version > LAYOUT_VERSION:
        raise Unusable(
            f"log {path} has layout version {version}, newer than {LAYOUT_VERSION}, "
            "which this version of Penstock knows"
        )


def _create(connection: sqlite3.Connection) -> None:
    connection.executescript(
        f"BEGIN; {_LAYOUT} PRAGMA application_id={APPLICATION_ID};"
        f"PRAGMA user_version={LAYOUT_VERSION}; COMMIT;"
    )


def load_streams(
    connection: sqlite3.Connection, topics: Sequence[Topic], partitions: int
) -> list[Stream]:
    """The partitions of `topics` with their marks; tables that are missing are made.

    Of volatile topics nothing is left, whatever an earlier release has kept.
    """
    volatile = {topic.name for topic in topics if topic.volatile}
    connection.execute("BEGIN IMMEDIATE")
    wanted = [(topic.name, partition) for topic in topics for partition in range(partitions)]
    connection.executemany("INSERT OR IGNORE INTO streams(topic, partition) VALUES (?, ?)", wanted)
    rows = connection.execute("SELECT number, topic, partition, low, next, last_at FROM streams")
    streams = [
        _load(connection, *row, volatile=row[1] in volatile)
        for row in rows.fetchall()
        if (row[1], row[2]) in wanted
    ]
    connection.execute("COMMIT")
    return streams


def _load(
    connection: sqlite3.Connection,
    number: int,
    topic: str,
    partition: int,
    low: int,
    high: int,
    last_at: int,
    *,
    volatile: bool,
) -> Stream:
    table = f"records_{number}"
    connection.execute(
        f"CREATE TABLE IF NOT EXISTS {table}"
        "(offset INTEGER PRIMARY KEY, at INTEGER NOT NULL, key TEXT NOT NULL, value BLOB NOT NULL)"
    )
    newest = connection.execute(
        f"SELECT offset, at FROM {table} ORDER BY offset DESC LIMIT 1"  # noqa: S608
    ).fetchone()
    if newest:
        high, last_at = max(high, newest[0] + 1), max(last_at, newest[1])
    if volatile:
        connection.execute(f"DELETE FROM {table}")  # noqa: S608
    return Stream(topic, partition, table, low, high, last_at, volatile=volatile)


def known_streams(connection: sqlite3.Connection) -> list[Stream]:
    """The partitions with the marks of their records, without changing anything."""
    rows = connection.execute("SELECT number, topic, partition, low, last_at FROM streams")
    found = []
    for number, topic, partition, low, last_at in rows.fetchall():
        table = f"records_{number}"
        newest = connection.execute(f"SELECT max(offset) FROM {table}").fetchone()[0]  # noqa: S608
        high = low if newest is None else newest + 1
        found.append(Stream(topic, partition, table, low, high, last_at))
    return found


def load_positions(connection: sqlite3.Connection) -> dict[tuple[str, str, int], int]:
    rows = connection.execute("SELECT reader, topic, partition, offset FROM positions")
    return {(reader, topic, partition): offset for reader, topic, partition, offset in rows}


def insert(connection: sqlite3.Connection, table: str, records: list[Record]) -> None:
    """Add `records` in few statements: each step of SQLite gives the interpreter lock away, and
    getting it back from a busy event loop takes longer than writing a row.
    """
    for start in range(0, len(records), ROWS_PER_INSERT):
        chunk = records[start : start + ROWS_PER_INSERT]
        rows = 1 << (len(chunk) - 1).bit_length()
        values: list[object] = []
        for record in chunk:
            values += record[2:]
        values += [None] * (4 * rows - len(values))
        connection.execute(_insert_sql(table, rows), values)


_INSERTS: dict[tuple[str, int], str] = {}


def _insert_sql(table: str, rows: int) -> str:
    """An insert of up to `rows` rows: those without an offset are padding, so that a few
    statements, which stay prepared, serve every number of rows.
    """
    sql = _INSERTS.get((table, rows))
    if sql is None:
        values = ",".join(["(?,?,?,?)"] * rows)
        sql = f"INSERT INTO {table} SELECT * FROM (VALUES {values}) WHERE column1 IS NOT NULL"  # noqa: S608
        _INSERTS[table, rows] = sql
    return sql


def store_positions(
    connection: sqlite3.Connection, positions: dict[tuple[str, str, int], int]
) -> None:
    connection.executemany(
        "INSERT INTO positions VALUES (?,?,?,?)"
        " ON CONFLICT(reader, topic, partition) DO UPDATE SET offset = excluded.offset",
        [(*where, offset) for where, offset in positions.items()],
    )


def fetch(
    connection: sqlite3.Connection, stream: Stream, offset: int, high: int, max_records: int
) -> list[Record]:
    """Records from `offset` to below `high`: one if there is any, then more up to READ_BYTES."""
    rows = connection.execute(
        f"SELECT offset, at, key, value FROM {stream.table}"  # noqa: S608
        " WHERE offset >= ? AND offset < ? ORDER BY offset LIMIT ?",
        (offset, high, max_records),
    )
    topic, partition = stream.topic, stream.partition
    records: list[Record] = []
    size = 0
    for found, at, key, value in rows:
        records.append(Record(topic, partition, found, Instant(at), key, value))
        size += len(value)
        if size >= READ_BYTES:
            break
    rows.close()
    return records


def offset_at(
    connection: sqlite3.Connection, stream: Stream, low: int, high: int, at: Instant
) -> int:
    """The first offset from `low` on whose record is not before `at`; `high` if none.

    A binary search, because instants never fall: an index of them would cost every append.
    """
    sql = f"SELECT offset, at FROM {stream.table} WHERE offset >= ? ORDER BY offset LIMIT 1"  # noqa: S608
    found, end = high, high
    while low < end:
        middle = (low + end) // 2
        offset, found_at = connection.execute(sql, (middle,)).fetchone() or (high, at)
        if found_at < at:
            low = offset + 1
        else:
            found, end = min(offset, high), middle
    return found


def superseded(connection: sqlite3.Connection, stream: Stream, high: int) -> list[int]:
    """Offsets below `high` of records with a later record of the same key."""
    seen: set[str] = set()
    old: list[int] = []
    for offset, key in connection.execute(
        f"SELECT offset, key FROM {stream.table} WHERE offset < ? ORDER BY offset DESC",  # noqa: S608
        (high,),
    ):
        if key in seen:
            old.append(offset)
        seen.add(key)
    return old


def remove(connection: sqlite3.Connection, stream: Stream, offsets: list[int]) -> int:
    """Delete these records. Returns how many were there."""
    sql = f"DELETE FROM {stream.table} WHERE offset = ?"  # noqa: S608
    return connection.executemany(sql, [(offset,) for offset in offsets]).rowcount


def remove_below(connection: sqlite3.Connection, stream: Stream, low: int) -> int:
    """Delete what is below `low`, and keep the counters that the last records would have kept."""
    newest = f"SELECT at FROM {stream.table} ORDER BY offset DESC LIMIT 1"  # noqa: S608
    connection.execute(
        "UPDATE streams SET low = ?, next = max(next, ?),"  # noqa: S608
        f" last_at = max(last_at, coalesce(({newest}), 0)) WHERE topic = ? AND partition = ?",
        (low, stream.next_offset, stream.topic, stream.partition),
    )
    sql = f"DELETE FROM {stream.table} WHERE offset < ?"  # noqa: S608
    return connection.execute(sql, (low,)).rowcount


def roll_back(connection: sqlite3.Connection) -> None:
    """Undo the transaction under way, if SQLite has not done so itself."""
    if connection.in_transaction:
        with suppress(sqlite3.Error):
            connection.execute("ROLLBACK")
