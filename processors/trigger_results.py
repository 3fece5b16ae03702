"""Trigger results: what a trigger's outcome may say, and how the log keeps what is acted on later.

Pure. An outcome that makes no sense is a StepError. What a trigger says to its caller, its polling
state and its page are acted on after its step is on the log, so `kept` stands there with it, and an
execution that goes on after a crash finds it again by `restored`.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from processors.actions import Action, Answer, Outcome, Page, StepError
from processors.payload import API_KEYS
from schemas import events
from schemas.definitions import Step
from schemas.events import BodyEncoding
from schemas.values import NotSerializable, Value, dump, from_json, to_json

MAX_ITEMS = 100_000
"""Items of one page."""

MAX_BODY_CHARS = 1_000_000
"""The body of an answer goes to its caller through `replies`."""

_BODIES = ("body", "rawBody")
_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_BREAKS = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")


def checked(outcome: Outcome, action: Action, step: Step) -> Outcome:
    """The outcome of a trigger. Raises StepError for one that makes no sense."""
    if not isinstance(outcome, Outcome):
        raise StepError(f"The trigger returned {type(outcome).__name__}, which is no result")
    if outcome.result is not None and not isinstance(outcome.result, Mapping):
        raise StepError(f"The trigger's payload is {_kind(outcome.result)}, not an object")
    _check_branch(outcome.branch, action, step)
    if outcome.answer is not None:
        _check_answer(outcome.answer)
    if outcome.polling is not None:
        _check_polling(outcome.polling)
    if outcome.page is not None:
        _check_page(outcome.page)
    return outcome


def kept(outcome: Outcome) -> Any:
    """What the log keeps of what is acted on later; None where there is nothing of the kind."""
    said: dict[str, Any] = {}
    if outcome.answer is not None:
        answer = outcome.answer
        said["answer"] = [answer.status, answer.content_type, answer.headers, answer.body]
    if outcome.failed:
        said["failed"] = outcome.failed
    if outcome.polled_no_changes:
        said["noChanges"] = True
    if outcome.polling is not None:
        said["polling"] = to_json(dict(outcome.polling))
    if outcome.page is not None:
        said["items"] = to_json(list(outcome.page.items))
        said["next"] = to_json(outcome.page.next)
    return said or None


def recorded(result: Value, payload: Mapping[str, Value], request: events.Request) -> Value:
    """The result of a trigger for the log: no API keys, and no body that has a blob already."""
    if not isinstance(result, dict):
        return result
    shown = {key: value for key, value in result.items() if key != API_KEYS}
    if request.encoding == BodyEncoding.BLOB:
        for name in _BODIES:
            if name in shown and shown[name] is payload.get(name):
                shown[name] = _in_blob(request)
    return shown


def restored(
    succeeded: events.StepSucceeded, payload: Mapping[str, Value], request: events.Request
) -> Outcome:
    """The outcome of a trigger as far as the log has it. What `recorded` left out comes back."""
    result = from_json(succeeded.result, succeeded.tagged)
    if isinstance(result, dict) and "webhookUrls" in result and API_KEYS in payload:
        result = {**result, API_KEYS: payload[API_KEYS]}
    if isinstance(result, dict) and request.encoding == BodyEncoding.BLOB:
        left_out = [name for name in _BODIES if result.get(name) == _in_blob(request)]
        result = {**result, **{name: payload.get(name) for name in left_out}}
    outcome = Outcome(result=result, branch=succeeded.branch, status=succeeded.status)
    said = succeeded.kept
    if not said:
        return outcome
    page = Page(from_json(*said["items"]), from_json(*said["next"])) if "items" in said else None
    return replace(
        outcome,
        answer=_answer(said["answer"]) if "answer" in said else None,
        failed=said.get("failed", ""),
        polled_no_changes=said.get("noChanges", False),
        polling=from_json(*said["polling"]) if "polling" in said else None,
        page=page,
    )


def answered(
    admitted: events.ExecutionAdmitted, answer: Answer | None, error: str | None
) -> events.TriggerAnswered | None:
    """What the caller is told, None where nobody waits for the trigger."""
    if admitted.synchronous or not admitted.reply_to:
        return None
    told = events.TriggerAnswered(
        reply_to=admitted.reply_to,
        request_no=admitted.request_no,
        execution_id=admitted.execution_id,
        error=error,
    )
    if answer is None:
        return told
    return replace(
        told,
        status=answer.status,
        content_type=answer.content_type,
        headers=dict(answer.headers),
        body=answer.body,
        error=None,
    )


def _in_blob(request: events.Request) -> dict[str, Value]:
    """What stands for a body on the log; people see the same of the request itself."""
    return {"data": {"blob": request.body}, "contentType": request.content_type or None}


def _check_branch(branch: str | None, action: Action, step: Step) -> None:
    traits = action.trigger
    if branch is None:
        return
    if not traits.allows_branching:
        raise StepError(f"The trigger chose branch {branch!r}, but declares none")
    known = {*traits.static_branch_names, *(known.name for known in step.branches)}
    if branch not in known:
        raise StepError(f"The trigger chose branch {branch!r}; there are: {_branches(step)}")


def _branches(step: Step) -> str:
    return ", ".join(repr(known.name) for known in step.branches) or "none"


def _check_answer(answer: Answer) -> None:
    if type(answer.status) is not int or not 200 <= answer.status <= 599:
        shown = str(answer.status)[:100]
        raise StepError(f"The response's status must be a number from 200 to 599, found {shown}")
    if not isinstance(answer.body, str) or len(answer.body) > MAX_BODY_CHARS:
        message = f"The response's body must be a text of at most {MAX_BODY_CHARS} characters"
        raise StepError(message)
    if not isinstance(answer.content_type, str) or _BREAKS.search(answer.content_type):
        raise StepError("The response's content type is none")
    for name, value in answer.headers.items():
        if not isinstance(value, str) or not _TOKEN.fullmatch(name) or _BREAKS.search(value):
            raise StepError(f"The response's headers hold what is no header: {name[:100]!r}")


def _check_polling(state: Mapping[str, Value]) -> None:
    if not isinstance(state, Mapping):
        raise StepError(f"The polling state is {_kind(state)}, not an object")
    try:
        dump(dict(state))
    except NotSerializable as error:
        raise StepError(f"The polling state holds {error}") from error


def _check_page(page: Page) -> None:
    items = page.items
    if isinstance(items, str | bytes) or not isinstance(items, Sequence):
        raise StepError(f"The trigger's items are {_kind(items)}, not a list")
    if len(items) > MAX_ITEMS:
        raise StepError(f"The trigger gave {len(items)} items at once; {MAX_ITEMS} are allowed")
    try:
        dump([list(items), page.next])
    except NotSerializable as error:
        raise StepError(f"The trigger's items or pagination state hold {error}") from error


def _answer(said: Sequence[Any]) -> Answer:
    status, content_type, headers, body = said
    return Answer(status=status, content_type=content_type, headers=headers, body=body)


def _kind(value: Value) -> str:
    return {dict: "an object", list: "a list", str: "a text", bool: "a boolean"}.get(
        type(value), f"of type {type(value).__name__}"
    )
