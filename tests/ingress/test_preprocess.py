"""Preprocess flows, with the processors at work: one execution of two flows."""

from typing import Any

import pytest

from processors import interpreter
from schemas import codec, events
from schemas.topics import ADMISSIONS, Topic
from tests.ingress.serving import SYNC, Served, processing
from tests.processors import instances

ROUTES = """
  - name: Route
    steps:
      - {name: Trigger, isTrigger: true, action: {component: {key: webhook-triggers}, key: webhook}}
      - name: Made
        action: {component: {key: collection-tools}, key: createObject}
        inputs:
          keyValueInput:
            type: complex
            value:
              - {name: flow, type: reference, value: trigger.results.body.data.to}
              - {name: who, type: reference, value: trigger.results.body.data.who}
"""
TARGET = """
  - name: %s
    isSynchronous: %s
    steps:
      - name: Trigger
        isTrigger: true
        action: {component: {key: webhook-triggers}, key: webhook}
        inputs: {body: {type: value, value: from %s}}
      - name: Made
        action: {component: {key: collection-tools}, key: createObject}
        inputs:
          keyValueInput:
            type: complex
            value:
              - {name: flow, type: reference, value: trigger.results.flow.name}
              - {name: customer, type: reference, value: trigger.results.customer.externalId}
              - {name: own, type: value, value: "%s"}
"""
FIELDS = """preprocessFlowName: Route
flowNameField: {type: reference, value: made.results.flow}
externalCustomerIdField: {type: reference, value: onExecution.results.who}
"""
FLOWS = ROUTES + TARGET % ("First", "false", "First", 1) + TARGET % ("Second", "true", "Second", 2)


def text_of(endpoint_type: str, flows: str = FLOWS) -> str:
    head = f"definitionVersion: 7\nname: Orders\nendpointType: {endpoint_type}"
    return f"{head}\n{FIELDS}\nflows:{flows}"


async def said_on(ingress: Served, topic: Topic) -> list[events.Event]:
    records = await ingress.log.read(topic, 0, 0, max_records=10_000)
    return [event for record in records for event in codec.decode(record.value).events]


async def until_ended(ingress: Served, count: int = 1) -> list[events.Event]:
    """What the journal says of executions, once so many have ended."""
    found = await instances.ended(ingress.log, count)
    return [event for event in found if hasattr(event, "execution_id")]


async def post(ingress: Served, url: str, to: str, who: str = "acme", **headers: str) -> Any:
    body = {"to": to, "who": who}
    return await ingress.http.post(url, json=body, headers=headers, follow_redirects=True)


TYPES = ["instance_specific", "shared_instance"]


@pytest.mark.parametrize("endpoint_type", TYPES)
async def test_the_preprocess_flow_and_the_flow_it_names_are_one_execution(
    ingress: Served, endpoint_type: str
) -> None:
    url = await ingress.url(text_of(endpoint_type), customer="acme")
    async with processing(ingress):
        answer = await post(ingress, url, "Second", **SYNC)
        said = await until_ended(ingress)
    assert answer.json() == {"flow": "Second", "customer": "acme", "own": "2"}
    assert len({getattr(event, "execution_id", "") for event in said}) == 1
    steps = [event.step for event in said if isinstance(event, events.StepSucceeded)]
    assert steps == ["preprocess/trigger", "preprocess/made", "trigger", "made"]
    [dispatched] = [event for event in said if isinstance(event, events.FlowDispatched)]
    assert (dispatched.flow, dispatched.synchronous) == ("Second", True)
    assert sum(isinstance(event, events.ExecutionCompleted) for event in said) == 1


@pytest.mark.parametrize("endpoint_type", TYPES)
async def test_the_flow_that_is_named_says_how_its_caller_is_answered(
    ingress: Served, endpoint_type: str
) -> None:
    url = await ingress.url(text_of(endpoint_type), customer="acme")
    async with processing(ingress):
        first = await post(ingress, url, "First")
        second = await post(ingress, url, "Second")
        at_once = await post(ingress, url, "Second", **{"prismatic-synchronous": "false"})
        await until_ended(ingress, 3)
    assert (first.status_code, first.text) == (200, "from First")
    assert second.json()["flow"] == "Second"
    assert (at_once.status_code, at_once.text) == (200, "from Second")


