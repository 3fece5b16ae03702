"""Endpoints of several flows and customers, with the processors at work: what callers are told."""

import asyncio
from pathlib import Path
from typing import Any

import orjson
import pytest

from eventlog.log import EventLog
from schemas import codec, events
from schemas.topics import ADMISSIONS, TRIGGERS
from tests.ingress.serving import ADMIN, SYNC, Served, definition, flow, processing

EXAMPLE = Path(__file__).parents[2] / "examples" / "shared_inventory.yml"
FIELDS = """flowNameField: {type: reference, value: payload.results.headers.x-flow}
externalCustomerIdField: {type: reference, value: payload.results.body.data.customer}
"""
INSTANCE = f"endpointType: instance_specific\n{FIELDS}"
SHARED = f"endpointType: shared_instance\n{FIELDS}"
RESPONSE = 'statusCode: {type: value, value: "202"}, body: {type: value, value: taken}'
FLOWS = (flow("First"), flow("Second", inputs=RESPONSE), flow("Third", synchronous=True))


async def said_on_admissions(log: EventLog) -> list[events.Event]:
    found: list[events.Event] = []
    for partition in range(log.partitions(ADMISSIONS)):
        for record in await log.read(ADMISSIONS, partition, 0):
            found.extend(codec.decode(record.value).events)
    return found


async def admitted(log: EventLog) -> list[events.ExecutionAdmitted]:
    said = await said_on_admissions(log)
    return [event for event in said if isinstance(event, events.ExecutionAdmitted)]


async def refused(log: EventLog) -> list[events.TriggerRefused]:
    said = await said_on_admissions(log)
    return [event for event in said if isinstance(event, events.TriggerRefused)]


def to(flow_name: str, customer: str = "acme", **more: Any) -> dict[str, Any]:
    return {"headers": {"x-flow": flow_name}, "json": {"customer": customer}} | more


async def test_all_flows_of_an_instance_are_called_at_one_url(ingress: Served) -> None:
    deployed = await ingress.deploy(definition(*FLOWS, extra=INSTANCE))
    urls = {each["name"]: each["webhookUrl"] for each in deployed["flows"]}
    assert list(urls) == ["First", "Second", "Third"]
    assert len(set(urls.values())) == 1
    async with processing(ingress):
        first = await ingress.http.post(f"{urls['First']}/a/b", **to("First"))
        second = await ingress.http.post(urls["First"], **to("Second"))
        third = await ingress.http.post(urls["First"], **to("Third"), follow_redirects=True)
    assert (first.status_code, list(first.json())) == (200, ["executionId"])
    assert (second.status_code, second.text) == (202, "taken")
    assert third.status_code == 200
    payload = third.json()
    assert payload["webhookUrls"] == urls
    assert payload["invokeUrl"] == urls["First"]
    assert payload["flow"]["name"] == "Third"
    assert [event.flow for event in await admitted(ingress.log)] == ["First", "Second", "Third"]


async def test_all_customers_are_served_at_one_shared_url(ingress: Served) -> None:
    text = definition(*FLOWS, extra=SHARED)
    urls = {
        each["webhookUrl"]
        for customer in ("acme", "globex")
        for each in (await ingress.deploy(text, customer=customer))["flows"]
    }
    [url] = urls
    async with processing(ingress):
        for customer in ("acme", "globex"):
            answer = await ingress.http.post(
                url,
                **to("First", customer, headers=SYNC | {"x-flow": "First"}),
                follow_redirects=True,
            )
            assert answer.json()["customer"]["externalId"] == customer
            assert answer.json()["invokeUrl"] == url
    assert len({event.instance_id for event in await admitted(ingress.log)}) == 2


@pytest.mark.parametrize(
    ("request_", "status", "reason", "told"),
    [
        (to("First", "initech"), 404, "unknown_customer", "initech"),
        (to("First", ""), 400, "missing_customer", "customer"),
        (to("Fourth"), 404, "unknown_flow", "'Fourth'"),
        (to("", headers={}), 400, "missing_flow_name", "flow"),
        (to("First", "globex"), 404, "no_instance", "'globex'"),
        (to("First", "umbrella"), 409, "instance_paused", "paused"),
        (to("First", "tyrell"), 409, "instance_removed", "removed"),
    ],
)
@pytest.mark.parametrize("waits", [{}, SYNC])
async def test_what_cannot_be_led_is_told_its_caller_and_kept(
    ingress: Served,
    request_: dict[str, Any],
    status: int,
    reason: str,
    told: str,
    waits: dict[str, str],
) -> None:
    text = definition(*FLOWS, extra=SHARED)
    url = await ingress.url(text, customer="acme")
    await ingress.deploy(definition(name="Other"), customer="globex")
    for customer, verb in (("umbrella", "pause"), ("tyrell", "")):
        deployed = await ingress.deploy(text, customer=customer)
        path = f"/api/v1/instances/{deployed['instanceId']}"
        if verb:
            await ingress.http.post(f"{path}/{verb}", headers=ADMIN)
        else:
            await ingress.http.delete(path, headers=ADMIN)
    request_ = request_ | {"headers": request_["headers"] | waits}
    async with processing(ingress):
        answer = await ingress.http.post(url, **request_)
    assert (answer.status_code, answer.json()["reason"]) == (status, reason)
    assert told in answer.json()["error"]
    [event] = await refused(ingress.log)
    assert event.reason == reason
    assert await admitted(ingress.log) == []


