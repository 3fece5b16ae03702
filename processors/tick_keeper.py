"""The ticks of one partition of `triggers`: what has been said of them, and what they come to.

Takes in their events in the order of the log; gives out decisions (processors.ticks). What it has
to know of earlier records is read back from the log (eventlog.followed), and after each batch it
remembers there from where.
"""

import logging

from eventlog import followed
from eventlog.definitions import Definitions
from eventlog.log import EventLog, Record
from processors import ticks
from schemas import codec, events
from schemas.followed import State
from schemas.ids import ScheduleId
from schemas.instants import SECOND, Instant
from schemas.topics import TRIGGERS

REMEMBERED_EVERY = Instant(5 * SECOND)
"""About so much of `triggers`, in its own time, is read again when a partition is taken over."""

Said = events.TickElapsed | events.SchedulesFollowed
Outcome = events.ExecutionAdmitted | events.TickSkipped | events.ScheduleFellBehind

_logger = logging.getLogger(__name__)


class TickKeeper:
    """`begin` is called once, before the first record."""

    def __init__(self, log: EventLog, definitions: Definitions, partition: int) -> None:
        self._log = log
        self._definitions = definitions
        self._partition = partition
        self._state = State()
        self._decided_to = -1
        self._remembered: int | None = None
        self._remembered_at = Instant(0)
        self._behind: set[ScheduleId] = set()
        self._fallen: list[events.ScheduleFellBehind] = []

    async def begin(self, first_offset: int) -> None:
        """Read back what stands before `first_offset`. To be called before the decisions on
        `admissions` are read: these tell of every tick up to the record that is remembered."""
        base = await self._log.committed(followed.READER, TRIGGERS, self._partition)
        self._decided_to = -1 if base is None else base
        change = self._definitions.next_offset
        self._state = await followed.read_back(
            self._log, self._partition, change=change, end=first_offset
        )

    def note(self, record: Record) -> None:
        """A record whose decision stands on the log still tells what has been said."""
        for event in codec.decode(record.value).events:
            self._state.note(record.offset, event)

    async def decide(self, event: Said, record: Record, now: Instant) -> list[Outcome]:
        """The events of one record of `admissions`; none for what has been said before."""
        tick = self._state.unsaid(event) if isinstance(event, events.TickElapsed) else None
        self._state.note(record.offset, event)
        if tick is None or record.offset <= self._decided_to:
            return []
        if tick.instance_id not in self._definitions.catalog.instances:
            await self._definitions.read_to_end()
        catalog, place = self._definitions.catalog, (record.partition, record.offset)
        outcome = ticks.decide(tick, now, catalog=catalog, partition=place[0], offset=place[1])
        behind = ticks.fell_behind(tick, now, self._behind, *place)
        if behind is None:
            return [outcome]
        self._fallen.append(behind)
        return [outcome, behind]

    async def after(self, last: Record) -> None:
        """Remember how far back to read, once the decisions on a batch are durable."""
        self._warn()
        base = self._state.base
        if base != self._remembered and last.at - self._remembered_at >= REMEMBERED_EVERY:
            await followed.commit(self._log, self._partition, self._state)
            self._remembered, self._remembered_at = base, last.at

    def _warn(self) -> None:
        """One line for all of a batch: after an outage there may be very many."""
        fallen, self._fallen = self._fallen, []
        if fallen:
            _logger.warning(
                "%d schedules have fallen behind, as that of flow %r of instance %s: %.1f s",
                len(fallen),
                fallen[0].flow,
                fallen[0].instance_id,
                fallen[0].late_s,
                extra={"action": "schedule_fell_behind"},
            )
