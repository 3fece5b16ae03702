"""GraphQL requests, also to the own API, and HTML of an address: what is sent and what comes."""

from collections.abc import Callable
from typing import Any

import httpx
import orjson
import pytest

from processors import cleaning
from processors.actions import StepError, World
from schemas.definitions import Pair
from schemas.values import Value
from tests.processors.components.test_kit import action, context

Handler = Callable[[httpx.Request], httpx.Response]


async def run(component: str, key: str, inputs: dict[str, Value], handler: Handler) -> Value:
    named = action(component, key)
    transport = httpx.MockTransport(handler)
    async with httpx.AsyncClient(transport=transport) as client:
        inputs = cleaning.clean(named, inputs)
        outcome = await named.perform(inputs, context(), World(http=client))
    return outcome.result


def answering(body: Any, status: int = 200) -> Handler:
    content = body if isinstance(body, bytes) else orjson.dumps(body)
    return lambda _request: httpx.Response(status, content=content)


QUERY = "query ($id: ID!) { order(id: $id) { total } }"


async def test_a_query_is_posted_with_its_variables_and_credentials() -> None:
    received: list[httpx.Request] = []

    def handler(request: httpx.Request) -> httpx.Response:
        received.append(request)
        return httpx.Response(200, json={"data": {"order": {"total": 3}}})

    inputs = {
        "url": "https://api.example.com/graphql",
        "query": QUERY,
        "variables": [Pair("id", 17)],
        "headers": [Pair("X-Shop", "a")],
        "connection": {"token": "t"},
    }
    result = await run("graphql", "graphqlRequest", inputs, handler)
    assert result == {"data": {"order": {"total": 3}}}
    (request,) = received
    assert request.method == "POST"
    assert orjson.loads(request.content) == {"query": QUERY, "variables": {"id": 17}}
    assert request.headers["content-type"] == "application/json"
    assert request.headers["authorization"] == "Bearer t"
    assert request.headers["x-shop"] == "a"
    assert request.headers["idempotency-key"] == context().idempotency_key


async def test_texts_become_what_the_document_declares() -> None:
    received: list[httpx.Request] = []

    def handler(request: httpx.Request) -> httpx.Response:
        received.append(request)
        return httpx.Response(200, json={"data": {}})

    query = "query ($n: Int!, $f: Float = 1, $b: Boolean, $s: String, $x: Int, $m: Int) { a }"
    given = {"n": "10", "f": "1.5", "b": "true", "s": "10", "x": "ten", "m": 3}
    inputs: dict[str, Value] = {"url": "https://api.example.com/", "query": query}
    await run("graphql", "graphqlRequest", inputs | {"variables": given}, handler)
    variables = orjson.loads(received[0].content)["variables"]
    assert variables == {"n": 10, "f": 1.5, "b": True, "s": "10", "x": "ten", "m": 3}


@pytest.mark.parametrize(
    ("url", "asked"),
    [
        ("https://penstock.example.com", "https://penstock.example.com/api"),
        ("https://penstock.example.com/graphql/", "https://penstock.example.com/graphql/"),
    ],
)
async def test_the_own_api_is_asked_where_the_connection_points(url: str, asked: str) -> None:
    received: list[httpx.Request] = []

    def handler(request: httpx.Request) -> httpx.Response:
        received.append(request)
        return httpx.Response(200, json={"data": {"customer": {"name": "Ada"}}})

    inputs: dict[str, Value] = {
        "connection": {"url": url, "apiKey": "secret"},
        "query": QUERY,
        "variables": [Pair("id", "17")],
    }
    result = await run("prismatic", "rawRequest", inputs, handler)
    assert result == {"data": {"data": {"customer": {"name": "Ada"}}}}
    assert str(received[0].url) == asked
    assert received[0].headers["authorization"] == "Bearer secret"
    assert received[0].headers["idempotency-key"] == context().idempotency_key
    assert orjson.loads(received[0].content) == {"query": QUERY, "variables": {"id": "17"}}


async def test_without_a_url_the_own_api_is_not_asked() -> None:
    for connection in ({}, {"token": "t"}, {"url": " "}):
        with pytest.raises(StepError, match=r"Connection \(connection\) names no url"):
            await run(
                "prismatic",
                "rawRequest",
                {"connection": connection, "query": "{ a }"},
                answering({}),
            )


ASKED = {"url": "https://api.example.com/graphql", "query": "{ a }"}


async def test_data_with_errors_is_given_whole() -> None:
    partial = {"data": {"a": None, "b": 1}, "errors": [{"message": "no a"}]}
    assert await run("graphql", "graphqlRequest", ASKED, answering(partial)) == partial


@pytest.mark.parametrize(
    ("inputs", "handler", "message"),
    [
        (
            ASKED,
            answering({"errors": [{"message": "no"}, "such"], "data": None}),
            "errors: no; such",
        ),
        (ASKED, answering({"errors": "broken"}), 'errors: "broken"'),
        (ASKED, answering(b"<html>"), r"Endpoint \(url\) must be that of a GraphQL API"),
        (ASKED, answering({}, 500), "500"),
        ({"url": "ftp://a", "query": "{ a }"}, answering({}), "http:// or https://"),
        ({"url": "https://a.example/"}, answering({}), r"Query or Mutation \(query\) is required"),
    ],
)
async def test_a_request_without_data_fails(
    inputs: dict[str, Value], handler: Handler, message: str
) -> None:
    with pytest.raises(StepError, match=message):
        await run("graphql", "graphqlRequest", inputs, handler)


async def test_html_is_fetched_as_text() -> None:
    asked = {"url": "https://example.com/"}
    page = await run("html-utils", "getHtmlFromUrl", asked, answering(b'{"not": "parsed"}'))
    assert page == '{"not": "parsed"}'
    with pytest.raises(StepError, match="404"):
        await run("html-utils", "getHtmlFromUrl", asked, answering(b"", 404))
    with pytest.raises(StepError, match=r"URL \(url\) is required"):
        await run("html-utils", "getHtmlFromUrl", {}, answering(b""))
