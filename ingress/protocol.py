"""The HTTP of a node: uvicorn's protocol on httptools, with bounds, and with header names as sent.

Takes in bytes of a connection; gives out ASGI calls. What is no HTTP, too large a head, or too slow
is answered here, in JSON like every refusal, and the connection is closed. The names of the headers
as the caller wrote them stand in the scope under NAMES, in the order of its `headers`.

    head    request line and headers: MAX_HEAD_BYTES and MAX_HEADERS at most, whole within HEAD_S
    body    BODY_S, and a second more for every SLOWEST_BYTES that have come

llhttp itself refuses contradictory lengths, bad chunks and control characters (RFC 9112, 6.3, 7.1).
"""

import asyncio
from asyncio.events import TimerHandle
from typing import Any, NamedTuple

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from ingress import answers, whole_answers
from ingress.requests import NAMES

MAX_HEAD_BYTES = 64 * 1024
MAX_HEADERS = 200
HEAD_S = 10.0
BODY_S = 20.0
SLOWEST_BYTES = 16 * 1024
MAX_FRAMING_BYTES = 1024 * 1024
MOST_FRAMING = 16
"""So many times its own size may the bytes around a body be: chunks of one byte have five."""
LINGER_S = 1.0
"""How long what still comes is read and thrown away, so that the caller gets to see the answer."""
_CHECK_EVERY_S = 1.0
_OF_UPGRADES = frozenset((b"connection", b"upgrade", b"http2-settings"))
_UNREAD_S = 5.0
"""How long a body may still come for which there is an answer already."""


class Refusal(NamedTuple):
    status: int
    error: str
    reason: str


NO_HTTP = Refusal(400, "What was received is not a valid HTTP/1.1 request.", "malformed_http")
TOO_SLOW = Refusal(408, "The request did not arrive in time.", "too_slow")
TOO_LARGE = Refusal(
    431,
    f"The request line and headers must be less than {MAX_HEAD_BYTES} bytes,"
    f" and {MAX_HEADERS} headers at most.",
    "headers_too_large",
)


class _HeadTooLarge(Exception):
    pass


