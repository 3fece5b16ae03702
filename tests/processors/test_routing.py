"""Routing: given what is deployed and what a request names, this flow of this instance runs."""

import itertools
from dataclasses import replace
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingress import lifecycle
from processors import admission
from schemas import codec, events, ids
from schemas.catalog import Catalog
from schemas.events import BodyEncoding, Reason
from schemas.ids import EndpointId, InstanceId
from schemas.instants import SECOND, Instant
from schemas.secrets import hash_of
from tests.ingress.serving import KEY, definition, flow

FLOW = "flowNameField: {type: reference, value: payload.results.headers.x-flow}"
CUSTOMER = "externalCustomerIdField: {type: reference, value: payload.results.body.data.who.id}"
BY_QUERY = "flowNameField: {type: reference, value: payload.results.queryParameters.flow}"
BY_PATH = "flowNameField: {type: reference, value: payload.results.pathFragment}"
FLOWS = (flow("First"), flow("Second", synchronous=True))
SHARED = definition(*FLOWS, extra=f"endpointType: shared_instance\n{FLOW}\n{CUSTOMER}")


def of_instance(field: str = FLOW, *flows: str) -> str:
    return definition(*(flows or FLOWS), extra=f"endpointType: instance_specific\n{field}")


class Deployments:
    """A catalog, and what was deployed into it last."""

    def __init__(self, *deployments: tuple[str, str]) -> None:
        self.catalog = Catalog()
        self.endpoint = EndpointId("")
        for text, customer in deployments:
            self.deploy(text, customer)

    def deploy(self, text: str, customer: str = "acme", **wish: Any) -> InstanceId:
        read = lifecycle.read_definition(text)
        wished = lifecycle.Wish(customer=customer, **wish)
        done = lifecycle.deploy(self.catalog, text, read, wished, KEY.seal, KEY.unseal)
        self.catalog.apply(done.said)
        self.endpoint = next(iter(done.instance.endpoints.values()))
        return done.instance.instance_id

    def decided(self, body: bytes | None = None, **request: Any) -> list[events.Event]:
        return admission.decide(
            admission.INITIAL,
            received(self.endpoint, **request),
            Instant(0),
            catalog=self.catalog,
            partition=0,
            offset=0,
            body=body,
        )

    def refusal(self, **request: Any) -> events.TriggerRefused:
        [refused, told] = self.decided(**request)
        assert isinstance(refused, events.TriggerRefused)
        assert isinstance(told, events.AdmissionDecided)
        assert (told.reason, told.flow) == (refused.reason, refused.flow)
        return refused

    def admitted(self, **request: Any) -> events.ExecutionAdmitted:
        [admitted, *_] = self.decided(**request)
        assert isinstance(admitted, events.ExecutionAdmitted)
        return admitted


def received(
    endpoint: EndpointId,
    headers: dict[str, str] | None = None,
    query: dict[str, str] | None = None,
    path: str = "",
    content: Any = None,
    **fields: Any,
) -> events.WebhookReceived:
    body = orjson.dumps(content).decode() if content is not None else ""
    request = events.Request(
        method="POST",
        path=path,
        headers=[[*pair] for pair in (headers or {}).items()],
        query=[[*pair] for pair in (query or {}).items()],
        body="key" if "encoding" in fields else body,
        encoding=fields.pop("encoding", BodyEncoding.TEXT),
        body_bytes=len(body),
        content_type="application/json",
    )
    given: dict[str, Any] = {"synchronous": False, "reply_to": "node", "request_no": 1} | fields
    return events.WebhookReceived(endpoint_id=endpoint, request=request, **given)


@pytest.mark.parametrize(
    ("field", "request_"),
    [
        (FLOW, {"headers": {"x-flow": "Second"}}),
        (FLOW, {"headers": {"X-Flow": "Second"}}),
        (BY_QUERY, {"query": {"flow": "Second"}}),
        (BY_PATH, {"path": "Second"}),
        (FLOW.replace("headers.x-flow", "body.data.a.b"), {"content": {"a": {"b": "Second"}}}),
        (FLOW.replace("payload.", "trigger."), {"headers": {"x-flow": "Second"}}),
    ],
)
def test_the_flow_is_found_wherever_the_definition_says(
    field: str, request_: dict[str, Any]
) -> None:
    deployments = Deployments((of_instance(field), "acme"))
    assert deployments.admitted(**request_).flow == "Second"


