"""Decisions: what admission said of a trigger, as an answer to the one who called."""

import orjson

from ingress import answers
from ingress.answers import Answer
from ingress.triggers import Accepted
from schemas import events, ids
from schemas.errors import Refused
from schemas.events import Reason
from schemas.ids import ExecutionId

_REFUSALS = {
    Reason.UNKNOWN_ENDPOINT: (404, "There is no endpoint with id: {endpoint}"),
    Reason.INSTANCE_PAUSED: (409, "The instance of the endpoint with id: {endpoint} is paused."),
    Reason.INSTANCE_REMOVED: (409, "The instance of the endpoint with id: {endpoint} was removed."),
    Reason.MISSING_FLOW_NAME: (400, "The request does not name the flow that it is for."),
    Reason.MISSING_CUSTOMER: (400, "The request does not name the customer that it is for."),
    Reason.UNKNOWN_FLOW: (404, "There is no flow {flow!r} at the endpoint with id: {endpoint}"),
    Reason.UNKNOWN_CUSTOMER: (404, "There is no customer with external id: {customer}"),
    Reason.NO_INSTANCE: (404, "The customer {customer!r} has no instance of this integration."),
    Reason.BODY_TOO_LARGE: (413, "The body is too large to find the flow or the customer in it."),
    Reason.MISSING_API_KEY: (401, "The flow {flow!r} needs an API key in the header Api-Key."),
    Reason.WRONG_API_KEY: (401, "The API key in the header Api-Key is not one of {flow!r}."),
    Reason.IDEMPOTENCY_KEY_REUSED: (422, "The idempotency key was sent with another request."),
}


def naming(execution_id: ExecutionId) -> dict[str, str]:
    return {"executionId": ids.to_global(ids.EXECUTION, execution_id)}


def of_accepted(accepted: Accepted, execution_id: ExecutionId) -> Answer:
    if accepted.body:
        body, kind = accepted.body, accepted.content_type
    else:
        body, kind = orjson.dumps(naming(execution_id)), answers.JSON
    return Answer(accepted.status, body, kind, accepted.headers, execution_id)


def of_trigger(answered: events.TriggerAnswered) -> Answer:
    """What the trigger of a flow has to say; a failed one says why."""
    execution_id = answered.execution_id
    if answered.error is not None:
        return answers.of_json(400, {"error": answered.error}, execution_id=execution_id)
    if answered.status is None:
        return of_accepted(Accepted(), execution_id)
    return Answer(
        answered.status,
        answered.body.encode(errors="replace"),
        answers.content_type_of(answered.content_type),
        answers.headers_of(answered.headers),
        execution_id,
    )


def of_refusal(decided: events.AdmissionDecided, endpoint: str, limit: int) -> Answer:
    """The answer to a trigger that was refused; `endpoint` as its caller wrote it."""
    reason = Reason(decided.reason or Reason.UNKNOWN_ENDPOINT)
    if reason is Reason.RATE_LIMITED:
        return throttled(endpoint, limit, decided.execution_id)
    status, sentence = _REFUSALS[reason]
    message = sentence.format(endpoint=endpoint, flow=decided.flow, customer=decided.customer)
    content = {"error": message, "reason": reason.value}
    return answers.of_json(status, content, execution_id=decided.execution_id)


def of_failure(error: str, reason: str, execution_id: ExecutionId) -> Answer:
    """The answer of an execution that failed; `reason` is there where no flow could be found."""
    if reason not in list(Reason):
        return answers.of_json(400, {"error": error}, execution_id=execution_id)
    status, _ = _REFUSALS.get(Reason(reason), (400, ""))
    content = {"error": error, "reason": reason}
    return answers.of_json(status, content, execution_id=execution_id)


def throttled(endpoint: str, limit: int, execution_id: ExecutionId | None) -> Answer:
    message = (
        f"Endpoint with id: {endpoint} has exceeded maximum allowed throughput of"
        f" {limit} requests/second. Please throttle your requests."
    )
    headers = (answers.RETRY_SOON,)
    return answers.of_json(429, {"error": message}, headers=headers, execution_id=execution_id)


def unknown(endpoint: str) -> Refused:
    message = f"There is no endpoint with id: {endpoint}"
    return Refused(message, status=404, reason="unknown_endpoint")
