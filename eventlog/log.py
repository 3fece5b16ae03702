"""The contract of the event log, which `sqlite.py` and `kafka.py` keep alike.

A record has a topic, a partition, an offset within it, the instant at which the log appended it,
a key and a value. Within a partition offsets rise (with gaps after compaction) and instants do
not fall.
"""

from collections.abc import Awaitable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from schemas.errors import PenstockError, Retryable
from schemas.instants import Instant
from schemas.topics import Topic


class LogUnavailable(Retryable):
    """The log does not answer now, or has not taken the records: disk full, broker away."""


class OffsetOutOfRange(PenstockError):
    """A read below the low mark: retention has removed those records. Holds the low mark."""

    def __init__(self, topic: str, partition: int, offset: int, low: int) -> None:
        super().__init__(f"{topic}/{partition} begins at offset {low}, not at {offset}")
        self.low = low


@dataclass(frozen=True, slots=True)
class NewRecord:
    """A record on its way to the log. Without a `partition` topics.partition_of decides."""

    topic: str
    key: str
    value: bytes
    partition: int | None = None


class Record(NamedTuple):
    """A record of the log. `at` is the log's own append time."""

    topic: str
    partition: int
    offset: int
    at: Instant
    key: str
    value: bytes


class Appended(NamedTuple):
    """Where one new record has come to stand."""

    partition: int
    offset: int
    at: Instant


class Marks(NamedTuple):
    """`low` is the first offset that can be read, `high` the one the next record gets."""

    low: int
    high: int


class ReadableLog(Protocol):
    """The reading side of a log. Every coroutine may raise LogUnavailable."""

    async def read(
        self,
        topic: Topic,
        partition: int,
        offset: int,
        *,
        max_records: int = 1_000,
        wait_s: float = 0.0,
    ) -> list[Record]:
        """Up to `max_records` durable records from `offset` on, in order.

        At the end of the partition it waits up to `wait_s` for more, woken by the append itself,
        and gives an empty list when none came. Below the low mark it raises OffsetOutOfRange.
        """

    async def marks(self, topic: Topic, partition: int) -> Marks:
        """The low and the high mark; everything below the high mark can be read."""

    def partitions(self, topic: Topic) -> int:
        """How many partitions `topic` has on this log."""

    async def close(self) -> None:
        """Release everything. Idempotent."""


class EventLog(ReadableLog, Protocol):
    """One log. Every coroutine may raise LogUnavailable; none of them blocks the event loop."""

    def append(self, records: Sequence[NewRecord]) -> Awaitable[list[Appended]]:
        """Take `records` in this order, now; the awaitable resolves when all are durable.

        Calls made one after another keep their order within each partition, awaited or not. If it
        raises, some of the records may be on the log (on SQLite: none), and records of later calls
        may have been refused with it: the caller stops, or tries again as a new append.
        """

    async def offset_at(self, topic: Topic, partition: int, at: Instant) -> int:
        """The offset of the first record appended at `at` or later; the high mark if none."""

    async def commit(self, reader: str, topic: Topic, partition: int, offset: int) -> None:
        """Remember that `reader` is done with everything below `offset`. Durable on return."""

    async def committed(self, reader: str, topic: Topic, partition: int) -> int | None:
        """What `reader` committed last, None if nothing."""

    async def close(self) -> None:
        """Finish the appends under way and release everything. Idempotent."""
