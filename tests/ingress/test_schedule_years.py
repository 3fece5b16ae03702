"""Two simulated years of schedules in every zone whose clocks change, by the policy."""

import random
from collections import defaultdict
from datetime import UTC, datetime

from hypothesis import given, settings
from hypothesis import strategies as st

from processors import ticks
from schemas import events, recurrence
from schemas.events import CatchUp, Scheduled, Skip, TickElapsed
from schemas.instants import SECOND, Instant
from tests.ingress.test_schedule_plan import INSTANCE, MINUTE, Owner, World
from tests.schemas.test_recurrence import DAY_S, ZONES, by_the_policy_for_fixed_times

START_S = int(datetime(2026, 1, 1, tzinfo=UTC).timestamp())
END_S = START_S + 730 * DAY_S
FIXED, ELAPSED = "30 2 * * *", "15 */12 * * *"


def rules() -> list[Scheduled]:
    """A fixed time and steps in each zone, with one policy or another."""
    found = []
    for index, zone in enumerate(ZONES):
        policy = list(CatchUp)[index % 3]
        for expression in (FIXED, ELAPSED):
            name = f"{expression} {zone}"
            rule = Scheduled(
                flow=name, expression=expression, time_zone=zone, catch_up=policy, max_catch_up=2
            )
            found.append(rule)
    return found


def expected(rule: Scheduled, until_s: int) -> list[Instant]:
    if rule.expression == FIXED:
        found = by_the_policy_for_fixed_times(["02:30"], rule.time_zone, START_S, until_s)
        return [Instant(at * SECOND) for at in found]
    begin, end = Instant(START_S * SECOND), Instant(until_s * SECOND)
    return [*recurrence.instants(rule.expression, rule.time_zone, begin, end)]


def may_run(rule: Scheduled, tick: TickElapsed, late: bool) -> bool:
    """The policy, in other words than processors.ticks has it."""
    allowed = {CatchUp.NONE: 0 if late else 1, CatchUp.LAST: 1, CatchUp.ALL: rule.max_catch_up}
    return tick.newer < allowed[rule.catch_up]


@settings(max_examples=2)
@given(st.integers(0, 1_000_000))
def test_two_years_in_all_zones_are_accounted_for_by_the_policy(seed: int) -> None:
    chance = random.Random(seed)
    world = World(now=Instant(START_S * SECOND))
    by_flow = {rule.flow: rule for rule in rules()}
    world.deploy(*by_flow.values())
    owner = Owner(world)
    ledger: dict[str, list[Instant]] = defaultdict(list)
    while world.now < END_S * SECOND:
        # Mostly a few hours; now and then days without anybody.
        hours = chance.choice((1, 3, 5, 30, 80))
        world.now = Instant(world.now + chance.randrange(hours * 60) * MINUTE + MINUTE)
        if chance.random() < 0.1:
            owner = Owner(world)
            world.restart_reader()
        world.accepted.clear()
        owner.step()
        for tick in world.accepted:
            account(world, by_flow[tick.flow], tick, ledger[tick.flow])
    for flow, rule in by_flow.items():
        assert ledger[flow] == expected(rule, world.now // SECOND), flow


def account(world: World, rule: Scheduled, tick: TickElapsed, seen: list[Instant]) -> None:
    """Add the instants of a tick, and see that what runs of them is what the policy lets run."""
    decided = ticks.decide(tick, world.now, catalog=world.catalog, partition=0, offset=0)
    late = ticks.late_s(tick, world.now) > 0
    if isinstance(decided, events.ExecutionAdmitted):
        assert tick.count == 1
        assert may_run(rule, tick, late)
        assert decided.due_at == tick.due_at
        seen.append(tick.due_at)
        return
    assert (decided.reason, decided.instance_id) == (Skip.CAUGHT_UP, INSTANCE)
    assert tick.count > 1 or not may_run(rule, tick, late)
    before = Instant(tick.first_due_at - 1)
    found = [*recurrence.instants(tick.expression, tick.time_zone, before, tick.due_at)]
    assert len(found) == decided.count
    seen += found
