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

from processors import idempotency, request_keys, routing
from processors.request_keys import Key
from schemas import events, ids
from schemas.catalog import Catalog, Endpoint, Status
from schemas.events import Reason
from schemas.instants import SECOND, Instant
from schemas.integration_routing import SHARED

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
NO_KEYS = idempotency.State()
"""Never changed: deciding only asks."""


def evolve(state: State, event: events.Event) -> State:
    """Collect what was admitted of what came from outside."""
    if not isinstance(event, events.ExecutionAdmitted) or event.invoked_by is not None:
        return state
    if event.change is not None or event.due_at is not None or event.continues:
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
    keys: idempotency.State = NO_KEYS,
    body: bytes | None = None,
) -> list[events.Event]:
    """What becomes of the trigger at `partition` and `offset`, appended at `now`.

    `keys` are the idempotency keys of the partition; `body` is that of the request where it stands
    in a blob and is needed (request_keys). A repeat costs nothing and is known as one even where
    the limit is reached, unless it has to be routed first.
    """
    if isinstance(event, events.CallsRefused):
        return [replace(event, trigger_partition=partition, trigger_offset=offset)]
    if not isinstance(event, events.WebhookReceived):
        return []
    trigger = _Trigger(event, now, partition, offset)
    endpoint = catalog.endpoint(event.endpoint_id)
    if endpoint is None:
        return _refused(trigger, Reason.UNKNOWN_ENDPOINT)
    deployed = endpoint.instance.deployed
    limit = deployed.rate_limit
    full = _over_limit(state, now, endpoint)
    reason = _objection(endpoint) or (None if endpoint.flow else full)
    if reason is not None:
        # What is refused before it is led anywhere at a shared endpoint is nobody's.
        whose = None if deployed.endpoint_type == SHARED else deployed
        return _refused(trigger, reason, whose, endpoint.flow, limit=limit)
    course = _course(catalog, endpoint, event, body)
    if isinstance(course, routing.Astray):
        instance = course.instance.deployed if course.instance else None
        return _refused(trigger, course.reason, instance, *course.named)
    key = request_keys.key_of(catalog, course, event, body)
    if isinstance(key, Reason):
        return _refused(trigger, full or key, None, course.flow, limit=limit, course=course)
    repeated = _repeated(trigger, course, key, keys)
    if repeated:
        return repeated
    if full is not None:
        return _refused(trigger, full, None, course.flow, limit=limit, course=course)
    return _admitted(trigger, course, key)


def has_room(state: State, event: events.WebhookReceived, now: Instant, catalog: Catalog) -> bool:
    """Whether there is an endpoint for the request, and its limit is not reached."""
    endpoint = catalog.endpoint(event.endpoint_id)
    return endpoint is not None and _over_limit(state, now, endpoint) is None


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
        flow_is_fixed=True,
    )


def _repeated(
    trigger: _Trigger, course: routing.Course, key: Key, keys: idempotency.State
) -> list[events.Event]:
    """What is said of a request whose key belongs to an earlier one; nothing of any other."""
    if not key.text:
        return []
    known = idempotency.find(keys, trigger.event.endpoint_id, key.text, trigger.now)
    if known is None or known.execution_id == trigger.execution_id:
        return []
    is_same = known.fingerprint == key.fingerprint
    return _refused(
        trigger,
        Reason.REPEATED if is_same else Reason.IDEMPOTENCY_KEY_REUSED,
        flow=course.flow,
        # Of a preprocess flow it is not known which one followed, and answered.
        course=None if course.preprocess is not None else course,
        repeats=known.execution_id,
    )


def _admitted(trigger: _Trigger, course: routing.Course, key: Key) -> list[events.Event]:
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
        idempotency_key=key.text,
        fingerprint=key.fingerprint,
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
    *,
    course: routing.Course | None = None,
    repeats: ids.ExecutionId | None = None,
) -> list[events.Event]:
    event = trigger.event
    instance_id = deployed.instance_id if deployed else course.instance_id if course else None
    refused = events.TriggerRefused(
        execution_id=trigger.execution_id,
        trigger_partition=trigger.partition,
        trigger_offset=trigger.offset,
        received_at=trigger.now,
        endpoint_id=event.endpoint_id,
        instance_id=instance_id,
        flow=flow,
        customer=customer,
        reason=reason,
        limit=limit,
        repeats=repeats,
    )
    if not event.reply_to:
        return [refused]
    decided = events.AdmissionDecided(
        reply_to=event.reply_to,
        request_no=event.request_no,
        execution_id=repeats if reason is Reason.REPEATED and repeats else trigger.execution_id,
        reason=reason,
        limit=limit,
        instance_id=instance_id,
        flow=flow,
        customer=customer,
        synchronous=course is not None and course.synchronous,
    )
    return [refused, decided]
