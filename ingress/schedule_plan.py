"""The plan of a partition's schedules: what has come due, and what comes next. Pure.

Takes in instances, the changes of `definitions`, and the time; gives out the ticks to be said. It
goes on from what has been said (schemas.followed). A heap finds what falls due; per schedule a few
words are held, whatever its history.

    active      in the heap; a tick is said when it fires, which is `put_off` after it is due
    paused      out of it; the instants of the pause are said together, at its end
    a change    what was due by then is said at once, by the rule that held
"""

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import sha1
from heapq import heappop, heappush
from typing import NamedTuple

from ingress.schedule_groups import Group, groups
from schemas import events, ids, recurrence, schedules
from schemas.catalog import Instance, Mark, Standing, Status
from schemas.events import Scheduled, TickElapsed
from schemas.followed import NEVER, State
from schemas.ids import InstanceId, ScheduleId
from schemas.instants import SECOND, Instant

Ticks = Iterator[TickElapsed]


@dataclass(slots=True, eq=False)
class Slot:
    """One schedule. Everything up to `through` has been said; while it is paused, what follows
    waits for the end of the pause."""

    schedule_id: ScheduleId
    instance_id: InstanceId
    rule: Scheduled
    first_change: int
    through: Instant
    fires_at: Instant | None = None
    is_paused: bool = False


class Ready(NamedTuple):
    """A tick made before it fires."""

    fires_at: Instant
    slot: Slot
    tick: TickElapsed


