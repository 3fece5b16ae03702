"""Invocations: how an execution starts another flow of its instance, and what becomes of it. Pure.

`said_by` makes the events of a step that invokes; `decide` reads them from `triggers`. Who waits
for an answer gets it on the journal (processors.flow_answers), and no API key is needed within an
instance. The rate limit is for callers from outside: it does not count these. That each is started
once is the journal's affair (processors.execution): an invocation may stand on `triggers` more than
once, after a crash.
"""

import base64
from collections.abc import Sequence
from dataclasses import dataclass, replace
from urllib.parse import quote

import orjson

from processors.actions import Invocation
from processors.payload import API_KEYS
from schemas import events, ids
from schemas.catalog import Catalog, Instance, Status
from schemas.events import BodyEncoding, Reason
from schemas.ids import EndpointId
from schemas.instants import Instant, to_iso
from schemas.values import Value, dump

_JSON = "application/json"


def decide(
    event: events.FlowInvoked, now: Instant, *, catalog: Catalog, partition: int, offset: int
) -> events.Event:
    """What becomes of the invocation at `partition` and `offset`, appended at `now`."""
    instance = catalog.instances.get(event.instance_id)
    if instance is None:
        return _refused(event, now, partition, offset, Reason.UNKNOWN_ENDPOINT, None)
    if instance.status is Status.PAUSED:
        return _refused(event, now, partition, offset, Reason.INSTANCE_PAUSED, instance)
    if instance.status is Status.REMOVED:
        return _refused(event, now, partition, offset, Reason.INSTANCE_REMOVED, instance)
    deployed = instance.deployed
    endpoint_id = deployed.endpoints.get(event.flow, EndpointId(""))
    return events.ExecutionAdmitted(
        execution_id=event.execution_id,
        trigger_partition=partition,
        trigger_offset=offset,
        received_at=now,
        endpoint_id=endpoint_id,
        instance_id=event.instance_id,
        customer_id=deployed.customer_id,
        integration_id=deployed.integration_id,
        version=deployed.version,
        flow=event.flow,
        request=event.request,
        synchronous=event.waits,
        reply_to="",
        request_no=0,
        revision=deployed.revision,
        invoke_type=event.invoke_type,
        invoke_url=url_of(event.invoke_url, endpoint_id),
        invoked_by=event.invoked_by,
        is_batch=event.is_batch,
        depth=event.depth,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """The step that invokes: what it is called on the log and by people, and what it does."""

    step: str
    loop_path: str
    name: str
    action: str


def said_by(
    admitted: events.ExecutionAdmitted, caller: Caller, invokes: Sequence[Invocation]
) -> list[events.FlowInvoked]:
    """What a step says that invokes; the ids are those of schemas.ids.invocation_of.

    Raises NotSerializable for data that JSON cannot hold; bytes within it become base64 text.
    """
    key = ids.derived("step", admitted.execution_id, caller.step, caller.loop_path)
    return [
        events.FlowInvoked(
            execution_id=ids.invocation_of(key, index),
            instance_id=admitted.instance_id,
            flow=invocation.flow,
            request=_request(invocation.data, admitted, caller),
            invoked_by=admitted.execution_id,
            step=caller.step,
            loop_path=caller.loop_path,
            invoke_url=admitted.invoke_url,
        )
        for index, invocation in enumerate(invokes)
    ]


def asked_by(
    admitted: events.ExecutionAdmitted, caller: Caller, invocation: Invocation, attempt: int
) -> events.FlowInvoked:
    """The same for a step that waits for the answer: each attempt starts the flow anew."""
    [said] = said_by(admitted, caller, [invocation])
    key = ids.derived("step", admitted.execution_id, caller.step, caller.loop_path)
    return replace(
        said,
        execution_id=ids.invocation_of(key, attempt - 1),
        waits=True,
        depth=admitted.depth + 1,
    )


def body_of(request: events.Request) -> bytes:
    """The body of a request that has it with it."""
    if request.encoding == BodyEncoding.BASE64:
        return base64.b64decode(request.body)
    return request.body.encode()


def _request(data: Value, admitted: events.ExecutionAdmitted, caller: Caller) -> events.Request:
    body, encoding, size, content_type = _body(data)
    return events.Request(
        method="POST",
        path="",
        headers=[
            ["Content-Type", content_type],
            ["prismatic-invoke-type", "Cross Flow"],
            ["prismatic-invoked-by", _frame(admitted, caller)],
            ["prismatic-executionid", ids.to_global(ids.EXECUTION, admitted.execution_id)],
        ],
        query=[],
        body=body,
        encoding=encoding,
        body_bytes=size,
        content_type=content_type,
    )


def _frame(admitted: events.ExecutionAdmitted, caller: Caller) -> str:
    """The execution frame of who invokes (platform-behaviour, 6.9).

    Nobody has to prove who it is: what is invoked within an instance stands on the log.
    """
    began_at = to_iso(admitted.received_at)
    frame = {
        "invokedByExecutionJWT": "",
        "invokedByExecutionStartedAt": began_at,
        "componentActionKey": caller.action,
        "executionId": ids.to_global(ids.EXECUTION, admitted.execution_id),
        "executionStartedAt": began_at,
        "stepName": caller.name,
        "loopPath": caller.loop_path,
    }
    return orjson.dumps(frame).decode()


def _body(data: Value) -> tuple[str, BodyEncoding, int, str]:
    """A text that is JSON is sent as it is, another one as plain text, anything else as JSON."""
    if isinstance(data, bytes):
        body = base64.b64encode(data).decode()
        return body, BodyEncoding.BASE64, len(data), "application/octet-stream"
    if data is None:
        return "", BodyEncoding.TEXT, 0, _JSON
    text = data if isinstance(data, str) else dump(_without_keys(data)).decode()
    content_type = _JSON if not isinstance(data, str) or _is_json(data) else "text/plain"
    return text, BodyEncoding.TEXT, len(text.encode()), content_type


def _without_keys(data: Value) -> Value:
    """Without API keys, which never go onto the log; the other flow has them in its own payload."""
    if isinstance(data, dict):
        return {key: _without_keys(value) for key, value in data.items() if key != API_KEYS}
    return [_without_keys(value) for value in data] if isinstance(data, list) else data


def _is_json(text: str) -> bool:
    try:
        orjson.loads(text)
    except orjson.JSONDecodeError:
        return False
    return True


def url_of(known: str, endpoint_id: EndpointId) -> str:
    """The URL of an endpoint at the place where the URL `known` leads."""
    base = known.partition("/trigger/")[0].rstrip("/")
    if not endpoint_id:
        return f"{base}/trigger/"
    return f"{base}/trigger/{quote(ids.to_global(ids.ENDPOINT, endpoint_id), safe='=')}"


def _refused(
    event: events.FlowInvoked,
    now: Instant,
    partition: int,
    offset: int,
    reason: Reason,
    instance: Instance | None,
) -> events.TriggerRefused:
    endpoints = instance.deployed.endpoints if instance else {}
    return events.TriggerRefused(
        execution_id=event.execution_id,
        trigger_partition=partition,
        trigger_offset=offset,
        received_at=now,
        endpoint_id=endpoints.get(event.flow, EndpointId("")),
        instance_id=event.instance_id,
        flow=event.flow,
        reason=reason,
    )
