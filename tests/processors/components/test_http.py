"""HTTP steps against a real server: what is sent, what comes back, and what goes wrong."""

import asyncio
import gzip
import ssl
import tracemalloc
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest
import uvloop
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from processors import cleaning
from processors.actions import Context, Outcome, StepError, World
from processors.components import http_connections
from processors.components.http_exchange import Retries, pause_s
from processors.private_networks import PrivateNetworkRefused, guarded_client
from schemas.definitions import Pair
from schemas.values import Value
from tests.processors.components.test_kit import action, context


@dataclass
class Received:
    method: str
    target: str
    headers: dict[str, str]
    body: bytes


def answer(body: bytes = b"", status: str = "200 OK", **headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status}", f"content-length: {len(body)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


Reply = bytes | Callable[[asyncio.StreamWriter], Awaitable[None]]


@dataclass
class Server:
    """Answers by path: the replies listed for it, the last one for ever; then closes if asked."""

    port: int = 0
    received: list[Received] = field(default_factory=list)
    replies: dict[str, list[Reply]] = field(default_factory=dict)
    connections: int = 0
    open: list[asyncio.StreamWriter] = field(default_factory=list)

    def url(self, path: str = "/") -> str:
        return f"http://127.0.0.1:{self.port}{path}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.open.append(writer)
        try:
            while True:
                received = await _receive(reader)
                self.received.append(received)
                await self._reply(received, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def _reply(self, received: Received, writer: asyncio.StreamWriter) -> None:
        replies = self.replies.get(received.target.partition("?")[0], [answer(b"{}")])
        reply = replies.pop(0) if len(replies) > 1 else replies[0]
        if isinstance(reply, bytes):
            writer.write(reply)
        else:
            await reply(writer)


async def _receive(reader: asyncio.StreamReader) -> Received:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    method, target, _ = head[0].split(" ")
    headers = {k.lower(): v for k, _, v in (line.partition(": ") for line in head[1:] if line)}
    body = await reader.readexactly(int(headers.get("content-length", 0)))
    return Received(method, target, headers, body)


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    served = Server()
    listening = await asyncio.start_server(served.serve, "127.0.0.1", 0)
    served.port = listening.sockets[0].getsockname()[1]
    yield served
    listening.close()
    for writer in served.open:
        writer.close()
    await listening.wait_closed()


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with guarded_client(allow_private=True) as client:
        yield World(http=client)


async def run(world: World, key: str, within: Context | None = None, /, **inputs: Value) -> Outcome:
    named = action("http", key)
    outcome = await named.perform(cleaning.clean(named, inputs), within or context(), world)
    assert isinstance(outcome, Outcome)
    return outcome


async def test_an_object_is_sent_as_json_and_the_parsed_answer_is_the_result(
    server: Server, world: World
) -> None:
    server.replies["/orders"] = [answer(b'{"id": 7}', content_type="application/json")]
    outcome = await run(world, "httpPost", url=server.url("/orders"), data={"a": [1, "ü"]})
    assert outcome == Outcome(result={"id": 7})
    (sent,) = server.received
    assert (sent.method, sent.target) == ("POST", "/orders")
    assert sent.headers["content-type"] == "application/json"
    assert orjson.loads(sent.body) == {"a": [1, "ü"]}


@pytest.mark.parametrize(
    ("data", "body", "content_type"),
    [
        ("a=1&b=2", b"a=1&b=2", "application/x-www-form-urlencoded"),
        (b"\x00\xff", b"\x00\xff", "application/octet-stream"),
        ({"data": b"\x89PNG", "contentType": "image/png"}, b"\x89PNG", "image/png"),
        ({"data": "a=1", "contentType": "text/plain"}, b"a=1", "text/plain"),
        ([1, None], b"[1,null]", "application/json"),
        (5, b"5", "application/json"),
    ],
)
async def test_each_kind_of_data_has_its_content_type(
    server: Server, world: World, data: Value, body: bytes, content_type: str
) -> None:
    await run(world, "httpPost", url=server.url(), data=data)
    (sent,) = server.received
    assert (sent.body, sent.headers["content-type"]) == (body, content_type)


async def test_headers_of_the_step_win(server: Server, world: World) -> None:
    headers = [
        Pair("Content-Type", "application/vnd.api+json"),
        Pair("Idempotency-Key", "mine"),
        Pair("X-Count", 2),
        Pair("X-None", None),
        Pair("Content-Length", "0"),
        Pair("Transfer-Encoding", "chunked"),
    ]
    await run(world, "httpPost", url=server.url(), data={"a": 1}, headers=headers)
    (sent,) = server.received
    assert sent.headers["content-type"] == "application/vnd.api+json"
    assert sent.headers["idempotency-key"] == "mine"
    assert sent.headers["x-count"] == "2"
    assert "x-none" not in sent.headers
    assert "transfer-encoding" not in sent.headers
    assert sent.body == b'{"a":1}'


@pytest.mark.parametrize("key", ["httpGet", "httpPost", "httpDelete"])
async def test_every_request_carries_the_idempotency_key(
    server: Server, world: World, key: str
) -> None:
    await run(world, key, url=server.url())
    assert server.received[0].headers["idempotency-key"] == context().idempotency_key


async def test_query_parameters_are_added_encoded(server: Server, world: World) -> None:
    params = [Pair("q", "a b&c"), Pair("n", 2), Pair("gone", None), Pair("e", "")]
    await run(world, "httpGet", url=server.url("/find?x=1#part"), queryParams=params)
    assert server.received[0].target == "/find?x=1&q=a%20b%26c&n=2&e="


@pytest.mark.parametrize(
    ("connection", "header", "value"),
    [
        ({"username": "ada", "password": "pw"}, "authorization", "Basic YWRhOnB3"),
        ({"token": {"access_token": "t"}}, "authorization", "Bearer t"),
        ({"token": "t"}, "authorization", "Bearer t"),
        ({"apiKey": "k"}, "authorization", "Bearer k"),
        ({"apiKey": "k", "headerName": "X-Api-Key"}, "x-api-key", "k"),
    ],
)
async def test_a_connection_adds_its_credentials(
    server: Server, world: World, connection: Value, header: str, value: str
) -> None:
    await run(world, "httpGet", url=server.url(), connection=connection)
    assert server.received[0].headers[header] == value


async def test_a_connection_without_credentials_fails_and_names_only_its_fields(
    server: Server, world: World
) -> None:
    with pytest.raises(StepError, match=r"fields host, pin$"):
        await run(world, "httpGet", url=server.url(), connection={"host": "h", "pin": "1234"})
    assert server.received == []


@pytest.mark.parametrize(
    ("response_type", "result"),
    [
        ("json", {"a": 1}),
        ("", {"a": 1}),
        ("text", '{"a": 1}'),
        ("binary", {"data": b'{"a": 1}', "contentType": "application/json"}),
    ],
)
async def test_response_types(
    server: Server, world: World, response_type: str, result: Value
) -> None:
    server.replies["/"] = [answer(b'{"a": 1}', content_type="application/json")]
    outcome = await run(world, "httpGet", url=server.url(), responseType=response_type)
    assert outcome.result == result


@pytest.mark.parametrize(
    ("body", "content_type", "result"),
    [
        (b"plain", "text/plain", "plain"),
        (b"", "application/json", ""),
        ("grün".encode("latin-1"), "text/plain; charset=ISO-8859-1", "grün"),
        (b"\xff", "text/plain; charset=nonsense", "\ufffd"),
        (b"\xef\xbb\xbf[1]", "application/json", [1]),
        (b"[" * 400 + b"]" * 400, "application/json", "[" * 400 + "]" * 400),
    ],
)
async def test_what_is_not_json_stays_text(
    server: Server, world: World, body: bytes, content_type: str, result: Value
) -> None:
    server.replies["/"] = [answer(body, content_type=content_type)]
    assert (await run(world, "httpGet", url=server.url())).result == result


async def test_the_full_response_has_status_headers_and_data(server: Server, world: World) -> None:
    server.replies["/"] = [answer(b"[1]", "201 Created", x_id="9")]
    outcome = await run(world, "httpPut", url=server.url(), data="x", includeFullResponse="true")
    assert outcome.result == {
        "status": 201,
        "statusText": "Created",
        "headers": {"content-length": "3", "x-id": "9"},
        "data": [1],
    }


async def test_head_gives_the_headers_and_leaves_the_connection_usable(
    server: Server, world: World
) -> None:
    server.replies["/"] = [b"HTTP/1.1 200 OK\r\ncontent-length: 99\r\nx-id: 9\r\n\r\n"]
    for _ in range(2):
        outcome = await run(world, "httpHead", url=server.url())
        assert outcome.result["headers"]["x-id"] == "9"
    assert (server.connections, server.received[0].method) == (1, "HEAD")


@pytest.mark.parametrize("method", ["patch", "OPTIONS", ""])
async def test_a_request_has_the_method_that_the_step_gives(
    server: Server, world: World, method: str
) -> None:
    await run(world, "httpRequest", url=server.url(), method=method)
    assert server.received[0].method == (method.upper() or "GET")


async def test_an_unknown_method_fails(server: Server, world: World) -> None:
    with pytest.raises(StepError, match="'GET / HTTP'"):
        await run(world, "httpRequest", url=server.url(), method="get / http")
    assert server.received == []


async def test_a_refusal_names_status_and_body_but_no_secret(server: Server, world: World) -> None:
    body = b'{"error": "no", "echo": "s3cret-token"}' + b"x" * 5000
    server.replies["/s3cret-token/a"] = [answer(body, "404 Not Found")]
    url = server.url("/s3cret-token/a?key=inquery").replace("//", "//user:inuserinfo@")
    within = context(secrets=frozenset({"s3cret-token"}))
    with pytest.raises(StepError) as caught:
        await run(world, "httpGet", within, url=url)
    message = str(caught.value)
    assert message.startswith("Request failed with status code 404: GET http://127.0.0.1:")
    assert '"error": "no"' in message
    for hidden in ("s3cret-token", "inquery", "inuserinfo"):
        assert hidden not in message
    assert len(message) < 1500


@pytest.mark.parametrize(
    "url", ["", "shop.example/orders", "ftp://example.com", "http://", "http://a:b:c/"]
)
async def test_what_is_no_url_fails(world: World, url: str) -> None:
    with pytest.raises(StepError, match=r"URL \(url\)"):
        await run(world, "httpGet", url=url)


@pytest.mark.parametrize(
    "pair",
    [Pair("A B", "c"), *(Pair("A", f"b{end}X-Injected: 1") for end in ("\r\n", "\n", "\r", "\0"))],
)
async def test_a_header_that_would_break_the_request_fails(
    server: Server, world: World, pair: Pair
) -> None:
    with pytest.raises(StepError, match="header"):
        await run(world, "httpGet", url=server.url(), headers=[pair])
    assert server.received == []


async def test_an_unknown_response_type_fails(server: Server, world: World) -> None:
    with pytest.raises(StepError, match="'xml'"):
        await run(world, "httpGet", url=server.url(), responseType="xml")


async def test_redirects_are_followed(server: Server, world: World) -> None:
    server.replies["/a"] = [answer(status="307 Temporary Redirect", location="/b")]
    server.replies["/b"] = [answer(status="303 See Other", location="/c")]
    server.replies["/c"] = [answer(b'"there"')]
    outcome = await run(world, "httpPost", url=server.url("/a"), data={"x": 1})
    assert outcome.result == "there"
    assert [(one.method, one.body) for one in server.received] == [
        ("POST", b'{"x":1}'),
        ("POST", b'{"x":1}'),
        ("GET", b""),
    ]


async def test_redirects_without_end_fail(server: Server, world: World) -> None:
    server.replies["/a"] = [answer(status="302 Found", location="/a")]
    with pytest.raises(StepError, match="redirected more than 5 times"):
        await run(world, "httpGet", url=server.url("/a"), maxRetries="3", retryOnAllErrors="true")
    assert len(server.received) == 6


async def test_another_origin_gets_no_secret(server: Server, world: World) -> None:
    elsewhere = f"http://localhost:{server.port}/b"
    server.replies["/a"] = [answer(status="302 Found", location=elsewhere)]
    headers = [Pair("X-Token", "Token hidden"), Pair("X-Plain", "seen"), Pair("Cookie", "c=1")]
    await run(
        world,
        "httpGet",
        context(secrets=frozenset({"hidden"})),
        url=server.url("/a"),
        headers=headers,
        connection={"apiKey": "k", "headerName": "X-Api-Key"},
    )
    before, after = server.received
    for name in ("x-token", "x-api-key", "cookie"):
        assert name in before.headers
        assert name not in after.headers
    assert after.headers["x-plain"] == "seen"


async def test_the_guard_reaches_the_step() -> None:
    async with guarded_client(allow_private=False) as client:
        with pytest.raises(PrivateNetworkRefused):
            await run(World(http=client), "httpGet", url="http://127.0.0.1:9/", maxRetries="5")


def bomb(size: int) -> bytes:
    return gzip.compress(b"0" * size)


@pytest.mark.parametrize(
    "reply",
    [
        answer(b"x" * 1001),
        answer(bomb(50_000_000), content_encoding="gzip"),
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
        + (b"64\r\n" + b"x" * 100 + b"\r\n") * 11,
    ],
    ids=["plain", "bomb", "chunked"],
)
async def test_an_answer_beyond_the_limit_fails(server: Server, world: World, reply: bytes) -> None:
    server.replies["/"] = [reply]
    with pytest.raises(StepError, match="more than 1000 bytes"):
        await run(replace(world, max_loaded_bytes=1000), "httpGet", url=server.url())


@pytest.mark.parametrize(
    ("body", "encoding"),
    [(gzip.compress(b"[1]"), "gzip"), (zlib.compress(b"[1]"), "deflate"), (b"[1]", "identity")],
)
async def test_compressed_answers_are_unpacked(
    server: Server, world: World, body: bytes, encoding: str
) -> None:
    server.replies["/"] = [answer(body, content_encoding=encoding)]
    assert (await run(world, "httpGet", url=server.url())).result == [1]


@pytest.mark.parametrize(
    ("body", "encoding", "why"),
    [
        (gzip.compress(b"x" * 99)[:-4], "gzip", "cut off"),
        (b"not gzip", "gzip", "damaged"),
        (b"?", "br", "'br'"),
    ],
)
async def test_what_cannot_be_unpacked_fails(
    server: Server, world: World, body: bytes, encoding: str, why: str
) -> None:
    server.replies["/"] = [answer(body, content_encoding=encoding)]
    with pytest.raises(StepError, match=why):
        await run(world, "httpGet", url=server.url())


async def test_a_bomb_is_not_unpacked_beyond_the_limit(server: Server, world: World) -> None:
    server.replies["/"] = [answer(bomb(50_000_000), content_encoding="gzip")]
    bounded = replace(world, max_loaded_bytes=1000)
    tracemalloc.start()
    try:
        with pytest.raises(StepError, match="more than 1000 bytes"):
            await run(bounded, "httpGet", url=server.url())
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak_bytes < 5_000_000


async def test_an_answer_that_nobody_reads_stays_with_its_sender(
    server: Server, world: World
) -> None:
    server.replies["/"] = [answer(b"a" * 64_000_000)]
    async with world.http.stream("GET", server.url()):
        for _ in range(3000):
            await asyncio.sleep(0)
        assert server.open[0].transport.get_write_buffer_size() > 0


async def test_chunks_and_interim_answers_are_understood(server: Server, world: World) -> None:
    server.replies["/"] = [
        b"HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n"
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
        b"2\r\n[1\r\n2\r\n,2\r\n1\r\n]\r\n0\r\n\r\n"
    ]
    for _ in range(2):
        assert (await run(world, "httpGet", url=server.url())).result == [1, 2]
    assert server.connections == 1


async def test_a_body_without_length_ends_with_the_connection(server: Server, world: World) -> None:
    async def reply(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n[1]")
        writer.close()

    server.replies["/"] = [reply]
    assert (await run(world, "httpGet", url=server.url())).result == [1]


async def test_a_large_body_arrives_whole(server: Server, world: World) -> None:
    server.replies["/"] = [answer(b"a" * 5_000_000)]
    outcome = await run(world, "httpGet", url=server.url(), responseType="text")
    assert outcome.result == "a" * 5_000_000


async def cut_off(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n[1]")
    writer.close()


async def hang_up(writer: asyncio.StreamWriter) -> None:
    writer.close()


async def say_nothing(_writer: asyncio.StreamWriter) -> None:
    pass


@pytest.mark.parametrize(
    "reply",
    [cut_off, hang_up, b"SSH-2.0-OpenSSH_9.0\r\n", b"HTTP/1.1 200 OK\r\nx: " + b"y" * 200_000],
    ids=["cut off", "hung up", "not http", "endless header"],
)
async def test_a_broken_answer_fails(server: Server, world: World, reply: Reply) -> None:
    server.replies["/"] = [reply]
    with pytest.raises(StepError, match=r"^GET http://127\.0\.0\.1:\d+/ failed: "):
        await run(world, "httpGet", url=server.url())


async def test_nobody_listening_fails(server: Server, world: World) -> None:
    async with await asyncio.start_server(server.serve, "127.0.0.1", 0) as listening:
        port = listening.sockets[0].getsockname()[1]
    with pytest.raises(StepError, match=f"cannot connect to 127.0.0.1:{port}"):
        await run(world, "httpGet", url=f"http://127.0.0.1:{port}/")


async def test_no_answer_in_time_fails_and_names_the_seconds(server: Server, world: World) -> None:
    server.replies["/"] = [say_nothing]
    with pytest.raises(StepError, match=r"no complete answer in 0\.02 s"):
        await run(world, "httpGet", url=server.url(), timeout="20")


async def test_connections_are_kept(server: Server, world: World) -> None:
    for _ in range(5):
        await run(world, "httpGet", url=server.url())
    assert server.connections == 1


async def test_steps_side_by_side_have_connections_of_their_own(
    server: Server, world: World
) -> None:
    both_there = asyncio.Event()

    async def together(writer: asyncio.StreamWriter) -> None:
        if len(server.received) == 2:
            both_there.set()
        await both_there.wait()
        writer.write(answer(b"1"))

    server.replies["/"] = [together]
    steps = (run(world, "httpGet", url=server.url()) for _ in range(2))
    assert [outcome.result for outcome in await asyncio.gather(*steps)] == [1, 1]
    assert server.connections == 2


async def test_a_kept_connection_that_was_closed_costs_no_failure(
    server: Server, world: World
) -> None:
    server.replies["/"] = [answer(b"1"), hang_up, answer(b"2")]
    assert (await run(world, "httpPost", url=server.url(), data="a")).result == 1
    assert (await run(world, "httpPost", url=server.url(), data="b")).result == 2
    assert [one.body for one in server.received] == [b"a", b"b", b"b"]


async def test_bytes_after_an_answer_end_the_connection(server: Server, world: World) -> None:
    server.replies["/"] = [answer(b"1") + answer(b"forged"), answer(b"2")]
    assert (await run(world, "httpGet", url=server.url())).result == 1
    assert (await run(world, "httpGet", url=server.url())).result == 2
    assert server.connections == 2


async def test_a_cancelled_step_leaves_no_connection_behind(server: Server, world: World) -> None:
    arrived = asyncio.Event()

    async def wait(writer: asyncio.StreamWriter) -> None:
        arrived.set()
        await writer.wait_closed()

    server.replies["/"] = [wait]
    step = asyncio.create_task(run(world, "httpGet", url=server.url()))
    await arrived.wait()
    step.cancel()
    with pytest.raises(asyncio.CancelledError):
        await step
    server.replies["/"] = [answer(b"1")]
    assert (await run(world, "httpGet", url=server.url())).result == 1
    assert server.connections == 2


UNAVAILABLE = answer(b"later", "503 Service Unavailable")


@pytest.mark.parametrize(
    ("key", "inputs", "replies", "requests"),
    [
        ("httpGet", {"maxRetries": "2"}, [UNAVAILABLE, UNAVAILABLE, answer(b"1")], 3),
        ("httpPost", {"maxRetries": "2"}, [hang_up, hang_up, answer(b"1")], 3),
        (
            "httpPost",
            {"maxRetries": "1", "retryOnAllErrors": "true"},
            [answer(status="409 Conflict"), answer(b"1")],
            2,
        ),
    ],
)
async def test_failures_are_retried(
    server: Server,
    world: World,
    key: str,
    inputs: dict[str, str],
    replies: list[Reply],
    requests: int,
) -> None:
    server.replies["/"] = replies
    assert (await run(world, key, url=server.url(), **inputs)).result == 1
    assert len(server.received) == requests
    assert {one.headers["idempotency-key"] for one in server.received} == {
        context().idempotency_key
    }


@pytest.mark.parametrize(
    ("key", "reply"),
    [
        ("httpGet", answer(status="404 Not Found")),
        ("httpPost", UNAVAILABLE),
        ("httpPatch", UNAVAILABLE),
    ],
)
async def test_what_another_attempt_cannot_or_may_not_help_is_not_retried(
    server: Server, world: World, key: str, reply: bytes
) -> None:
    server.replies["/"] = [reply]
    with pytest.raises(StepError, match="status code"):
        await run(world, key, url=server.url(), maxRetries="3")
    assert len(server.received) == 1


async def test_the_last_failure_is_reported(server: Server, world: World) -> None:
    server.replies["/"] = [UNAVAILABLE, answer(b"still", "500 Internal Server Error")]
    with pytest.raises(StepError, match=r"500.*still"):
        await run(world, "httpGet", url=server.url(), maxRetries="1")


def test_pauses_between_attempts() -> None:
    fixed = Retries(most=3, delay_s=2)
    assert [pause_s(fixed, attempt) for attempt in (1, 2, 3)] == [2, 2, 2]
    doubling = Retries(most=3, delay_s=2, exponential=True)
    assert [pause_s(doubling, attempt) for attempt in (1, 2, 3)] == [2, 4, 8]
    assert pause_s(Retries(exponential=True), 1) == 0.1
    assert pause_s(doubling, 10_000) == 900


async def test_debugging_writes_a_line_without_the_query(server: Server, world: World) -> None:
    outcome = await run(world, "httpGet", url=server.url("/a?key=hidden"), debugRequest="true")
    (line,) = outcome.logs
    assert line.level == "debug"
    assert "GET http://127.0.0.1" in line.message
    assert "answered 200" in line.message
    assert "hidden" not in line.message


async def test_a_form_is_sent_with_its_files(server: Server, world: World) -> None:
    server.replies["/form"] = [answer(b"{}", content_type="application/json")]
    await run(
        world,
        "httpPostFormData",
        url=server.url("/form"),
        formData=[Pair('a"b', 1), Pair("text", "é")],
        fileData=[
            Pair("one", {"data": b"\x00\xff", "contentType": "image/png"}),
            Pair("two", "plain"),
            Pair("none", None),
        ],
        fileDataFileNames={"one": "one.png"},
        httpMethod="put",
    )
    (sent,) = server.received
    assert sent.method == "PUT"
    content_type, _, boundary = sent.headers["content-type"].partition("; boundary=")
    assert content_type == "multipart/form-data"
    parts = sent.body.split(f"--{boundary}".encode())
    assert [part.strip(b"\r\n") for part in parts] == [
        b"",
        b'Content-Disposition: form-data; name="a%22b"\r\n\r\n1',
        b'Content-Disposition: form-data; name="text"\r\n\r\n\xc3\xa9',
        b'Content-Disposition: form-data; name="one"; filename="one.png"\r\n'
        b"Content-Type: image/png\r\n\r\n\x00\xff",
        b'Content-Disposition: form-data; name="two"; filename="two"\r\n'
        b"Content-Type: text/plain;charset=utf-8\r\n\r\nplain",
        b"--",
    ]


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"httpMethod": "get"}, "httpMethod"),
        ({"fileData": {"a": 5}}, "'a' must be a text, bytes"),
        ({"fileData": {"a": {"data": b"", "contentType": "x\r\ny"}}}, "content type of 'a'"),
    ],
)
async def test_a_form_that_cannot_be_sent_is_refused(
    server: Server, world: World, more: dict[str, Value], message: str
) -> None:
    with pytest.raises(StepError, match=message):
        await run(world, "httpPostFormData", url=server.url("/form"), **more)
    assert server.received == []


