"""Lifecycle triggers: what becomes of the news that an instance was deployed or removed. Pure.

Reads LifecycleHappened of `triggers`. Where it names a flow, the flow runs (platform-behaviour, 5.1
and 5.2), also one of a paused or a removed instance; what hooks returned is passed on. That a
change starts each flow once is the journal's affair (processors.counted_once).
"""

from dataclasses import replace

from processors.invocations import url_of
from schemas import events, ids
from schemas.catalog import Catalog
from schemas.events import BodyEncoding, InvokeType, Occasion, Reason
from schemas.ids import EndpointId, ExecutionId
from schemas.instants import Instant

EMPTY = events.Request(
    method="", path="", headers=[], query=[], body="", encoding=BodyEncoding.TEXT, body_bytes=0
)
_INVOKE_TYPES = {
    Occasion.DEPLOY: InvokeType.DEPLOY_FLOW,
    Occasion.REMOVE: InvokeType.TEAR_DOWN_FLOW,
}


def decide(
    event: events.LifecycleHappened, now: Instant, *, catalog: Catalog, partition: int, offset: int
) -> events.Event:
    """What becomes of the event at `partition` and `offset`, appended at `now`."""
    if not event.flow:
        return replace(event, trigger_partition=partition, trigger_offset=offset)
    instance = catalog.instances.get(event.instance_id)
    if instance is None:
        return _refused(event, now, partition, offset)
    deployed = instance.deployed
    endpoint_id = deployed.endpoints.get(event.flow, EndpointId(""))
    return events.ExecutionAdmitted(
        execution_id=execution_of(event),
        trigger_partition=partition,
        trigger_offset=offset,
        received_at=now,
        endpoint_id=endpoint_id,
        instance_id=event.instance_id,
        customer_id=deployed.customer_id,
        integration_id=deployed.integration_id,
        version=deployed.version,
        flow=event.flow,
        request=EMPTY,
        synchronous=False,
        reply_to="",
        request_no=0,
        revision=deployed.revision,
        invoke_type=_INVOKE_TYPES[Occasion(event.occasion)],
        invoke_url=url_of(event.base_url, endpoint_id),
        change=event.change,
    )


def execution_of(event: events.LifecycleHappened) -> ExecutionId:
    """The same however often the event is said."""
    return ExecutionId(ids.derived("lifecycle", event.instance_id, event.change, event.flow))


def _refused(
    event: events.LifecycleHappened, now: Instant, partition: int, offset: int
) -> events.TriggerRefused:
    return events.TriggerRefused(
        execution_id=execution_of(event),
        trigger_partition=partition,
        trigger_offset=offset,
        received_at=now,
        endpoint_id=EndpointId(""),
        instance_id=event.instance_id,
        flow=event.flow,
        reason=Reason.UNKNOWN_ENDPOINT,
    )
