"""Results: signed, expiring addresses of what an execution gave, and the route that serves them.

Takes in the response of an execution (schemas.events.Response); gives out its body as HTTP has it.
An address holds where the execution's last event stands on `executions`, so nothing is stored for
it. A blob holds the JSON that would otherwise stand in the event as `result`; bytes within a result
may be in a blob of their own, and are sent from there.
"""

import asyncio
import base64
import binascii
import hmac
import logging
import struct
import time
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import replace
from typing import Any, NamedTuple
from uuid import UUID

from eventlog import contents
from eventlog.blobs import BlobMissing, Blobs
from eventlog.log import EventLog, OffsetOutOfRange
from ingress import answers, large_results, methods
from ingress.answers import Answer, Receive, RefusedWith, Scope, Send
from schemas import bodies, codec, events, values
from schemas.errors import Refused, Retryable
from schemas.ids import ExecutionId
from schemas.secrets import MasterKey
from schemas.stored import Piece, Stored
from schemas.topics import EXECUTIONS

PREFIX = "/results/"
MAX_DIRECT_BYTES = 5_000_000
LARGE_BYTES = 8 * 1024 * 1024
"""Text and bytes from this size on are taken out of their blob piece by piece."""
_PACKED = struct.Struct(">16sHQQ")
_SIGNATURE_BYTES = 16
_METHODS = b"GET, HEAD"
_BYTES = b"application/octet-stream"
# What flows give is served from the console's own origin: no browser may run it there.
_HARMLESS: tuple[answers.Header, ...] = (
    (b"x-content-type-options", b"nosniff"),
    (b"content-security-policy", b"sandbox"),
)

_logger = logging.getLogger(__name__)


class Place(NamedTuple):
    """Where the last event of an execution stands on `executions`, and until when it is shown."""

    execution_id: ExecutionId
    partition: int
    offset: int
    expires_at_s: int


def token_of(place: Place, key: MasterKey) -> str:
    packed = _PACKED.pack(
        UUID(place.execution_id).bytes, place.partition, place.offset, place.expires_at_s
    )
    signed = packed + key.sign(packed)[:_SIGNATURE_BYTES]
    return base64.urlsafe_b64encode(signed).decode().rstrip("=")


def place_of(token: str, key: MasterKey, now_s: int) -> Place:
    """The inverse of `token_of`. Raises Refused (403) for a forged or an expired token."""
    try:
        signed = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        signed = b""
    packed, signature = signed[:-_SIGNATURE_BYTES], signed[-_SIGNATURE_BYTES:]
    genuine = hmac.compare_digest(signature, key.sign(packed)[:_SIGNATURE_BYTES])
    if not genuine or len(packed) != _PACKED.size:
        raise Refused("This address of a result is not genuine.", status=403, reason="forged")
    execution, partition, offset, expires_at_s = _PACKED.unpack(packed)
    if now_s >= expires_at_s:
        raise Refused("This address of a result has expired.", status=403, reason="expired")
    return Place(ExecutionId(str(UUID(bytes=execution))), partition, offset, expires_at_s)


