"""The IO around idempotency: where the keys of a partition of `triggers` are read from again.

They stand on `admissions`, with the admissions that they came with. A reader of its own commits
from where on; before the first key there is no such offset and nothing to read. From time to time
all keys that count are said again and the offset moves on, so that taking over a partition means
reading what was admitted since, and never more than one window of it.
"""

from collections.abc import Sequence

from eventlog.log import EventLog, NewRecord
from processors import idempotency
from schemas import codec, events
from schemas.instants import Instant
from schemas.topics import ADMISSIONS

SAID_AGAIN_AFTER = 20_000
"""After so many decisions of the partition, or as many as there are keys, keys are said again."""


class KeyKeeper:
    """The keys of one partition of `triggers`, and what is to be done to have them again."""

    def __init__(self, log: EventLog, partition: int) -> None:
        self.state = idempotency.State()
        self._log = log
        self._partition = partition
        self._reader = f"processors.admission.keys.{partition}"
        self._has_begun = False
        self._decided = 0

    async def begins(self, now: Instant) -> list[int] | None:
        """The first offset to read of each partition of `admissions`; None where no key is."""
        found = [await self._log.committed(self._reader, ADMISSIONS, p) for p in self._places()]
        if all(offset is None for offset in found):
            return None
        self._has_begun = True
        since = Instant(now - idempotency.WINDOW)
        oldest = [await self._log.offset_at(ADMISSIONS, p, since) for p in self._places()]
        return [max(offset or 0, least) for offset, least in zip(found, oldest, strict=True)]

    async def before(self, decided: Sequence[events.Event]) -> None:
        """To be done before `decided` is appended."""
        keyed = any(
            isinstance(event, events.ExecutionAdmitted) and event.idempotency_key
            for event in decided
        )
        if keyed and not self._has_begun:
            await self._commit(await self._ends())
            self._has_begun = True

    async def after(self, decided: Sequence[events.Event], now: Instant) -> None:
        """To be done once `decided` is durable."""
        self._decided += len(decided)
        if not self._has_begun or self._decided < SAID_AGAIN_AFTER:
            return
        if self._decided < idempotency.count(self.state):
            return
        self._decided = 0
        ends = await self._ends()
        said = idempotency.remembered(self.state, self._partition, now)
        place = self._partition % self._log.partitions(ADMISSIONS)
        await self._log.append(
            [NewRecord(ADMISSIONS.name, "", codec.encode([event]), place) for event in said]
        )
        await self._commit(ends)

    def _places(self) -> range:
        return range(self._log.partitions(ADMISSIONS))

    async def _ends(self) -> list[int]:
        return [(await self._log.marks(ADMISSIONS, place)).high for place in self._places()]

    async def _commit(self, offsets: Sequence[int]) -> None:
        """One by one: what an older offset has read twice changes nothing."""
        for place, offset in zip(self._places(), offsets, strict=True):
            await self._log.commit(self._reader, ADMISSIONS, place, offset)
