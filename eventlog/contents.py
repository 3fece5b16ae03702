"""Contents: bytes in pieces, some of them in blobs, as one stream of known size.

Takes in pieces (schemas.stored.Piece) and the blob store; gives out chunks of what they come to,
with one of a few hundred kilobytes in memory at a time.
"""

import base64
from collections.abc import AsyncIterator, Sequence

from eventlog.blobs import Blobs
from schemas.stored import InBase64, Piece, Stored, size_of

CHUNK_BYTES = 256 * 1024


def total(pieces: Sequence[Piece]) -> int:
    return sum(map(size_of, pieces))


async def stream(blobs: Blobs, pieces: Sequence[Piece]) -> AsyncIterator[bytes]:
    """Raises BlobMissing and BlobsUnavailable, once the turn has come to what is not there."""
    for piece in pieces:
        if isinstance(piece, bytes):
            for start in range(0, len(piece), CHUNK_BYTES):
                yield piece[start : start + CHUNK_BYTES]
        elif isinstance(piece, Stored):
            async for chunk in _chunks(blobs, piece):
                yield chunk
        else:
            async for chunk in _encoded(blobs, piece):
                yield chunk


async def whole(blobs: Blobs, stored: Stored) -> bytes:
    """The bytes themselves. Raises BlobMissing and BlobsUnavailable."""
    return await blobs.part(stored.blob, stored.start, stored.start + stored.size)


def _chunks(blobs: Blobs, stored: Stored) -> AsyncIterator[bytes]:
    within = (stored.start, stored.start + stored.size)
    return blobs.stream(stored.blob, CHUNK_BYTES, within=within)


async def _encoded(blobs: Blobs, piece: InBase64) -> AsyncIterator[bytes]:
    rest = b""
    async for chunk in _chunks(blobs, piece.stored):
        rest += chunk
        cut = len(rest) // 3 * 3
        yield base64.b64encode(rest[:cut])
        rest = rest[cut:]
    yield base64.b64encode(rest)
