"""The reading side of the embedded log in another process than the one that owns it.

Takes in the marks as the owner tells them (SqliteLog.watch), so that it need not poll; reads the
records from the file.
"""

from pathlib import Path

from eventlog import sqlite_file
from eventlog.log import Marks, Record
from eventlog.sqlite_readers import Readers, check_range
from eventlog.sqlite_stream import Stream
from schemas.errors import Bug
from schemas.topics import Topic


class Follower:
    """A ReadableLog on the file at `path`, which its owner has open."""

    def __init__(self, path: Path) -> None:
        self._readers = Readers(path)
        self._streams: dict[tuple[str, int], Stream] = {}

    async def open(self) -> None:
        """Find the partitions; their marks are those of now. Raises LogUnavailable."""
        for stream in await self._readers.ask(sqlite_file.known_streams):
            self._streams[stream.topic, stream.partition] = stream

    def take(self, topic: str, partition: int, marks: Marks) -> None:
        """The owner's news: wakes who waits for more."""
        stream = self._stream(topic, partition)
        stream.low, stream.high = max(stream.low, marks.low), max(stream.high, marks.high)
        stream.wake()

    async def read(
        self,
        topic: Topic,
        partition: int,
        offset: int,
        *,
        max_records: int = 1_000,
        wait_s: float = 0.0,
    ) -> list[Record]:
        stream = self._stream(topic.name, partition)
        if offset == stream.high and wait_s > 0:
            await stream.wait(wait_s)
        check_range(stream, offset)
        high = stream.high
        if offset == high:
            return []
        records = await self._readers.ask(
            lambda connection: sqlite_file.fetch(connection, stream, offset, high, max_records)
        )
        check_range(stream, offset)
        return records

    async def marks(self, topic: Topic, partition: int) -> Marks:
        stream = self._stream(topic.name, partition)
        return Marks(stream.low, stream.high)

    def partitions(self, topic: Topic) -> int:
        return sum(name == topic.name for name, _ in self._streams)

    async def close(self) -> None:
        self._readers.close()

    def _stream(self, topic: str, partition: int) -> Stream:
        stream = self._streams.get((topic, partition))
        if stream is None:
            raise Bug(f"the log has no partition {topic}/{partition}")
        return stream
