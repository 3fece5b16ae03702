"""Flow answers: how an execution that was invoked answers the step that waits for it. Pure.

`answered` makes the event that stands on the journal with its end; `performed` reads it for the
step. A step waits ANSWER_S, and no more than MOST_WAITING steps wait for one another in a row, so
that flows that call one another in a circle come to an end.
"""

from collections.abc import Iterable
from dataclasses import replace
from http import HTTPStatus

from processors.actions import Outcome
from processors.asked import Performed
from schemas import events
from schemas.ids import ExecutionId
from schemas.instants import Instant
from schemas.values import from_json

ANSWER_S = 900.0
"""What an execution may take on the platform (platform-behaviour, 3.1)."""

MOST_WAITING = 16

Terminal = events.ExecutionCompleted | events.ExecutionFailed


def answered(admitted: events.ExecutionAdmitted, last: Terminal) -> events.FlowAnswered | None:
    """What is said before the last event of an execution; None where no step waits for it."""
    if admitted.invoked_by is None or not admitted.synchronous:
        return None
    failed = isinstance(last, events.ExecutionFailed)
    return events.FlowAnswered(
        execution_id=admitted.invoked_by,
        invoked=admitted.execution_id,
        response=None if failed else getattr(last, "response", None),
        error=getattr(last, "error", None),
    )


def without_response(last: Terminal) -> Terminal:
    """The last event of an execution whose response stands before it."""
    if isinstance(last, events.ExecutionFailed):
        return last
    return replace(last, response=None)


def refused(
    invoked: events.FlowInvoked, refusal: events.TriggerRefused
) -> events.FlowAnswered | None:
    """The same for an invocation that was refused."""
    if not invoked.waits:
        return None
    return events.FlowAnswered(
        execution_id=invoked.invoked_by,
        invoked=invoked.execution_id,
        error=f"it was refused: {refusal.reason}",
    )


def find(said: Iterable[events.Event], invoked: ExecutionId) -> events.FlowAnswered | None:
    """The answer of `invoked` among what has been said."""
    for event in said:
        if isinstance(event, events.FlowAnswered) and event.invoked == invoked:
            return event
    return None


def performed(answer: events.FlowAnswered, flow: str, began: Instant, now: Instant) -> Performed:
    """What the step that waited came to: what an HTTP client would make of the answer."""
    if answer.error is not None:
        return Performed(None, f"flow {flow!r} failed: {answer.error}", began, now)
    response = answer.response or events.Response()
    if response.status is not None and response.status >= HTTPStatus.BAD_REQUEST:
        return Performed(None, f"flow {flow!r} answered {response.status}", began, now)
    result = from_json(response.result, response.tagged)
    return Performed(Outcome(result=result), "", began, now)
