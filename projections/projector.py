"""The projector: follows definitions, admissions and executions and keeps the views up to date.

Takes in records from the stored positions on, gives out rows, and moves the positions with them in
one transaction; the work on the database runs in a thread. It never appends. A record that cannot
be handled is logged and left out (processors write its dead letter). When the stored positions have
moved under it, by a rebuild or by another projector, it reads on from what is stored.
"""

import asyncio
import logging
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple, TypeVar

from eventlog.log import OffsetOutOfRange, ReadableLog, Record
from projections import reading
from projections.reading import Part, Reader
from projections.rows import Changes
from projections.store import Move, Partition, PositionMoved, Stored, Views
from projections.views import TOPICS, State, fold
from schemas.errors import Poison, Retryable
from schemas.topics import Topic

_logger = logging.getLogger(__name__)
_T = TypeVar("_T")

BATCH_EVERY_S = 0.1
"""Under load a batch begins at most this often, so that one transaction carries many records."""
READ_WAIT_S = 30.0
CHECK_EVERY_S = 1.0
"""An idle projector looks this often whether its positions have been reset."""
LAST_WAIT_S = 1.0
"""How long a read below a high mark waits before it counts as the end: compaction leaves gaps."""
BACK_OFF_S = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0)

Progress = Callable[[int, int], None]
"""Told how many offsets are done, of how many."""


class Projector:
    """Projects one log into one set of views. `skipped` counts records that
    were left out, `failures` the attempts since the views stood still."""

    def __init__(self, log: ReadableLog, views: Views) -> None:
        self._log = log
        self._views = views
        self._next_batch_at = 0.0
        self.failures = 0
        self.projected = 0
        self.skipped = 0

    async def run(self) -> None:
        """Follow the log until cancelled; while the log or the database is away, try again."""
        while True:
            try:
                await self._follow(None)
            except PositionMoved as moved:
                _logger.info(
                    "reading on from the stored positions: %s", moved, extra={"action": "reread"}
                )
            except Retryable as error:
                await self._back_off(error)

    async def catch_up(self, progress: Progress | None = None) -> None:
        """Project everything up to the high marks of now. Raises Retryable."""
        targets = await self._high_marks()
        while True:
            try:
                return await self._follow(targets, progress)
            except PositionMoved:
                continue

    async def _back_off(self, error: Retryable) -> None:
        if self.failures == 0:
            _logger.warning("the views stand still: %s", error, extra={"action": "back_off"})
        wait_s = BACK_OFF_S[min(self.failures, len(BACK_OFF_S) - 1)]
        self.failures += 1
        await asyncio.sleep(wait_s)

    async def _follow(
        self, targets: dict[Partition, int] | None, progress: Progress | None = None
    ) -> None:
        """Project batch after batch, up to `targets` where they are given. The next read of each
        partition is under way while a batch is at work."""
        readers = await self._readers()
        reads = {
            reader: self._reading(reader, targets)
            for reader in readers
            if not _is_done(reader, targets)
        }
        try:
            while reads:
                await self._gather(reads, targets)
                if parts := reading.ready(readers):
                    await self._project(parts, readers)
                elif targets is None:
                    await self._check(readers)
                if progress is not None and targets is not None:
                    progress(sum(r.stored.offset for r in readers), sum(targets.values()))
        finally:
            for task in reads.values():
                task.cancel()
            await asyncio.gather(*reads.values(), return_exceptions=True)

    async def _gather(
        self,
        reads: dict[Reader, "asyncio.Task[list[Record]]"],
        targets: dict[Partition, int] | None,
    ) -> None:
        """Hold what there is in all partitions once there is something in one; renew the reads."""
        wait_s = BATCH_EVERY_S if any(reader.held for reader in reads) else CHECK_EVERY_S
        done, _ = await asyncio.wait(
            reads.values(),
            timeout=wait_s if targets is None else None,
            return_when=asyncio.FIRST_COMPLETED,
        )
        if not done:
            return
        if targets is None:
            await self._pace()
        # Effects first: the cause of whatever has been read stands on the log, to be read now.
        for reader in reversed([*reads]):
            if reader.is_full or not await self._has_news(reader, reads):
                continue
            first = records = await reads[reader]
            while records:
                reader.held += records
                records = [] if reader.is_full else await self._read(reader, wait_s=0.0)
            if _is_done(reader, targets) or (targets is not None and not first):
                del reads[reader]
                reader.is_behind = False
            else:
                reads[reader] = self._reading(reader, targets)
                reader.is_behind = reader.is_full

    async def _has_news(
        self, reader: Reader, reads: dict[Reader, "asyncio.Task[list[Record]]"]
    ) -> bool:
        """Whether its read brings something now; one that waits at the end of a partition for
        more may have been woken and be on its way.
        """
        if reads[reader].done():
            return True
        if reader.topic is TOPICS[-1]:
            return False
        marks = await self._log.marks(reader.topic, reader.partition.number)
        if marks.high > reader.next_offset:
            await asyncio.wait([reads[reader]], timeout=LAST_WAIT_S)
        return reads[reader].done()

    def _reading(
        self, reader: Reader, targets: dict[Partition, int] | None
    ) -> "asyncio.Task[list[Record]]":
        wait_s = READ_WAIT_S if targets is None else LAST_WAIT_S
        return asyncio.create_task(self._read(reader, wait_s=wait_s))

    async def _pace(self) -> None:
        clock = asyncio.get_running_loop().time
        await asyncio.sleep(max(0.0, self._next_batch_at - clock()))
        self._next_batch_at = clock() + BATCH_EVERY_S

    async def _read(self, reader: Reader, *, wait_s: float) -> list[Record]:
        """The next records of a partition; the oldest there are where retention has overtaken."""
        while True:
            try:
                records = await self._log.read(
                    reader.topic,
                    reader.partition.number,
                    reader.next_offset,
                    max_records=reader.max_records,
                    wait_s=wait_s,
                )
            except OffsetOutOfRange as lost:
                _logger.warning("the views miss events: %s", lost, extra={"action": "skip_lost"})
                reader.next_offset = lost.low
                continue
            if records:
                reader.note(records)
            return records

    async def _project(self, parts: list[Part], readers: Sequence[Reader]) -> None:
        done = await _in_thread(lambda: project(self._views, parts))
        by_partition = {reader.partition: reader for reader in readers}
        for partition, stored in done.stored.items():
            by_partition[partition].stored = stored
        self.projected += done.events
        self.skipped += done.skipped
        if self.failures:
            _logger.info("the views follow again", extra={"action": "follow"})
        self.failures = 0

    async def _readers(self) -> list[Reader]:
        positions = await _in_thread(self._views.positions)
        readers = []
        for topic, partition in self._partitions():
            stored = positions.get(partition, Stored(0, State()))
            readers.append(Reader(topic, partition, stored, stored.offset))
        return readers

    async def _check(self, readers: Sequence[Reader]) -> None:
        """Raise PositionMoved if the stored positions are no longer ours."""
        positions = await _in_thread(self._views.positions)
        for reader in readers:
            stored = positions.get(reader.partition)
            if (stored.offset if stored else 0) != reader.stored.offset:
                raise PositionMoved(f"{reader.partition.topic}/{reader.partition.number} was reset")

    async def _high_marks(self) -> dict[Partition, int]:
        """Effects first, so that the causes of all that is below them are below them too."""
        return {
            partition: (await self._log.marks(topic, partition.number)).high
            for topic, partition in reversed([*self._partitions()])
        }

    def _partitions(self) -> Iterator[tuple[Topic, Partition]]:
        for topic in TOPICS:
            for number in range(self._log.partitions(topic)):
                yield topic, Partition(topic.name, number)