def test_a_number_names_a_flow_as_json_writes_it() -> None:
    flows = (flow("42"), flow("Other"))
    field = FLOW.replace("headers.x-flow", "body.data.f")
    deployments = Deployments((of_instance(field, *flows), "acme"))
    assert deployments.admitted(content={"f": 42}).flow == "42"
    nothings: list[Any] = [None, True, {}, [], ""]
    for nameless in nothings:
        assert deployments.refusal(content={"f": nameless}).reason == Reason.MISSING_FLOW_NAME


def test_a_single_flow_needs_no_name() -> None:
    deployments = Deployments((of_instance(FLOW, flow("Only")), "acme"))
    assert deployments.admitted().flow == "Only"
    assert deployments.refusal(headers={"x-flow": "Other"}).reason == Reason.UNKNOWN_FLOW


def test_an_instance_specific_request_without_a_name_or_with_a_wrong_one_is_refused() -> None:
    deployments = Deployments()
    instance_id = deployments.deploy(of_instance())
    assert deployments.refusal().reason == Reason.MISSING_FLOW_NAME
    refused = deployments.refusal(headers={"x-flow": "Thrid"})
    assert (refused.reason, refused.flow, refused.instance_id) == (
        Reason.UNKNOWN_FLOW,
        "Thrid",
        instance_id,
    )


def test_a_name_that_leads_nowhere_is_kept_in_part() -> None:
    refused = Deployments((of_instance(), "acme")).refusal(headers={"x-flow": "x" * 10_000})
    assert refused.flow == "x" * 500


def to(customer: str, flow_name: str = "First") -> dict[str, Any]:
    return {"headers": {"x-flow": flow_name}, "content": {"who": {"id": customer}}}


def test_a_shared_endpoint_serves_the_customer_that_the_request_names() -> None:
    deployments = Deployments()
    instances = {name: deployments.deploy(SHARED, name) for name in ("acme", "globex")}
    for name, instance_id in instances.items():
        admitted = deployments.admitted(**to(name))
        assert (admitted.instance_id, admitted.flow) == (instance_id, "First")
        assert admitted.customer_id == ids.derived("customer", name)
        assert admitted.endpoint_id == deployments.endpoint


def test_what_a_shared_endpoint_cannot_lead_is_refused_with_its_reason() -> None:
    deployments = Deployments((SHARED, "acme"))
    deployments.deploy(definition(flow(), name="Other"), "globex")
    deployments.endpoint = EndpointId(ids.derived("endpoint", ids.derived("integration", "Orders")))
    expected = {
        "": (Reason.MISSING_CUSTOMER, ""),
        "initech": (Reason.UNKNOWN_CUSTOMER, "initech"),
        "globex": (Reason.NO_INSTANCE, "globex"),
    }
    for customer, told in expected.items():
        refused = deployments.refusal(**to(customer))
        assert (refused.reason, refused.customer) == told
        assert refused.instance_id is None
    assert deployments.refusal(**to("acme", "Third")).reason == Reason.UNKNOWN_FLOW


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        (lifecycle.pause, Reason.INSTANCE_PAUSED),
        (lifecycle.remove, Reason.INSTANCE_REMOVED),
    ],
)
@pytest.mark.parametrize("text", [SHARED, of_instance()])
def test_a_paused_or_removed_instance_refuses(text: str, command: Any, reason: Reason) -> None:
    deployments = Deployments()
    instance_id = deployments.deploy(text)
    deployments.catalog.apply(command(deployments.catalog, instance_id))
    refused = deployments.refusal(**to("acme"))
    assert (refused.reason, refused.instance_id) == (reason, instance_id)


def test_of_several_instances_the_active_one_on_the_highest_version_serves() -> None:
    deployments = Deployments()
    older = deployments.deploy(SHARED, instance="a")
    newer = [deployments.deploy(SHARED + "\n# 2", instance=name) for name in ("c", "b")]
    assert deployments.admitted(**to("acme")).instance_id == newer[1]
    deployments.catalog.apply(lifecycle.pause(deployments.catalog, newer[1]))
    assert deployments.admitted(**to("acme")).instance_id == newer[0]
    deployments.catalog.apply(lifecycle.remove(deployments.catalog, newer[0]))
    assert deployments.admitted(**to("acme")).instance_id == older


def test_an_instance_that_has_the_flow_comes_before_one_that_has_not() -> None:
    deployments = Deployments()
    older = deployments.deploy(SHARED, instance="a")
    deployments.deploy(SHARED.replace("name: First", "name: Third"), instance="b")
    assert deployments.admitted(**to("acme", "First")).instance_id == older


