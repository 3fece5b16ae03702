"""Admission: which triggers may run. Reads `triggers`, writes `admissions` and `replies`.

State is kept for each endpoint; the catalog says where an endpoint leads and what its limit is.
The limit is exact: among the requests of an endpoint no closed window of one second holds more
admitted ones than the limit. A window is closed because Kafka's stamps are whole milliseconds: two
requests stamped exactly one second apart may have come a little less than one second apart.
Token buckets would not do: one of rate 50 and burst 50 admits 99 in some window.
"""

from bisect import bisect_left, bisect_right
from dataclasses import dataclass, replace

from schemas import events, ids
from schemas.catalog import Catalog, Status
from schemas.events import Reason
from schemas.instants import SECOND, Instant

RECENT = 64
"""How many instants are copied at most for each request admitted, however high the limit is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """One endpoint: when it admitted requests, oldest first, as far back as one window.

    Those in `recent` follow those in `admitted_at`.
    """

    admitted_at: tuple[Instant, ...] = ()
    recent: tuple[Instant, ...] = ()


INITIAL = State()


def evolve(state: State, event: events.Event) -> State:
    """Collect what was admitted of what came from outside."""
    if not isinstance(event, events.ExecutionAdmitted) or event.invoked_by is not None:
        return state
    if event.change is not None:
        return state
    at = event.received_at
    older, recent = state.admitted_at, state.recent
    if at < (recent or older or (at,))[-1]:
        return State(admitted_at=tuple(sorted((*older, *recent, at))))
    if len(recent) < RECENT:
        return State(admitted_at=older, recent=(*recent, at))
    return State(admitted_at=(*older[bisect_left(older, at - SECOND) :], *recent), recent=(at,))


def decide(
    state: State,
    event: events.Event,
    now: Instant,
    *,
    catalog: Catalog,
    partition: int,
    offset: int,
) -> list[events.Event]:
    """What becomes of the trigger at `partition` and `offset`, appended at `now`."""
    if isinstance(event, events.CallsRefused):
        return [replace(event, trigger_partition=partition, trigger_offset=offset)]
    if not isinstance(event, events.WebhookReceived):
        return []
    execution_id = ids.execution_of(partition, offset)
    endpoint = catalog.endpoint(event.endpoint_id)
    if endpoint is None:
        return _refused(event, execution_id, now, partition, offset, Reason.UNKNOWN_ENDPOINT)
    deployed, flow = endpoint.instance.deployed, endpoint.flow
    reason = _objection(state, now, endpoint.instance.status, deployed.rate_limit)
    if reason is not None:
        return _refused(
            event, execution_id, now, partition, offset, reason, deployed, flow, deployed.rate_limit
        )
    admitted = events.ExecutionAdmitted(
        execution_id=execution_id,
        trigger_partition=partition,
        trigger_offset=offset,
        received_at=now,
        endpoint_id=event.endpoint_id,
        instance_id=deployed.instance_id,
        customer_id=deployed.customer_id,
        integration_id=deployed.integration_id,
        version=deployed.version,
        flow=flow,
        request=event.request,
        synchronous=event.synchronous,
        reply_to=event.reply_to,
        request_no=event.request_no,
        invoke_url=event.invoke_url,
        revision=deployed.revision,
    )
    if event.synchronous or not event.reply_to:
        return [admitted]
    return [admitted, _decided(event, execution_id, None, 0)]


def admitted_within_a_second(state: State, now: Instant) -> int:
    """How many requests the closed second that ends at `now` has admitted."""
    return _within_a_second(state.admitted_at, now) + _within_a_second(state.recent, now)


def _within_a_second(known: tuple[Instant, ...], now: Instant) -> int:
    return bisect_right(known, now) - bisect_left(known, now - SECOND)


def _objection(state: State, now: Instant, status: Status, limit: int) -> Reason | None:
    if status is Status.PAUSED:
        return Reason.INSTANCE_PAUSED
    if status is Status.REMOVED:
        return Reason.INSTANCE_REMOVED
    if admitted_within_a_second(state, now) >= limit:
        return Reason.RATE_LIMITED
    return None


def _refused(
    event: events.WebhookReceived,
    execution_id: ids.ExecutionId,
    now: Instant,
    partition: int,
    offset: int,
    reason: Reason,
    deployed: events.InstanceDeployed | None = None,
    flow: str = "",
    limit: int = 0,
) -> list[events.Event]:
    refused = events.TriggerRefused(
        execution_id=execution_id,
        trigger_partition=partition,
        trigger_offset=offset,
        received_at=now,
        endpoint_id=event.endpoint_id,
        instance_id=deployed.instance_id if deployed else None,
        flow=flow,
        reason=reason,
        limit=limit,
    )
    if not event.reply_to:
        return [refused]
    return [refused, _decided(event, execution_id, reason, limit)]


def _decided(
    event: events.WebhookReceived, execution_id: ids.ExecutionId, reason: Reason | None, limit: int
) -> events.AdmissionDecided:
    return events.AdmissionDecided(
        reply_to=event.reply_to,
        request_no=event.request_no,
        execution_id=execution_id,
        reason=reason,
        limit=limit,
    )
