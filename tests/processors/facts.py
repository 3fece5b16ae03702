"""Facts: events that tests of decisions begin with, whole but for what a test is about."""

from typing import Any

from schemas import events
from schemas.ids import CustomerId, EndpointId, ExecutionId, InstanceId, IntegrationId
from schemas.instants import Instant

NOTHING_SENT = events.Request(
    method="POST",
    path="",
    headers=[],
    query=[],
    body="",
    encoding=events.BodyEncoding.TEXT,
    body_bytes=0,
)
"""A request without headers, query and body."""


def admitted(execution_id: ExecutionId, **given: Any) -> events.ExecutionAdmitted:
    """An execution that nobody waits for, but for what is `given`."""
    fields: dict[str, Any] = {
        "trigger_partition": 0,
        "trigger_offset": 0,
        "received_at": Instant(0),
        "endpoint_id": EndpointId("e"),
        "instance_id": InstanceId("n"),
        "customer_id": CustomerId("c"),
        "integration_id": IntegrationId("i"),
        "version": 1,
        "flow": "Flow",
        "request": NOTHING_SENT,
        "synchronous": False,
        "reply_to": "",
        "request_no": 0,
    }
    return events.ExecutionAdmitted(execution_id=execution_id, **(fields | given))
