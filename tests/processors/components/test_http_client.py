"""The client of steps sends what httpx would send, and is led on as httpx would be."""

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from processors.components.http_client import Client

urls = st.sampled_from(
    ["http://a.test/x?q=1", "https://user:p%40ss@a.test/", "http://user@a.test:8080/y"]
)
locations = st.sampled_from(["/z", "https://b.test/?r=2#part", "//c.test", "?only=query", ""])
statuses = st.sampled_from([200, 204, 301, 302, 303, 304, 307, 308, 404, 500])
Seen = list[tuple[str, str, list[tuple[bytes, bytes]], bytes]]


async def exchanged(client: httpx.AsyncClient, request: httpx.Request) -> tuple[int, Seen]:
    """The status, and the next request if there is one."""
    response = await client.send(request, stream=True)
    await response.aclose()
    following = response.next_request
    return response.status_code, [] if following is None else [told(following)]


def told(request: httpx.Request) -> tuple[str, str, list[tuple[bytes, bytes]], bytes]:
    return request.method, str(request.url), request.headers.raw, request.read()


@given(urls, locations, statuses, st.sampled_from(["GET", "POST", "HEAD"]))
async def test_it_does_as_httpx_does(url: str, location: str, status: int, method: str) -> None:
    seen: Seen = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(told(request))
        return httpx.Response(status, headers={"location": location})

    transport = httpx.MockTransport(answer)
    found = []
    for client in (Client(transport), httpx.AsyncClient(transport=transport)):
        request = httpx.Request(method, url, headers={"x-a": "1"}, content=b"body")
        found.append(await exchanged(client, request))
    assert found[0] == found[1]
    assert seen[0] == seen[1]


async def test_a_location_that_is_none_is_an_error_of_the_call() -> None:
    transport = httpx.MockTransport(
        lambda _: httpx.Response(302, headers={"location": "https://:bad:/"})
    )
    with pytest.raises(httpx.RemoteProtocolError):
        await Client(transport).send(httpx.Request("GET", "http://a.test/"), stream=True)


async def test_a_request_that_is_not_streamed_is_answered_whole() -> None:
    transport = httpx.MockTransport(lambda _: httpx.Response(200, content=b"all"))
    assert (await Client(transport).get("http://a.test/")).content == b"all"
