"""Schedules: whoever says ticks, and whenever it wakes up, each expected instant counts once."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingress.schedule_groups import LONGEST_RANGE
from ingress.schedule_plan import Plan, put_off_s
from schemas import events, followed, ids, recurrence, schedules
from schemas.catalog import Catalog, Mark
from schemas.events import CatchUp, Scheduled, TickElapsed
from schemas.ids import CustomerId, InstanceId, IntegrationId
from schemas.instants import SECOND, Instant, from_iso

START = from_iso("2026-03-28T00:00:00")
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
INSTANCE = InstanceId("i")
SCHEDULE = ids.schedule_of(INSTANCE, "Sync")


@dataclass
class World:
    """The log, as far as schedules need it, and what its reader has accepted."""

    now: Instant = START
    definitions: list[tuple[events.Event, Mark]] = field(default_factory=list)
    triggers: list[events.Event] = field(default_factory=list)
    reader: followed.State = field(default_factory=followed.State)
    accepted: list[TickElapsed] = field(default_factory=list)
    catalog: Catalog = field(default_factory=Catalog)

    def say(self, event: events.Event) -> None:
        """What an owner appends, and what the reader makes of it."""
        if isinstance(event, TickElapsed) and (left := self.reader.unsaid(event)) is not None:
            self.accepted.append(left)
        self.reader.note(len(self.triggers), event)
        self.triggers.append(event)

    def change(self, event: events.Event) -> None:
        mark = Mark(len(self.definitions), self.now)
        self.definitions.append((event, mark))
        self.catalog.apply([event], *mark)

    def deploy(self, *rules: Scheduled) -> None:
        known = self.catalog.instances.get(INSTANCE)
        removed = known is None or known.status == "removed"
        held = (
            [] if removed or known is None else schedules.placed(known.deployed, *known.deployed_at)
        )
        said: list[Scheduled] = []
        for rule in rules:
            said += schedules._followed_by([s for s in held if s.flow == rule.flow], rule)
        self.change(
            events.InstanceDeployed(
                instance_id=INSTANCE,
                name="Orders",
                integration_id=IntegrationId("n"),
                version=1,
                customer_id=CustomerId("c"),
                endpoints={},
                sealed="",
                schedules=said,
            )
        )

    def pause(self) -> None:
        self.change(events.InstancePaused(instance_id=INSTANCE))

    def resume(self) -> None:
        since = self.catalog.instances[INSTANCE].standing.since.at
        self.change(events.InstanceResumed(instance_id=INSTANCE, paused_at=since))

    def remove(self) -> None:
        self.change(events.InstanceRemoved(instance_id=INSTANCE))

    def recovered(self) -> followed.State:
        """What a reader that starts now knows."""
        state = followed.State()
        base = self.reader.base or 0
        for offset, event in enumerate(self.triggers[base:], base):
            state.note(offset, event)
        return state

    def restart_reader(self) -> None:
        self.reader = self.recovered()

    def instants(self) -> list[Instant]:
        """All that was accepted, one by one."""
        found: list[Instant] = []
        for tick in self.accepted:
            of_tick = [
                *recurrence.instants(
                    tick.expression, tick.time_zone, Instant(tick.first_due_at - 1), tick.due_at
                )
            ]
            assert len(of_tick) == tick.count
            found += of_tick
        return found


class Owner:
    """One ticker; `ahead` is by how much its clock is."""

    def __init__(self, world: World, ahead: int = 0) -> None:
        self.world = world
        self.ahead = ahead
        self.plan = Plan(world.recovered())
        self.read = len(world.definitions)
        self.opening = [*world.catalog.instances.values()]

    def step(self, most: int | None = None) -> None:
        """Say what has come due; with `most`, die after that many."""
        now = Instant(self.world.now + self.ahead)
        for tick in islice(self.ticks(now), most):
            self.world.say(tick)
        if most is None:
            through = self.plan.said_through()
            self.world.say(events.SchedulesFollowed(through=through, change=self.read))

    def ticks(self, now: Instant) -> Iterator[TickElapsed]:
        for instance in self.opening:
            yield from self.plan.open(instance)
        self.opening = []
        for event, mark in self.world.definitions[self.read :]:
            yield from self.plan.change(event, mark)
        self.read = len(self.world.definitions)
        yield from self.plan.elapse(now)
        while self.plan.reschedule(2):
            pass
        self.plan.prepare(Instant(now + 40 * MINUTE), 2)


def rule(expression: str = "*/5 * * * *", **more: Any) -> Scheduled:
    return Scheduled(flow="Sync", expression=expression, **more)


def expected(expression: str, after: int, until: int, zone: str = "") -> list[Instant]:
    return [*recurrence.instants(expression, zone, Instant(after), Instant(until))]


def at(minutes: float) -> Instant:
    return Instant(START + int(minutes * MINUTE))


RULES = st.builds(
    rule,
    st.sampled_from(["*/5 * * * *", "*/7 * * * *", "30 2 * * *", "0 * * * *", ""]),
    time_zone=st.sampled_from(["", "Europe/Berlin", "Australia/Lord_Howe"]),
    catch_up=st.sampled_from(CatchUp),
    max_catch_up=st.integers(1, 4),
    jitter_s=st.sampled_from([0, 90]),
)
WAITS = st.integers(1, 4 * 60).map(lambda minutes: minutes * MINUTE + 11 * SECOND)
DOINGS = st.lists(
    st.tuples(
        WAITS,
        st.sampled_from(["", "", "", "pause", "resume", "deploy"]),
        RULES,
        st.sampled_from(["step", "step", "step", "other", "die", "both", "idle"]),
        st.integers(0, 3),
        st.booleans(),
    ),
    max_size=25,
)


def settle(world: World, *owners: Owner) -> None:
    """Let the last jitter pass."""
    world.now = Instant(world.now + 2 * HOUR)
    for owner in owners:
        owner.step()


@settings(max_examples=150)
@given(RULES, DOINGS)
def test_each_expected_instant_counts_once_whoever_owns_and_dies(
    first: Scheduled, doings: list[Any]
) -> None:
    """Two owners in turn, at once, killed between any two appends; readers that start again."""
    world = World()
    world.deploy(first)
    owner, other = Owner(world), Owner(world)
    held = [(first, world.now)]
    for wait, change, new, act, most, restarts in doings:
        world.now = Instant(world.now + wait)
        status = world.catalog.instances[INSTANCE].status
        if change == "deploy":
            world.deploy(new)
            held.append((new, world.now))
        elif change == "pause" and status == "active":
            world.pause()
        elif change == "resume" and status == "paused":
            world.resume()
        if act in ("step", "both"):
            owner.step()
        if act in ("other", "both"):
            other.step()
        if act == "die":
            owner.step(most)
            owner = Owner(world)
        if restarts:
            world.restart_reader()
    if world.catalog.instances[INSTANCE].status == "paused":
        world.resume()
    settle(world, owner, other, Owner(world))
    counted = world.instants()
    assert len(counted) == len(set(counted))
    if len(held) <= schedules.KEPT:
        wanted: list[Instant] = []
        ends = [since for _, since in held[1:]] + [world.now]
        for (known, since), end in zip(held, ends, strict=True):
            if known.expression:
                put_off = put_off_s(SCHEDULE, known) * SECOND if end == world.now else 0
                wanted += expected(known.expression, since, end - put_off, known.time_zone)
        assert sorted(counted) == wanted


@settings(max_examples=60)
@given(st.lists(st.tuples(WAITS, st.integers(-3, 3), st.booleans()), max_size=30))
def test_a_clock_that_jumps_neither_repeats_nor_loses_an_instant(jumps: list[Any]) -> None:
    world = World()
    world.deploy(rule())
    owner, right = Owner(world), Owner(world)
    latest = world.now
    for wait, hours, restarts in jumps:
        world.now = Instant(world.now + wait)
        owner.ahead = hours * HOUR
        latest = max(latest, Instant(world.now + owner.ahead))
        owner.step()
        right.step()
        if restarts:
            world.restart_reader()
    owner.ahead = 0
    world.now = Instant(max(latest, world.now) + HOUR)
    owner.step()
    right.step()
    assert world.instants() == expected("*/5 * * * *", START, world.now)


def test_an_instance_deployed_while_a_clock_is_ahead_loses_no_instant() -> None:
    world = World()
    ahead = Owner(world, ahead=HOUR)
    ahead.step()
    world.now = at(5.5)
    world.deploy(rule())
    ahead.ahead = 0
    for minute in range(6, 90):
        world.now = at(minute)
        ahead.step()
        if minute % 7 == 0:
            world.restart_reader()
            ahead = Owner(world)
    assert world.instants() == expected("*/5 * * * *", at(5.5), world.now)


def singles(world: World) -> list[tuple[int, int, int]]:
    """Minute, count and newer of what was accepted."""
    return [((t.due_at - START) // MINUTE, t.count, t.newer) for t in world.accepted]


@pytest.mark.parametrize(
    ("policy", "said"),
    [
        ({"catch_up": CatchUp.LAST}, [(55, 11, 1), (60, 1, 0)]),
        ({"catch_up": CatchUp.NONE}, [(55, 11, 1), (60, 1, 0)]),
        (
            {"catch_up": CatchUp.ALL, "max_catch_up": 3},
            [(45, 9, 3), (50, 1, 2), (55, 1, 1), (60, 1, 0)],
        ),
    ],
)
def test_after_an_outage_what_may_run_is_said_alone_and_older_instants_together(
    policy: dict[str, Any], said: list[tuple[int, int, int]]
) -> None:
    world = World()
    world.deploy(rule(**policy))
    Owner(world).step()
    world.now = at(60.5)
    Owner(world).step()
    assert singles(world) == said


def test_a_long_pause_is_a_few_records() -> None:
    world = World()
    world.deploy(rule("* * * * *"))
    owner = Owner(world)
    world.now = at(10)
    world.pause()
    owner.step()
    world.now = Instant(START + 10 * 24 * HOUR)
    owner.step()
    world.resume()
    owner.step()
    paused = [tick for tick in world.accepted if tick.is_paused]
    assert sum(tick.count for tick in paused) == 10 * 24 * 60 - 10
    assert max(tick.count for tick in paused) == LONGEST_RANGE
    assert world.instants() == expected("* * * * *", START, world.now)


def test_what_is_removed_is_expected_no_more() -> None:
    world = World()
    world.deploy(rule())
    owner = Owner(world)
    world.now = at(12)
    world.remove()
    world.now = at(60)
    owner.step()
    Owner(world).step()
    assert [minute for minute, *_ in singles(world)] == [5, 10]


def test_a_schedule_that_is_deployed_again_after_its_removal_begins_there() -> None:
    world = World()
    world.deploy(rule())
    owner = Owner(world)
    owner.step()
    world.remove()
    world.now = at(31)
    world.deploy(rule())
    world.now = at(41)
    owner.step()
    assert world.instants() == expected("*/5 * * * *", at(31), at(41))


def test_a_changed_schedule_goes_on_by_its_new_rule_from_the_deployment_on() -> None:
    world = World()
    world.deploy(rule("*/5 * * * *"))
    owner = Owner(world)
    world.now = at(11)
    owner.step()
    world.now = at(17)
    world.deploy(rule("*/7 * * * *"))
    world.now = at(30)
    owner.step()
    assert world.instants() == [at(5), at(10), at(15), at(21), at(28)]


def test_jitter_is_the_same_each_time_and_puts_off_the_tick_but_not_its_instant() -> None:
    put_off = put_off_s(SCHEDULE, rule(jitter_s=200))
    assert 0 < put_off <= 200
    world = World()
    world.deploy(rule(jitter_s=200))
    owner = Owner(world)
    world.now = Instant(at(5) + put_off * SECOND - 1)
    owner.step()
    assert world.accepted == []
    world.now = Instant(at(5) + put_off * SECOND)
    owner.step()
    assert world.instants() == [at(5)]
    assert [tick.jitter_s for tick in world.accepted] == [put_off]


def test_an_owner_that_is_doubled_says_nothing_that_counts() -> None:
    world = World()
    world.deploy(rule())
    one, two = Owner(world), Owner(world)
    for minute in range(1, 31):
        world.now = at(minute)
        one.step()
        two.step()
    assert len([e for e in world.triggers if isinstance(e, TickElapsed)]) == 12
    assert world.instants() == expected("*/5 * * * *", START, at(30))


def test_an_owner_that_wakes_up_after_a_takeover_says_nothing_that_counts() -> None:
    world = World()
    world.deploy(rule())
    sleeper = Owner(world)
    sleeper.step()
    world.now = at(21)
    taker = Owner(world)
    taker.step()
    world.restart_reader()
    sleeper.world.now = at(22)
    sleeper.step()
    assert world.instants() == expected("*/5 * * * *", START, at(22))
    assert singles(world) == [(15, 3, 1), (20, 1, 0)]


def test_a_tick_of_one_owner_that_another_has_said_in_part_is_cut() -> None:
    state = followed.State()
    world = World()
    world.deploy(rule())
    owner = Owner(world)
    world.now = at(31)
    (older, newest) = owner.ticks(world.now)
    assert (older.count, newest.count) == (5, 1)
    state.note(0, replace(older, due_at=at(10), count=2))
    cut = state.unsaid(older)
    assert cut is not None
    assert (cut.first_due_at, cut.due_at, cut.count) == (at(15), at(25), 3)


def test_years_of_seconds_are_said_in_bounded_parts() -> None:
    world = World()
    world.deploy(rule("* * * * * *"))
    world.now = Instant(START + 3 * 24 * HOUR)
    first = next(Owner(world).ticks(world.now))
    assert first.count == LONGEST_RANGE


def test_a_tick_is_made_before_it_fires_unless_something_changes() -> None:
    world = World()
    world.deploy(rule())
    owner = Owner(world)
    owner.plan.prepare(at(0), 5)
    assert [*owner.ticks(at(1))] == []
    (made,) = owner.plan._ready
    assert owner.plan.next_at() == at(5)
    assert [tick is made.tick for tick in owner.ticks(at(5))] == [True]
    world.now = at(6)
    world.pause()
    assert [*owner.ticks(at(10))] == []
    assert owner.plan.next_at() is None


def test_a_schedule_whose_zone_is_gone_is_told_and_the_others_go_on() -> None:
    world = World()
    lost = Scheduled(flow="Lost", expression="*/5 * * * *", time_zone="Europe/Atlantis")
    world.deploy(lost, rule())
    owner = Owner(world)
    world.now = at(11)
    owner.step()
    assert {slot.rule.flow for slot, _ in owner.plan.broken} == {"Lost"}
    assert world.instants() == [at(5), at(10)]


def test_what_was_put_off_until_after_a_pause_is_said_with_the_pause_alone() -> None:
    world = World()
    put_off = put_off_s(SCHEDULE, rule(jitter_s=200)) * SECOND
    world.deploy(rule(jitter_s=200))
    owner = Owner(world)
    world.now = at(6)
    world.pause()
    owner.step()
    world.now = Instant(at(15) + put_off // 2)
    world.resume()
    owner.step()
    world.restart_reader()
    world.now = at(21)
    Owner(world).step()
    assert world.instants() == [at(5), at(10), at(15), at(20)][: 3 + (put_off <= MINUTE)]
