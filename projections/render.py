"""Render: rows of the views as the JSON objects of `shapes`. Pure."""

from collections.abc import Mapping
from typing import Any

import orjson
from sqlalchemy import Row

from projections import shapes
from projections.rows import OPEN_STEP, Status, StepStatus
from schemas import events, ids, values
from schemas.events import BodyEncoding, Reason
from schemas.instants import Instant, to_iso

_REFUSED = {
    Reason.RATE_LIMITED: "more than {limit} requests within one second at this endpoint",
    Reason.UNKNOWN_ENDPOINT: "there is no flow at this endpoint",
    Reason.INSTANCE_PAUSED: "the instance is paused",
    Reason.INSTANCE_REMOVED: "the instance has been removed",
    Reason.MISSING_FLOW_NAME: "the request does not name a flow",
    Reason.MISSING_CUSTOMER: "the request does not name a customer",
    Reason.UNKNOWN_FLOW: "there is no flow {flow!r}",
    Reason.UNKNOWN_CUSTOMER: "there is no customer {customer!r}",
    Reason.NO_INSTANCE: "the customer {customer!r} has no instance of the integration",
    Reason.BODY_TOO_LARGE: "the body is too large to find the flow or the customer in it",
    Reason.MISSING_API_KEY: "the flow {flow!r} needs an API key",
    Reason.WRONG_API_KEY: "the API key is not one of the flow {flow!r}",
    Reason.REPEATED: "a repeat of the execution {repeats}",
    Reason.IDEMPOTENCY_KEY_REUSED: "the idempotency key was sent with another request",
}


def summary(row: Row[Any]) -> shapes.Summary:
    return {
        "id": ids.to_global(ids.EXECUTION, row.id),
        "status": row.status,
        "flow": row.flow or row.preprocess_flow,
        "instance": _instance_name(row),
        "customer": _customer(row),
        "integration": _integration_name(row),
        "version": row.version,
        "invokeType": row.invoke_type,
        "receivedAt": _iso(row.received_at),
        "startedAt": _iso(row.started_at),
        "endedAt": _iso(row.ended_at),
        "error": row.error,
        "replayForExecution": _global(ids.EXECUTION, row.replay_for),
        "resultType": "ERROR" if row.status == Status.FAILED else row.result_type,
        "invokedBy": _global(ids.EXECUTION, row.invoked_by),
    }


def execution(
    row: Row[Any], steps: list[shapes.Step], replays: list[str], invoked: list[str]
) -> shapes.Execution:
    return {
        **summary(row),
        "preprocessFlow": row.preprocess_flow,
        "trigger": _trigger(row),
        "steps": steps,
        "replays": replays,
        "invoked": invoked,
    }


def refused_execution(row: Row[Any]) -> shapes.Execution:
    """A refused trigger, as the execution whose id its caller had been given."""
    return {
        "id": ids.to_global(ids.EXECUTION, row.execution_id),
        "status": Status.REFUSED,
        "flow": row.flow,
        "instance": _instance_name(row),
        "customer": _customer(row),
        "integration": _integration_name(row),
        "version": row.version,
        "invokeType": None,
        "receivedAt": _iso(row.received_at),
        "startedAt": None,
        "endedAt": None,
        "error": _why(row),
        "preprocessFlow": None,
        "replayForExecution": None,
        "resultType": None,
        "invokedBy": None,
        "trigger": None,
        "steps": [],
        "replays": [],
        "invoked": [],
    }


def step(row: Row[Any], names: Mapping[str, str], execution: Row[Any]) -> shapes.Step:
    status, error = _step_status(row, execution)
    return {
        "key": key_of(row.step),
        "name": names.get(row.step, key_of(row.step)),
        "fromPreprocessFlow": row.step.startswith(events.PREPROCESS),
        "status": status,
        "loopPath": row.loop_path,
        "attempt": row.attempt,
        "branch": row.branch,
        "inputs": _inputs(row),
        "result": _result(row),
        "error": error,
        "startedAt": _iso(row.ended_at if row.started_at is None else row.started_at),
        "endedAt": _iso(row.ended_at),
    }


def key_of(step: str) -> str:
    """A step's key, from what it is called on the log."""
    return step.removeprefix(events.PREPROCESS)


def _step_status(row: Row[Any], execution: Row[Any]) -> tuple[str, str | None]:
    """The status and the error of a step; no step goes on when its execution has ended."""
    if row.status not in OPEN_STEP or execution.ended_at is None:
        return row.status, row.error
    if execution.status == Status.FAILED and execution.error_step == row.step:
        return StepStatus.FAILED, execution.error
    return StepStatus.CANCELED, row.error