@pytest.fixture
async def tls_port(tmp_path: Path) -> AsyncIterator[int]:
    server = Server()
    secured = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    secured.load_cert_chain(_self_signed(tmp_path))
    listening = await asyncio.start_server(server.serve, "127.0.0.1", 0, ssl=secured)
    yield listening.sockets[0].getsockname()[1]
    listening.close()
    for writer in server.open:
        writer.close()
    await listening.wait_closed()


def _self_signed(folder: Path) -> Path:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    start = datetime(2020, 1, 1, tzinfo=UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), 1, start, start + timedelta(36500))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))]), False
        )
        .sign(key, hashes.SHA256())
    )
    plain = serialization.NoEncryption()
    pkcs8 = serialization.PrivateFormat.PKCS8
    pem = key.private_bytes(serialization.Encoding.PEM, pkcs8, plain)
    path = folder / "server.pem"
    path.write_bytes(pem + certificate.public_bytes(serialization.Encoding.PEM))
    return path


async def test_a_certificate_that_nobody_vouches_for_fails(tls_port: int, world: World) -> None:
    with pytest.raises(StepError, match=r"(?i)certificate"):
        await run(world, "httpGet", url=f"https://127.0.0.1:{tls_port}/")


async def test_certificate_errors_are_ignored_where_the_step_says_so(
    tls_port: int, world: World
) -> None:
    url = f"https://127.0.0.1:{tls_port}/"
    assert (await run(world, "httpGet", url=url, ignoreSslErrors="true")).result == {}
    with pytest.raises(StepError, match=r"(?i)certificate"):
        await run(world, "httpGet", url=url)


