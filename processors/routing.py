"""Routing: which flow of which instance a request is for, where its endpoint does not say. Pure.

Takes in what a request names, or what a preprocess flow made of it, and the catalog; gives out the
instance and its flow, or why there is none (platform-behaviour, 1.2 to 1.4).

A shared endpoint serves the customer's active instance that has the flow; of several, the one on
the highest version, then the one whose name comes first. Flows are named as in the version of that
instance, exactly; a single flow need not be named.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from processors import payload
from schemas import endpoint_keys, events, ids, inputs, signatures
from schemas.catalog import Catalog, Endpoint, Instance, Status
from schemas.definitions import Definition, Flow, Reference, Routing
from schemas.events import BodyEncoding, Reason
from schemas.ids import CustomerId, EndpointId, InstanceId, IntegrationId
from schemas.integration_routing import SHARED
from schemas.secrets import hash_of
from schemas.values import Value, to_text

PAYLOAD = "payload"
"""The step by which references name the request itself."""

IN_BODY = ("body", "rawBody")
MAX_NAME_CHARACTERS = 500
"""Of a name that leads nowhere, so much is kept."""


class Named(NamedTuple):
    """What a request names; empty for what it does not."""

    flow: str = ""
    customer: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Led:
    """Where a request goes."""

    instance: Instance
    flow: Flow


@dataclass(frozen=True, slots=True, kw_only=True)
class Astray:
    """Why a request goes nowhere, what it named, and the instance if it came as far as that."""

    reason: Reason
    named: Named
    instance: Instance | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """What is to run for a request, and whether its caller waits for the result.

    With `preprocess` it is the preprocess flow, and of a shared endpoint that has no customer.
    """

    instance_id: InstanceId
    customer_id: CustomerId
    integration_id: IntegrationId
    version: int
    flow: str
    synchronous: bool
    revision: int = 0
    flow_is_fixed: bool = False
    """Whether all requests at the endpoint run this flow."""
    preprocess: events.Preprocess | None = None


def course(
    catalog: Catalog, endpoint: Endpoint, event: events.WebhookReceived, body: bytes | None
) -> Course | Astray:
    """What a request at an endpoint of several flows runs. `body` is there where it was a blob."""
    ruling = endpoint.instance.deployed
    definition = catalog.definition(ruling.integration_id, ruling.version)
    preprocess = definition.flow(definition.routing.preprocess_flow)
    if preprocess is not None:
        return _preprocessed(endpoint.instance, preprocess, event)
    if body is None and is_in_blob(definition.routing, event.request):
        return Astray(reason=Reason.BODY_TOO_LARGE, named=Named())
    named = named_by(definition.routing, payload.of_request(event.request, body))
    led = lead(catalog, event.endpoint_id, endpoint, named)
    if isinstance(led, Astray):
        return led
    if not is_met(definition, led.flow):
        return Astray(reason=Reason.UNKNOWN_FLOW, named=_cut(named), instance=led.instance)
    return dispatched(led, named, _open_points(event), waits=event.synchronous)


def is_met(ruling: Definition, flow: Flow) -> bool:
    """Whether ingress has checked what the trigger of `flow` wants checked.

    It has met the request by the version that rules, which may check no signatures where an older
    one, of another customer, does.
    """
    first = ruling.flow(ruling.routing.preprocess_flow)
    if first is None and len(ruling.flows) == 1:
        first = ruling.flows[0]
    return not _is_signed(flow) or (first is not None and _is_signed(first))


def _is_signed(flow: Flow) -> bool:
    trigger = flow.steps[0]
    return (trigger.component, trigger.action) == (signatures.COMPONENT, signatures.TRIGGER)


def dispatched(
    led: Led, named: Named, open_points: events.Preprocess, *, waits: bool
) -> Course | Astray:
    """The flow that has been found, if its caller has shown a key that it takes."""
    deployed, flow = led.instance.deployed, led.flow
    hashes = deployed.api_key_hashes.get(flow.name, ())
    reason = endpoint_keys.objection(flow, hashes, open_points.api_key_hash)
    if reason is not None:
        return Astray(reason=reason, named=named._replace(flow=flow.name), instance=led.instance)
    return Course(
        instance_id=deployed.instance_id,
        customer_id=deployed.customer_id,
        integration_id=deployed.integration_id,
        version=deployed.version,
        flow=flow.name,
        synchronous=flow.is_synchronous if open_points.by_flow else waits,
        revision=deployed.revision,
    )


def _preprocessed(instance: Instance, flow: Flow, event: events.WebhookReceived) -> Course | Astray:
    """The preprocess flow: of the instance, or of a shared endpoint the integration's own."""
    deployed = instance.deployed
    shared = deployed.endpoint_type == SHARED
    if not shared and instance.status is not Status.ACTIVE:
        return _inactive([instance], Named())
    hashes = deployed.api_key_hashes.get(flow.name, ())
    if shared:
        hashes = [hash_of(key) for key in flow.organization_api_keys]
    reason = endpoint_keys.objection(flow, hashes, event.api_key_hash)
    if reason is not None:
        return Astray(reason=reason, named=Named(flow=flow.name))
    return Course(
        instance_id=ids.system_instance(deployed.integration_id)
        if shared
        else deployed.instance_id,
        customer_id=CustomerId("") if shared else deployed.customer_id,
        integration_id=deployed.integration_id,
        version=deployed.version,
        flow=flow.name,
        synchronous=event.synchronous,
        revision=0 if shared else deployed.revision,
        flow_is_fixed=True,
        preprocess=_open_points(event),
    )