@dataclass(slots=True)
class Plan:
    """`until` is the time up to which everything has been taken out. Each iterator that it gives
    is to be used up before the next call. `broken` are schedules that cannot be followed, and why:
    they were checked when they were deployed, but time zones come and go with the machine's."""

    followed: State
    until: Instant = NEVER
    broken: list[tuple[Slot, Exception]] = field(default_factory=list)
    _slots: dict[InstanceId, list[Slot]] = field(default_factory=dict)
    _heap: list[tuple[Instant, int, Slot]] = field(default_factory=list)
    _ready: deque[Ready] = field(default_factory=deque)
    _elapsed: list[Slot] = field(default_factory=list)
    _pushed: int = 0

    def __post_init__(self) -> None:
        self.until = max(self.until, self.followed.through)

    def __bool__(self) -> bool:
        """Whether there is any schedule."""
        return bool(self._slots)

    @property
    def is_idle(self) -> bool:
        """Whether no tick is made that has not fired."""
        return not self._ready

    def open(self, instance: Instance) -> Ticks:
        """Take in an instance as it stands, and say what has not been said of it."""
        for rules in _by_flow(instance.deployed, instance.deployed_at):
            slot = self._slot(instance.deployed.instance_id, rules)
            yield from self._catch_up(slot, rules, instance.standing, instance.deployed_at)

    def change(self, event: events.Event, mark: Mark) -> Ticks:
        """Follow a change that stands at `mark` on `definitions`."""
        match event:
            case events.InstanceDeployed():
                for rules in _by_flow(event, mark):
                    yield from self._deploy(event.instance_id, rules, mark)
            case events.InstancePaused():
                for slot in self._slots.get(event.instance_id, ()):
                    yield from self._pass(slot, [slot.rule], mark.at)
                    slot.is_paused, slot.fires_at = True, None
            case events.InstanceResumed():
                for slot in self._slots.get(event.instance_id, ()):
                    yield from self._pass(slot, [slot.rule], mark.at, mark.offset)
                    slot.is_paused = False
                    self._put(slot)
            case events.InstanceRemoved():
                for slot in self._slots.pop(event.instance_id, ()):
                    paused = mark.offset if slot.is_paused else None
                    yield from self._pass(slot, [slot.rule], mark.at, paused)
                    slot.is_paused, slot.fires_at = True, None

    def prepare(self, until: Instant, most: int) -> list[TickElapsed]:
        """Make up to `most` of the ticks that fire by `until`: `elapse` gives these very ones,
        unless something changes before."""
        made: list[TickElapsed] = []
        while len(made) < most and self._heap and self._heap[0][0] <= until:
            fires_at, _, slot = heappop(self._heap)
            if slot.fires_at == fires_at:
                made.append(_tick(slot, slot.rule, _alone(slot, fires_at), None))
                self._ready.append(Ready(fires_at, slot, made[-1]))
        return made

    def elapse(self, now: Instant) -> Ticks:
        """The ticks that have fired by `now`; `reschedule` is to be called before the next one."""
        self.until = max(self.until, now)
        while self._ready and self._ready[0].fires_at <= now:
            fired_at, slot, tick = self._ready.popleft()
            if slot.fires_at == fired_at:
                yield from self._fire(slot, fired_at, now, tick)
        while self._heap and self._heap[0][0] <= now:
            fired_at, _, slot = heappop(self._heap)
            if slot.fires_at == fired_at:
                yield from self._fire(slot, fired_at, now, None)

    def reschedule(self, most: int) -> bool:
        """Look for the next instants of up to `most` schedules; False once none is left."""
        for slot in self._elapsed[-most:]:
            self._put(slot)
        del self._elapsed[-most:]
        return bool(self._elapsed)

    def next_at(self) -> Instant | None:
        """When something fires next."""
        while self._heap and self._heap[0][2].fires_at != self._heap[0][0]:
            heappop(self._heap)
        while self._ready and self._ready[0].slot.fires_at != self._ready[0].fires_at:
            self._ready.popleft()
        first = [self._heap[0][0]] if self._heap else []
        return min([*first, self._ready[0].fires_at] if self._ready else first, default=None)

    def said_through(self) -> Instant:
        """What had to fire by then has been taken out, also where a clock has gone back."""
        following = self.next_at()
        return self.until if following is None else min(self.until, Instant(following - 1))

    def _slot(self, instance_id: InstanceId, rules: Sequence[Scheduled]) -> Slot:
        schedule_id = ids.schedule_of(instance_id, rules[0].flow)
        change = rules[0].change or 0
        first = rules[0].since or NEVER
        put_off = max(put_off_s(schedule_id, rule) for rule in rules)
        by_all = self.followed.said_by_all(change, put_off)
        said = self.followed.said.get(schedule_id, NEVER)
        return Slot(schedule_id, instance_id, rules[-1], change, max(first, by_all, said))

    def _ends(self, rules: Sequence[Scheduled]) -> list[Instant]:
        """When rules began that have been followed: what had come due before, also what was put
        off, was said then."""
        return [r.since or NEVER for r in rules if (r.change or 0) < self.followed.change]

    def _catch_up(
        self, slot: Slot, rules: Sequence[Scheduled], standing: Standing, deployed_at: Mark
    ) -> Ticks:
        since, is_said = standing.since, standing.since.offset < self.followed.change
        if standing.status is Status.REMOVED:
            if not is_said:
                yield from self._pass(slot, rules, since.at)
            return
        slot.is_paused = standing.status is Status.PAUSED
        paused_at = since.at if slot.is_paused else standing.paused_at
        if paused_at is not None and (slot.is_paused or not is_said):
            # Of what came later only that was said which ended when its rule changed.
            begun = paused_at if is_said else min(slot.through, paused_at)
            slot.through = max([begun, *(at for at in self._ends(rules) if at > paused_at)])
            yield from self._pass(slot, rules, paused_at)
            resumed = deployed_at.offset if slot.is_paused else since.offset
            end = rules[-1].since or NEVER
            yield from self._pass(slot, rules, end if slot.is_paused else since.at, resumed)
        yield from self._pass(slot, rules, rules[-1].since or NEVER)
        self._keep(slot)

    def _deploy(self, instance_id: InstanceId, rules: Sequence[Scheduled], mark: Mark) -> Ticks:
        rule = rules[-1]
        held = self._slots.get(instance_id, ())
        slot = next((known for known in held if known.rule.flow == rule.flow), None)
        if slot is None:
            self._keep(self._slot(instance_id, [rule]))
        elif slot.rule.change == rule.change:
            slot.rule = rule
        else:
            paused = mark.offset if slot.is_paused else None
            yield from self._pass(slot, [slot.rule], mark.at, paused)
            slot.rule = rule
            self._put(slot)

    def _fire(self, slot: Slot, fired_at: Instant, now: Instant, made: TickElapsed | None) -> Ticks:
        slot.fires_at = None
        self._elapsed.append(slot)
        if now - fired_at < recurrence.shortest_interval_s(slot.rule.expression) * SECOND:
            group = _alone(slot, fired_at)
            slot.through = group.last
            yield made or _tick(slot, slot.rule, group, None)
        else:
            put_off = put_off_s(slot.schedule_id, slot.rule) * SECOND
            yield from self._pass(slot, [slot.rule], Instant(now - put_off))

    def _pass(
        self, slot: Slot, rules: Sequence[Scheduled], end: Instant, paused: int | None = None
    ) -> Ticks:
        """Say what the rules expect later than `slot.through`, up to `end`. `paused` is the offset
        on `definitions` of what ends a pause, if that is why they are said."""
        for rule, following in zip(rules, [*rules[1:], None], strict=True):
            start = max(slot.through, rule.since or NEVER)
            stop = end if following is None else min(end, following.since or end)
            try:
                for group in groups(rule, start, stop, is_paused=paused is not None):
                    yield _tick(slot, rule, group, paused)
            except recurrence.UNUSABLE as error:
                self.broken.append((slot, error))
        slot.through = max(slot.through, end)

    def _keep(self, slot: Slot) -> None:
        self._slots.setdefault(slot.instance_id, []).append(slot)
        self._put(slot)

    def _put(self, slot: Slot) -> None:
        rule = slot.rule
        if slot.is_paused or not rule.expression:
            slot.fires_at = None
            return
        due = None
        try:
            due = recurrence.next_after(rule.expression, rule.time_zone, slot.through)
        except recurrence.UNUSABLE as error:
            self.broken.append((slot, error))
        if due is None:
            slot.fires_at = None
            return
        slot.fires_at = Instant(due + put_off_s(slot.schedule_id, rule) * SECOND)
        self._pushed += 1
        heappush(self._heap, (slot.fires_at, self._pushed, slot))


