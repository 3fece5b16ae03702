"""HTTP bodies: what is sent out of the blob store, and answers read to a bound; a chunk at a time.

Takes in pieces of a request's content (schemas.stored.Piece), or a response and its bound; gives
out a stream, or the answer's bytes. A large binary answer goes into the blob store as it comes.
"""

import asyncio
import zlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

import httpx

from eventlog import contents
from eventlog.blobs import Blobs, BlobsUnavailable
from processors.components.http_failures import Failed
from schemas.stored import Piece, Stored

INLINE_BYTES = 256 * 1024
"""Binary answers above this size are kept in the blob store."""

_UNPACKED_BYTES = 256 * 1024


class Streamed(httpx.AsyncByteStream):
    """The content of a request; each attempt and each redirect may read it anew."""

    def __init__(self, blobs: Blobs, pieces: Sequence[Piece]) -> None:
        self._blobs = blobs
        self._pieces = pieces

    def __aiter__(self) -> AsyncIterator[bytes]:
        return contents.stream(self._blobs, self._pieces)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bound:
    """How much of an answer is taken in, and of which setting that depends.

    With a `key` what is large is kept in `blobs`, under it.
    """

    max_bytes: int
    hint: str = ""
    blobs: Blobs | None = None
    key: str = ""


async def read(shown: str, response: httpx.Response, bound: Bound) -> bytes | Stored:
    """The body of an answer to the call that is `shown`. Raises Failed, for too large a one too."""
    if response.request.method != "HEAD" and _announced_bytes(response) > bound.max_bytes:
        raise _too_large(shown, bound)
    chunks = _bounded(shown, decoded(shown, response), bound)
    body = bytearray()
    async for chunk in chunks:
        body += chunk
        if bound.key and bound.blobs is not None and len(body) > INLINE_BYTES:
            return await _kept(shown, _chained(bytes(body), chunks), bound.blobs, bound.key)
    return bytes(body)


def _announced_bytes(response: httpx.Response) -> int:
    length = response.headers.get("content-length", "")
    # int() refuses very long texts.
    return int(length) if length.isascii() and length.isdecimal() and len(length) < 19 else 0


async def _kept(shown: str, chunks: AsyncIterator[bytes], blobs: Blobs, key: str) -> Stored:
    """The rest of an answer, in the blob store. Whatever fails leaves nothing there."""
    try:
        blob = await blobs.put(key, chunks)
    except BlobsUnavailable as error:
        raise Failed(f"the answer to {shown} cannot be kept: {error}") from error
    except asyncio.CancelledError:
        await asyncio.shield(blobs.delete(key))  # it may have been whole just before
        raise
    return Stored(blob.key, blob.size)


async def _bounded(shown: str, chunks: AsyncIterator[bytes], bound: Bound) -> AsyncIterator[bytes]:
    size = 0
    async for chunk in chunks:
        size += len(chunk)
        if size > bound.max_bytes:
            raise _too_large(shown, bound)
        yield chunk


async def _chained(start: bytes, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield start
    async for chunk in rest:
        yield chunk


def _too_large(shown: str, bound: Bound) -> Failed:
    return Failed(
        f"{shown} answered with more than {bound.max_bytes} bytes{bound.hint}", final=True
    )


async def decoded(shown: str, response: httpx.Response) -> AsyncIterator[bytes]:
    """The body's bytes, unpacked in pieces of a bounded size, so that no bomb goes off."""
    encoding = response.headers.get("content-encoding", "identity").strip().lower()
    stream = response.stream
    assert isinstance(stream, httpx.AsyncByteStream)
    if encoding == "identity":
        async for chunk in stream:
            yield chunk
    elif encoding in ("gzip", "x-gzip", "deflate"):
        async for chunk in _unpacked(shown, stream):
            yield chunk
    else:
        message = f"{shown} answered with content encoding {encoding!r}, which was not asked for"
        raise Failed(message, final=True)


async def _unpacked(shown: str, stream: httpx.AsyncByteStream) -> AsyncIterator[bytes]:
    unpack = zlib.decompressobj(zlib.MAX_WBITS | 32)
    is_empty = True
    try:
        async for chunk in stream:
            is_empty = is_empty and not chunk
            while chunk and not unpack.eof:
                yield unpack.decompress(chunk, _UNPACKED_BYTES)
                chunk = unpack.unconsumed_tail
        yield unpack.flush()
    except zlib.error as error:
        raise Failed(f"{shown} answered with a damaged compressed body: {error}") from error
    if not is_empty and not unpack.eof:
        raise Failed(f"{shown} answered with a compressed body that is cut off")
