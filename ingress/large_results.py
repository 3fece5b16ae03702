"""Large results: text, bytes and files out of the JSON that a blob holds of them, piece by piece.

Takes in a blob as schemas.values writes it; gives out what a caller gets, with a few hundred
kilobytes of it in memory at a time. Text comes without quotes and escapes, bytes and the bytes of a
file without base64. Any other value is JSON and is sent as it stands there.
"""

import base64
import re
from collections.abc import AsyncIterator
from typing import NamedTuple

import orjson

from eventlog.blobs import Blobs
from schemas.errors import Bug

_QUOTE = b'"'
_BYTES = re.compile(rb'\{"\$bytes":"')
_FILE = re.compile(rb'\{((?:"(?:contentType|fileName)":"[^"\\]{0,500}",)*)"data":\{"\$bytes":"')
_BYTES_END = b'"}'
_WINDOW_BYTES = 2_048
"""So much of the beginning and the end is looked at to see what a blob holds."""


class Found(NamedTuple):
    """`size` is None where it is not known before the end; `described` is what a file says."""

    chunks: AsyncIterator[bytes]
    size: int | None
    described: dict[str, str] | None = None


async def text(blobs: Blobs, key: str) -> Found | None:
    """The text in the blob, None where it holds something else."""
    if await blobs.part(key, 0, 1) != _QUOTE:
        return None
    return Found(_unescaped(blobs.stream(key)), None)


async def file_or_bytes(blobs: Blobs, key: str, size: int) -> Found | None:
    """The bytes in the blob, or those of the file, None where it holds something else."""
    head = await blobs.part(key, 0, min(size, _WINDOW_BYTES))
    opening = _BYTES.match(head) or _FILE.match(head)
    if opening is None:
        return None
    tail = await blobs.part(key, max(0, size - _WINDOW_BYTES), size)
    closing = tail.find(_BYTES_END)
    if closing < 4:
        return None
    described = None
    if opening.re is _FILE:
        described = _described(opening[1], tail[closing + len(_BYTES_END) :])
        if described is None:
            return None
    end = size - len(tail) + closing
    padding = tail[closing - 2 : closing].count(b"=")
    length = (end - opening.end()) // 4 * 3 - padding
    chunks = _between(blobs.stream(key), opening.end(), end)
    return Found(_unpacked(chunks), length, described)


def _described(before: bytes, after: bytes) -> dict[str, str] | None:
    """What a file says of itself before and behind its bytes, None where there is more in it."""
    try:
        said = orjson.loads(b"{" + before.rstrip(b",") + b"}")
        said |= orjson.loads(b"{" + after.lstrip(b","))
    except orjson.JSONDecodeError:
        return None
    is_file = said.keys() <= {"contentType", "fileName"}
    return said if is_file and all(isinstance(one, str) for one in said.values()) else None


async def _between(chunks: AsyncIterator[bytes], start: int, end: int) -> AsyncIterator[bytes]:
    position = 0
    async for chunk in chunks:
        yield chunk[max(0, start - position) : max(0, end - position)]
        position += len(chunk)


async def _unpacked(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    rest = b""
    async for chunk in chunks:
        rest += chunk
        whole = len(rest) // 4 * 4
        if whole:
            yield base64.b64decode(rest[:whole])
            rest = rest[whole:]


async def _unescaped(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """A JSON text without quotes and escapes. An escape is up to 6 bytes, a character 4."""
    rest, is_first = b"", True
    async for chunk in chunks:
        rest += chunk[1:] if is_first else chunk
        is_first = False
        cut = _cut(rest)
        yield _loaded(rest[:cut])
        rest = rest[cut:]
    if not rest.endswith(_QUOTE):
        raise Bug("a blob that begins as a JSON text does not end as one")
    yield _loaded(rest[:-1])


def _cut(piece: bytes) -> int:
    """Where `piece` can be cut with whole characters and escapes before, and the end behind."""
    cut = max(0, len(piece) - 16)
    while cut and piece[cut] & 0xC0 == 0x80:
        cut -= 1
    escape = piece.rfind(b"\\", max(0, cut - 6), cut)
    if escape < 0:
        return cut
    # Of a run of backslashes each second one ends an escape, and an odd last one begins one.
    through = piece[: escape + 1]
    run = len(through) - len(through.rstrip(b"\\"))
    return len(through) - run % 2


def _loaded(piece: bytes) -> bytes:
    loaded: str = orjson.loads(_QUOTE + piece + _QUOTE)
    return loaded.encode()
