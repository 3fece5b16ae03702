"""Admission: which triggers may run. Reads `triggers`, writes `admissions` and `replies`.

State is kept for each endpoint; the catalog says where an endpoint leads and what its limit is.
Where it leads to several flows, processors.routing finds the one that a request is for.

The limit is exact: among the requests of an endpoint no closed window of one second holds more
admitted ones than the limit. A window is closed because Kafka's stamps are whole milliseconds: two
requests stamped exactly one second apart may have come a little less than one second apart.
Token buckets would not do: one of rate 50 and burst 50 admits 99 in some window. A shared endpoint
has one limit, that of the instance that rules it.
"""

from bisect import bisect_left, bisect_right
from dataclasses import dataclass, replace
from typing import NamedTuple

from processors import routing
from schemas import events, ids
from schemas.catalog import Catalog, Endpoint, Status
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
    if event.change is not None or event.continues:
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
    body: bytes | None = None,
) -> list[events.Event]:
    """What becomes of the trigger at `partition` and `offset`, appended at `now`.

    `body` is that of the request where it stands in a blob and routing needs it.
    """
    if isinstance(event, events.CallsRefused):
        return [replace(event, trigger_partition=partition, trigger_offset=offset)]
    if not isinstance(event, events.WebhookReceived):
        return []
    trigger = _Trigger(event, now, partition, offset)
    endpoint = catalog.endpoint(event.endpoint_id)
    if endpoint is None:
        return _refused(trigger, Reason.UNKNOWN_ENDPOINT)
    reason = _objection(endpoint) or _over_limit(state, now, endpoint)
    if reason is not None:
        deployed = endpoint.instance.deployed
        return _refused(trigger, reason, deployed, endpoint.flow, limit=deployed.rate_limit)
    course = _course(catalog, endpoint, event, body)
    if isinstance(course, routing.Astray):
        instance = course.instance.deployed if course.instance else None
        return _refused(trigger, course.reason, instance, *course.named)
    return _admitted(trigger, course)


def is_routed(state: State, event: events.WebhookReceived, now: Instant, catalog: Catalog) -> bool:
    """Whether it will be looked up what the request names: it has room, and a choice of flows."""
    endpoint = catalog.endpoint(event.endpoint_id)
    if endpoint is None or endpoint.flow:
        return False
    return _over_limit(state, now, endpoint) is None


def admitted_within_a_second(state: State, now: Instant) -> int:
    """How many requests the closed second that ends at `now` has admitted."""
    return _within_a_second(state.admitted_at, now) + _within_a_second(state.recent, now)


def _within_a_second(known: tuple[Instant, ...], now: Instant) -> int:
    return bisect_right(known, now) - bisect_left(known, now - SECOND)


class _Trigger(NamedTuple):
    """A request and where it stands."""

    event: events.WebhookReceived
    now: Instant
    partition: int
    offset: int

    @property
    def execution_id(self) -> ids.ExecutionId:
        return ids.execution_of(self.partition, self.offset)


def _objection(endpoint: Endpoint) -> Reason | None:
    """What stands against any request at an endpoint of one flow."""
    if not endpoint.flow or endpoint.instance.status is Status.ACTIVE:
        return None
    if endpoint.instance.status is Status.PAUSED:
        return Reason.INSTANCE_PAUSED
    return Reason.INSTANCE_REMOVED


def _over_limit(state: State, now: Instant, endpoint: Endpoint) -> Reason | None:
    limit = endpoint.instance.deployed.rate_limit
    return Reason.RATE_LIMITED if admitted_within_a_second(state, now) >= limit else None


def _course(
    catalog: Catalog, endpoint: Endpoint, event: events.WebhookReceived, body: bytes | None
) -> routing.Course | routing.Astray:
    if not endpoint.flow:
        return routing.course(catalog, endpoint, event, body)
    deployed = endpoint.instance.deployed
    return routing.Course(
        instance_id=deployed.instance_id,
        customer_id=deployed.customer_id,
        integration_id=deployed.integration_id,
        version=deployed.version,
        flow=endpoint.flow,
        synchronous=event.synchronous,
        revision=deployed.revision,
    )


def _admitted(trigger: _Trigger, course: routing.Course) -> list[events.Event]:
    event = trigger.event
    admitted = events.ExecutionAdmitted(
        execution_id=trigger.execution_id,
        trigger_partition=trigger.partition,
        trigger_offset=trigger.offset,
        received_at=trigger.now,
        endpoint_id=event.endpoint_id,
        instance_id=course.instance_id,
        customer_id=course.customer_id,
        integration_id=course.integration_id,
        version=course.version,
        flow=course.flow,
        request=event.request,
        synchronous=course.synchronous,
        reply_to=event.reply_to,
        request_no=event.request_no,
        invoke_url=event.invoke_url,
        preprocess=course.preprocess,
        revision=course.revision,
    )
    if course.preprocess is not None:
        return [admitted]
    return [admitted, *routing.told(admitted, by_flow=event.by_flow)]


def _refused(
    trigger: _Trigger,
    reason: Reason,
    deployed: events.InstanceDeployed | None = None,
    flow: str = "",
    customer: str = "",
    limit: int = 0,
) -> list[events.Event]:
    event = trigger.event
    refused = events.TriggerRefused(
        execution_id=trigger.execution_id,
        trigger_partition=trigger.partition,
        trigger_offset=trigger.offset,
        received_at=trigger.now,
        endpoint_id=event.endpoint_id,
        instance_id=deployed.instance_id if deployed else None,
        flow=flow,
        customer=customer,
        reason=reason,
        limit=limit,
    )
    if not event.reply_to:
        return [refused]
    decided = events.AdmissionDecided(
        reply_to=event.reply_to,
        request_no=event.request_no,
        execution_id=trigger.execution_id,
        reason=reason,
        limit=limit,
        flow=flow,
        customer=customer,
    )
    return [refused, decided]
