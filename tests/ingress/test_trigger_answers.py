"""Callers of flows whose trigger answers them itself."""

from pathlib import Path
from typing import Any

import pytest

from schemas import events
from tests.ingress.serving import Trigger, definition, flow, processing, served

ANSWERING = {"known": {"code": ["runCodeTrigger"]}, "answering": {("code", "runCodeTrigger")}}
TEXT = """
definitionVersion: 7
name: Hooks
flows:
  - name: Main
    steps:
      - name: Trigger
        isTrigger: true
        action: {component: {key: code, isPublic: true}, key: runCodeTrigger}
        inputs: {code: {type: value, value: ""}}
"""


def answered(trigger: Trigger, **said: Any) -> events.TriggerAnswered:
    return events.TriggerAnswered(
        reply_to=trigger.received.reply_to,
        request_no=trigger.received.request_no,
        execution_id=trigger.execution_id,
        **said,
    )


async def test_the_caller_gets_what_the_trigger_says_and_not_that_the_flow_runs(
    tmp_path: Path,
) -> None:
    async with served(tmp_path, decision_s=0.01, **ANSWERING) as ingress:
        call = ingress.call(await ingress.url(TEXT), json={"challenge": "c7"})
        trigger = await ingress.processors.next_trigger()
        await ingress.processors.decide(trigger)
        said = answered(
            trigger,
            status=203,
            content_type="text/plain",
            headers={"X-A": "b", "Content-Length": "9"},
            body="c7",
        )
        await ingress.processors.reply(said)
        answer = await call
    assert (answer.status_code, answer.text) == (203, "c7")
    assert answer.headers["content-type"] == "text/plain"
    assert answer.headers["x-a"] == "b"
    assert "prismatic-executionid" in answer.headers


@pytest.mark.parametrize(
    ("said", "status", "shows"),
    [({}, 200, "executionId"), ({"error": "not signed"}, 400, "not signed")],
)
async def test_a_trigger_that_says_nothing_or_fails_is_answered_for(
    tmp_path: Path, said: dict[str, Any], status: int, shows: str
) -> None:
    async with served(tmp_path, **ANSWERING) as ingress:
        call = ingress.call(await ingress.url(TEXT), json={})
        trigger = await ingress.processors.next_trigger()
        await ingress.processors.reply(answered(trigger, **said))
        answer = await call
    assert answer.status_code == status
    assert shows in answer.text


async def test_a_trigger_that_takes_too_long_leaves_its_caller_with_202(tmp_path: Path) -> None:
    async with served(tmp_path, result_s=0.02, **ANSWERING) as ingress:
        answer = await ingress.call(await ingress.url(TEXT), json={})
    assert answer.status_code == 202
    assert "executionId" in answer.json()


async def test_a_refusal_comes_at_once(tmp_path: Path) -> None:
    async with served(tmp_path, **ANSWERING) as ingress:
        call = ingress.call(await ingress.url(TEXT), json={})
        trigger = await ingress.processors.next_trigger()
        await ingress.processors.decide(trigger, events.Reason.RATE_LIMITED, limit=50)
        assert (await call).status_code == 429


CODE = (
    "module.exports = async (context, payload) => ({ payload, response: "
    "{ statusCode: 203, contentType: 'text/plain', body: payload.body.data.challenge } });"
)
BY_HEADER = """endpointType: instance_specific
flowNameField: {type: reference, value: payload.results.headers.x-flow}
"""


async def test_the_flow_that_a_request_names_answers_it_by_its_trigger(tmp_path: Path) -> None:
    hook = f"""
  - name: Hook
    steps:
      - name: Trigger
        isTrigger: true
        action: {{component: {{key: code, isPublic: true}}, key: runCodeTrigger}}
        inputs: {{code: {{type: value, value: "{CODE}"}}}}
"""
    text = definition(flow("Plain"), hook, extra=BY_HEADER)
    async with served(tmp_path, **ANSWERING) as ingress, processing(ingress):
        url = await ingress.url(text)
        told = await ingress.http.post(url, json={"challenge": "c7"}, headers={"x-flow": "Hook"})
        plain = await ingress.http.post(url, json={}, headers={"x-flow": "Plain"})
    assert (told.status_code, told.text) == (203, "c7")
    assert (plain.status_code, list(plain.json())) == (200, ["executionId"])
