"""Requests: an HTTP request as it arrives to a schemas.events.Request.

Takes in an ASGI scope and its body; gives out the endpoint that the path names and the request as
the log keeps it: small bodies in it, large ones in the blob store, API keys nowhere.
"""

import asyncio
import base64
import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import NamedTuple
from urllib.parse import parse_qsl, quote

import orjson

from eventlog.blobs import Blobs
from ingress.answers import Disconnected, Receive, Scope
from schemas.errors import Refused
from schemas.events import BodyEncoding, Request
from schemas.secrets import HIDDEN

TRIGGER = "/trigger/"
LARGE_BYTES = 256 * 1024
API_KEY = b"api-key"
NAMES = "header_names"
"""Where a scope has the names of its headers as they were sent, in the order of `headers`."""


class Malformed(Refused):
    """A body that is not the JSON that its content type promises."""


class Address(NamedTuple):
    """The endpoint id as it stands in the URL, percent-decoded, and the path behind it."""

    endpoint: str
    path: str


@dataclass(frozen=True, slots=True)
class Body:
    """A body as the log keeps it: its text, base64, or the key of its blob."""

    kept: str
    encoding: BodyEncoding
    size: int


def address_of(path: str) -> Address:
    """`/trigger/SW5z…==/my/path` is the endpoint `SW5z…==` and the path `my/path`."""
    endpoint, _, rest = path.removeprefix(TRIGGER).partition("/")
    return Address(endpoint, rest)


def header(scope: Scope, name: bytes) -> str | None:
    """The first header of that name (lower case)."""
    for found, value in scope["headers"]:
        if found == name:
            return str(value.decode("latin-1"))
    return None


def base_url(scope: Scope, public_url: str) -> str:
    """Where callers reach us: as configured, or as this caller did."""
    if public_url:
        return public_url.rstrip("/")
    host = header(scope, b"host") or "localhost"
    return f"{scope.get('scheme', 'http')}://{host}"


def url_of(scope: Scope, public_url: str) -> str:
    """The URL of this request, without its query."""
    raw = scope.get("raw_path")
    path = raw.decode("latin-1").partition("?")[0] if raw else quote(scope["path"], safe="/=%")
    return base_url(scope, public_url) + path


def is_json(content_type: str) -> bool:
    """`application/json` and `…+json`, whatever parameters follow."""
    kind = content_type.partition(";")[0].strip().lower()
    return kind == "application/json" or kind.endswith("+json")


def request_of(scope: Scope, path: str, content_type: str, body: Body) -> Request:
    """The request as the log keeps it. Values of Api-Key are hidden."""
    headers = scope["headers"]
    # Servers write names in lower case; ours also says how the caller did.
    names = scope.get(NAMES) or [name for name, _ in headers]
    return Request(
        method=scope["method"],
        path=path,
        headers=[
            [sent.decode("latin-1"), HIDDEN if name == API_KEY else value.decode("latin-1")]
            for sent, (name, value) in zip(names, headers, strict=True)
        ],
        query=_query(scope["query_string"]),
        body=body.kept,
        encoding=body.encoding,
        body_bytes=body.size,
        content_type=content_type,
    )


def _query(text: bytes) -> list[list[str]]:
    if not text:
        return []
    return [[*pair] for pair in parse_qsl(text.decode("latin-1"), keep_blank_values=True)]


class Bodies:
    """Reads bodies: those up to LARGE_BYTES into memory, larger ones straight to the blob store."""

    def __init__(self, blobs: Blobs, *, max_bytes: int) -> None:
        self._blobs = blobs
        self._max_bytes = max_bytes
        self._parsing = asyncio.Semaphore(1)

    async def read(self, scope: Scope, receive: Receive, *, must_be_json: bool) -> Body:
        """Read the body to its end, and check that it is JSON where it must be or is empty.

        Raises Malformed, Refused (413), Disconnected and BlobsUnavailable.
        """
        _check_length(header(scope, b"content-length"), self._max_bytes)
        chunks = _chunks(receive, self._max_bytes)
        start = b""
        async for chunk in chunks:
            start = start + chunk if start else chunk
            if len(start) > LARGE_BYTES:
                return await self._store(start, chunks, must_be_json)
        if must_be_json and start:
            _check_json(start)
        return _small(start)

    async def discard(self, body: Body) -> None:
        """Take back a body that nothing on the log will name."""
        if body.encoding is BodyEncoding.BLOB:
            await self._blobs.delete(body.kept)

    async def _store(self, start: bytes, rest: AsyncIterator[bytes], must_be_json: bool) -> Body:
        async def whole() -> AsyncIterator[bytes]:
            yield start
            async for chunk in rest:
                yield chunk

        blob = await self._blobs.put(f"bodies/{secrets.token_hex(16)}", whole())
        body = Body(blob.key, BodyEncoding.BLOB, blob.size)
        if must_be_json:
            try:
                await self._check_stored(blob.key)
            except Malformed:
                await self.discard(body)
                raise
        return body

    async def _check_stored(self, key: str) -> None:
        """Parsed, a body takes several times its size: only one at a time is, and in a thread."""
        async with self._parsing:
            await asyncio.to_thread(_check_json, await self._blobs.get(key))


def _check_length(content_length: str | None, max_bytes: int) -> None:
    if content_length is None or not (content_length.isascii() and content_length.isdigit()):
        return
    # Compared by length first: int() refuses very long texts.
    if len(content_length) > 18 or int(content_length) > max_bytes:
        raise _too_large(max_bytes)


def _too_large(max_bytes: int) -> Refused:
    message = f"The request body is larger than {max_bytes} bytes."
    return Refused(message, status=413, reason="too_large")


async def _chunks(receive: Receive, max_bytes: int) -> AsyncIterator[bytes]:
    size, more = 0, True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Disconnected
        chunk = message.get("body", b"")
        more = message.get("more_body", False)
        size += len(chunk)
        if size > max_bytes:
            raise _too_large(max_bytes)
        if chunk:
            yield chunk


def _small(body: bytes) -> Body:
    try:
        return Body(body.decode(), BodyEncoding.TEXT, len(body))
    except UnicodeDecodeError:
        return Body(base64.b64encode(body).decode(), BodyEncoding.BASE64, len(body))


def _check_json(body: bytes) -> None:
    try:
        orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise Malformed("Received malformed JSON payload.", reason="malformed_json") from error