def _open_points(event: events.WebhookReceived) -> events.Preprocess:
    return events.Preprocess(by_flow=event.by_flow, api_key_hash=event.api_key_hash)


def named_in(routing: Routing, results: Mapping[str, Mapping[str, Value]], last: Value) -> Named:
    """What `results` name: those of steps by key, of the request under PAYLOAD.

    A reference to no step that is there is to `last`, the result of a preprocess flow's last step.
    """

    def text_at(reference: Reference | None) -> str:
        if reference is None:
            return ""
        among = results if reference.step in results else {reference.step: {"results": last}}
        return _text(inputs.look_up(reference, among))

    return Named(text_at(routing.flow_name), text_at(routing.customer_id))


def named_by(routing: Routing, request: Mapping[str, Value]) -> Named:
    """What a request itself names, whatever the references call its step."""
    return named_in(routing, {}, request)


def is_in_blob(routing: Routing, request: events.Request) -> bool:
    """Whether a request can be routed only once its body has been read from a blob."""
    if routing.preprocess_flow or request.encoding != BodyEncoding.BLOB:
        return False
    fields = (routing.flow_name, routing.customer_id)
    return any(field is not None and field.path[0] in IN_BODY for field in fields)


def text_in(request: Mapping[str, Value], path: Sequence[str]) -> str:
    """The text or number at `path` of a request's payload, empty for anything else."""
    reference = Reference(PAYLOAD, "results", tuple(path))
    return _text(inputs.look_up(reference, {PAYLOAD: {"results": request}}))


def lead(
    catalog: Catalog, endpoint_id: EndpointId, endpoint: Endpoint, named: Named
) -> Led | Astray:
    """Where a request at `endpoint` goes that names this."""
    if endpoint.instance.deployed.endpoint_type != SHARED:
        return _among(catalog, [endpoint.instance], named)
    if not named.customer:
        return Astray(reason=Reason.MISSING_CUSTOMER, named=_cut(named))
    customer = catalog.customer(named.customer)
    if customer is None:
        return Astray(reason=Reason.UNKNOWN_CUSTOMER, named=_cut(named))
    return _among(catalog, catalog.sharing(endpoint_id, customer.customer_id), named)


def _among(catalog: Catalog, instances: list[Instance], named: Named) -> Led | Astray:
    """The first that is active and has the flow, or why there is none such."""
    active = [instance for instance in instances if instance.status is Status.ACTIVE]
    if not active:
        return _inactive(instances, named)
    found = [_flow(catalog, instance, named.flow) for instance in active]
    for instance, flow in zip(active, found, strict=True):
        if isinstance(flow, Flow):
            return Led(instance=instance, flow=flow)
    reason = found[0] if isinstance(found[0], Reason) else Reason.UNKNOWN_FLOW
    return Astray(reason=reason, named=_cut(named), instance=active[0])


def _inactive(instances: list[Instance], named: Named) -> Astray:
    paused = [instance for instance in instances if instance.status is Status.PAUSED]
    if paused:
        return Astray(reason=Reason.INSTANCE_PAUSED, named=_cut(named), instance=paused[0])
    if instances:
        return Astray(reason=Reason.INSTANCE_REMOVED, named=_cut(named), instance=instances[0])
    return Astray(reason=Reason.NO_INSTANCE, named=_cut(named))


def _flow(catalog: Catalog, instance: Instance, name: str) -> Flow | Reason:
    deployed = instance.deployed
    flows = catalog.definition(deployed.integration_id, deployed.version).routed_flows()
    if not name:
        return flows[0] if len(flows) == 1 else Reason.MISSING_FLOW_NAME
    return next((flow for flow in flows if flow.name == name), Reason.UNKNOWN_FLOW)


def _text(value: Value) -> str:
    """A name is a text, or a number as JSON writes it; anything else is no name."""
    if isinstance(value, str):
        return value
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return to_text(value) if is_number else ""


def _cut(named: Named) -> Named:
    return Named(named.flow[:MAX_NAME_CHARACTERS], named.customer[:MAX_NAME_CHARACTERS])


def told(admitted: events.ExecutionAdmitted, *, by_flow: bool) -> list[events.AdmissionDecided]:
    """What the caller hears once its flow is known; who said that it waits hears of the result."""
    if not admitted.reply_to or (admitted.synchronous and not by_flow):
        return []
    decided = events.AdmissionDecided(
        reply_to=admitted.reply_to,
        request_no=admitted.request_no,
        execution_id=admitted.execution_id,
        instance_id=admitted.instance_id,
        flow=admitted.flow,
        synchronous=admitted.synchronous,
    )
    return [decided]
