"""The embedded log: the contract of `eventlog.log` in one durable SQLite file of one process.

The file is locked for the process that has it open. Every topic has one partition (more for tests).
An append that fails leaves nothing behind. What readers see has been fsynced before; only volatile
topics are in memory alone: whoever waits for their newest records ends with this process.
"""

import asyncio
import os
import sqlite3
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Self, TypeVar

from eventlog import limits, sqlite_file, sqlite_writer
from eventlog.log import Appended, LogUnavailable, Marks, NewRecord, Record
from eventlog.sqlite_readers import Readers, check_range
from eventlog.sqlite_stream import Stream
from eventlog.sqlite_writer import Append, Change, Outcome, Remember, Work, Writer
from schemas import topics
from schemas.errors import Bug, Unusable
from schemas.instants import SECOND, Instant
from schemas.topics import Topic

QUEUE_BYTES = 64 * 1024 * 1024
COMPACT_STEP = 1_000
_OVERHEAD_BYTES = 200

T = TypeVar("T")

Watcher = Callable[[str, int, Marks], None]
"""Called with a topic, a partition and its marks."""


class SqliteLog:
    """An open embedded log. Use it in the event loop in which it was opened, and nowhere else."""

    def __init__(
        self, path: Path, lock: int, connection: sqlite3.Connection, partitions: int
    ) -> None:
        self._path = path
        self._lock = lock
        self._partitions = partitions
        self._loop = asyncio.get_running_loop()
        streams = sqlite_file.load_streams(connection, topics.ALL, partitions)
        self._streams = {(stream.topic, stream.partition): stream for stream in streams}
        self._positions = sqlite_file.load_positions(connection)
        self._last_at = max([stream.last_at for stream in streams])
        self._gathered: list[Work] = []
        self._queued_bytes = 0
        self._closing: asyncio.Task[None] | None = None
        self._watchers: list[Watcher] = []
        self._readers = Readers(path)
        self._writer = Writer(connection, str(path), self._settle)

    @classmethod
    async def open(cls, path: Path, *, partitions: int = 1) -> Self:
        """The log at `path`, made if it is not there. Raises Unusable in one sentence."""
        lock, connection = await asyncio.to_thread(_acquire, path)
        try:
            return cls(path, lock, connection, partitions)
        except sqlite3.Error as error:
            connection.close()
            os.close(lock)
            raise Unusable(f"log {path} is not a usable log file: {error}") from error

    @property
    def path(self) -> Path:
        return self._path

    def append(self, records: Sequence[NewRecord]) -> Awaitable[list[Appended]]:
        future: asyncio.Future[list[Appended]] = self._loop.create_future()
        try:
            append = self._prepare(future, records)
        except (LogUnavailable, Bug) as error:
            future.set_exception(error)
            return future
        self._queued_bytes += append.size_bytes
        if append.rows and append.rows[0][0].volatile:
            outcome = sqlite_writer.placed([append])
            outcome.advance()
            self._settle(outcome)
        else:
            self._gather(append)
        return future

    def _prepare(
        self, future: "asyncio.Future[list[Appended]]", records: Sequence[NewRecord]
    ) -> Append:
        self._check_open()
        if self._queued_bytes >= QUEUE_BYTES:
            raise LogUnavailable(
                f"log {self._path} is behind: its queue is full ({self._queued_bytes} bytes)"
            )
        rows = []
        size = 0
        for record in records:
            limits.check(record)
            size += len(record.value) + len(record.key) + _OVERHEAD_BYTES
            rows.append((self._stream_of(record), record.key, record.value))
        if len({stream.volatile for stream, _, _ in rows}) > 1:
            raise Bug("one append has records of volatile topics and of others")
        self._last_at = max(self._last_at, time.time_ns() // 1_000)
        return Append(future, rows, Instant(self._last_at), size)

    def _gather(self, work: Work) -> None:
        """Queue `work`; all of this turn of the event loop goes to the writer at once."""
        if not self._gathered:
            self._loop.call_soon(self._hand_over)
        self._gathered.append(work)

    def _hand_over(self) -> None:
        if self._gathered:
            self._writer.put(self._gathered)
            self._gathered = []

    def _settle(self, outcome: Outcome) -> None:
        """A transaction has ended: show its records, then answer those who wait for it."""
        self._queued_bytes -= outcome.size_bytes
        if outcome.error is None:
            self._positions.update(outcome.positions)
            for stream, records in outcome.grown:
                stream.grow(records)
                self._tell(stream)
        outcome.resolve()

    def watch(self, watcher: Watcher) -> Callable[[], None]:
        """Tell `watcher` of every partition's marks, now and whenever they change; call the
        outcome to end it.
        """
        self._watchers.append(watcher)
        for stream in self._streams.values():
            watcher(stream.topic, stream.partition, Marks(stream.low, stream.high))
        return lambda: self._watchers.remove(watcher)

    def _tell(self, stream: Stream) -> None:
        if stream.volatile:
            return
        for watcher in self._watchers:
            watcher(stream.topic, stream.partition, Marks(stream.low, stream.high))

    async def read(
        self,
        topic: Topic,
        partition: int,
        offset: int,
        *,
        max_records: int = 1_000,
        wait_s: float = 0.0,
    ) -> list[Record]:
        """As the contract has it; a read beyond the high mark raises LogUnavailable."""
        self._check_open()
        stream = self._stream(topic.name, partition)
        if offset == stream.high and wait_s > 0:
            await stream.wait(wait_s)
            self._check_open()
        check_range(stream, offset)
        if offset >= stream.tail.first:
            return stream.tail.read(offset, max_records)
        high = stream.high
        records = await self._query(
            lambda connection: sqlite_file.fetch(connection, stream, offset, high, max_records)
        )
        check_range(stream, offset)
        return records

    async def offset_at(self, topic: Topic, partition: int, at: Instant) -> int:
        stream = self._stream(topic.name, partition)
        if stream.volatile:
            return stream.tail.offset_at(at)
        low, high = stream.low, stream.high
        return await self._query(
            lambda connection: sqlite_file.offset_at(connection, stream, low, high, at)
        )

    async def marks(self, topic: Topic, partition: int) -> Marks:
        self._check_open()
        stream = self._stream(topic.name, partition)
        return Marks(stream.low, stream.high)

    async def commit(self, reader: str, topic: Topic, partition: int, offset: int) -> None:
        self._check_open()
        position = (reader, topic.name, self._stream(topic.name, partition).partition)
        future: asyncio.Future[None] = self._loop.create_future()
        self._gather(Remember(future, position, offset))
        await future

    async def committed(self, reader: str, topic: Topic, partition: int) -> int | None:
        self._check_open()
        return self._positions.get((reader, topic.name, partition))

    def partitions(self, topic: Topic) -> int:
        return self._partitions

    async def compact(self, now: Instant) -> int:
        """Delete what the topics' retention no longer keeps; returns how many records that was.

        Of a compacted topic the last record of each key stays. It works in steps of COMPACT_STEP
        records, between which appends go on.
        """
        removed = 0
        for topic in topics.ALL:
            if topic.volatile:
                continue
            for partition in range(self._partitions):
                stream = self._stream(topic.name, partition)
                if topic.compacted:
                    removed += await self._compact_by_key(stream)
                elif topic.retention_s is not None:
                    oldest = Instant(now - topic.retention_s * SECOND)
                    removed += await self._remove_before(stream, topic, oldest)
        return removed

    async def _compact_by_key(self, stream: Stream) -> int:
        high = stream.high
        old = await self._query(lambda connection: sqlite_file.superseded(connection, stream, high))
        if old:
            # The tail counts on having no gaps. Records that are durable, but not yet shown,
            # follow this offset.
            stream.tail.clear(stream.high)
        removed = 0
        for step in _steps(old):
            removed += await self._change(partial(sqlite_file.remove, stream=stream, offsets=step))
        return removed

    async def _remove_before(self, stream: Stream, topic: Topic, oldest: Instant) -> int:
        end = await self.offset_at(topic, stream.partition, oldest)
        removed = 0
        while stream.low < end:
            # Raised before the records go, so that no reader takes their absence for a gap.
            stream.low = min(end, stream.low + COMPACT_STEP)
            self._tell(stream)
            removed += await self._change(
                partial(sqlite_file.remove_below, stream=stream, low=stream.low)
            )
        return removed

    async def close(self) -> None:
        if self._closing is None:
            self._hand_over()
            self._closing = self._loop.create_task(self._close())
        await asyncio.shield(self._closing)

    async def _close(self) -> None:
        for stream in self._streams.values():
            stream.wake()
        await asyncio.to_thread(self._readers.close)
        await self._writer.finish()
        os.close(self._lock)

    def _check_open(self) -> None:
        if self._closing is not None:
            raise LogUnavailable(f"log {self._path} is closed")

    async def _change(self, make: Callable[[sqlite3.Connection], int]) -> int:
        self._check_open()
        future: asyncio.Future[int] = self._loop.create_future()
        self._gather(Change(future, make))
        return await future

    async def _query(self, ask: Callable[[sqlite3.Connection], T]) -> T:
        self._check_open()
        return await self._readers.ask(ask)

    def _stream(self, topic: str, partition: int) -> Stream:
        stream = self._streams.get((topic, partition))
        if stream is None:
            raise Bug(f"log {self._path} has no partition {topic}/{partition}")
        return stream

    def _stream_of(self, record: NewRecord) -> Stream:
        partition = record.partition
        if partition is None:
            many = self._partitions > 1
            partition = topics.partition_of(record.key, self._partitions) if many else 0
        return self._stream(record.topic, partition)


def _acquire(path: Path) -> tuple[int, sqlite3.Connection]:
    if path.is_dir():
        raise Unusable(f"log {path} is a folder, not a file")
    lock = sqlite_file.lock(path)
    try:
        return lock, sqlite_file.open_writer(path)
    except Unusable:
        os.close(lock)
        raise


def _steps(offsets: list[int]) -> Iterator[list[int]]:
    for start in range(0, len(offsets), COMPACT_STEP):
        yield offsets[start : start + COMPACT_STEP]