class Done(NamedTuple):
    """What became of a batch: where its partitions stand now, and what was counted."""

    stored: dict[Partition, Stored]
    events: int
    skipped: int


def project(views: Views, parts: Sequence[Part]) -> Done:
    """Bring a batch into the views. What cannot be handled is found by halving, and skipped."""
    try:
        return _apply(views, parts)
    except Poison as cause:
        if sum(len(part.records) for part in parts) == 1:
            return _skip(views, parts[0], cause)
    left, right = _halves(parts)
    first = project(views, left)
    second = project(
        views,
        [part._replace(stored=first.stored.get(part.partition, part.stored)) for part in right],
    )
    return Done(
        first.stored | second.stored, first.events + second.events, first.skipped + second.skipped
    )


def _apply(views: Views, parts: Sequence[Part]) -> Done:
    changes, moves = Changes(), []
    for part in parts:
        state = part.stored.state.copy()
        fold(state, part.records, changes)
        moves.append(Move(part.partition, part.stored.offset, part.records[-1].offset + 1, state))
    views.apply(changes, moves)
    return Done({move.partition: Stored(move.end, move.state) for move in moves}, changes.events, 0)


def _skip(views: Views, part: Part, cause: Poison) -> Done:
    record = part.records[0]
    views.apply(
        Changes(), [Move(part.partition, part.stored.offset, record.offset + 1, part.stored.state)]
    )
    _logger.error(
        "left out of the views: %s/%d at %d: %s",
        record.topic,
        record.partition,
        record.offset,
        cause,
        extra={"action": "skip_poison"},
    )
    return Done({part.partition: Stored(record.offset + 1, part.stored.state)}, 0, 1)


def _halves(parts: Sequence[Part]) -> tuple[list[Part], list[Part]]:
    """The batch in two, by partitions and then by records; neither half is empty."""
    if len(parts) > 1:
        middle = len(parts) // 2
        return [*parts[:middle]], [*parts[middle:]]
    part = parts[0]
    middle = len(part.records) // 2
    return (
        [part._replace(records=part.records[:middle])],
        [part._replace(records=part.records[middle:])],
    )


def _is_done(reader: Reader, targets: dict[Partition, int] | None) -> bool:
    return targets is not None and reader.next_offset >= targets[reader.partition]


async def _in_thread(work: Callable[[], _T]) -> _T:
    """The outcome of `work` in a thread; when cancelled, `work` is waited for first."""
    task = asyncio.ensure_future(asyncio.to_thread(work))
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task])
        raise


def rebuild(views: Views) -> None:
    """Drop all rows and positions; a projector that runs notices and folds the log again."""
    views.clear()


async def rebuild_here(log: ReadableLog, views: Views, progress: Progress | None = None) -> None:
    """Drop everything and fold the log again, up to its high marks of now. Raises Retryable."""
    await _in_thread(lambda: rebuild(views))
    await Projector(log, views).catch_up(progress)
