"""Routing of an integration file: what an endpoint of each type needs, and how it is led."""

import pytest

from schemas import integration_file
from schemas.definitions import Reference, Routing
from tests.ingress.serving import definition, flow

BY_HEADER = "flowNameField: {type: reference, value: payload.results.headers.x-flow}"
CUSTOMER = "externalCustomerIdField: {type: reference, value: payload.results.body.data.id}"
USER = "externalCustomerUserIdField: {type: reference, value: payload.results.queryParameters.u}"
INSTANCE = "endpointType: instance_specific"
SHARED = "endpointType: shared_instance"
PREPROCESS = "preprocessFlowName: First"
TWO = (flow("First"), flow("Second"))
THREE = (*TWO, flow("Third"))


def problems(flows: tuple[str, ...], *extra: str) -> list[str]:
    text = definition(*flows, extra="\n".join(extra))
    return [problem.message for problem in integration_file.read(text).problems]


def routing(flows: tuple[str, ...], *extra: str) -> Routing:
    reading = integration_file.read(definition(*flows, extra="\n".join(extra)))
    assert reading.definition is not None, reading.problems
    return reading.definition.routing


def test_the_fields_are_references_into_the_payload() -> None:
    assert routing(TWO, SHARED, BY_HEADER, CUSTOMER, USER) == Routing(
        flow_name=Reference("payload", "results", ("headers", "x-flow")),
        customer_id=Reference("payload", "results", ("body", "data", "id")),
        customer_user_id=Reference("payload", "results", ("queryParameters", "u")),
    )


def test_a_preprocess_flow_is_no_flow_to_be_led_to() -> None:
    reading = integration_file.read(definition(*TWO, extra=f"{INSTANCE}\n{PREPROCESS}"))
    assert reading.definition is not None
    assert reading.definition.routing.preprocess_flow == "First"
    assert [flow.name for flow in reading.definition.routed_flows()] == ["Second"]


@pytest.mark.parametrize(
    ("flows", "extra", "message"),
    [
        (TWO, [INSTANCE], "instance_specific with several flows needs a flowNameField"),
        (THREE, [INSTANCE, PREPROCESS], "with several flows needs a flowNameField"),
        (TWO, [SHARED, CUSTOMER], "shared_instance with several flows needs a flowNameField"),
        (TWO, [SHARED, BY_HEADER], "shared_instance needs an externalCustomerIdField"),
        ((flow(),), [SHARED], "shared_instance needs an externalCustomerIdField"),
        ((flow("First"),), [INSTANCE, PREPROCESS], "names the only flow"),
        (TWO, [INSTANCE, "preprocessFlowName: Gone"], "there is no flow 'Gone'"),
        (
            (flow("First", security="customer_required"), flow("Second")),
            [SHARED, PREPROCESS, CUSTOMER],
            "has no customer to require a key of",
        ),
        (
            TWO,
            [INSTANCE, "flowNameField: {type: reference, value: payload.results}"],
            "must name a field of the results",
        ),
        (
            TWO,
            [INSTANCE, "flowNameField: {type: reference, value: a.currentItem.b}"],
            "must name a field of the results",
        ),
    ],
)
def test_what_an_endpoint_lacks_is_said(
    flows: tuple[str, ...], extra: list[str], message: str
) -> None:
    assert any(message in found for found in problems(flows, *extra))


@pytest.mark.parametrize(
    ("flows", "extra"),
    [
        ((flow(),), [INSTANCE]),
        ((flow(),), [SHARED, CUSTOMER]),
        (TWO, [INSTANCE, PREPROCESS]),
        (TWO, [BY_HEADER]),
    ],
)
def test_a_single_flow_needs_no_name(flows: tuple[str, ...], extra: list[str]) -> None:
    assert problems(flows, *extra) == []
