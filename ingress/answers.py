"""Answers: what a caller without a framework gets, as ASGI messages.

Takes in a status, headers and a body (bytes, or a stream of known length); sends them. Every answer
carries `prismatic-executionid` (platform-behaviour, section 2.3).
"""

import re
import secrets
from collections.abc import (
    AsyncIterator,
    Awaitable,
    Callable,
    Iterable,
    Mapping,
    MutableMapping,
    Sequence,
)
from contextlib import aclosing
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import orjson

from eventlog.blobs import BlobsUnavailable
from schemas import ids
from schemas.errors import Refused, Retryable
from schemas.ids import ExecutionId

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Header = tuple[bytes, bytes]
SendWhole = Callable[[int, Sequence[Header], bytes], bool]
"""Sends status, headers and body at once; False where the connection cannot take it so now."""

JSON = b"application/json"
WHOLE = "penstock.whole"
"""The key of an ASGI scope under which a SendWhole may stand. Whoever uses it takes it out: it
holds the request, which holds the scope, and only the collector would free them."""
TEXT = b"text/plain; charset=utf-8"
RETRY_SOON: Header = (b"retry-after", b"1")
_BODILESS = frozenset((204, 205, 304))
_OURS = frozenset(
    (
        "connection",
        "content-length",
        "content-type",
        "date",
        "keep-alive",
        "prismatic-executionid",
        "trailer",
        "transfer-encoding",
        "upgrade",
    )
)
_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")


class Disconnected(Exception):
    """The caller has gone: there is nobody to answer."""


@dataclass(frozen=True, slots=True)
class Answer:
    """`body` is bytes, or a stream of `size` bytes, None for a stream whose size is not known.

    Without an execution a random id is shown.
    """

    status: int
    body: bytes | AsyncIterator[bytes] = b""
    content_type: bytes = JSON
    headers: tuple[Header, ...] = ()
    execution_id: ExecutionId | None = None
    size: int | None = 0


def of_json(
    status: int,
    content: Any,
    *,
    headers: tuple[Header, ...] = (),
    execution_id: ExecutionId | None = None,
) -> Answer:
    return Answer(status, orjson.dumps(content), JSON, headers, execution_id)


class RefusedWith(Refused):
    """A refusal whose answer needs headers of its own."""

    def __init__(
        self, message: str, *, status: int, reason: str, headers: tuple[Header, ...]
    ) -> None:
        super().__init__(message, status=status, reason=reason)
        self.headers = headers


def of_refusal(refused: Refused) -> Answer:
    content = {"error": str(refused)}
    if refused.reason:
        content["reason"] = refused.reason
    headers = refused.headers if isinstance(refused, RefusedWith) else ()
    return of_json(refused.status, content, headers=headers)


def of_absence(away: Retryable) -> Answer:
    """503: the caller tries again. Which file or broker is away is ours to know, not theirs."""
    at_blobs = isinstance(away, BlobsUnavailable)
    where, reason = ("blob store", "blobs") if at_blobs else ("log", "log")
    message = f"The {where} is not available now; please try again."
    content = {"error": message, "reason": f"{reason}_unavailable"}
    return of_json(503, content, headers=(RETRY_SOON,))


def of_bug() -> Answer:
    """500, once the error is logged: were it left to uvicorn, the answer would be no JSON."""
    return of_json(500, {"error": "An internal error.", "reason": "internal"})


def headers_of(given: Mapping[str, str] | Iterable[tuple[str, str]]) -> tuple[Header, ...]:
    """Headers that a flow chose, without those that are the server's own or are none at all."""
    pairs = given.items() if isinstance(given, Mapping) else given
    return tuple(
        (name.lower().encode(), value.strip().encode())
        for name, value in pairs
        if _TOKEN.fullmatch(name) and name.lower() not in _OURS and not _CONTROL.search(value)
    )


def content_type_of(text: str) -> bytes:
    """A content type as a header has it; what cannot be one is application/json."""
    return JSON if not text.strip() or _CONTROL.search(text) else text.strip().encode()


def as_http(answer: Answer) -> bytes:
    """An answer as HTTP/1.1 has it, for where there is no ASGI. The connection ends with it."""
    assert isinstance(answer.body, bytes)
    headers = [*_headers(answer, len(answer.body)), (b"connection", b"close")]
    lines = [b"HTTP/1.1 %d %s" % (answer.status, HTTPStatus(answer.status).phrase.encode())]
    lines += [b"%s: %s" % header for header in headers]
    return b"\r\n".join([*lines, b"", answer.body])


async def send(
    sender: Send,
    answer: Answer,
    more: tuple[Header, ...] = (),
    *,
    whole: SendWhole | None = None,
) -> None:
    """Send the whole of `answer`, with those headers of `more` that it does not have itself; in
    one piece by `whole`, where the scope has it under WHOLE.

    A stream that fails midway raises: the connection breaks off.
    """
    body, size = answer.body, answer.size
    if isinstance(body, bytes):
        size = len(body)
    headers = _headers(answer, size)
    chosen = [name for name, _ in answer.headers]
    headers += [header for header in more if header[0] not in chosen] if chosen else more
    if answer.status in _BODILESS:
        body = b""
    if whole is not None and isinstance(body, bytes) and whole(answer.status, headers, body):
        return
    await sender({"type": "http.response.start", "status": answer.status, "headers": headers})
    if isinstance(body, bytes):
        await sender({"type": "http.response.body", "body": body})
    else:
        await _send_stream(sender, body)


def _headers(answer: Answer, size: int | None) -> list[Header]:
    headers = [(b"prismatic-executionid", _shown(answer.execution_id)), *answer.headers]
    if answer.status not in _BODILESS:
        headers.append((b"content-type", answer.content_type))
        if size is not None:
            headers.append((b"content-length", b"%d" % size))
    return headers


async def _send_stream(sender: Send, chunks: AsyncIterator[bytes]) -> None:
    async with aclosing(chunks) as open_chunks:  # type: ignore[type-var]  # streams are generators
        async for chunk in open_chunks:
            await sender({"type": "http.response.body", "body": chunk, "more_body": True})
    await sender({"type": "http.response.body", "body": b""})


def _shown(execution_id: ExecutionId | None) -> bytes:
    shown = execution_id or ids.derived("not accepted", secrets.token_hex(16))
    return ids.to_global(ids.EXECUTION, shown).encode()
