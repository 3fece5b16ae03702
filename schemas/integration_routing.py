"""Routing of an integration file: where a request says which flow and which customer it is for.

Takes in the root of the file and its flows; gives out `definitions.Routing`, and a problem for each
thing that an endpoint of the given type lacks (platform-behaviour, 1.1 to 1.3).
"""

from collections.abc import Sequence

from schemas import integration_inputs
from schemas.definitions import Flow, Reference, Routing
from schemas.integration_inputs import Names
from schemas.yaml_places import Place, shown

FLOW_SPECIFIC = "flow_specific"
INSTANCE_SPECIFIC = "instance_specific"
SHARED = "shared_instance"
ENDPOINT_TYPES = (FLOW_SPECIFIC, INSTANCE_SPECIFIC, SHARED)


def read(root: Place, endpoint_type: str, flows: Sequence[Flow]) -> Routing:
    """What the file says of routing. Fields of a flow-specific integration are read all the same.

    What the fields name is known only when a request is routed.
    """
    routing = Routing(
        flow_name=_field(root, "flowNameField"),
        customer_id=_field(root, "externalCustomerIdField"),
        customer_user_id=_field(root, "externalCustomerUserIdField"),
        preprocess_flow=root.text("preprocessFlowName"),
    )
    if routing.preprocess_flow:
        _check_preprocess(root.at("preprocessFlowName"), endpoint_type, routing, flows)
    if endpoint_type != FLOW_SPECIFIC:
        _check_fields(root, endpoint_type, routing, flows)
    return routing


def _field(root: Place, key: str) -> Reference | None:
    place = root.get(key)
    if place is None:
        return None
    before = len(root.problems)
    found = integration_inputs.read(place, Names({}))
    if len(root.problems) > before or found == integration_inputs.NOTHING:
        return None
    if not isinstance(found, Reference):
        place.wrong(f"{key} must be an input of type reference")
        return None
    if found.kind != "results" or not found.path:
        place.at("value").wrong(f"{key} must name a field of the results of a step")
        return None
    return found


def _check_preprocess(
    place: Place, endpoint_type: str, routing: Routing, flows: Sequence[Flow]
) -> None:
    named = [flow for flow in flows if flow.name == routing.preprocess_flow]
    if endpoint_type == FLOW_SPECIFIC:
        place.wrong("preprocessFlowName needs an endpointType other than flow_specific")
    elif not named:
        place.wrong(f"preprocessFlowName: there is no flow {shown(routing.preprocess_flow)}")
    elif len(flows) < 2:
        place.wrong("preprocessFlowName names the only flow: there is none to go on with")
    elif endpoint_type == SHARED and named[0].security == "customer_required":
        place.wrong("the preprocess flow of a shared endpoint has no customer to require a key of")


def _check_fields(root: Place, endpoint_type: str, routing: Routing, flows: Sequence[Flow]) -> None:
    """A single flow needs no name; a shared endpoint always needs the customer."""
    place = root.at("endpointType")
    choices = [flow for flow in flows if flow.name != routing.preprocess_flow]
    if len(choices) > 1 and routing.flow_name is None:
        place.wrong(f"{endpoint_type} with several flows needs a flowNameField")
    if endpoint_type == SHARED and routing.customer_id is None:
        place.wrong(f"{endpoint_type} needs an externalCustomerIdField")
