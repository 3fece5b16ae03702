"""Reading: where each partition stands, and what of it may go into the views next.

Takes in records as they are read, gives out the parts of a batch: no effect without its cause.
"""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from eventlog.log import Record
from projections.store import Partition, Stored
from projections.views import TOPICS
from schemas.instants import Instant
from schemas.topics import Topic

MAX_RECORDS = 1_000
"""The most records of one read; a batch is about two reads of each partition."""
READ_BYTES = 4 * 1024 * 1024
"""About what one read should bring: of large records it asks for fewer at a time."""


@dataclass(slots=True, eq=False)
class Reader:
    """Where one partition stands: `stored` in the views, and what is read next.

    `held` has been read and is not in the views; where it `is_behind` there may be more to read.
    """

    topic: Topic
    partition: Partition
    stored: Stored
    next_offset: int
    max_records: int = MAX_RECORDS // 10
    held: list[Record] = field(default_factory=list)
    is_behind: bool = False

    @property
    def is_full(self) -> bool:
        """Whether it holds as much as one batch should take from one partition."""
        return len(self.held) >= 2 * self.max_records

    def take(self, before: Instant | None) -> list[Record]:
        """What is held and was appended before `before`, in order."""
        if before is None:
            end = len(self.held)
        else:
            end = bisect_left(self.held, before, key=lambda record: record.at)
        taken, self.held = self.held[:end], self.held[end:]
        return taken

    def note(self, records: Sequence[Record]) -> None:
        """Go on behind `records`, and size the next read by them."""
        self.next_offset = records[-1].offset + 1
        average_bytes = sum(len(record.value) for record in records) // len(records) + 1
        self.max_records = max(1, min(MAX_RECORDS, READ_BYTES // average_bytes))


class Part(NamedTuple):
    """What a batch takes from one partition."""

    partition: Partition
    stored: Stored
    records: Sequence[Record]


def ready(readers: Sequence[Reader]) -> list[Part]:
    """What may go into the views: no effect without its cause.

    `readers` are in the order of TOPICS, where causes come first. While a partition has more to be
    read, what was appended later on the topics behind it is held back. (Where the brokers of a
    cluster disagree on the time, an effect may still be early, by as much.)
    """
    parts: list[Part] = []
    before: Instant | None = None
    for topic in TOPICS:
        limits = [] if before is None else [before]
        for reader in (reader for reader in readers if reader.topic is topic):
            if reader.is_behind and reader.held:
                limits.append(reader.held[-1].at)
            if taken := reader.take(before):
                parts.append(Part(reader.partition, reader.stored, taken))
        before = min(limits, default=None)
    return parts
