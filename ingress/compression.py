"""Compression: the content codings of requests (RFC 9110, 8.4.1), taken off piece by piece.

gzip and deflate are read; any other is refused with 415 and the codings that are. What comes out is
bounded by the size of a body, and above RATIO_FROM_BYTES by RATIO times what went in.
"""

import zlib
from collections.abc import Iterator

from ingress.answers import RefusedWith
from schemas.bodies import Malformed
from schemas.errors import Refused

RATIO = 100
RATIO_FROM_BYTES = 4 * 1024 * 1024
_PIECE_BYTES = 64 * 1024
_GZIP, _ZLIB, _RAW = 31, 15, -15
"""How zlib is told the format (zlib manual, inflateInit2)."""

_ACCEPTED = (b"accept-encoding", b"gzip, deflate")


def decoder_of(content_encoding: str | None, max_bytes: int) -> "Decoder | None":
    """What takes the coding off, None where there is none. Raises Refused (415)."""
    coding = (content_encoding or "").strip().lower()
    if coding in ("", "identity"):
        return None
    if coding in ("gzip", "x-gzip"):
        return Decoder(_GZIP, max_bytes)
    if coding == "deflate":
        return Decoder(0, max_bytes)
    message = f"The content encoding {coding[:100]!r} is not one that can be read: gzip, deflate."
    raise RefusedWith(message, status=415, reason="unsupported_encoding", headers=(_ACCEPTED,))


class Decoder:
    """Takes one coding off. `window` is zlib's; 0 is deflate, which callers send in two formats."""

    def __init__(self, window: int, max_bytes: int) -> None:
        self._window = window
        self._max_bytes = max_bytes
        self._inflater = zlib.decompressobj(window) if window else None
        self._taken = 0
        self.given_bytes = 0

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        """What `chunk` comes to. Raises Malformed, and Refused (413) for a bomb."""
        self._taken += len(chunk)
        while True:
            piece, chunk = self._inflated(chunk)
            self._count(len(piece), self._taken - len(chunk))
            if piece:
                yield piece
            if not chunk and len(piece) < _PIECE_BYTES:
                return

    def close(self) -> None:
        """Raises Malformed where the end is missing."""
        if self._taken and (self._inflater is None or not self._inflater.eof):
            raise _malformed()

    def _inflated(self, chunk: bytes) -> tuple[bytes, bytes]:
        if not chunk and self._inflater is None:
            return b"", b""
        if self._inflater is None:
            self._inflater = zlib.decompressobj(_ZLIB if _is_zlib(chunk) else _RAW)
        elif chunk and self._inflater.eof:
            if self._window != _GZIP:
                raise _malformed()
            # A gzip file may have several members (RFC 1952, 2.2).
            self._inflater = zlib.decompressobj(_GZIP)
        try:
            piece = self._inflater.decompress(chunk, _PIECE_BYTES)
        except zlib.error as error:
            raise _malformed() from error
        ended = self._inflater.eof
        return piece, self._inflater.unused_data if ended else self._inflater.unconsumed_tail

    def _count(self, size: int, taken: int) -> None:
        self.given_bytes += size
        if self.given_bytes > self._max_bytes:
            message = f"The request body unpacks to more than {self._max_bytes} bytes."
        elif self.given_bytes > max(RATIO_FROM_BYTES, RATIO * taken):
            message = f"The request body unpacks to more than {RATIO} times its size."
        else:
            return
        raise Refused(message, status=413, reason="too_large")


def _is_zlib(start: bytes) -> bool:
    """Whether deflate has the header that RFC 9110 asks for, and many callers leave out."""
    return start[0] & 0x0F == 8 and (len(start) < 2 or (start[0] << 8 | start[1]) % 31 == 0)


def _malformed() -> Malformed:
    return Malformed(
        "The request body is not in the encoding that its Content-Encoding says.",
        "malformed_encoding",
    )