class Protocol(HttpToolsProtocol):
    """One connection."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as there
        super().connection_made(transport)
        self._in_head = True
        self._has_begun = self._ended = False
        self._begun_s: float | None = self.loop.time()
        self._head_bytes = self._unparsed_bytes = self._body_bytes = self._framing_bytes = 0
        self._names: list[bytes] = []
        self._watch: TimerHandle = self.loop.call_later(_CHECK_EVERY_S, self._check)

    def connection_lost(self, exc: Exception | None) -> None:
        self._watch.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._ended:
            return
        self._unset_keepalive_if_required()
        if self._begun_s is None and self._in_head:
            self._begun_s = self.loop.time()
        try:
            try:
                self.parser.feed_data(data)
            except httptools.HttpParserUpgrade as offer:
                self._pass_over(offer, data)
        except httptools.HttpParserError as error:
            large = isinstance(error.__context__, _HeadTooLarge)
            self.refuse(TOO_LARGE if large else NO_HTTP)
            return
        if not self._in_head:
            self._framing_bytes += len(data)
            if self._framing_bytes > MAX_FRAMING_BYTES + MOST_FRAMING * self._body_bytes:
                self.refuse(TOO_LARGE)
        elif self._begun_s is not None:
            self._count_unparsed(len(data))

    def on_message_begin(self) -> None:
        super().on_message_begin()
        if self._begun_s is None:
            self._begun_s = self.loop.time()
        self._head_bytes = 0
        self._unparsed_bytes = -1
        self._has_begun = True
        self._names = []
        self.scope[NAMES] = self._names  # type: ignore[literal-required]  # a key of ours

    def on_url(self, url: bytes) -> None:
        self.url += url
        self._head_bytes += len(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        self._head_bytes += len(name) + len(value)
        if not self._in_head:
            # What follows a body in chunks is no header (RFC 9110, 6.5.1), and may go on for ever.
            if self._head_bytes > MAX_HEAD_BYTES:
                raise _HeadTooLarge
            return
        self._names.append(name)
        lower = name.lower()
        if lower == b"expect" and value.lower() == b"100-continue":
            self.expect_100_continue = True
        self.headers.append((lower, value))

    def on_headers_complete(self) -> None:
        if self._head_bytes > MAX_HEAD_BYTES or len(self._names) > MAX_HEADERS:
            raise _HeadTooLarge
        if self.parser.should_upgrade():
            return
        super().on_headers_complete()
        self.scope[answers.WHOLE] = whole_answers.sender_of(self.cycle)  # type: ignore[literal-required]  # as NAMES
        self._in_head = False
        self._begun_s = self.loop.time()
        self._body_bytes = self._framing_bytes = 0

    def on_body(self, body: bytes) -> None:
        self._body_bytes += len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        if self.parser.should_upgrade():
            return
        super().on_message_complete()
        self._in_head = True
        self._begun_s = None
        self._has_begun = False

    def refuse(self, refusal: Refusal) -> None:
        """Answer and close. An answer that is due to an earlier request is left to come first."""
        self._ended = True
        cycle: Any = self.cycle
        if cycle is not None and not cycle.response_complete:
            if self._in_head:
                cycle.keep_alive = False
                return
            cycle.disconnected = True
            cycle.message_event.set()
            if cycle.response_started:
                self.transport.close()
                return
        content = {"error": refusal.error, "reason": refusal.reason}
        self.transport.write(answers.as_http(answers.of_json(refusal.status, content)))
        self._close_gently()

    def _pass_over(self, offer: httptools.HttpParserUpgrade, data: bytes) -> None:
        """Pass over an offer to upgrade (RFC 9110, 7.8): the parser would drop the body."""
        if self.parser.get_method() == b"CONNECT":
            raise httptools.HttpParserError("this is no proxy") from None
        head = self._head_without_offer()
        self.parser = httptools.HttpRequestParser(self)
        self.parser.feed_data(head + data[offer.args[0] :])

    def _head_without_offer(self) -> bytes:
        method, version = self.parser.get_method(), self.parser.get_http_version().encode()
        lines = [b"%s %s HTTP/%s" % (method, self.url, version)]
        for name, (lower, value) in zip(self._names, self.headers, strict=True):
            if lower not in _OF_UPGRADES:
                lines.append(b"%s: %s" % (name, value))
        return b"\r\n".join([*lines, b"", b""])

    def _count_unparsed(self, size: int) -> None:
        """The parser keeps a header that has no end yet to itself, so it is counted here.

        Of the chunk in which a head began most may have been an earlier request: it is not counted.
        """
        self._unparsed_bytes = 0 if self._unparsed_bytes < 0 else self._unparsed_bytes + size
        if self._unparsed_bytes > 2 * MAX_HEAD_BYTES:
            self.refuse(TOO_LARGE)

    def _close_gently(self) -> None:
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self.flow.resume_reading()
        self.loop.call_later(LINGER_S, self.transport.close)

    def _check(self) -> None:
        if self._ended or self.transport.is_closing():
            return
        now_s = self.loop.time()
        if self._begun_s is not None and self._is_too_slow(now_s, self._begun_s):
            if self._is_to_be_told():
                self.refuse(TOO_SLOW)
            else:
                self.transport.close()
            return
        self._watch = self.loop.call_later(_CHECK_EVERY_S, self._check)

    def _is_too_slow(self, now_s: float, begun_s: float) -> bool:
        if self._in_head:
            return now_s - begun_s > HEAD_S
        if self.cycle.response_complete:
            return now_s - begun_s > _UNREAD_S
        if self.flow.read_paused:
            # It is we who do not read on.
            self._begun_s = now_s
            return False
        return now_s - begun_s > BODY_S + self._body_bytes / SLOWEST_BYTES

    def _is_to_be_told(self) -> bool:
        """Whether there is a request at all, and no answer to it yet."""
        if self._in_head:
            return self._has_begun
        return not self.cycle.response_complete
