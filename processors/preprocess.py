"""Preprocess: from a preprocess flow to the flow that it names (platform-behaviour, 1.3). Pure.

Takes in the results of a preprocess flow; gives out FlowDispatched, or why no flow follows. Both
flows are one execution. Steps of the first have names of their own on the log, `preprocess/<key>`,
since their keys may be those of the second; of their results nothing reaches the second.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple

from processors import routing
from processors.routing import Astray
from schemas import events
from schemas.catalog import Catalog, Endpoint, Standing, Status
from schemas.definitions import Flow
from schemas.events import Reason
from schemas.integration_routing import SHARED
from schemas.values import Value

Results = Mapping[str, Mapping[str, Value]]

_SENTENCES = {
    Reason.MISSING_FLOW_NAME: "it names no flow",
    Reason.MISSING_CUSTOMER: "it names no customer",
    Reason.UNKNOWN_FLOW: "it names the flow {flow!r}, which is not there",
    Reason.UNKNOWN_CUSTOMER: "it names the customer {customer!r}, who is not known",
    Reason.NO_INSTANCE: "the customer {customer!r} has no instance of this integration",
    Reason.INSTANCE_PAUSED: "the instance of the customer {customer!r} is paused",
    Reason.INSTANCE_REMOVED: "the instance of the customer {customer!r} was removed",
    Reason.MISSING_API_KEY: "the flow {flow!r} needs an API key in the header Api-Key",
    Reason.WRONG_API_KEY: "the API key in the header Api-Key is not one of the flow {flow!r}",
}


class Entered(NamedTuple):
    """What an execution goes on with."""

    admitted: events.ExecutionAdmitted
    flow: Flow
    payload: Mapping[str, Value]


@dataclass(frozen=True, slots=True, kw_only=True)
class Preprocessing:
    """What the engine asks once the preprocess flow has ended.

    `known` is what was said before a restart. `enter` gives None where another instance goes on.
    """

    dispatch: Callable[[Results, Value], events.FlowDispatched | Astray]
    enter: Callable[[events.FlowDispatched], Entered | None]
    known: events.FlowDispatched | None = None


def dispatch(
    catalog: Catalog,
    admitted: events.ExecutionAdmitted,
    payload: Mapping[str, Value],
    results: Results,
    last: Value,
) -> events.FlowDispatched | Astray:
    """What follows the preprocess flow that came to these results, `last` being its last step's."""
    definition = catalog.definition(admitted.integration_id, admitted.version)
    among = {routing.PAYLOAD: {"results": payload}, **results}
    named = routing.named_in(definition.routing, among, last)
    endpoint = _endpoint(catalog, admitted)
    if endpoint is None:
        return Astray(reason=Reason.NO_INSTANCE, named=named)
    led = routing.lead(catalog, admitted.endpoint_id, endpoint, named)
    if isinstance(led, Astray):
        return led
    if not routing.is_met(definition, led.flow):
        return Astray(reason=Reason.UNKNOWN_FLOW, named=named, instance=led.instance)
    open_points = admitted.preprocess or events.Preprocess()
    course = routing.dispatched(led, named, open_points, waits=admitted.synchronous)
    if isinstance(course, Astray):
        return course
    return events.FlowDispatched(
        execution_id=admitted.execution_id,
        flow=course.flow,
        instance_id=course.instance_id,
        customer_id=course.customer_id,
        integration_id=course.integration_id,
        version=course.version,
        synchronous=course.synchronous,
        revision=course.revision,
    )


def _endpoint(catalog: Catalog, admitted: events.ExecutionAdmitted) -> Endpoint | None:
    """The endpoint as it was admitted: what an instance has accepted it runs, in that version."""
    instance = catalog.instances.get(admitted.instance_id)
    if instance is None:
        found = catalog.endpoint(admitted.endpoint_id)
        shared = found is not None and found.instance.deployed.endpoint_type == SHARED
        return found if shared else None
    deployed = replace(
        instance.deployed, version=admitted.version, revision=admitted.revision, endpoint_type=""
    )
    return Endpoint(replace(instance, deployed=deployed, standing=Standing(Status.ACTIVE)), "")


def continued(
    admitted: events.ExecutionAdmitted, dispatched: events.FlowDispatched
) -> events.ExecutionAdmitted:
    """The admission of what follows the preprocess flow."""
    return replace(
        admitted,
        flow=dispatched.flow,
        instance_id=dispatched.instance_id,
        customer_id=dispatched.customer_id,
        version=dispatched.version,
        revision=dispatched.revision,
        synchronous=dispatched.synchronous,
        continues=True,
    )


def is_open(admitted: events.ExecutionAdmitted) -> bool:
    """Whether it is not known yet which flow follows: its caller has not been told anything."""
    return admitted.preprocess is not None and not admitted.continues


def sentence(astray: Astray) -> str:
    """Why no flow follows, for whoever reads the execution's error."""
    said = _SENTENCES.get(astray.reason, str(astray.reason))
    named = astray.named
    return f"after the preprocess flow: {said.format(flow=named.flow, customer=named.customer)}"
