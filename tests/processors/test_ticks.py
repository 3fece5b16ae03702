from typing import Any

import pytest

from processors import ticks
from schemas import events, ids
from schemas.catalog import Catalog
from schemas.events import CatchUp, Overlap, Scheduled, Skip, TickElapsed
from schemas.ids import CustomerId, EndpointId, InstanceId, IntegrationId
from schemas.instants import SECOND, Instant

INSTANCE = InstanceId("i")
SCHEDULE = ids.schedule_of(INSTANCE, "Sync")
DUE = Instant(1_000_000 * SECOND)
DEPLOYED_AT = Instant(DUE - 1_000 * SECOND)
EVERY_5 = "*/5 * * * *"
ON_TIME, LATE = Instant(DUE + SECOND), Instant(DUE + 11 * SECOND)


def catalog(*later: events.Event, **rule: Any) -> Catalog:
    found = Catalog()
    deployed = events.InstanceDeployed(
        instance_id=INSTANCE,
        name="Orders",
        integration_id=IntegrationId("n"),
        version=3,
        customer_id=CustomerId("c"),
        endpoints={"Sync": EndpointId("e")},
        sealed="",
        revision=2,
        base_url="http://here",
        schedules=[Scheduled(**{"flow": "Sync", "expression": EVERY_5} | rule)],
    )
    found.apply([deployed], 4, DEPLOYED_AT)
    found.apply(later, 5, DUE)
    return found


def tick(**given: Any) -> TickElapsed:
    usual: dict[str, Any] = {
        "schedule_id": SCHEDULE,
        "instance_id": INSTANCE,
        "flow": "Sync",
        "due_at": DUE,
        "first_due_at": DUE,
        "change": 4,
        "expression": EVERY_5,
        "time_zone": "",
        "engine": "croniter",
        "engine_version": "5.0.1",
    }
    return TickElapsed(**usual | given)


def decided(
    elapsed: TickElapsed, now: Instant = ON_TIME, known: Catalog | None = None
) -> events.ExecutionAdmitted | events.TickSkipped:
    return ticks.decide(elapsed, now, catalog=known or catalog(), partition=1, offset=7)


def reason(*given: Any) -> str:
    """Why it was skipped, or that it runs."""
    outcome = decided(*given)
    return str(outcome.reason) if isinstance(outcome, events.TickSkipped) else "runs"


def test_a_tick_runs_its_flow_with_an_empty_request_and_an_id_of_its_instant() -> None:
    admitted = decided(tick(), known=catalog(overlap=Overlap.SKIP))
    assert isinstance(admitted, events.ExecutionAdmitted)
    assert admitted.execution_id == ids.execution_of_tick(SCHEDULE, DUE)
    assert (admitted.flow, admitted.version, admitted.revision) == ("Sync", 3, 2)
    assert (admitted.invoke_type, admitted.endpoint_id) == (events.InvokeType.SCHEDULED, "e")
    assert (admitted.schedule_id, admitted.due_at, admitted.overlap) == (SCHEDULE, DUE, "skip")
    assert admitted.invoke_url.startswith("http://here/trigger/")
    assert (admitted.request.body, admitted.request.headers) == ("", [])


def test_two_positions_of_one_instant_are_one_execution() -> None:
    first = ticks.decide(tick(), ON_TIME, catalog=catalog(), partition=1, offset=7)
    other = ticks.decide(tick(), LATE, catalog=catalog(), partition=3, offset=9)
    assert isinstance(first, events.ExecutionAdmitted)
    assert isinstance(other, events.ExecutionAdmitted)
    assert first.execution_id == other.execution_id


@pytest.mark.parametrize(
    ("policy", "newer", "now", "expected"),
    [
        (CatchUp.LAST, 0, ON_TIME, "runs"),
        (CatchUp.LAST, 0, LATE, "runs"),
        (CatchUp.LAST, 1, LATE, Skip.CAUGHT_UP),
        (CatchUp.NONE, 0, ON_TIME, "runs"),
        (CatchUp.NONE, 0, LATE, Skip.CAUGHT_UP),
        (CatchUp.ALL, 2, LATE, "runs"),
        (CatchUp.ALL, 3, LATE, Skip.CAUGHT_UP),
    ],
)
def test_the_policy_says_which_missed_instants_run(
    policy: CatchUp, newer: int, now: Instant, expected: str
) -> None:
    known = catalog(catch_up=policy, max_catch_up=3)
    assert reason(tick(newer=newer), now, known) == expected


def test_instants_that_are_said_together_do_not_run() -> None:
    skipped = decided(tick(count=11, newer=1, first_due_at=Instant(DUE - 50)))
    assert isinstance(skipped, events.TickSkipped)
    assert (skipped.count, skipped.reason) == (11, Skip.CAUGHT_UP)
    assert (skipped.first_due_at, skipped.due_at) == (DUE - 50, DUE)


def test_a_paused_and_a_removed_instance_run_nothing() -> None:
    paused = catalog(events.InstancePaused(instance_id=INSTANCE))
    removed = catalog(events.InstanceRemoved(instance_id=INSTANCE))
    assert reason(tick(), ON_TIME, paused) == Skip.PAUSED
    assert reason(tick(), ON_TIME, removed) == Skip.REMOVED
    assert reason(tick(is_paused=True, count=3)) == Skip.PAUSED
    assert reason(tick(), ON_TIME, Catalog()) == Skip.REMOVED


def test_a_former_rule_runs_what_was_due_under_it_but_not_late() -> None:
    changed = catalog(expression="*/7 * * * *", since=Instant(DUE + 1))
    assert reason(tick(), ON_TIME, changed) == "runs"
    assert reason(tick(), LATE, changed) == Skip.SUPERSEDED
    before = catalog(expression="*/7 * * * *", since=Instant(DUE - 1))
    assert reason(tick(), ON_TIME, before) == Skip.SUPERSEDED


def test_a_flow_that_is_scheduled_no_longer_does_not_run() -> None:
    assert reason(tick(), ON_TIME, catalog(expression="")) == Skip.SUPERSEDED
    assert reason(tick(flow="Gone")) == Skip.SUPERSEDED


def test_jitter_is_no_lateness() -> None:
    assert ticks.late_s(tick(jitter_s=30), Instant(DUE + 35 * SECOND)) == 0
    assert ticks.late_s(tick(jitter_s=30), Instant(DUE + 45 * SECOND)) == 15


def test_an_episode_of_lateness_is_told_once() -> None:
    behind: set[ids.ScheduleId] = set()

    def fell_behind(now: Instant, **given: Any) -> bool:
        return ticks.fell_behind(tick(**given), now, behind, 1, 7) is not None

    assert not fell_behind(ON_TIME)
    assert not fell_behind(LATE, count=4, newer=1)
    assert fell_behind(LATE)
    assert not fell_behind(LATE)
    assert not fell_behind(ON_TIME)
    assert fell_behind(LATE)
