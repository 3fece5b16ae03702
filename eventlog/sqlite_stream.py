"""One partition of the embedded log as memory knows it: its marks, its newest records, who waits.

Everything here belongs to the event loop's thread, except `next_offset`, which is the writer's.
"""

import asyncio
from bisect import bisect_left
from collections.abc import Sequence

from eventlog.log import Record
from schemas.instants import Instant

TAIL_RECORDS = 4_096
TAIL_BYTES = 8 * 1024 * 1024


class Tail:
    """The newest records of a partition, without gaps, so that followers need no SQL."""

    __slots__ = ("_bytes", "_records", "first")

    def __init__(self, first: int) -> None:
        self.first = first
        self._records: list[Record] = []
        self._bytes = 0

    def extend(self, records: Sequence[Record]) -> None:
        """Add what follows the newest record, and drop the oldest beyond the bounds."""
        self._records.extend(records)
        self._bytes += sum([len(record.value) for record in records])
        surplus = max(0, len(self._records) - TAIL_RECORDS)
        dropped = sum([len(record.value) for record in self._records[:surplus]])
        while self._bytes - dropped > TAIL_BYTES:
            dropped += len(self._records[surplus].value)
            surplus += 1
        if surplus:
            del self._records[:surplus]
            self._bytes -= dropped
            self.first += surplus

    def read(self, offset: int, max_records: int) -> list[Record]:
        """Records from `offset` on, which is not below `first`."""
        start = offset - self.first
        return self._records[start : start + max_records]

    def offset_at(self, at: Instant) -> int:
        """The first of these offsets whose record is not before `at`; the next offset if none."""
        return self.first + bisect_left(self._records, at, key=lambda record: record.at)

    def clear(self, first: int) -> None:
        """Forget everything; `first` is the next offset."""
        self._records.clear()
        self._bytes = 0
        self.first = first


class Stream:
    """A partition: readers see `low` and `high`, the writer gives out `next_offset`.

    A `volatile` one has no writer, and of its records only those in `tail` are there.
    """

    __slots__ = (
        "_waiting",
        "high",
        "last_at",
        "low",
        "next_offset",
        "partition",
        "table",
        "tail",
        "topic",
        "volatile",
    )

    def __init__(
        self,
        topic: str,
        partition: int,
        table: str,
        low: int,
        high: int,
        last_at: int,
        *,
        volatile: bool = False,
    ) -> None:
        self.topic = topic
        self.partition = partition
        self.table = table
        self.volatile = volatile
        self.low = high if volatile else low
        self.high = high
        self.last_at = last_at
        self.next_offset = high
        self.tail = Tail(high)
        self._waiting: set[asyncio.Future[None]] = set()

    def grow(self, records: Sequence[Record]) -> None:
        """These records are durable: show them to readers and wake who waits for them."""
        self.tail.extend(records)
        self.high = records[-1].offset + 1
        if self.volatile:
            self.low = self.tail.first
        self.wake()

    def wake(self) -> None:
        for waiter in self._waiting:
            if not waiter.done():
                waiter.set_result(None)

    async def wait(self, wait_s: float) -> None:
        """Until the next `wake`, or for `wait_s`."""
        loop = asyncio.get_running_loop()
        waiter: asyncio.Future[None] = loop.create_future()
        timer = loop.call_later(wait_s, _finish, waiter)
        self._waiting.add(waiter)
        try:
            await waiter
        finally:
            timer.cancel()
            self._waiting.discard(waiter)


def _finish(waiter: "asyncio.Future[None]") -> None:
    if not waiter.done():
        waiter.set_result(None)
