"""Decisions: what admission said of a trigger, as an answer to the one who called."""

from typing import assert_never

import orjson

from ingress import answers
from ingress.answers import Answer
from ingress.targets import Accepted
from schemas import ids
from schemas.errors import Refused
from schemas.events import Reason
from schemas.ids import ExecutionId


def naming(execution_id: ExecutionId) -> dict[str, str]:
    return {"executionId": ids.to_global(ids.EXECUTION, execution_id)}


def of_accepted(accepted: Accepted, execution_id: ExecutionId) -> Answer:
    if accepted.body:
        body, kind = accepted.body, accepted.content_type
    else:
        body, kind = orjson.dumps(naming(execution_id)), answers.JSON
    return Answer(accepted.status, body, kind, accepted.headers, execution_id)


def of_refusal(reason: Reason, endpoint: str, limit: int, execution_id: ExecutionId) -> Answer:
    match reason:
        case Reason.RATE_LIMITED:
            return throttled(endpoint, limit, execution_id)
        case Reason.UNKNOWN_ENDPOINT:
            status, message = 404, str(unknown(endpoint))
        case Reason.INSTANCE_PAUSED:
            status, message = 409, f"The instance of the endpoint with id: {endpoint} is paused."
        case Reason.INSTANCE_REMOVED:
            status, message = 409, f"The instance of the endpoint with id: {endpoint} was removed."
        case _:
            assert_never(reason)
    content = {"error": message, "reason": reason.value}
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