def test_the_fields_of_the_highest_version_deployed_rule_a_shared_endpoint() -> None:
    deployments = Deployments()
    instance_id = deployments.deploy(SHARED)
    newer = deployments.deploy(SHARED.replace("headers.x-flow", "headers.x-other"), "globex")
    assert deployments.refusal(**to("acme")).reason == Reason.MISSING_FLOW_NAME
    by_new_field = to("acme") | {"headers": {"x-other": "First"}}
    assert deployments.admitted(**by_new_field).instance_id == instance_id
    deployments.catalog.apply(lifecycle.remove(deployments.catalog, newer))
    assert deployments.admitted(**to("acme")).instance_id == instance_id


SIGNED = (
    "inputs: {hmacHeaderName: {type: value, value: x-sign}, secretKey: {type: value, value: k}}"
)


def signed(text: str) -> str:
    """The flow in `text` with a trigger that checks signatures."""
    checked = text.replace("key: webhook-triggers, isPublic: true", "key: hash")
    return checked.replace("key: webhook}", "key: hmacWebhookTrigger}").replace(
        "inputs: {}", SIGNED
    )


def test_a_flow_that_checks_signatures_is_not_reached_where_nobody_checked_them() -> None:
    extra = f"endpointType: shared_instance\n{FLOW}\n{CUSTOMER}"
    deployments = Deployments((definition(signed(flow("First")), extra=extra), "acme"))
    assert deployments.admitted(**to("acme")).flow == "First"
    newer = deployments.deploy(SHARED, "globex")
    assert deployments.refusal(**to("acme")).reason == Reason.UNKNOWN_FLOW
    assert deployments.admitted(**to("globex")).flow == "First"
    deployments.catalog.apply(lifecycle.remove(deployments.catalog, newer))
    assert deployments.admitted(**to("acme")).flow == "First"


@pytest.mark.parametrize("flow_name", ["First", "Second"])
def test_whether_a_caller_waits_is_for_the_flow_to_say_if_it_does_not(flow_name: str) -> None:
    deployments = Deployments((of_instance(), "acme"))
    for by_flow, wanted in ((True, False), (False, True), (False, False)):
        expected = flow_name == "Second" if by_flow else wanted
        [admitted, *told] = deployments.decided(
            headers={"x-flow": flow_name}, by_flow=by_flow, synchronous=wanted
        )
        assert isinstance(admitted, events.ExecutionAdmitted)
        assert admitted.synchronous is expected
        # Who said that it waits is told of the result only.
        assert bool(told) is not wanted
        for news in told:
            assert isinstance(news, events.AdmissionDecided)
            assert (news.synchronous, news.flow) == (expected, flow_name)


def test_a_key_is_needed_where_the_flow_that_was_found_takes_one() -> None:
    deployments = Deployments()
    deployments.deploy(of_instance(), api_keys={"First": ["old", "new"]})
    headers = {"x-flow": "First"}
    assert deployments.refusal(headers=headers).reason == Reason.MISSING_API_KEY
    wrong = deployments.refusal(headers=headers, api_key_hash=hash_of("wrong"))
    assert (wrong.reason, wrong.flow) == (Reason.WRONG_API_KEY, "First")
    for key in ("old", "new"):
        assert deployments.admitted(headers=headers, api_key_hash=hash_of(key)).flow == "First"
    assert deployments.admitted(headers={"x-flow": "Second"}).flow == "Second"


def test_what_is_above_the_limit_of_a_shared_endpoint_is_of_no_instance() -> None:
    deployments = Deployments()
    deployments.deploy(SHARED, rate_limit=1)
    full = admission.evolve(admission.INITIAL, deployments.admitted(**to("acme")))
    [refused, _] = admission.decide(
        full,
        received(deployments.endpoint, **to("acme")),
        Instant(1),
        catalog=deployments.catalog,
        partition=0,
        offset=1,
    )
    assert isinstance(refused, events.TriggerRefused)
    assert (refused.reason, refused.limit, refused.instance_id) == (Reason.RATE_LIMITED, 1, None)


def test_a_body_in_a_blob_is_looked_into_where_it_was_read() -> None:
    deployments = Deployments((SHARED, "acme"))
    request = to("acme") | {"encoding": BodyEncoding.BLOB}
    assert deployments.refusal(**request).reason == Reason.BODY_TOO_LARGE
    body = orjson.dumps(request["content"])
    assert deployments.admitted(body=body, **request).flow == "First"


