"""Schedules in the views: what holds, what became of each instant, and what comes."""

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from projections import queries, schedules
from projections.store import Views
from schemas import events, ids
from schemas.errors import Refused
from schemas.events import Scheduled, Skip
from schemas.instants import SECOND, Instant, from_iso, to_iso
from tests.projections import story

BEGIN = from_iso("2023-11-14T22:15:00Z")
MINUTE = 60 * SECOND
SCHEDULE = ids.schedule_of(story.INSTANCE, "Receive")
SHOWN_ID = ids.to_global(ids.SCHEDULE, SCHEDULE)


def at(minutes: float) -> Instant:
    return Instant(BEGIN + int(minutes * MINUTE))


def deployed(expression: str = "*/5 * * * *", **rule: Any) -> list[events.Event]:
    """The deployments of the story, with a schedule."""
    said = story.deployments()
    found = next(event for event in said if isinstance(event, events.InstanceDeployed))
    former = Scheduled(flow="Receive", expression="0 0 * * *", since=Instant(0), change=0)
    now = Scheduled(flow="Receive", expression=expression, since=BEGIN, **rule)
    found.schedules[:] = [former, now]
    return list(said)


def fired(minute: int, late_s: float = 0.2, **given: Any) -> events.ExecutionAdmitted:
    return story.admitted(
        minute,
        invoke_type=events.InvokeType.SCHEDULED,
        schedule_id=SCHEDULE,
        due_at=at(minute),
        received_at=Instant(at(minute) + int(late_s * SECOND)),
        trigger_offset=1_000 + minute,
        **given,
    )


def skipped(minute: int, first: int, count: int, reason: Skip, **given: Any) -> events.TickSkipped:
    said: dict[str, Any] = {
        "schedule_id": SCHEDULE,
        "instance_id": story.INSTANCE,
        "flow": "Receive",
        "due_at": at(minute),
        "first_due_at": at(first),
        "count": count,
        "reason": reason,
        "trigger_partition": 0,
        "trigger_offset": 1_000 + minute,
        "received_at": at(minute),
    }
    return events.TickSkipped(**said | given)


def ticks(views: Views) -> list[tuple[str, str, int, str | None]]:
    found = schedules.ledger(views, SHOWN_ID, at(100))["ticks"]
    return [(row["dueAt"][14:16], row["status"], row["count"], row["reason"]) for row in found]


def test_each_instant_is_fired_late_or_skipped_with_its_reason(views: Views) -> None:
    story.tell(
        views,
        story.record("definitions", 0, *deployed()),
        story.record("admissions", 0, fired(5)),
        story.record("admissions", 1, skipped(20, 10, 3, Skip.CAUGHT_UP)),
        story.record("admissions", 2, fired(25, late_s=11)),
        story.record("admissions", 3, fired(30, late_s=35, jitter_s=30)),
    )
    assert ticks(views) == [
        ("45", "fired", 1, None),
        ("40", "late", 1, None),
        ("35", "skipped", 3, "caught_up"),
        ("20", "fired", 1, None),
    ]
    late = schedules.ledger(views, SHOWN_ID, at(100))["ticks"][1]
    assert (late["lateMs"], late["executionId"]) == (
        11_000,
        ids.to_global(ids.EXECUTION, story.execution_id(25)),
    )


def test_the_list_shows_what_holds_with_the_last_and_the_next_instant(views: Views) -> None:
    said = deployed(time_zone="Europe/Berlin", jitter_s=7, overlap=events.Overlap.SKIP)
    story.tell(
        views,
        story.record("definitions", 0, *said),
        story.record("admissions", 0, fired(5), fired(10, late_s=60)),
    )
    (shown,) = schedules.listed(views, at(11))["schedules"]
    assert shown["id"] == SHOWN_ID
    assert (shown["expression"], shown["timeZone"]) == ("*/5 * * * *", "Europe/Berlin")
    assert (shown["overlap"], shown["catchUp"], shown["jitterSeconds"]) == ("skip", "last", 7)
    assert shown["last"] is not None
    assert (shown["last"]["dueAt"], shown["behind"]) == (to_iso(at(10)), True)
    assert shown["nextDueAt"] == to_iso(at(15))