def refusal(row: Row[Any]) -> shapes.Refusal:
    return {
        "execution": ids.to_global(ids.EXECUTION, row.execution_id),
        "endpoint": ids.to_global(ids.ENDPOINT, row.endpoint_id),
        "instance": _global(ids.INSTANCE, row.instance_id),
        "flow": row.flow,
        "customer": row.customer,
        "reason": row.reason,
        "error": _why(row),
        "repeats": _global(ids.EXECUTION, row.repeats),
        "receivedAt": to_iso(row.received_at),
    }


def instance(row: Row[Any], flows: list[shapes.Flow]) -> shapes.Instance:
    return {
        "id": ids.to_global(ids.INSTANCE, row.id),
        "name": row.name,
        "status": row.status,
        "integration": _integration_name(row),
        "version": row.version,
        "customer": _customer(row),
        "rateLimit": row.rate_limit,
        "deployedAt": to_iso(row.deployed_at),
        "flows": flows,
    }


def flow(row: Row[Any]) -> shapes.Flow:
    return {"name": row.flow, "endpoint": ids.to_global(ids.ENDPOINT, row.id)}


def integration(row: Row[Any]) -> shapes.Integration:
    return {
        "id": ids.to_global(ids.INTEGRATION, row.id),
        "name": row.name,
        "version": row.version,
        "publishedAt": to_iso(row.published_at),
    }


def _trigger(row: Row[Any]) -> shapes.Trigger | None:
    if row.request is None:
        return None
    request = orjson.loads(row.request)
    in_blob = request["encoding"] == BodyEncoding.BLOB
    return {
        "method": request["method"],
        "path": request["path"],
        "headers": _by_name(request["headers"]),
        "query": _by_name(request["query"]),
        "body": {"blob": request["body"]} if in_blob else request["body"],
        "bodyEncoding": request["encoding"],
        "bodyBytes": request["body_bytes"],
        "contentType": request["content_type"],
        "endpoint": _global(ids.ENDPOINT, row.endpoint_id),
        "invokeUrl": row.invoke_url,
        "synchronous": row.synchronous,
    }


def _by_name(pairs: list[list[str]]) -> dict[str, str | list[str]]:
    found: dict[str, list[str]] = {}
    for name, value in pairs:
        found.setdefault(name, []).append(value)
    return {name: sent[0] if len(sent) == 1 else sent for name, sent in found.items()}


def _inputs(row: Row[Any]) -> dict[str, Any] | None:
    if row.inputs_characters:
        return _omitted(row.inputs_characters)
    return None if row.inputs is None else orjson.loads(row.inputs)


def _omitted(characters: int) -> dict[str, Any]:
    return {"$omitted": {"characters": characters}}


def _result(row: Row[Any]) -> Any:
    """The value as people get it: bytes as base64 texts, or as the blob that they are in."""
    if row.blob is not None:
        return {"blob": row.blob}
    if row.result_characters:
        return _omitted(row.result_characters)
    result = None if row.result is None else orjson.loads(row.result)
    if row.tagged:
        return values.described(values.from_json(result, tagged=True))
    return result


def _why(row: Row[Any]) -> str:
    sentence = _REFUSED.get(row.reason)
    if sentence is None:
        return str(row.reason)
    repeats = _global(ids.EXECUTION, row.repeats)
    return sentence.format(
        limit=row.rate_limit, flow=row.flow, customer=row.customer, repeats=repeats
    )


def _instance_name(row: Row[Any]) -> shapes.Named | None:
    return _named(ids.INSTANCE, row.instance_id, row.instance_name)


def _integration_name(row: Row[Any]) -> shapes.Named | None:
    return _named(ids.INTEGRATION, row.integration_id, row.integration_name)


def _named(type_name: str, uuid: str | None, name: str | None) -> shapes.Named | None:
    return None if uuid is None else {"id": ids.to_global(type_name, uuid), "name": name}


def _customer(row: Row[Any]) -> shapes.Customer | None:
    if row.customer_id is None:
        return None
    return {
        "id": ids.to_global(ids.CUSTOMER, row.customer_id),
        "externalId": row.customer_external_id,
        "name": row.customer_name,
    }


def _global(type_name: str, uuid: str | None) -> str | None:
    return None if uuid is None else ids.to_global(type_name, uuid)


def _iso(at: int | None) -> str | None:
    return None if at is None else to_iso(Instant(at))