def test_a_flow_whose_endpoint_is_its_own_is_not_routed() -> None:
    deployments = Deployments((definition(*FLOWS, extra=FLOW), "acme"))
    assert deployments.admitted(headers={"x-flow": "Second"}).flow == "First"


def test_deciding_again_says_the_same() -> None:
    deployments = Deployments((SHARED, "acme"))
    for request in (to("acme"), to("initech")):
        assert deployments.decided(**request) == deployments.decided(**request)


arrivals = st.lists(st.tuples(st.integers(0, SECOND // 3), st.sampled_from("abc")), max_size=60)


def run(
    deployments: Deployments, requests: list[tuple[int, EndpointId, str]]
) -> list[events.Event]:
    """What is decided of requests (instant, endpoint, customer), each at its offset."""
    states: dict[EndpointId, admission.State] = {}
    said: list[events.Event] = []
    for offset, (at, endpoint, customer) in enumerate(requests):
        state = states.get(endpoint, admission.INITIAL)
        event = received(endpoint, **to(customer), reply_to="")
        [decided] = admission.decide(
            state, event, Instant(at), catalog=deployments.catalog, partition=0, offset=offset
        )
        states[endpoint] = admission.evolve(state, decided)
        said.append(decided)
    return said


@given(arrivals, st.integers(1, 5))
def test_one_limit_holds_for_all_customers_of_a_shared_endpoint(
    steps: list[tuple[int, str]], limit: int
) -> None:
    deployments = Deployments()
    for customer in "abc":
        deployments.deploy(SHARED, customer, rate_limit=limit)
    instants = itertools.accumulate(gap for gap, _ in steps)
    requests = [(at, deployments.endpoint, c) for at, (_, c) in zip(instants, steps, strict=True)]
    said = run(deployments, requests)
    admitted = [one.received_at for one in said if isinstance(one, events.ExecutionAdmitted)]
    for event in said:
        assert isinstance(event, events.ExecutionAdmitted | events.TriggerRefused)
        at = event.received_at
        if isinstance(event, events.ExecutionAdmitted):
            assert sum(at <= other <= at + SECOND for other in admitted) <= limit
        else:
            assert sum(at - SECOND <= other <= at for other in admitted) >= limit


@given(arrivals, st.lists(st.integers(0, 60), max_size=40))
def test_a_flood_at_one_endpoint_changes_nothing_at_another(
    steps: list[tuple[int, str]], flood: list[int]
) -> None:
    deployments = Deployments()
    deployments.deploy(of_instance(), "flooded", rate_limit=1)
    flooded = deployments.endpoint
    for customer in "abc":
        deployments.deploy(SHARED, customer, rate_limit=3)
    instants = itertools.accumulate(gap for gap, _ in steps)
    alone = [(at, deployments.endpoint, c) for at, (_, c) in zip(instants, steps, strict=True)]
    beside = list(alone)
    for place in flood:
        place = min(place, len(beside))
        at = beside[place - 1][0] if place else 0
        beside.insert(place, (at, flooded, "flooded"))
    expected = [type(decided) for decided in run(deployments, alone)]
    found = run(deployments, beside)
    kept = [
        type(one)
        for one, (_, endpoint, _) in zip(found, beside, strict=True)
        if endpoint == deployments.endpoint
    ]
    assert kept == expected


contents = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(
    contents | st.fixed_dictionaries({"who": st.fixed_dictionaries({"id": contents})}),
    st.dictionaries(st.sampled_from(["x-flow", "X-Flow", "x-FLOW", "other"]), st.text()),
    st.sampled_from(["application/json", "text/plain", "multipart/form-data; boundary=x", ""]),
)
def test_whatever_a_request_holds_it_is_led_or_refused(
    content: Any, headers: dict[str, str], content_type: str
) -> None:
    deployments = SHARED_BY_ACME
    request = received(deployments.endpoint, headers=headers, content=content)
    request = replace(request, request=replace(request.request, content_type=content_type))
    [decided, *_] = admission.decide(
        admission.INITIAL,
        request,
        Instant(0),
        catalog=deployments.catalog,
        partition=0,
        offset=0,
    )
    assert codec.decode(codec.encode([decided])).events == (decided,)
    if isinstance(decided, events.TriggerRefused):
        assert max(len(decided.flow), len(decided.customer)) <= 500


SHARED_BY_ACME = Deployments((SHARED, "acme"))
