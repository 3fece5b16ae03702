"""Methods and other origins: what may be called how, and what browsers are told."""

import pytest

from tests.ingress.serving import SYNC, Served, definition, flow
from tests.ingress.test_webhook import accepted

ALLOWED = "POST, PUT, PATCH, DELETE, GET"


@pytest.mark.parametrize("method", ALLOWED.split(", "))
async def test_these_methods_start_a_flow_and_their_answers_say_so(
    ingress: Served, method: str
) -> None:
    trigger, answer = await accepted(ingress, await ingress.url(), method=method)
    assert trigger.received.request.method == method
    assert answer.headers["access-control-allow-methods"] == method
    assert "Content-Type" in answer.headers["access-control-allow-headers"]
    assert "access-control-allow-origin" not in answer.headers


@pytest.mark.parametrize("method", ["TRACE", "PROPFIND", "X" * 9_000])
async def test_another_method_is_refused_with_those_that_are_allowed(
    ingress: Served, method: str
) -> None:
    answer = await ingress.http.request(method, await ingress.url())
    assert (answer.status_code, answer.json()["reason"]) == (405, "method_not_allowed")
    assert answer.headers["allow"] == f"{ALLOWED}, HEAD, OPTIONS"
    assert await ingress.triggers_on_the_log() == 0


async def test_a_probe_starts_nothing(ingress: Served) -> None:
    url = await ingress.url(apiKeys={"Main": ["k1"]})
    assert (await ingress.http.head(url)).status_code == 401
    answer = await ingress.http.head(url, headers={"api-key": "k1"})
    assert (answer.status_code, answer.content) == (200, b"")
    assert (await ingress.http.head("/trigger/nonsense")).status_code == 404
    assert await ingress.triggers_on_the_log() == 0


async def test_a_preflight_is_answered_without_a_key_and_starts_nothing(ingress: Served) -> None:
    url = await ingress.url(apiKeys={"Main": ["k1"]})
    asked = {
        "origin": "https://app.example.com",
        "access-control-request-method": "POST",
        "access-control-request-headers": "api-key, my-hmac-header",
    }
    answer = await ingress.http.options(url, headers=asked)
    assert (answer.status_code, answer.content) == (204, b"")
    assert answer.headers["access-control-allow-origin"] == "*"
    assert answer.headers["access-control-allow-methods"] == ALLOWED
    assert answer.headers["access-control-allow-headers"] == "api-key, my-hmac-header"
    assert answer.headers["prismatic-executionid"]
    assert await ingress.triggers_on_the_log() == 0


@pytest.mark.parametrize("asked", ["a\x7fb", 'x"y', "", "a" * 5_000])
async def test_what_is_no_list_of_headers_is_not_said_again(ingress: Served, asked: str) -> None:
    headers = {"access-control-request-headers": asked}
    answer = await ingress.http.options(await ingress.url(), headers=headers)
    assert answer.headers["access-control-allow-headers"].startswith("Accept,Api-Key")


@pytest.mark.parametrize("sent", [SYNC, {}])
async def test_a_page_of_another_origin_may_read_every_answer(
    ingress: Served, sent: dict[str, str]
) -> None:
    url = await ingress.url()
    call = ingress.call(url, headers=sent | {"origin": "https://app.example.com"})
    trigger = await ingress.processors.next_trigger()
    if sent:
        await ingress.processors.fail(trigger, "no")
    else:
        await ingress.processors.decide(trigger)
    answer = await call
    refused = await ingress.http.post(
        f"{url}x", headers={"origin": "null"}, content=b"{", timeout=5
    )
    for found in (answer, refused):
        assert found.headers["access-control-allow-origin"] == "*"
        assert "prismatic-executionid" in found.headers["access-control-expose-headers"]


async def test_a_flow_that_says_so_itself_is_not_contradicted(ingress: Served) -> None:
    inputs = (
        "headers: {type: complex, value: [{name: {type: value, value:"
        " Access-Control-Allow-Origin}, type: value, value: 'https://only.example.com'}]}"
    )
    url = await ingress.url(definition(flow(inputs=inputs)))
    _, answer = await accepted(ingress, url, headers={"origin": "https://x.example.com"})
    assert answer.headers.get_list("access-control-allow-origin") == ["https://only.example.com"]