def test_it_works_on_uvloop() -> None:
    async def main() -> None:
        served = Server()
        listening = await asyncio.start_server(served.serve, "127.0.0.1", 0)
        served.port = listening.sockets[0].getsockname()[1]
        served.replies["/"] = [answer(b"x" * 2_000_000), hang_up, answer(b"1")]
        async with guarded_client(allow_private=True) as client:
            world = World(http=client)
            assert (await run(world, "httpGet", url=served.url())).result == "x" * 2_000_000
            assert (await run(world, "httpGet", url=served.url())).result == 1
        listening.close()

    uvloop.run(main())


async def test_no_more_connections_are_kept_than_allowed(
    server: Server, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_connections, "MAX_KEPT", 1)
    everyone = asyncio.Barrier(3)

    async def together(writer: asyncio.StreamWriter) -> None:
        await everyone.wait()
        writer.write(answer(b"1"))

    server.replies["/"] = [together]
    await asyncio.gather(*(run(world, "httpGet", url=server.url()) for _ in range(3)))
    await asyncio.gather(*(run(world, "httpGet", url=server.url()) for _ in range(3)))
    assert server.connections == 5


async def test_any_client_of_httpx_will_do() -> None:
    def reply(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, json={"key": request.headers["idempotency-key"]})

    async with httpx.AsyncClient(transport=httpx.MockTransport(reply)) as client:
        outcome: Any = await run(World(http=client), "httpGet", url="http://shop.example/")
    assert outcome.result == {"key": context().idempotency_key}