class Results:
    """Makes addresses of results, and serves them to GET and HEAD."""

    def __init__(self, *, log: EventLog, blobs: Blobs, key: MasterKey, ttl_s: int) -> None:
        self._log = log
        self._blobs = blobs
        self._key = key
        self._ttl_s = ttl_s

    def address(self, ready: events.ResultReady, base_url: str) -> str:
        expires_at_s = _now_s() + self._ttl_s
        place = Place(ready.execution_id, ready.partition, ready.offset, expires_at_s)
        return f"{base_url}{PREFIX}{token_of(place, self._key)}"

    async def __call__(self, scope: Scope, _receive: Receive, send: Send) -> None:
        if scope["method"] == methods.PREFLIGHT:
            # A page that is led here keeps the headers of its call, and its browser asks once more.
            return await answers.send(send, methods.preflight(scope, _METHODS))
        try:
            answer = await self._answer(scope)
        except Refused as refused:
            answer = answers.of_refusal(refused)
        except Retryable as away:
            answer = answers.of_absence(away)
        except Exception:
            _logger.exception("a request for a result broke")
            answer = answers.of_bug()
        await answers.send(
            send, answer, methods.headers_for(scope), whole=scope.pop(answers.WHOLE, None)
        )

    async def _answer(self, scope: Scope) -> Answer:
        if scope["method"] not in ("GET", "HEAD"):
            message = f"A result is there for GET and HEAD, not for {scope['method'][:50]}."
            allow = (b"allow", b"%s, %s" % (_METHODS, methods.PREFLIGHT.encode()))
            reason = "method_not_allowed"
            raise RefusedWith(message, status=405, reason=reason, headers=(allow,))
        place = place_of(scope["path"].removeprefix(PREFIX), self._key, _now_s())
        response = await self._read(place)
        return await self.body(200, response, place.execution_id, _HARMLESS)

    async def body(
        self,
        status: int,
        response: events.Response,
        execution_id: ExecutionId,
        headers: tuple[answers.Header, ...] = (),
    ) -> Answer:
        """`response` as it is sent. Raises Refused (404) where its blob is gone."""
        if response.blob is None:
            return await self._rendered(status, response, execution_id, headers)
        try:
            if not response.tagged and not await self._is_text_to_be_sent_bare(response):
                size = await self._blobs.size(response.blob)
                kind = answers.content_type_of(response.content_type)
                stream = self._blobs.stream(response.blob)
                return Answer(status, stream, kind, headers, execution_id, size)
            found = await self._large(response, response.blob)
            if found is not None:
                kind = _kind_of(response, found.described)
                return Answer(status, found.chunks, kind, headers, execution_id, found.size)
            loaded = await self._loaded(response, response.blob)
        except BlobMissing as error:
            raise _gone() from error
        return await self._rendered(status, loaded, execution_id, headers)

    async def _rendered(
        self,
        status: int,
        response: events.Response,
        execution_id: ExecutionId,
        headers: tuple[answers.Header, ...],
    ) -> Answer:
        """A response whose value is at hand, but for bytes in it that are in the blob store."""
        if response.tagged:
            kind, pieces = await asyncio.to_thread(rendered, response)
        else:
            kind, pieces = rendered(response)
        if len(pieces) == 1 and isinstance(pieces[0], bytes):
            return Answer(status, pieces[0], kind, headers, execution_id)
        await self._check(pieces)
        stream = contents.stream(self._blobs, pieces)
        return Answer(status, stream, kind, headers, execution_id, contents.total(pieces))

    async def _check(self, pieces: Sequence[Piece]) -> None:
        """Raises Refused (404) before anything is sent where a blob is gone."""
        try:
            for piece in pieces:
                if not isinstance(piece, bytes):
                    stored = piece if isinstance(piece, Stored) else piece.stored
                    await self._blobs.size(stored.blob)
        except BlobMissing as error:
            raise _gone() from error

    async def _large(self, response: events.Response, blob: str) -> large_results.Found | None:
        """The content of a large blob piece by piece, where that can be told from how it begins."""
        size = await self._blobs.size(blob)
        if size < LARGE_BYTES:
            return None
        if not response.tagged:
            return await large_results.text(self._blobs, blob)
        found = await large_results.file_or_bytes(self._blobs, blob, size)
        is_json = bodies.media_of(response.content_type).is_json
        return None if found is not None and found.described is not None and is_json else found

    async def direct(self, ready: events.ResultReady) -> Answer | None:
        """The result itself as JSON; None where it is binary or not smaller than 5 MB."""
        response = ready.response or events.Response()
        if response.blob is not None:
            try:
                if await self._blobs.size(response.blob) >= MAX_DIRECT_BYTES:
                    return None
                response = await self._loaded(response, response.blob)
            except BlobMissing as error:
                raise _gone() from error
        value = values.from_json(response.result, response.tagged)
        if isinstance(value, bytes | Stored) or _file_of(value) is not None:
            return None
        pieces = values.pieces(value)
        if contents.total(pieces) >= MAX_DIRECT_BYTES:
            return None
        await self._check(pieces)
        content = [chunk async for chunk in contents.stream(self._blobs, pieces)]
        return Answer(200, b"".join(content), execution_id=ready.execution_id)

    async def _is_text_to_be_sent_bare(self, response: events.Response) -> bool:
        """Whether the blob is the JSON of a text, which callers get without quotes and escapes."""
        assert response.blob is not None
        if bodies.media_of(response.content_type).is_json:
            return False
        async with aclosing(self._blobs.stream(response.blob)) as chunks:  # type: ignore[type-var]
            async for chunk in chunks:
                return chunk.startswith(b'"')
        return False

    async def _loaded(self, response: events.Response, blob: str) -> events.Response:
        content = await self._blobs.get(blob)
        result = await asyncio.to_thread(values.load, content)
        return replace(response, result=result, blob=None)

    async def _read(self, place: Place) -> events.Response:
        if place.partition >= self._log.partitions(EXECUTIONS):
            raise _gone()
        if place.offset >= (await self._log.marks(EXECUTIONS, place.partition)).high:
            raise _gone()
        try:
            records = await self._log.read(EXECUTIONS, place.partition, place.offset, max_records=1)
        except OffsetOutOfRange as error:
            raise _gone() from error
        for record in records:
            for event in codec.decode(record.value).events:
                if (
                    isinstance(event, events.ExecutionCompleted)
                    and event.execution_id == place.execution_id
                ):
                    return event.response or events.Response()
        raise _gone()


def _kind_of(response: events.Response, described: dict[str, str] | None) -> bytes:
    if response.content_type:
        return answers.content_type_of(response.content_type)
    if described and "contentType" in described:
        return answers.content_type_of(described["contentType"])
    return _BYTES if response.tagged else answers.TEXT


def rendered(response: events.Response) -> tuple[bytes, Sequence[Piece]]:
    """Content type and body of a response that is not in a blob.

    Text and bytes are sent as they are, a file (`{data: bytes, contentType}`) as its bytes, all
    else as JSON. A content type that the flow chose is kept; JSON content types get JSON.
    """
    value = values.from_json(response.result, response.tagged)
    kind, content = _own_form(value)
    if response.content_type:
        kind = answers.content_type_of(response.content_type)
        if bodies.media_of(kind.decode()).is_json:
            is_bytes = isinstance(value, bytes | Stored)
            content = content if is_bytes else values.pieces(value)
    return kind, content


def _own_form(value: values.Value) -> tuple[bytes, Sequence[Piece]]:
    if isinstance(value, str):
        return answers.TEXT, [value.encode()]
    if isinstance(value, bytes | Stored):
        return _BYTES, [value]
    return _file_of(value) or (answers.JSON, values.pieces(value))


def _file_of(value: Any) -> tuple[bytes, Sequence[Piece]] | None:
    if not isinstance(value, dict) or not isinstance(value.get("data"), bytes | Stored):
        return None
    if not value.keys() <= {"data", "contentType", "fileName"}:
        return None
    kind = value.get("contentType")
    return (answers.content_type_of(kind) if isinstance(kind, str) else _BYTES), [value["data"]]


def _gone() -> Refused:
    return Refused("This result is no longer kept.", status=404, reason="result_gone")


def _now_s() -> int:
    return time.time_ns() // 1_000_000_000
