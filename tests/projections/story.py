"""What happened, as records: the facts of the tests in this folder."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import select

from eventlog.log import Record
from projections import projector, tables
from projections.reading import Part
from projections.store import Partition, Stored, Views
from projections.views import State
from schemas import codec, events, ids
from schemas.ids import CustomerId, EndpointId, ExecutionId, InstanceId, IntegrationId
from schemas.instants import SECOND, Instant

START = Instant(1_700_000_000 * SECOND)
INSTANCE = InstanceId(ids.derived("instance"))
CUSTOMER = CustomerId(ids.derived("customer"))
INTEGRATION = IntegrationId(ids.derived("integration"))
ENDPOINT = EndpointId(ids.derived("endpoint"))
DEFINITION = """
definitionVersion: 7
name: Orders
flows:
  - name: Receive
    description: ""
    steps:
      - name: Hook Trigger
        description: ""
        isTrigger: true
        action: {key: webhook, component: {key: webhook-triggers, version: LATEST, isPublic: true}}
        inputs: {}
      - name: Save It
        description: ""
        action: {key: writeValue, component: {key: persist-data, version: LATEST, isPublic: true}}
        inputs: {}
"""


def execution_id(number: int) -> ExecutionId:
    return ExecutionId(ids.derived("execution", number))


def request(**given: Any) -> events.Request:
    sent: dict[str, Any] = {
        "method": "POST",
        "path": "orders/1",
        "headers": [["X-One", "1"], ["X-Two", "a"], ["X-Two", "b"]],
        "query": [["q", "1"]],
        "body": '{"order": 1}',
        "encoding": events.BodyEncoding.TEXT,
        "body_bytes": 12,
        "content_type": "application/json",
    }
    return events.Request(**sent | given)


def admitted(number: int, **given: Any) -> events.ExecutionAdmitted:
    said: dict[str, Any] = {
        "execution_id": execution_id(number),
        "trigger_partition": 0,
        "trigger_offset": number,
        "received_at": START + number * SECOND,
        "endpoint_id": ENDPOINT,
        "instance_id": INSTANCE,
        "customer_id": CUSTOMER,
        "integration_id": INTEGRATION,
        "version": 1,
        "flow": "Receive",
        "request": request(),
        "synchronous": False,
        "reply_to": "",
        "request_no": number,
    }
    return events.ExecutionAdmitted(**said | given)


def refused(number: int, **given: Any) -> events.TriggerRefused:
    said: dict[str, Any] = {
        "execution_id": execution_id(number),
        "trigger_partition": 0,
        "trigger_offset": number,
        "received_at": START + number * SECOND,
        "endpoint_id": ENDPOINT,
        "instance_id": INSTANCE,
        "flow": "Receive",
        "reason": events.Reason.RATE_LIMITED,
        "limit": 50,
    }
    return events.TriggerRefused(**said | given)


def started(number: int, **given: Any) -> events.ExecutionStarted:
    said: dict[str, Any] = {
        "execution_id": execution_id(number),
        "instance_id": INSTANCE,
        "flow": "Receive",
        "admission_partition": 0,
        "admission_offset": number,
    }
    return events.ExecutionStarted(**said | given)


def succeeded(number: int, step: str, **given: Any) -> events.StepSucceeded:
    return events.StepSucceeded(execution_id=execution_id(number), step=step, **given)


def completed(number: int) -> events.ExecutionCompleted:
    return events.ExecutionCompleted(execution_id=execution_id(number))


def deployments() -> list[events.Event]:
    return [
        events.IntegrationPublished(
            integration_id=INTEGRATION, name="Orders", version=1, definition=DEFINITION
        ),
        events.CustomerRegistered(customer_id=CUSTOMER, external_id="acme", name="Acme Inc."),
        deployed(),
    ]


def deployed(**given: Any) -> events.InstanceDeployed:
    said: dict[str, Any] = {
        "instance_id": INSTANCE,
        "name": "Orders of Acme",
        "integration_id": INTEGRATION,
        "version": 1,
        "customer_id": CUSTOMER,
        "endpoints": {"Receive": ENDPOINT},
        "sealed": "gAAAAsealed",
    }
    return events.InstanceDeployed(**said | given)


def record(
    topic: str, offset: int, *said: events.Event, claim: int | None = None, partition: int = 0
) -> Record:
    at = Instant(START + offset * 1_000)
    return Record(topic, partition, offset, at, INSTANCE, codec.encode(said, claim))


def records(topic: str, *batches: Sequence[events.Event]) -> list[Record]:
    return [record(topic, offset, *said) for offset, said in enumerate(batches)]


def tell(views: Views, *read: Record) -> projector.Done:
    """Project `read` as one batch, from where the views stand."""
    positions = views.positions()
    by_partition: dict[Partition, list[Record]] = {}
    for given in read:
        by_partition.setdefault(Partition(given.topic, given.partition), []).append(given)
    parts = [
        Part(partition, positions.get(partition, Stored(0, State())), given)
        for partition, given in by_partition.items()
    ]
    return projector.project(views, parts)


def contents(views: Views, *, with_positions: bool = True) -> dict[str, list[tuple[Any, ...]]]:
    """All rows of all tables, in an order of their own."""
    left_out = set() if with_positions else {tables.POSITIONS.name}
    return {
        table.name: sorted((tuple(row) for row in views.rows(select(table))), key=repr)
        for table in tables.METADATA.sorted_tables
        if table.name not in left_out
    }