@pytest.mark.parametrize("waits", [{}, SYNC, {"prismatic-synchronous": "false"}])
@pytest.mark.parametrize(
    ("endpoint_type", "to", "who", "status", "reason"),
    [
        ("instance_specific", "Third", "acme", 404, "unknown_flow"),
        ("instance_specific", "", "acme", 400, "missing_flow_name"),
        ("instance_specific", "Route", "acme", 404, "unknown_flow"),
        ("shared_instance", "Third", "acme", 404, "unknown_flow"),
        ("shared_instance", "First", "initech", 404, "unknown_customer"),
        ("shared_instance", "First", "", 400, "missing_customer"),
    ],
)
async def test_what_the_preprocess_flow_names_in_vain_fails_the_execution(
    ingress: Served,
    endpoint_type: str,
    to: str,
    who: str,
    status: int,
    reason: str,
    waits: dict[str, str],
) -> None:
    url = await ingress.url(text_of(endpoint_type), customer="acme")
    async with processing(ingress):
        answer = await post(ingress, url, to, who, **waits)
        said = await until_ended(ingress)
    assert (answer.status_code, answer.json()["reason"]) == (status, reason), answer.text
    failed = said[-1]
    assert isinstance(failed, events.ExecutionFailed)
    assert (failed.reason, failed.error) == (reason, answer.json()["error"])


async def test_a_preprocess_flow_that_fails_is_the_end(ingress: Served) -> None:
    broken = FLOWS.replace("collection-tools", "not-there", 1)
    url = await ingress.url(text_of("instance_specific", broken))
    async with processing(ingress):
        answer = await post(ingress, url, "First")
        said = await until_ended(ingress)
    assert answer.status_code == 400
    assert "not-there" in answer.json()["error"]
    failed = said[-1]
    assert isinstance(failed, events.ExecutionFailed)
    assert (failed.step, failed.error) == ("preprocess/made", answer.json()["error"])


@pytest.mark.parametrize("endpoint_type", TYPES)
async def test_the_flow_that_is_named_needs_its_own_key(
    ingress: Served, endpoint_type: str
) -> None:
    text = text_of(endpoint_type)
    url = await ingress.url(text, customer="acme", apiKeys={"First": ["the-key"]})
    async with processing(ingress):
        without = await post(ingress, url, "First")
        with_key = await post(ingress, url, "First", **{"api-key": "the-key"})
    assert (without.status_code, without.json()["reason"]) == (401, "missing_api_key")
    assert with_key.status_code == 200


async def test_a_preprocess_flow_with_a_key_does_not_run_without_it(ingress: Served) -> None:
    url = await ingress.url(text_of("instance_specific"), apiKeys={"Route": ["the-key"]})
    async with processing(ingress):
        answer = await post(ingress, url, "First")
    assert (answer.status_code, answer.json()["reason"]) == (401, "missing_api_key")
    [refused] = await said_on(ingress, ADMISSIONS)
    assert isinstance(refused, events.TriggerRefused)


SLEEP = """      - name: Rest
        action: {component: {key: sleep}, key: sleep}
        inputs: {ms: {type: value, value: "10"}}
"""


@pytest.mark.parametrize("endpoint_type", TYPES)
async def test_either_flow_may_wait_without_memory(
    ingress: Served, endpoint_type: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(interpreter, "SUSPEND_FROM_S", 0)
    resting = FLOWS.replace("      - name: Made\n", SLEEP + "      - name: Made\n")
    url = await ingress.url(text_of(endpoint_type, resting), customer="acme")
    async with processing(ingress):
        answer = await post(ingress, url, "Second", **SYNC)
        said = await until_ended(ingress)
        first = await post(ingress, url, "First")
    assert answer.json() == {"flow": "Second", "customer": "acme", "own": "2"}
    assert first.text == "from First"
    waits = [event.step for event in said if isinstance(event, events.ExecutionSuspended)]
    # The record that carries an execution says again what it has said.
    assert [*dict.fromkeys(waits)] == ["preprocess/rest", "rest"]
    steps = [event.step for event in said if isinstance(event, events.StepSucceeded)]
    expected = ["preprocess/trigger", "preprocess/rest", "preprocess/made"]
    assert [*dict.fromkeys(steps)] == [*expected, "trigger", "rest", "made"]
