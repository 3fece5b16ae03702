"""The protocol: what is not HTTP, too large or too slow, and the names of headers."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from fastapi import APIRouter

from ingress import protocol
from schemas import ids
from tests.ingress.listening import Got, Listening, answer_in, listening

OK = b"GET /healthz HTTP/1.1\r\nhost: a\r\n\r\n"
POST = b"POST /trigger/x HTTP/1.1\r\nhost: a\r\n"


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[Listening]:
    async with listening(tmp_path) as found:
        yield found


def check_refusal(got: Got, status: int, reason: str) -> None:
    assert (got.status, got.json["reason"]) == (status, reason)
    assert got.json["error"]
    assert got.headers["content-type"] == "application/json"
    assert got.headers["connection"] == "close"
    shown = got.headers["prismatic-executionid"]
    assert ids.to_global(ids.EXECUTION, ids.from_global(ids.EXECUTION, shown)) == shown


@pytest.mark.parametrize(
    "sent",
    [
        b"nonsense\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET / HTTP/1.1\r\nhost: a\r\nbad header: 1\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost: a\r\nx: a\0b\r\n\r\n",
        b"GET \x7f\xff HTTP/1.1\r\nhost: a\r\n\r\n",
        POST + b"content-length: 1\r\ncontent-length: 2\r\n\r\nab",
        POST + b"content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        POST + b"content-length: -1\r\n\r\n",
        POST + b"content-length: 99999999999999999999999\r\n\r\n",
        POST + b"transfer-encoding: chunked, gzip\r\n\r\n",
    ],
)
async def test_what_is_not_http_gets_a_400_in_json(node: Listening, sent: bytes) -> None:
    check_refusal(await node.exchange(sent), 400, "malformed_http")
    assert (await node.exchange(OK)).status == 200


async def test_a_bad_chunk_gets_a_400_and_leaves_nothing(node: Listening) -> None:
    path = urlsplit(await node.ingress.url()).path.encode()
    head = b"POST " + path + b" HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n"
    got = await node.exchange(head + b"5\r\nhello\r\n", b"zz\r\n")
    check_refusal(got, 400, "malformed_http")
    assert await node.ingress.triggers_on_the_log() == 0
    assert node.ingress.node.waiting == 0


@pytest.mark.parametrize(
    "head",
    [
        b"x: " + b"a" * protocol.MAX_HEAD_BYTES + b"\r\n",
        b"x: " + b"a" * 4_000_000,
        b"".join(b"x%d: 1\r\n" % number for number in range(protocol.MAX_HEADERS)),
        b"".join(b"x%d: 1\r\n" % number for number in range(200_000)),
    ],
    ids=["long", "endless", "many", "flood"],
)
async def test_too_large_a_head_gets_a_431(node: Listening, head: bytes) -> None:
    check_refusal(await node.exchange(POST + head + b"\r\n"), 431, "headers_too_large")
    assert (await node.exchange(OK)).status == 200


async def test_a_long_url_gets_a_431(node: Listening) -> None:
    sent = b"GET /" + b"a" * protocol.MAX_HEAD_BYTES + b" HTTP/1.1\r\nhost: a\r\n\r\n"
    check_refusal(await node.exchange(sent), 431, "headers_too_large")


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "HEAD_S", 0.2)
    monkeypatch.setattr(protocol, "BODY_S", 0.2)
    monkeypatch.setattr(protocol, "_CHECK_EVERY_S", 0.01)


@pytest.mark.usefixtures("hurried")
@pytest.mark.parametrize("sent", [b"P", POST[:-2], POST + b"x", POST + b"content-le"])
async def test_a_head_that_does_not_come_gets_a_408(node: Listening, sent: bytes) -> None:
    check_refusal(await node.exchange(sent), 408, "too_slow")


@pytest.mark.usefixtures("hurried")
async def test_a_body_that_does_not_come_gets_a_408_and_leaves_nothing(node: Listening) -> None:
    path = urlsplit(await node.ingress.url()).path.encode()
    head = b"POST " + path + b" HTTP/1.1\r\nhost: a\r\ncontent-length: 9\r\n\r\nab"
    check_refusal(await node.exchange(head), 408, "too_slow")
    assert await node.ingress.triggers_on_the_log() == 0
    assert node.ingress.node.waiting == 0


@pytest.mark.usefixtures("hurried")
async def test_a_connection_on_which_nothing_comes_is_closed_without_a_word(
    node: Listening,
) -> None:
    reader, writer = await node.connect()
    assert await asyncio.wait_for(reader.read(), 20) == b""
    writer.close()


@pytest.mark.usefixtures("hurried")
async def test_who_waits_for_an_answer_is_not_too_slow(node: Listening) -> None:
    path = urlsplit(await node.ingress.url()).path.encode()
    reader, writer = await node.connect()
    writer.write(b"POST " + path + b" HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\n\r\n1")
    trigger = await node.ingress.processors.next_trigger()
    for _ in range(2):
        # Each answer takes longer than a whole request may.
        assert (await node.exchange(POST)).status == 408
    await node.ingress.processors.decide(trigger)
    assert (await answer_in(reader)).status == 200
    writer.close()


async def test_an_answer_that_is_due_comes_before_the_refusal_of_what_follows(
    node: Listening,
) -> None:
    path = urlsplit(await node.ingress.url()).path.encode()
    reader, writer = await node.connect()
    writer.write(b"POST " + path + b" HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\n\r\n1")
    trigger = await node.ingress.processors.next_trigger()
    writer.write(b"nonsense\r\n\r\n")
    await node.ingress.processors.decide(trigger)
    assert (await answer_in(reader)).status == 200
    assert await asyncio.wait_for(reader.read(), 20) == b""
    writer.close()


@pytest.mark.parametrize("cut", [30, 120, 500])
async def test_an_offer_to_upgrade_is_passed_over_and_the_body_kept(
    node: Listening, cut: int
) -> None:
    path = urlsplit(await node.ingress.url()).path.encode()
    offer = b"connection: upgrade, http2-settings\r\nupgrade: h2c\r\nhttp2-settings: AA\r\n"
    sent = b"POST " + path + b" HTTP/1.1\r\nhost: a\r\n" + offer + b"content-length: 5\r\n\r\nhello"
    reader, writer = await node.connect()
    for _ in range(2):
        writer.write(sent[:cut])
        await writer.drain()
        assert (await node.exchange(OK)).status == 200
        writer.write(sent[cut:])
        trigger = await node.ingress.processors.next_trigger()
        assert trigger.received.request.body == "hello"
        await node.ingress.processors.decide(trigger)
        assert (await answer_in(reader)).status == 200
    writer.close()


async def test_it_is_no_proxy(node: Listening) -> None:
    sent = b"CONNECT example.com:443 HTTP/1.1\r\nhost: example.com:443\r\n\r\n"
    check_refusal(await node.exchange(sent), 400, "malformed_http")


async def test_names_of_headers_are_recorded_as_they_were_sent(node: Listening) -> None:
    path = urlsplit(await node.ingress.url()).path.encode()
    reader, writer = await node.connect()
    writer.write(
        b"POST " + path + b" HTTP/1.1\r\nHOST: a\r\nX-GitHub-Event: push\r\nx-two: 1\r\n"
        b"Api-Key: k\r\ncontent-LENGTH: 1\r\n\r\n1"
    )
    trigger = await node.ingress.processors.next_trigger()
    assert trigger.received.request.headers == [
        ["HOST", "a"],
        ["X-GitHub-Event", "push"],
        ["x-two", "1"],
        ["Api-Key", "***"],
        ["content-LENGTH", "1"],
    ]
    await node.ingress.processors.decide(trigger)
    assert (await answer_in(reader)).status == 200
    writer.close()


async def test_large_requests_follow_one_another_on_a_connection(node: Listening) -> None:
    path = urlsplit(await node.ingress.url()).path.encode()
    body = b"x" * 250_000
    head = b"POST " + path + b" HTTP/1.1\r\nhost: a\r\ncontent-length: 250000\r\n\r\n"
    reader, writer = await node.connect()
    for _ in range(4):
        writer.write(head + body)
        trigger = await node.ingress.processors.next_trigger()
        assert trigger.received.request.body_bytes == len(body)
        await node.ingress.processors.decide(trigger)
        got = await answer_in(reader)
        assert (got.status, got.headers.get("connection")) == (200, None)
    writer.close()


@pytest.mark.usefixtures("hurried")
async def test_empty_lines_do_not_keep_a_connection_open(node: Listening) -> None:
    reader, writer = await node.connect()
    writer.write(OK)
    assert (await answer_in(reader)).status == 200
    writer.write(b"\r\n")
    assert await asyncio.wait_for(reader.read(), 20) == b""
    writer.close()


async def test_a_bug_of_ours_is_answered_in_json_too(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    broken = APIRouter()

    @broken.get("/broken")
    def break_down() -> None:
        raise RuntimeError("a s3cret")

    async with listening(tmp_path, routers=(broken,)) as node:
        got = await node.exchange(b"GET /broken HTTP/1.1\r\nhost: a\r\n\r\n")
    assert (got.status, got.json) == (500, {"error": "An internal error.", "reason": "internal"})
    assert "RuntimeError" in caplog.text


CHUNKED = b"transfer-encoding: chunked\r\n\r\n1\r\na\r\n0\r\n"


async def test_what_follows_a_body_is_no_header(node: Listening) -> None:
    path = urlsplit(await node.ingress.url(apiKeys={"Main": ["k1"]})).path.encode()
    head = b"POST " + path + b" HTTP/1.1\r\nhost: a\r\n"
    got = await node.exchange(head + CHUNKED + b"api-key: k1\r\n\r\n")
    assert (got.status, got.json["reason"]) == (401, "missing_api_key")
    reader, writer = await node.connect()
    writer.write(head + b"api-key: k1\r\n" + CHUNKED + b"x-late: 1\r\n\r\n")
    trigger = await node.ingress.processors.next_trigger()
    names = [name for name, _ in trigger.received.request.headers]
    assert names == ["host", "api-key", "transfer-encoding"]
    await node.ingress.processors.decide(trigger)
    assert (await answer_in(reader)).status == 200
    writer.close()


@pytest.mark.parametrize(
    "trailer",
    [b"x: 1\r\n" * 100_000, b"x: " + b"a" * 4_000_000, b"x" * 4_000_000],
    ids=["many", "endless", "name"],
)
async def test_what_follows_a_body_has_an_end(node: Listening, trailer: bytes) -> None:
    path = urlsplit(await node.ingress.url()).path.encode()
    head = b"POST " + path + b" HTTP/1.1\r\nhost: a\r\n"
    check_refusal(await node.exchange(head + CHUNKED, trailer), 431, "headers_too_large")
    assert await node.ingress.triggers_on_the_log() == 0


async def test_small_chunks_are_taken(node: Listening) -> None:
    path = urlsplit(await node.ingress.url()).path.encode()
    reader, writer = await node.connect()
    writer.write(b"POST " + path + b" HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n")
    writer.write(b"1\r\na\r\n" * 400_000 + b"0\r\n\r\n")
    trigger = await node.ingress.processors.next_trigger()
    assert trigger.received.request.body_bytes == 400_000
    await node.ingress.processors.decide(trigger)
    assert (await answer_in(reader)).status == 200
    writer.close()
