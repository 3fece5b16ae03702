"""Intake: the body of a request, read to its end, checked, and kept as the log has it.

Takes in ASGI messages; gives out a Body: small ones in it, larger ones straight in the blob store.
In this order a chunk is counted, shown as sent to whoever verifies it, unpacked, and checked to be
what its content type says; what is found wrong is told only once the sender is known to be genuine.
"""

import asyncio
import base64
import secrets
from collections.abc import AsyncIterator
from typing import Protocol

from eventlog.blobs import Blobs
from ingress import compression
from ingress.answers import Disconnected, Receive, Scope
from ingress.compression import Decoder
from ingress.requests import Body, header
from schemas import bodies, forms
from schemas.bodies import Malformed, Media
from schemas.errors import Refused
from schemas.events import BodyEncoding
from schemas.forms import Form
from schemas.settings import MAX_LOADED_BYTES

LARGE_BYTES = 256 * 1024


class Witness(Protocol):
    """Sees a body as it was sent, and says in the end whether it is genuine."""

    def update(self, chunk: bytes, /) -> None: ...

    def finish(self) -> None:
        """Raises Refused where it is not."""


class Bodies:
    """Reads bodies: those up to LARGE_BYTES into memory, larger ones straight to the blob store."""

    def __init__(
        self, blobs: Blobs, *, max_bytes: int, max_text_bytes: int = MAX_LOADED_BYTES
    ) -> None:
        self._blobs = blobs
        self._max_bytes = max_bytes
        self._max_text_bytes = min(max_bytes, max_text_bytes)
        self._parsing = asyncio.Semaphore(1)

    async def read(
        self, scope: Scope, receive: Receive, media: Media, witness: Witness | None = None
    ) -> Body:
        """Read the body to its end, and check that it is what `media` says, or empty.

        Raises Malformed, Refused (401, 413, 415), Disconnected and BlobsUnavailable.
        """
        # A text is in the memory of whoever works with it; what has no type may be one.
        may_be_text = media.is_text or not media.kind
        max_bytes = self._max_text_bytes if may_be_text else self._max_bytes
        _check_length(header(scope, b"content-length"), max_bytes)
        decoder = compression.decoder_of(header(scope, b"content-encoding"), max_bytes)
        chunks = _received(receive, max_bytes)
        if witness is not None or decoder is not None:
            chunks = _unpacked(chunks, witness, decoder)
        if media.is_form:
            chunks = _checked(chunks, media, witness)
        start = b""
        async for chunk in chunks:
            start = start + chunk if start else chunk
            if len(start) > LARGE_BYTES:
                return await self._store(_chained(start, chunks), media)
        if start and media.is_json:
            bodies.parsed_json(start, media)
        return _small(start)

    async def discard(self, body: Body) -> None:
        """Take back a body that nothing on the log will name."""
        if body.encoding is BodyEncoding.BLOB:
            await self._blobs.delete(body.kept)

    async def _store(self, chunks: AsyncIterator[bytes], media: Media) -> Body:
        blob = await self._blobs.put(f"bodies/{secrets.token_hex(16)}", chunks)
        body = Body(blob.key, BodyEncoding.BLOB, blob.size)
        if media.is_json:
            try:
                await self._check_stored(blob.key, media)
            except Refused:
                await self.discard(body)
                raise
        return body

    async def _check_stored(self, key: str, media: Media) -> None:
        """Parsed, a body takes several times its size: only one at a time is, and in a thread."""
        async with self._parsing:
            content = await self._blobs.get(key)
            await asyncio.to_thread(bodies.parsed_json, content, media)


def _check_length(content_length: str | None, max_bytes: int) -> None:
    if content_length is None or not (content_length.isascii() and content_length.isdigit()):
        return
    # Compared by length first: int() refuses very long texts.
    if len(content_length) > 18 or int(content_length) > max_bytes:
        raise _too_large(max_bytes)


def _too_large(max_bytes: int) -> Refused:
    message = f"The request body is larger than {max_bytes} bytes."
    return Refused(message, status=413, reason="too_large")


async def _received(receive: Receive, max_bytes: int) -> AsyncIterator[bytes]:
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


async def _unpacked(
    chunks: AsyncIterator[bytes], witness: Witness | None, decoder: Decoder | None
) -> AsyncIterator[bytes]:
    if witness is not None:
        chunks = _witnessed(chunks, witness)
    if decoder is None:
        async for chunk in chunks:
            yield chunk
        return
    try:
        async for chunk in chunks:
            for piece in decoder.feed(chunk):
                yield piece
        decoder.close()
    except Malformed:
        await _read_out(chunks, witness)
        raise


async def _witnessed(chunks: AsyncIterator[bytes], witness: Witness) -> AsyncIterator[bytes]:
    async for chunk in chunks:
        witness.update(chunk)
        yield chunk
    witness.finish()


async def _chained(start: bytes, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield start
    async for chunk in rest:
        yield chunk


async def _checked(
    chunks: AsyncIterator[bytes], media: Media, witness: Witness | None
) -> AsyncIterator[bytes]:
    """`chunks`, as long as they are a form whose JSON parts are JSON, or nothing at all."""
    form: Form | None = None
    try:
        async for chunk in chunks:
            if form is None:
                form = Form(media, keep=forms.is_json, max_kept_bytes=forms.MAX_KEPT_BYTES)
            form.feed(chunk)
            yield chunk
        if form is not None:
            form.close()
    except Malformed:
        await _read_out(chunks, witness)
        raise


async def _read_out(chunks: AsyncIterator[bytes], witness: Witness | None) -> None:
    """Only who is known to be genuine learns what is wrong with a body."""
    if witness is not None:
        async for _ in chunks:
            pass


def _small(body: bytes) -> Body:
    try:
        return Body(body.decode(), BodyEncoding.TEXT, len(body))
    except UnicodeDecodeError:
        return Body(base64.b64encode(body).decode(), BodyEncoding.BASE64, len(body))
