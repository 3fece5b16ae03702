"""What the log of an execution says beside what its flow wrote, and where it stands."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from projections import log_lines, queries
from projections.store import Views
from schemas import events
from tests.projections import story
from tests.projections.test_views import PER_EXAMPLE

ID = story.execution_id(0)


def tell(views: Views, *said: events.Event, by_one: bool = False) -> None:
    """The execution's journal, in one record, or in a record for each event."""
    story.tell(views, story.record("definitions", 0, *story.deployments()))
    story.tell(views, story.record("admissions", 0, story.admitted(0)))
    told = [(event,) for event in said] if by_one else [said]
    for offset, some in enumerate(told):
        story.tell(views, story.record("executions", offset, story.started(0), *some))


def logged(message: str, step: str = "saveIt", **more: Any) -> events.LogWritten:
    said: dict[str, Any] = {"level": "info", "step": step}
    return events.LogWritten(execution_id=ID, message=message, **said | more)


def failed(step: str, error: str, **more: Any) -> events.StepFailed:
    return events.StepFailed(execution_id=ID, step=step, error=error, **more)


def ended(error: str, step: str = "") -> events.ExecutionFailed:
    return events.ExecutionFailed(execution_id=ID, error=error, step=step)


def lines(views: Views, level: str | None = None) -> list[tuple[str, str]]:
    found = queries.logs(views, ID, level=level)["logs"]
    return [(line["level"], line["message"]) for line in found]


STARTING = ("info", "Starting Instance 'Orders of Acme'")
ENDING = ("info", "Ending Instance 'Orders of Acme'")


@pytest.mark.parametrize("by_one", [False, True])
def test_lines_of_a_step_stand_between_its_name_and_the_next(views: Views, by_one: bool) -> None:
    tell(
        views,
        story.succeeded(0, "hookTrigger"),
        logged("saving"),
        story.succeeded(0, "saveIt"),
        story.completed(0),
        by_one=by_one,
    )
    assert lines(views) == [
        STARTING,
        ("info", "Hook Trigger"),
        ("info", "Save It"),
        ("info", "saving"),
        ENDING,
    ]
    [_, trigger, *_] = queries.logs(views, ID)["logs"]
    assert (trigger["step"], trigger["stepName"]) == ("hookTrigger", "Hook Trigger")


@pytest.mark.parametrize("by_one", [False, True])
def test_every_failed_attempt_leaves_its_error_and_the_last_one_once(
    views: Views, by_one: bool
) -> None:
    retried = events.StepRetryScheduled(
        execution_id=ID, step="saveIt", loop_path="", attempt=1, error="503", delay_s=1.0
    )
    tell(views, retried, failed("saveIt", "504"), ended("504", "saveIt"), by_one=by_one)
    assert lines(views) == [
        STARTING,
        ("info", "Save It"),
        ("error", "503"),
        ("error", "504"),
        ENDING,
    ]


def test_a_step_that_is_tried_again_begins_no_later_than_its_first_error(views: Views) -> None:
    retried = events.StepRetryScheduled(
        execution_id=ID, step="saveIt", loop_path="", attempt=1, error="503", delay_s=1.0
    )
    later = story.record("executions", 9, story.succeeded(0, "hookTrigger")).at + 1_000_000
    last = failed("saveIt", "504", attempt=2, started_at=later, ended_at=later + 1)
    tell(views, retried, last, ended("504", "saveIt"))
    times = [line["timestamp"] for line in queries.logs(views, ID)["logs"]]
    assert times[1:4] == sorted(times[1:4])


def test_an_ignored_error_is_told_and_so_is_a_failure_that_no_step_had(views: Views) -> None:
    tell(views, failed("saveIt", "503", ignored=True), ended("it departed from its record"))
    assert lines(views, "warn") == [("error", "503"), ("error", "it departed from its record")]


def test_an_execution_that_still_runs_has_no_last_line(views: Views) -> None:
    tell(views, events.StepScheduled(execution_id=ID, step="saveIt"))
    assert lines(views) == [STARTING, ("info", "Save It")]


def test_a_canceled_execution_says_why(views: Views) -> None:
    tell(views, events.ExecutionCanceled(execution_id=ID, reason="a later tick took over"))
    assert lines(views) == [STARTING, ("warn", "a later tick took over"), ENDING]


def test_a_level_is_shown_with_what_is_more_severe(views: Views) -> None:
    tell(
        views,
        logged("a", level="debug"),
        logged("b", level="warn"),
        logged("c", level="metric"),
        story.succeeded(0, "saveIt"),
        story.completed(0),
    )
    assert lines(views, "warn") == [("warn", "b")]
    assert lines(views, "metric") == [("metric", "c")]
    assert lines(views, "info") == [STARTING, ("info", "Save It"), ("warn", "b"), ENDING]
    assert ("debug", "a") in lines(views)


def test_a_long_error_is_cut(views: Views) -> None:
    tell(views, failed("saveIt", "x" * 5_000), ended("x" * 5_000, "saveIt"))
    assert lines(views, "error") == [("error", "x" * 4_096)]


def in_loops(count: int) -> list[events.Event]:
    said: list[events.Event] = []
    for number in range(count):
        path = f"each[{number}].part[0]"
        said += [logged(f"line {number}", "save", loop_path=path)]
        said += [story.succeeded(0, "save", loop_path=path)]
        said += [story.succeeded(0, "part", loop_path=f"each[{number}]")]
    return [*said, story.succeeded(0, "each"), story.completed(0)]


def test_lines_within_loops_say_where(views: Views) -> None:
    tell(views, *in_loops(2))
    found = queries.logs(views, ID)["logs"]
    shown = [(line["message"], line["loopStepName"], line["loopStepIndex"]) for line in found]
    assert shown[1:-1] == [
        ("each", None, None),
        ("part", "each", 0),
        ("save", "part", 0),
        ("line 0", "part", 0),
        ("part", "each", 1),
        ("save", "part", 0),
        ("line 1", "part", 0),
    ]


@given(st.integers(1, 5), st.sampled_from([None, "info", "warn"]), st.integers(1, 6))
@PER_EXAMPLE
def test_pages_are_the_whole_cut_anywhere(
    views: Views, size: int, level: str | None, records: int
) -> None:
    views.clear()
    said = [story.succeeded(0, "hookTrigger"), *in_loops(4)]
    said.insert(5, failed("other", "no", ignored=True))
    story.tell(
        views,
        *[
            story.record("executions", number, story.started(0), *said[number::records])
            for number in range(records)
        ],
    )
    whole = queries.logs(views, ID, level=level)["logs"]
    found, after = [], None
    while True:
        page = queries.logs(views, ID, level=level, limit=size, after=after)
        found += page["logs"]
        after = page["next"]
        if after is None:
            break
    assert found == whole


def test_starts_within_loops_are_bounded_and_own_lines_are_not(
    views: Views, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_lines, "MOST_STARTS", 4)
    tell(views, *in_loops(5))
    told = [message for _, message in lines(views)]
    assert told[1:7] == ["each", "part", "save", "line 0", "part", "save"]
    assert told[7] == "line 1"
    assert told[8].startswith("the starts of the first 4 steps in loops are listed")
    assert told[9:12] == ["line 2", "line 3", "line 4"]


def test_a_rebuild_gives_the_same_lines(views: Views) -> None:
    tell(views, *in_loops(3), by_one=True)
    before = queries.logs(views, ID)
    views.clear()
    tell(views, *in_loops(3), by_one=True)
    assert queries.logs(views, ID) == before
