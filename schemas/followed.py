"""Followed: what of the schedules of one partition has been said on `triggers`; a pure fold.

Two owners may say ticks of the same schedules, each as it sees them: one that was paused and wakes
up, one whose clock is ahead. What makes an instant count once is what its readers do, in the order
of the log: a tick is void where it is not later than what has been said of its schedule, and cut
where it is so in part.

`SchedulesFollowed` is true whoever says it: what had to fire by `through`, and follows from what
stands on `definitions` below `change`, stands before it. So the fold may rest on one of them and
forget what came before; from then on only what came since is kept by schedule. It does not rest on
one that knows less than a tick that stands before it: a later `change`, or a later instant.
"""

from dataclasses import dataclass, field, replace

from schemas import events, recurrence
from schemas.ids import ScheduleId
from schemas.instants import SECOND, Instant

NEVER = Instant(-1)
LATE_S = 10.0
"""A tick is late that is noticed so long after it was to fire."""


@dataclass(slots=True)
class State:
    """`base` is the offset of the record that it rests on: who reads from there knows as much."""

    base: int | None = None
    through: Instant = NEVER
    change: int = 0
    said: dict[ScheduleId, Instant] = field(default_factory=dict)
    _latest_change: int = -1
    _latest_at: Instant = NEVER

    def note(self, offset: int, event: events.Event) -> None:
        """Collect one event that stands at `offset`."""
        if isinstance(event, events.SchedulesFollowed):
            self._rest_on(offset, event)
        elif isinstance(event, events.TickElapsed):
            said = self.said.get(event.schedule_id, NEVER)
            self.said[event.schedule_id] = max(said, event.due_at)
            self._latest_change = max(self._latest_change, event.change)
            self._latest_at = max(self._latest_at, fires_at(event))

    def unsaid(self, tick: events.TickElapsed) -> events.TickElapsed | None:
        """What of a tick has not been said before; None where all of it has."""
        said = self.said.get(tick.schedule_id, NEVER)
        if tick.is_paused and tick.change < self.change:
            return None
        if not tick.is_paused:
            said = max(said, self.said_by_all(tick.change, tick.jitter_s))
        if said < tick.first_due_at:
            return tick
        return _later_than(tick, said) if said < tick.due_at else None

    def said_by_all(self, change: int, jitter_s: int) -> Instant:
        """Up to when everything has been said of a schedule that came with `change`."""
        return Instant(self.through - jitter_s * SECOND) if change < self.change else NEVER

    def _rest_on(self, offset: int, event: events.SchedulesFollowed) -> None:
        is_later = event.through >= self.through and event.change >= self.change
        knows_all = event.change > self._latest_change and event.through >= self._latest_at
        if is_later and knows_all:
            self.base, self.through, self.change = offset, event.through, event.change
            self.said.clear()


def fires_at(tick: events.TickElapsed) -> Instant:
    """When its last instant was to fire."""
    return Instant(tick.due_at + tick.jitter_s * SECOND)


def _later_than(tick: events.TickElapsed, said: Instant) -> events.TickElapsed | None:
    try:
        left = [*recurrence.instants(tick.expression, tick.time_zone, said, tick.due_at)]
    except recurrence.UNUSABLE:
        left = []  # nobody can tell what is left of it
    return replace(tick, first_due_at=left[0], count=len(left)) if left else None
