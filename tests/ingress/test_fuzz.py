"""Fuzzing: whatever comes is answered with a 4xx in JSON or accepted, and the next one is served.

The webhook route by hypothesis, through ASGI and through the protocol; the API by schemathesis,
from the OpenAPI that it gives of itself.
"""

import asyncio
import gzip
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import orjson
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis.core import NOT_SET

from eventlog.sqlite import SqliteLog
from ingress.answers import Message
from projections import api
from projections.store import Views
from schemas.instants import Instant
from tests.ingress.listening import Listening, listening
from tests.ingress.serving import ADMIN, Served, served

QUICK = settings(
    max_examples=80,
    phases=[Phase.generate, Phase.shrink],
    suppress_health_check=list(HealthCheck),
)
METHODS = st.sampled_from(["POST", "PUT", "PATCH", "DELETE", "GET", "HEAD", "OPTIONS", "TRACE"])
TYPES = st.sampled_from(
    [
        "application/json",
        "application/json; charset=utf-16",
        "application/x+json",
        "text/plain; charset=idna",
        "multipart/form-data",
        "multipart/form-data; boundary=x",
        'multipart/form-data; boundary="',
        "image/png",
        ";=;",
    ]
)
HEADER_VALUES = st.binary(max_size=30).map(lambda raw: re.sub(rb"[\x00-\x1f\x7f]", b"", raw))
HEADERS = st.lists(
    st.tuples(
        st.sampled_from(
            [
                b"content-encoding",
                b"content-length",
                b"prismatic-synchronous",
                b"prismatic-prefer-direct-sync-json-response",
                b"api-key",
                b"idempotency-key",
                b"origin",
                b"access-control-request-headers",
                b"host",
                b"x-any",
            ]
        ),
        HEADER_VALUES | st.sampled_from([b"gzip", b"deflate", b"br", b"true", b"5", b"99999999"]),
    ),
    max_size=4,
)
PART = b'--x\r\nContent-Disposition: form-data; name="a"\r\nContent-Type: application/json\r\n\r\n'
BODIES = st.one_of(
    st.binary(max_size=200),
    st.sampled_from(
        [
            b"[" * 5_000,
            b'{"a":' * 5_000,
            b'{"a": "\xff"}',
            b'"\\u0000"',
            PART + b"1\r\n--x--",
            PART + b"{\r\n--x--",
            PART * 1_100,
            gzip.compress(b"[1]"),
            gzip.compress(bytes(5_000_000)),
            b"x" * 300_000,
        ]
    ),
)


@pytest.fixture
async def unanswered(tmp_path: Path) -> AsyncIterator[Served]:
    """Nobody decides: what is accepted is answered at once, with 202 or 504."""
    async with served(tmp_path, decision_s=0.001, result_s=0.001) as ingress:
        yield ingress


async def asked(ingress: Served, scope: dict[str, Any], body: list[bytes]) -> tuple[int, bytes]:
    """Status and body of the answer to one ASGI call."""
    messages: list[Message] = [
        {"type": "http.request", "body": chunk, "more_body": index < len(body) - 1}
        for index, chunk in enumerate(body)
    ]
    sent: list[Message] = []

    async def receive() -> Message:
        return messages.pop(0) if messages else await asyncio.Future()

    async def send(message: Message) -> None:
        sent.append(message)

    await ingress.app({"type": "http", **scope}, receive, send)
    return sent[0]["status"], b"".join(message.get("body", b"") for message in sent)


@QUICK
@given(
    method=METHODS,
    path=st.text(max_size=20),
    query=st.binary(max_size=30),
    content_type=TYPES.map(str.encode) | HEADER_VALUES,
    headers=HEADERS,
    body=st.lists(BODIES, min_size=1, max_size=3),
)
async def test_whatever_a_webhook_gets_is_accepted_or_refused_in_json(
    unanswered: Served,
    method: str,
    path: str,
    query: bytes,
    content_type: bytes,
    headers: list[tuple[bytes, bytes]],
    body: list[bytes],
) -> None:
    url = urlsplit(await unanswered.url(rateLimit=1_000_000)).path
    scope = {
        "method": method,
        "path": f"{url}/{path}",
        "query_string": query,
        "headers": [*headers, (b"content-type", content_type)],
    }
    status, content = await asked(unanswered, scope, body)
    assert status in (200, 202, 204, 400, 405, 413, 415, 504)
    if status >= 400:
        assert orjson.loads(content)["error"]
    assert unanswered.node.waiting == 0
    plain = {"method": "POST", "path": url, "query_string": b"", "headers": []}
    assert (await asked(unanswered, plain, [b"1"]))[0] == 202


REQUEST = (
    b"POST /trigger/x HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n5\r\n[1,2]\r\n0\r\n\r\n"
)


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[Listening]:
    async with listening(tmp_path) as found:
        yield found


async def exchanged(node: Listening, sent: bytes) -> bytes:
    """All that is answered until the connection ends."""
    reader, writer = await node.connect()
    try:
        writer.write(sent)
        writer.write_eof()
        return await asyncio.wait_for(reader.read(), 20)
    except ConnectionError:
        return b""
    finally:
        writer.close()


@QUICK
@given(
    at=st.integers(0, len(REQUEST)),
    cut=st.integers(0, 40),
    put=st.binary(max_size=20) | st.sampled_from([b"\r\n", b"\0", b"Content-Length: 3\r\n"]),
    repeat=st.integers(1, 3),
)
async def test_whatever_bytes_come_the_next_connection_is_served(
    node: Listening, at: int, cut: int, put: bytes, repeat: int
) -> None:
    broken = REQUEST[:at] + put + REQUEST[at + cut :]
    got = await exchanged(node, broken * repeat)
    assert re.match(rb"HTTP/1\.1 4\d\d |$", got), got[:200]
    answer = await exchanged(node, b"GET /healthz HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 200 ")


@pytest.fixture
async def whole_api(tmp_path: Path) -> AsyncIterator[Served]:
    """Ingress with the routes that read the views."""
    views = Views.open(f"sqlite:///{tmp_path}/views.db")
    log = await SqliteLog.open(tmp_path / "other.db")
    reading = api.router(views, log, clock=lambda: Instant(0))
    async with served(tmp_path, routers=(reading,)) as ingress:
        yield ingress
    await log.close()
    views.close()


async def test_the_api_answers_whatever_its_own_description_allows(whole_api: Served) -> None:
    described = await whole_api.http.get("/api/v1/openapi.json", headers=ADMIN)
    schema = schemathesis.openapi.from_dict(described.json())
    found: list[Any] = list(schema.get_all_operations())
    operations = [result.ok() for result in found]
    assert len(operations) > 10
    for operation in operations:
        await _fuzz(whole_api, operation)


async def _fuzz(ingress: Served, operation: Any) -> None:
    cases: list[Any] = []

    @settings(QUICK, max_examples=8, phases=[Phase.generate])
    @given(operation.as_strategy())
    def collect(case: Any) -> None:
        cases.append(case)

    await asyncio.to_thread(collect)
    for case in cases:
        body = {} if case.body is NOT_SET else {"json": case.body}
        answer = await ingress.http.request(
            case.method,
            case.formatted_path,
            params=case.query or {},
            headers=ADMIN | {k: v for k, v in (case.headers or {}).items() if v.isascii()},
            **body,
        )
        where = f"{case.method} {case.formatted_path}"
        assert answer.status_code < 500, f"{where}: {answer.text}"
        if answer.status_code >= 400:
            assert answer.json()["error"], where
