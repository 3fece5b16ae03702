"""Responses: how what the last step came to answers a synchronous caller. Pure.

What a step says of its answer beside its result is kept in its event, and read back from there.
"""

from collections.abc import Mapping

from processors.actions import Outcome
from processors.hidden_keys import hidden
from processors.payload import API_KEYS
from schemas import events
from schemas.values import Value, to_json


def response_of(last: Outcome, payload: Mapping[str, Value]) -> events.Response:
    """What a synchronous caller gets of a flow whose last step came to `last`."""
    if last.stop is not None:
        result, tagged = to_json(last.stop.body)
        return events.Response(
            status=last.stop.status,
            content_type=last.stop.content_type,
            headers=dict(last.stop.headers),
            result=result,
            tagged=tagged,
        )
    shown = last.result
    if isinstance(shown, dict) and API_KEYS in shown:
        shown = {key: value for key, value in shown.items() if key != API_KEYS}
    result, tagged = to_json(hidden(shown, payload))
    if last.status is None:
        return events.Response(result=result, tagged=tagged)
    return events.Response(
        status=last.status,
        content_type=last.content_type or "application/json",
        headers=dict(last.headers),
        result=result,
        tagged=tagged,
    )


def kept_answer(outcome: Outcome) -> dict[str, Value] | None:
    """What a step says of its answer beside the status, as StepSucceeded.kept has it."""
    if outcome.status is None or not (outcome.content_type or outcome.headers):
        return None
    return {"contentType": outcome.content_type, "headers": dict(outcome.headers)}


def answer_of(succeeded: events.StepSucceeded) -> tuple[str, Mapping[str, str]]:
    """The inverse of `kept_answer`: content type and headers."""
    kept = succeeded.kept if isinstance(succeeded.kept, dict) else {}
    return kept.get("contentType", ""), kept.get("headers", {})
