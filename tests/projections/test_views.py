"""The fold of records into rows, on both databases: what is shown, and what is ignored."""

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from eventlog.log import Record
from projections import queries
from projections.store import Partition, Views
from schemas import events
from tests.projections import story

PER_EXAMPLE = settings(
    max_examples=15,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def show(views: Views, number: int) -> dict[str, Any]:
    return dict(queries.show_execution(views, story.execution_id(number)))


def journal(offset: int, *said: events.Event, claim: int | None = None) -> Record:
    return story.record("executions", offset, *said, claim=claim)


def test_an_admitted_execution_is_pending_until_it_starts(views: Views) -> None:
    story.tell(views, story.record("admissions", 0, story.admitted(0)))
    pending = show(views, 0)
    assert (pending["status"], pending["startedAt"]) == ("pending", None)
    story.tell(views, journal(0, story.started(0)))
    assert show(views, 0)["status"] == "running"
    story.tell(views, journal(1, story.completed(0)))
    assert show(views, 0)["status"] == "succeeded"


def test_a_failed_execution_keeps_its_error(views: Views) -> None:
    failed = events.ExecutionFailed(
        execution_id=story.execution_id(0), error="no \x00 answer", step="a"
    )
    story.tell(views, journal(0, story.started(0), failed))
    assert (show(views, 0)["status"], show(views, 0)["error"]) == ("failed", "no \ufffd answer")


def test_a_step_that_is_retried_is_one_row_at_its_latest_attempt(views: Views) -> None:
    run: dict[str, Any] = {"execution_id": story.execution_id(0), "step": "call"}
    said: list[events.Event] = [
        events.StepScheduled(**run),
        events.StepRetryScheduled(**run, loop_path="", attempt=1, error="503", delay_s=1.0),
        events.StepScheduled(**run, attempt=2),
        story.succeeded(0, "call", attempt=2),
    ]
    story.tell(views, story.record("admissions", 0, story.admitted(0)))
    seen = []
    for offset, event in enumerate(said):
        story.tell(views, journal(offset, event))
        (step,) = show(views, 0)["steps"]
        seen.append((step["status"], step["attempt"], step["error"]))
    assert seen == [
        ("running", 1, None),
        ("retrying", 1, "503"),
        ("running", 2, None),
        ("succeeded", 2, None),
    ]


def test_steps_stand_in_the_order_of_the_journal(views: Views) -> None:
    names = [f"step{number}" for number in range(30)]
    story.tell(views, journal(0, story.started(0), *[story.succeeded(0, n) for n in names[:20]]))
    story.tell(views, journal(1, *[story.succeeded(0, name) for name in names[20:]]))
    assert [step["key"] for step in show(views, 0)["steps"]] == names


def test_a_repeated_admission_is_ignored(views: Views) -> None:
    story.tell(views, story.record("admissions", 0, story.admitted(3)))
    before = story.contents(views, with_positions=False)
    story.tell(
        views, story.record("admissions", 1, story.admitted(3, flow="Other"), story.refused(2))
    )
    assert story.contents(views, with_positions=False) == before


def test_a_worker_without_the_claim_is_ignored(views: Views) -> None:
    claimed = events.PartitionClaimed(owner="a")
    story.tell(views, journal(0, claimed), journal(1, story.started(0), claim=0))
    story.tell(views, journal(2, claimed), journal(3, story.completed(0), claim=0))
    assert show(views, 0)["status"] == "running"
    story.tell(views, journal(4, story.completed(0), claim=2))
    assert show(views, 0)["status"] == "succeeded"


def test_a_claim_that_retention_has_removed_still_counts(views: Views) -> None:
    story.tell(
        views, journal(7, story.started(0), claim=5), journal(8, story.completed(0), claim=3)
    )
    assert show(views, 0)["status"] == "running"


def test_nothing_of_an_ended_execution_changes(views: Views) -> None:
    story.tell(views, journal(0, story.started(0), story.completed(0)))
    before = story.contents(views, with_positions=False)
    failed = events.ExecutionFailed(execution_id=story.execution_id(0), error="late")
    logged = events.LogWritten(execution_id=story.execution_id(0), level="info", message="late")
    story.tell(views, journal(1, story.succeeded(0, "late"), logged, failed))
    assert story.contents(views, with_positions=False) == before


def test_the_first_result_of_a_step_stays(views: Views) -> None:
    story.tell(views, journal(0, story.started(0), story.succeeded(0, "a", result=1)))
    story.tell(views, journal(1, story.succeeded(0, "a", result=2)))
    (step,) = show(views, 0)["steps"]
    assert step["result"] == 1


def test_an_instance_stays_paused_over_a_deployment_and_comes_back_from_removal(
    views: Views,
) -> None:
    paused = events.InstancePaused(instance_id=story.INSTANCE)
    removed = events.InstanceRemoved(instance_id=story.INSTANCE)
    story.tell(
        views, story.record("definitions", 0, *story.deployments(), paused, story.deployed())
    )
    assert [found["status"] for found in queries.instances(views)["instances"]] == ["paused"]
    story.tell(views, story.record("definitions", 1, removed))
    assert queries.instances(views)["instances"] == []
    story.tell(views, story.record("definitions", 2, story.deployed()))
    assert [found["status"] for found in queries.instances(views)["instances"]] == ["active"]


def test_a_deployment_replaces_the_endpoints(views: Views) -> None:
    story.tell(views, story.record("definitions", 0, *story.deployments()))
    story.tell(views, story.record("definitions", 1, story.deployed(endpoints={"Other": "e2"})))
    (instance,) = queries.instances(views)["instances"]
    assert [flow["name"] for flow in instance["flows"]] == ["Other"]


def test_no_secret_of_a_deployment_is_in_the_views(views: Views) -> None:
    deployed = story.deployed(sealed="S3ALED", api_key_hashes={"Receive": ["HA5H"]})
    story.tell(views, story.record("definitions", 0, *story.deployments(), deployed))
    assert "S3ALED" not in repr(story.contents(views))
    assert "HA5H" not in repr(story.contents(views))


@pytest.mark.parametrize("value", [b"not json", b'{"v":1,"events":[["no.such",{}]]}'])
def test_a_record_that_does_not_decode_is_left_out(views: Views, value: bytes) -> None:
    good = [story.record("admissions", offset, story.admitted(offset)) for offset in range(9)]
    good[4] = good[4]._replace(value=value)
    done = story.tell(views, *good)
    assert (done.events, done.skipped) == (8, 1)
    assert len(queries.list_executions(views, queries.Filter())["executions"]) == 8
    assert views.positions()[Partition("admissions", 0)].offset == 9


@pytest.mark.parametrize("broken", [{"trigger_offset": "x"}, {"version": 2**63}, {"version": [1]}])
def test_a_record_that_the_database_will_not_have_is_left_out(
    views: Views, broken: dict[str, Any]
) -> None:
    story.tell(
        views,
        story.record("admissions", 0, story.admitted(0)),
        story.record("admissions", 1, story.admitted(1, **broken)),
        story.record("admissions", 2, story.admitted(2)),
    )
    found = queries.list_executions(views, queries.Filter())["executions"]
    assert [row["receivedAt"][-10:-8] for row in found if row["receivedAt"]] == ["22", "20"]


STEPS = st.sampled_from(["a", "b", "c"])


@st.composite
def event_of(draw: st.DrawFn) -> events.Event:
    """Any event of one of a few executions, also one that makes no sense where it stands."""
    number = draw(st.integers(0, 3))
    run: dict[str, Any] = {
        "execution_id": story.execution_id(number),
        "step": draw(STEPS),
        "loop_path": draw(st.sampled_from(["", "a[0]", "a[1].b[0]"])),
    }
    attempt = draw(st.integers(1, 3))
    kinds: list[events.Event] = [
        story.started(number, admission_offset=draw(st.integers(0, 5))),
        events.StepScheduled(**run, attempt=attempt),
        events.StepRetryScheduled(**run, attempt=attempt, error="e", delay_s=1.0),
        events.ExecutionSuspended(**run, waits_for="s"),
        events.StepSucceeded(**run, attempt=attempt, result=attempt),
        events.StepFailed(**run, error="f", ignored=draw(st.booleans())),
        events.LogWritten(**run, level="info", message="m"),
        story.completed(number),
        events.ExecutionFailed(execution_id=story.execution_id(number), error="g"),
        events.PartitionClaimed(owner="w"),
    ]
    return draw(st.sampled_from(kinds))


@st.composite
def journals(draw: st.DrawFn) -> list[Record]:
    """A partition of `executions`: records with the claim that holds, and some with an older."""
    found: list[Record] = []
    claims = [-1]
    for offset, said in enumerate(draw(st.lists(st.lists(event_of(), max_size=4), max_size=6))):
        held = [event for event in said if not isinstance(event, events.PartitionClaimed)]
        if len(held) < len(said):
            found.append(journal(offset, events.PartitionClaimed(owner="w")))
            claims.append(offset)
        else:
            claim = draw(st.sampled_from([*claims, claims[-1], claims[-1]]))
            found.append(journal(offset, *held, claim=None if claim < 0 else claim))
    return found


@st.composite
def admissions(draw: st.DrawFn) -> list[Record]:
    """A partition of `admissions`, with repeats."""
    numbers = draw(st.lists(st.integers(0, 5), max_size=8))
    return [
        story.record("admissions", offset, story.refused(n) if n > 3 else story.admitted(n))
        for offset, n in enumerate(numbers)
    ]


@given(admissions(), journals(), st.data())
@PER_EXAMPLE
def test_batches_and_interleaving_change_nothing(
    views: Views, admitted: list[Record], said: list[Record], data: st.DataObject
) -> None:
    views.clear()
    for read in [*admitted, *said]:
        story.tell(views, read)
    one_by_one = story.contents(views)
    views.clear()
    rest = [list(admitted), list(said)]
    batch: list[Record] = []
    while left := [source for source in rest if source]:
        source = data.draw(st.sampled_from(left))
        size = data.draw(st.integers(1, len(source)))
        batch += source[:size]
        del source[:size]
        if data.draw(st.booleans()):
            story.tell(views, *batch)
            batch = []
    story.tell(views, *batch)
    assert story.contents(views) == one_by_one


@given(admissions(), journals())
@PER_EXAMPLE
def test_records_of_a_lost_claim_change_nothing(
    views: Views, admitted: list[Record], said: list[Record]
) -> None:
    views.clear()
    lost = journal(100, story.started(0, admission_offset=99), story.completed(0), claim=1)
    claimed = journal(99, events.PartitionClaimed(owner="new"))
    story.tell(views, *admitted, *said, claimed)
    before = story.contents(views, with_positions=False)
    story.tell(views, lost)
    assert story.contents(views, with_positions=False) == before


@given(admissions(), journals())
@PER_EXAMPLE
def test_saying_everything_again_changes_nothing(
    views: Views, admitted: list[Record], said: list[Record]
) -> None:
    """As after a crash of the worker that wrote it: the same facts stand on the log twice."""
    views.clear()
    story.tell(views, *admitted)
    before = story.contents(views, with_positions=False)
    again = [record._replace(offset=record.offset + 50) for record in admitted]
    story.tell(views, *again)
    assert story.contents(views, with_positions=False) == before


def test_a_step_waits_and_what_carries_it_forward_changes_nothing(
    views: Views,
) -> None:
    wait = events.ExecutionSuspended(
        execution_id=story.execution_id(0), step="approved", waits_for="approved", sequence=1
    )
    story.tell(
        views,
        story.record("admissions", 0, story.admitted(0)),
        journal(0, story.started(0), story.succeeded(0, "reserve"), wait),
    )
    before = show(views, 0)
    assert [(step["key"], step["status"]) for step in before["steps"]] == [
        ("reserve", "succeeded"),
        ("approved", "waiting"),
    ]
    assert before["steps"][1]["startedAt"] is not None
    carried = events.ExecutionCarried(execution_id=story.execution_id(0))
    for offset in (7, 9):
        again = journal(offset, carried, story.admitted(0), wait, story.succeeded(0, "reserve"))
        story.tell(views, again)
        assert show(views, 0) == before
    story.tell(views, journal(12, story.succeeded(0, "approved")))
    assert [step["key"] for step in show(views, 0)["steps"]] == ["reserve", "approved"]


@pytest.mark.parametrize(
    ("last", "shown"),
    [
        (events.ExecutionCompleted(execution_id=story.execution_id(0)), ("canceled", None)),
        (
            events.ExecutionFailed(execution_id=story.execution_id(0), error="no", step="other"),
            ("canceled", None),
        ),
        (
            events.ExecutionFailed(execution_id=story.execution_id(0), error="no", step="approved"),
            ("failed", "no"),
        ),
    ],
)
def test_a_step_that_still_waits_ends_with_its_execution(
    views: Views, last: events.Event, shown: tuple[str, str | None]
) -> None:
    wait = events.ExecutionSuspended(
        execution_id=story.execution_id(0), step="approved", waits_for="approved"
    )
    story.tell(views, journal(0, story.started(0), wait), journal(1, last))
    (step,) = show(views, 0)["steps"]
    assert (step["status"], step["error"]) == shown


def test_a_retry_that_waits_for_long_keeps_its_error(views: Views) -> None:
    run: dict[str, Any] = {"execution_id": story.execution_id(0), "step": "call"}
    failed = events.StepRetryScheduled(**run, loop_path="", attempt=2, error="503", delay_s=80.0)
    story.tell(views, journal(0, story.started(0), failed))
    story.tell(views, journal(1, events.ExecutionSuspended(**run, until=story.START)))
    (step,) = show(views, 0)["steps"]
    assert (step["status"], step["attempt"], step["error"]) == ("retrying", 2, "503")


def test_a_loop_is_shown_while_its_body_runs(views: Views) -> None:
    inner = [story.succeeded(0, "save", loop_path=f"each[{n}].part[0]") for n in range(2)]
    story.tell(views, journal(0, story.started(0), inner[0]), journal(1, inner[1]))
    steps = show(views, 0)["steps"]
    assert [(step["key"], step["loopPath"], step["status"]) for step in steps] == [
        ("each", "", "running"),
        ("part", "each[0]", "running"),
        ("save", "each[0].part[0]", "succeeded"),
        ("part", "each[1]", "running"),
        ("save", "each[1].part[0]", "succeeded"),
    ]
    story.tell(views, journal(2, story.succeeded(0, "each", result=[1])))
    loop = show(views, 0)["steps"][0]
    assert (loop["key"], loop["status"]) == ("each", "succeeded")
    assert loop["startedAt"] < loop["endedAt"]
