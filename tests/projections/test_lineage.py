"""Executions that other executions started, and how an execution came to its end."""

from dataclasses import replace

from projections import queries
from projections.store import Views
from schemas import events, ids
from schemas.events import ResultType
from schemas.instants import Instant, to_iso
from tests.projections import story


def test_an_execution_shows_who_invoked_it_and_whom_it_invoked(views: Views) -> None:
    parent, first, second = (story.execution_id(number) for number in range(3))
    story.tell(
        views,
        story.record("admissions", 0, story.admitted(0)),
        story.record("admissions", 1, replace(story.admitted(1), invoked_by=parent)),
        story.record("admissions", 2, replace(story.admitted(2), invoked_by=parent)),
    )
    shown = {
        number: queries.show_execution(views, id_) for number, id_ in enumerate((parent, first))
    }
    globally = [ids.to_global(ids.EXECUTION, id_) for id_ in (parent, first, second)]
    assert shown[0]["invokedBy"] is None
    assert sorted(shown[0]["invoked"]) == sorted(globally[1:])
    assert (shown[1]["invokedBy"], shown[1]["invoked"]) == (globally[0], [])


def test_an_invocation_that_was_admitted_twice_is_shown_as_first_admitted(views: Views) -> None:
    parent = story.execution_id(0)
    invoked = replace(story.admitted(1), invoked_by=parent)
    later = replace(invoked, trigger_offset=9, received_at=Instant(invoked.received_at + 1))
    story.tell(
        views,
        story.record("admissions", 0, story.admitted(0)),
        story.record("admissions", 1, invoked),
        story.record("admissions", 2, later),
    )
    shown = queries.show_execution(views, story.execution_id(1))
    assert shown["receivedAt"] == to_iso(invoked.received_at)
    assert len(queries.show_execution(views, parent)["invoked"]) == 1


def test_a_poll_without_changes_is_a_success_that_says_so(views: Views) -> None:
    ended = events.ExecutionCompleted(
        execution_id=story.execution_id(0), result_type=ResultType.POLLED_NO_CHANGES
    )
    story.tell(
        views,
        story.record("admissions", 0, story.admitted(0)),
        story.record("executions", 0, story.started(0), ended),
    )
    shown = queries.show_execution(views, story.execution_id(0))
    assert (shown["status"], shown["resultType"]) == ("succeeded", "POLLED_NO_CHANGES")