def test_coming_instants_follow_from_the_rule_and_stop_with_a_pause(views: Views) -> None:
    story.tell(views, story.record("definitions", 0, *deployed("0 0 1 1 *")))
    coming = schedules.ledger(views, SHOWN_ID, at(0), coming=2)["coming"]
    assert [text[:10] for text in coming] == ["2024-01-01", "2025-01-01"]
    paused = events.InstancePaused(instance_id=story.INSTANCE)
    story.tell(views, story.record("definitions", 1, paused))
    found = schedules.ledger(views, SHOWN_ID, at(0))
    assert (found["coming"], found["schedule"]["status"]) == ([], "paused")
    assert found["schedule"]["nextDueAt"] is None


def test_a_schedule_that_never_fires_is_shown_without_a_next_instant(views: Views) -> None:
    story.tell(views, story.record("definitions", 0, *deployed("")))
    (shown,) = schedules.listed(views, at(0))["schedules"]
    assert (shown["expression"], shown["nextDueAt"], shown["last"]) == ("", None, None)


def test_schedules_of_removed_instances_are_not_listed(views: Views) -> None:
    removed = events.InstanceRemoved(instance_id=story.INSTANCE)
    story.tell(views, story.record("definitions", 0, *deployed(), removed))
    assert schedules.listed(views, at(0))["schedules"] == []
    assert schedules.ledger(views, SHOWN_ID, at(0))["coming"] == []


def test_the_ledger_is_given_in_pages(views: Views) -> None:
    story.tell(
        views,
        story.record("definitions", 0, *deployed()),
        story.record("admissions", 0, *map(fired, range(5, 30, 5))),
    )
    first = schedules.ledger(views, SHOWN_ID, at(100), limit=3)
    rest = schedules.ledger(views, SHOWN_ID, at(100), limit=3, after=first["next"])
    assert (len(first["ticks"]), len(rest["ticks"]), rest["next"]) == (3, 2, None)


def test_a_schedule_that_is_not_there_is_not_found(views: Views) -> None:
    with pytest.raises(Refused, match="no schedule") as raised:
        schedules.ledger(views, SHOWN_ID, at(0))
    assert raised.value.status == 404


@settings(
    max_examples=20,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(st.data())
def test_the_ledger_is_the_same_however_the_log_is_cut_and_repeated(
    views: Views, data: st.DataObject
) -> None:
    said: list[events.Event] = [fired(5), skipped(20, 10, 3, Skip.CAUGHT_UP), fired(25)]
    repeated = [*said, *said[: data.draw(st.integers(0, 3))]]
    cut = data.draw(st.integers(0, len(repeated)))
    views.clear()
    story.tell(views, story.record("definitions", 0, *deployed()))
    for part in (range(cut), range(cut, len(repeated))):
        story.tell(views, *[story.record("admissions", n, repeated[n]) for n in part])
    assert ticks(views) == [
        ("40", "fired", 1, None),
        ("35", "skipped", 3, "caught_up"),
        ("20", "fired", 1, None),
    ]


def blocked(minute: int) -> events.TickSkipped:
    return skipped(
        minute,
        minute,
        1,
        Skip.OVERLAP,
        execution_id=story.execution_id(minute),
        open_execution_id=story.execution_id(1),
        admission_partition=0,
        admission_offset=minute,
    )


@pytest.mark.parametrize("order", [("admissions", "executions"), ("executions", "admissions")])
def test_a_tick_that_met_an_open_run_is_skipped_in_either_order(
    views: Views, order: tuple[str, str]
) -> None:
    said: dict[str, events.Event] = {"admissions": fired(5), "executions": blocked(5)}
    story.tell(views, story.record("definitions", 0, *deployed()))
    for topic in order:
        story.tell(views, story.record(topic, 0, said[topic]))
    assert ticks(views) == [("20", "skipped", 1, "overlap")]
    shown = queries.show_execution(views, story.execution_id(5))
    assert shown["status"] == "canceled"
    (tick,) = schedules.ledger(views, SHOWN_ID, at(100))["ticks"]
    assert tick["blockedBy"] == ids.to_global(ids.EXECUTION, story.execution_id(1))


def test_a_canceled_run_is_shown_as_that(views: Views) -> None:
    canceled = events.ExecutionCanceled(execution_id=story.execution_id(5), reason="later")
    late = story.completed(5)
    story.tell(
        views,
        story.record("admissions", 0, fired(5)),
        story.record("executions", 0, story.started(5)),
        story.record("executions", 1, canceled),
        story.record("executions", 2, late),
    )
    shown = queries.show_execution(views, story.execution_id(5))
    assert (shown["status"], shown["error"]) == ("canceled", "later")