def put_off_s(schedule_id: ScheduleId, rule: Scheduled) -> int:
    """By how much a schedule is put off: always the same, at most its jitter."""
    if not rule.jitter_s:
        return 0
    return int.from_bytes(sha1(schedule_id.encode()).digest()[:8]) % (rule.jitter_s + 1)


def _alone(slot: Slot, fires_at: Instant) -> Group:
    due = Instant(fires_at - put_off_s(slot.schedule_id, slot.rule) * SECOND)
    return Group(due, due, 1, 0)


def _tick(slot: Slot, rule: Scheduled, group: Group, paused: int | None) -> TickElapsed:
    return TickElapsed(
        schedule_id=slot.schedule_id,
        instance_id=slot.instance_id,
        flow=rule.flow,
        due_at=group.last,
        first_due_at=group.first,
        change=slot.first_change if paused is None else paused,
        expression=rule.expression,
        time_zone=rule.time_zone,
        engine=recurrence.ENGINE,
        engine_version=recurrence.ENGINE_VERSION,
        jitter_s=put_off_s(slot.schedule_id, rule),
        count=group.size,
        newer=group.newer,
        is_paused=paused is not None,
    )


def _by_flow(deployed: events.InstanceDeployed, mark: Mark) -> list[list[Scheduled]]:
    """The rules of each flow, what held before what holds."""
    found: dict[str, list[Scheduled]] = {}
    for rule in schedules.placed(deployed, *mark):
        found.setdefault(rule.flow, []).append(rule)
    return list(found.values())