async def test_what_was_deployed_a_moment_ago_is_found_at_once(ingress: Served) -> None:
    text = definition(*FLOWS, extra=SHARED)
    url = await ingress.url(text, customer="acme")
    async with processing(ingress):
        for customer in ("globex", "initech"):
            assert (await ingress.http.post(url, **to("First", customer))).status_code == 404
            deployed = await ingress.deploy(text, customer=customer)
            assert (await ingress.http.post(url, **to("First", customer))).status_code == 200
            path = f"/api/v1/instances/{deployed['instanceId']}"
            await ingress.http.post(f"{path}/pause", headers=ADMIN)
            await ingress.http.post(f"{path}/resume", headers=ADMIN)
            assert (await ingress.http.post(url, **to("First", customer))).status_code == 200


async def test_a_large_body_is_searched_for_the_customer(ingress: Served) -> None:
    url = await ingress.url(definition(*FLOWS, extra=SHARED), customer="acme")
    content = orjson.dumps({"padding": "x" * 400_000, "customer": "acme"})
    headers = {"x-flow": "First", "content-type": "application/json"}
    async with processing(ingress):
        answer = await ingress.http.post(url, content=content, headers=headers)
    assert answer.status_code == 200, answer.text


async def test_the_flow_that_is_called_says_which_key_is_needed(ingress: Served) -> None:
    text = definition(*FLOWS, extra=INSTANCE)
    url = await ingress.url(text, apiKeys={"First": ["first-key"], "Second": ["second-key"]})
    async with processing(ingress):
        for name, key, status, reason in (
            ("First", None, 401, "missing_api_key"),
            ("First", "second-key", 401, "wrong_api_key"),
            ("First", "first-key", 200, None),
            ("Second", "second-key", 202, None),
            ("Third", None, 303, None),
        ):
            headers = {"x-flow": name} | ({"api-key": key} if key else {})
            answer = await ingress.http.post(url, json={}, headers=headers)
            assert answer.status_code == status, answer.text
            assert reason is None or answer.json()["reason"] == reason
    kept = [
        r.value for topic in (TRIGGERS, ADMISSIONS) for r in await ingress.log.read(topic, 0, 0)
    ]
    assert len(kept) == 10
    assert not any(b"first-key" in value or b"second-key" in value for value in kept)


async def test_the_limit_of_the_highest_version_is_that_of_the_shared_endpoint(
    ingress: Served,
) -> None:
    text = definition(*FLOWS, extra=SHARED)
    url = await ingress.url(text, customer="acme", rateLimit=500)
    await ingress.deploy(f"{text}\n# 2", customer="globex", rateLimit=1)
    customers = ("acme", "globex") * 3
    async with processing(ingress):
        answers = await asyncio.gather(*(ingress.call(url, **to("First", c)) for c in customers))
    assert 200 in {answer.status_code for answer in answers}
    turned_away = [answer for answer in answers if answer.status_code == 429]
    assert turned_away
    for answer in turned_away:
        assert "throughput of 1 requests/second" in answer.json()["error"]
        assert answer.headers["retry-after"] == "1"


async def test_the_example_serves_each_customer_by_itself(ingress: Served) -> None:
    text = await asyncio.to_thread(EXAMPLE.read_text)
    [url] = {
        each["webhookUrl"]
        for customer in ("acme", "globex")
        for each in (await ingress.deploy(text, customer=customer))["flows"]
    }

    async def ask(flow_name: str, customer: str, **more: Any) -> Any:
        answer = await ingress.http.post(
            url,
            json={"customer": customer} | more,
            headers={"x-flow": flow_name, "prismatic-prefer-direct-sync-json-response": "true"},
        )
        return answer.json()

    async with processing(ingress):
        assert await ask("Take Stock", "acme", delivery="d1", items=5) == {
            "customer": "acme",
            "items": 5,
        }
        await ask("Take Stock", "acme", delivery="d1", items=5)
        await ask("Take Stock", "globex", delivery="d1", items=2)
        told = [await ask("Tell Stock", customer) for customer in ("acme", "globex")]
    assert told == [{"customer": "acme", "items": 5}, {"customer": "globex", "items": 2}]
