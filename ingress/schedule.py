"""Schedules: says on `triggers` what has come due, for the partitions that this process owns.

Takes in the definitions and a clock; gives out TickElapsed at the partition of the instance, and
SchedulesFollowed behind them. What is due is the plan's affair (ingress.schedule_plan), that an
instant counts once its readers' (schemas.followed): so nothing here has to be exact. Whoever owns
admission's partition runs it; two at once do no harm.
"""

import asyncio
import logging
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import islice

from eventlog import at_hand, followed
from eventlog.definitions import Definitions
from eventlog.log import Appended, EventLog, NewRecord
from ingress.schedule_plan import Plan
from schemas import events, topics
from schemas.catalog import Instance, Mark
from schemas.ids import InstanceId
from schemas.instants import SECOND, Instant
from schemas.topics import TRIGGERS

SLEEP_S = 1.0
"""So often at least the clock is looked at: it may have been set."""
FOLLOWED_EVERY_S = 10
"""So often it is said that all has been said, when there is nothing to say."""
PREPARED_S = 2
"""So long before they fire ticks are made, that many which fire at once are not late."""
BATCH = 250
IN_FLIGHT = 64
"""So many batches at most are on their way to the log."""

Clock = Callable[[], Instant]

_logger = logging.getLogger(__name__)


class Ticker:
    """The schedules of one process; `follow` is run once for each partition that it owns."""

    def __init__(self, log: EventLog, definitions: Definitions, clock: Clock) -> None:
        self._log = log
        self._definitions = definitions
        self._clock = clock

    async def follow(self, partition: int) -> None:
        """Say what comes due in a partition, until cancelled. Raises LogUnavailable."""
        following = await Following.begin(self._log, self._definitions, partition)
        try:
            while True:
                now = self._clock()
                if following.has_work(now):
                    await following.step(now)
                await following.wait(self._clock())
        finally:
            following.end()


class Following:
    """One partition of `triggers` and the plan of its schedules."""

    def __init__(self, log: EventLog, definitions: Definitions, partition: int, plan: Plan) -> None:
        self._log = log
        self._definitions = definitions
        self._partition = partition
        self._partitions = log.partitions(TRIGGERS)
        self._changes: list[tuple[events.Event, Mark]] = []
        self._changed = asyncio.Event()
        self._made: dict[int, tuple[events.TickElapsed, bytes]] = {}
        """By identity: ticks that are about to fire, and their bytes."""
        self._in_flight: list[asyncio.Future[list[Appended]]] = []
        self._said_at = Instant(0)
        self._opening = [*filter(self._is_here, definitions.catalog.instances.values())]
        self._unwatch = definitions.watch(self._note)
        self.plan = plan

    @classmethod
    async def begin(cls, log: EventLog, definitions: Definitions, partition: int) -> "Following":
        """Go on from what stands on the log."""
        await definitions.read_to_end()
        state = await followed.read_back(log, partition, change=definitions.next_offset)
        return cls(log, definitions, partition, Plan(state))

    def end(self) -> None:
        self._unwatch()
        for append in self._in_flight:
            append.cancel()

    def has_work(self, now: Instant) -> bool:
        """Whether something has come due by `now`, or has been read, or is to be said again."""
        following = self.plan.next_at()
        is_due = following is not None and following <= now
        return is_due or bool(self._opening or self._changes) or self._is_to_be_said(now)

    async def step(self, now: Instant) -> None:
        """Say all that has come due by `now`; return when it is durable."""
        await self._definitions.read_to_end()
        # Together, without a pause between: what the plan will know, and what it then has said.
        change, changes, self._changes = self._definitions.next_offset, self._changes, []
        self._changed.clear()
        count = 0
        while self._opening:
            count += await self._say(self.plan.open(self._opening.pop()))
            if len(self._opening) % BATCH == 0:
                await asyncio.sleep(0)
        for event, mark in changes:
            count += await self._say(self.plan.change(event, mark))
        count += await self._say(self.plan.elapse(now))
        if self.plan.is_idle:
            self._made.clear()
        await self._settle(0)
        await self._reschedule()
        self._tell_broken()
        if count or changes or self._is_to_be_said(now):
            await self._say_followed(change, now)

    async def wait(self, now: Instant) -> None:
        """Until something may have come due, or a change has been read."""
        following = self.plan.next_at()
        if following is not None and following - now <= PREPARED_S * SECOND:
            now = await self._prepare(following, now)
        left_s = SLEEP_S if following is None else (following - now) / SECOND
        with suppress(TimeoutError):
            async with asyncio.timeout(max(0.0, min(left_s, SLEEP_S))):
                await self._changed.wait()

    async def _prepare(self, fires_at: Instant, now: Instant) -> Instant:
        """Make what fires then; gives the time after that."""
        began_at = asyncio.get_running_loop().time()
        while made := self.plan.prepare(fires_at, BATCH):
            self._made |= {id(tick): (tick, at_hand.encode([tick])) for tick in made}
            await asyncio.sleep(0)
        passed_s = asyncio.get_running_loop().time() - began_at
        return Instant(now + int(passed_s * SECOND))

    async def _say(self, ticks: Iterator[events.TickElapsed]) -> int:
        count = 0
        while batch := [*islice(ticks, BATCH)]:
            count += len(batch)
            records = [self._record(tick.instance_id, tick) for tick in batch]
            self._in_flight.append(asyncio.ensure_future(self._log.append(records)))
            await self._settle(IN_FLIGHT)
        return count

    async def _reschedule(self) -> None:
        more = True
        while more:
            more = self.plan.reschedule(BATCH)
            await asyncio.sleep(0)

    def _tell_broken(self) -> None:
        for slot, error in self.plan.broken:
            _logger.error(
                "the schedule of flow %r of instance %s cannot be followed: %r in zone %r: %r",
                slot.rule.flow,
                slot.instance_id,
                slot.rule.expression,
                slot.rule.time_zone,
                error,
                extra={"action": "schedule_broken"},
            )
        self.plan.broken.clear()

    async def _settle(self, most: int) -> None:
        while len(self._in_flight) > most:
            await self._in_flight.pop(0)

    def _is_to_be_said(self, now: Instant) -> bool:
        return bool(self.plan) and abs(now - self._said_at) >= FOLLOWED_EVERY_S * SECOND

    async def _say_followed(self, change: int, now: Instant) -> None:
        event = events.SchedulesFollowed(through=self.plan.said_through(), change=change)
        await self._log.append([self._record("", event)])
        self._said_at = now

    def _record(self, key: str, event: events.Event) -> NewRecord:
        _, value = self._made.pop(id(event), (event, b""))
        value = value or at_hand.encode([event])
        return NewRecord(TRIGGERS.name, key, value, self._partition)

    def _note(self, event: events.Event, mark: Mark) -> None:
        instance_id = getattr(event, "instance_id", None)
        if instance_id is not None and self._owns(instance_id):
            self._changes.append((event, mark))
            self._changed.set()

    def _is_here(self, instance: Instance) -> bool:
        return self._owns(instance.deployed.instance_id)

    def _owns(self, instance_id: InstanceId) -> bool:
        return topics.partition_of(instance_id, self._partitions) == self._partition
