"""HTTP connections: the transport under the guarded client; takes httpx requests, gives responses.

HTTP/1.1 over asyncio with httptools as parser, because httpcore costs 500 µs of CPU per request on
one connection and 1,500 µs with 32 side by side (httpx 0.28 on the build machine), and this a
fifth. It connects only to addresses that its `resolve` hands out, so what was checked there is
where the bytes go: nothing resolves a name a second time, and TLS still verifies the host name.

A connection carries one request at a time and is kept for the next. Where a kept one turns out to
have been closed before a byte of the answer came, the request is sent once more on a new one:
steps are at least once, and each request has its idempotency key. A content that is a stream is
sent as fast as the other side takes it, and no further once that has answered.

The request extension `verify` set to False skips certificate checks, on connections of their own.
Certificates of authorities come from `SSL_CERT_FILE` or `SSL_CERT_DIR` where set, else certifi.
"""

import asyncio
import re
import ssl
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import aclosing
from typing import NamedTuple, cast

import httptools
import httpx

CONNECT_TIMEOUT_S = 10.0
KEPT_FOR_S = 15.0
MAX_KEPT = 200
MAX_OPEN = 400
_MAX_HEAD_BYTES = 128 * 1024
_MAX_QUEUED_BYTES = 512 * 1024
_TOKEN = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_BODILESS = frozenset((204, 304))

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
"""From host and port to the addresses that may be connected to; raises what refuses them."""


class Origin(NamedTuple):
    scheme: str
    host: str
    port: int
    verify: bool


class _Connection(asyncio.Protocol):
    """One socket: at most one request in flight, its answer parsed as it comes in."""

    def __init__(self) -> None:
        self.usable = False
        self.idle_since = 0.0
        self._transport: asyncio.Transport | None = None
        self._is_full = False
        self._wake: asyncio.Future[None] | None = None
        self._reset(b"")

    def _reset(self, method: bytes) -> None:
        self.status = 0
        self.headers: list[tuple[bytes, bytes]] = []
        self.untouched = True
        self._method = method
        self._parser = httptools.HttpResponseParser(self)
        self._head_done = False
        self._finished = False
        self._until_eof = False
        self._keep_alive = False
        self._is_cut = False
        self._failure: Exception | None = None
        self._received = 0
        self._chunks: deque[bytes] = deque()
        self._queued = 0
        self._paused = False

    # What asyncio calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's are not of asyncio's class
        self.usable = True

    def data_received(self, data: bytes) -> None:
        if not self._method or self._finished:
            self.close()  # bytes that nobody asked for
            return
        self.untouched = False
        self._received += len(data)
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            self._fail(httpx.RemoteProtocolError(f"not an HTTP/1.1 answer: {error}"), error)
        if not self._head_done and self._received > _MAX_HEAD_BYTES:
            self._fail(httpx.RemoteProtocolError(f"headers above {_MAX_HEAD_BYTES} bytes"))
        self._rouse()

    def pause_writing(self) -> None:
        self._is_full = True

    def resume_writing(self) -> None:
        self._is_full = False
        self._rouse()

    def eof_received(self) -> None:
        self._ended(None)

    def connection_lost(self, error: Exception | None) -> None:
        self._ended(error)
        self._transport = None

    def _ended(self, error: Exception | None) -> None:
        self.usable = False
        if self._until_eof and error is None:
            self._finished = True
        elif not self._finished:
            message = f"the connection was closed before the answer was complete{_because(error)}"
            self._fail(httpx.RemoteProtocolError(message), error)
        self._rouse()

    def _fail(self, failure: Exception, cause: BaseException | None = None) -> None:
        if self._failure is None and not self._finished:
            failure.__cause__ = cause
            self._failure = failure
        self.close()

    # What httptools calls.

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self._head_done:
            self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        if self._head_done:
            self._keep_alive = False  # a second answer to one request
            return
        self.status = self._parser.get_status_code()
        if self.status == 101:
            self._fail(httpx.RemoteProtocolError("the server switched protocols, unasked"))
        if 100 <= self.status < 200:
            self.headers = []
            return
        self._head_done = True
        names = {name.lower() for name, _ in self.headers}
        bodiless = self._method == b"HEAD" or self.status in _BODILESS
        framed = b"content-length" in names or b"transfer-encoding" in names
        self._until_eof = not bodiless and not framed
        self._keep_alive = not self._until_eof and self._parser.should_keep_alive()
        self._finished = bodiless

    def on_body(self, data: bytes) -> None:
        if self._finished:
            self._keep_alive = False
            return
        self._chunks.append(data)
        self._queued += len(data)
        if self._queued > _MAX_QUEUED_BYTES and not self._paused and self._transport:
            self._paused = True
            self._transport.pause_reading()

    def on_message_complete(self) -> None:
        if self._head_done:
            self._finished = True

    # What the transport calls.

    def send(self, method: bytes, message: bytes) -> None:
        self._reset(method)
        if self._transport is None:
            self._fail(httpx.WriteError("the connection was closed before the request was sent"))
            return
        self._transport.write(message)

    async def send_content(self, content: httpx.AsyncByteStream) -> None:
        """Send it to its end, or until there is an answer or a failure."""
        async with aclosing(aiter(content)) as chunks:  # type: ignore[type-var]  # ours are generators
            async for chunk in chunks:
                while self._is_full and not self._head_done and self._failure is None:
                    await self._news()
                if self._head_done or self._failure is not None or self._transport is None:
                    self._is_cut = True
                    return
                self._transport.write(chunk)

    async def head(self) -> None:
        """Wait until status and headers are there. Raises httpx.TransportError."""
        while not self._head_done:
            if self._failure is not None:
                raise self._failure
            await self._news()

    async def body(self) -> AsyncIterator[bytes]:
        while True:
            while self._chunks:
                chunk = self._chunks.popleft()
                self._queued -= len(chunk)
                yield chunk
            if self._finished:
                return
            if self._failure is not None:
                raise self._failure
            self._resume()
            await self._news()

    def is_reusable(self) -> bool:
        is_whole = self._finished and not self._is_cut and not self._chunks
        return self.usable and is_whole and self._keep_alive

    def close(self) -> None:
        self.usable = False
        if self._transport is not None:
            self._transport.abort()

    def _resume(self) -> None:
        if self._paused and self._transport:
            self._paused = False
            self._transport.resume_reading()

    async def _news(self) -> None:
        self._wake = asyncio.get_running_loop().create_future()
        try:
            await self._wake
        finally:
            self._wake = None

    def _rouse(self) -> None:
        if self._wake is not None and not self._wake.done():
            self._wake.set_result(None)


def _because(error: Exception | None) -> str:
    return f": {error}" if error else ""


class _Body(httpx.AsyncByteStream):
    """The body of one answer; closing it gives the connection back, or ends it before its time."""

    def __init__(self, connection: _Connection, release: Callable[[_Connection], None]) -> None:
        self._connection = connection
        self._release: Callable[[_Connection], None] | None = release

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for chunk in self._connection.body():
            yield chunk

    async def aclose(self) -> None:
        release, self._release = self._release, None
        if release is not None:
            release(self._connection)


class Transport(httpx.AsyncBaseTransport):
    """Connections to all origins, kept between requests: at most MAX_KEPT, and MAX_OPEN in use."""

    def __init__(self, resolve: Resolve) -> None:
        self._resolve = resolve
        self._kept: dict[Origin, list[_Connection]] = {}
        self._slots = asyncio.Semaphore(MAX_OPEN)
        self._contexts: dict[bool, ssl.SSLContext] = {}

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        origin = _origin(request)
        method = request.method.encode()
        message, content = _head(request), None
        if isinstance(request.stream, httpx.ByteStream):
            message += await request.aread()
        else:
            assert isinstance(request.stream, httpx.AsyncByteStream)
            content = request.stream
        await self._slots.acquire()
        try:
            connection = await self._exchange(origin, method, message, content)
        except BaseException:
            self._slots.release()
            raise
        return httpx.Response(
            connection.status,
            headers=connection.headers,
            stream=_Body(connection, lambda done: self._release(origin, done)),
        )

    async def aclose(self) -> None:
        for connections in self._kept.values():
            for connection in connections:
                connection.close()
        self._kept.clear()

    async def _exchange(
        self,
        origin: Origin,
        method: bytes,
        message: bytes,
        content: httpx.AsyncByteStream | None,
    ) -> _Connection:
        kept = self._take(origin)
        if kept is not None:
            try:
                return await _ask(kept, method, message, content)
            except httpx.TransportError:
                if not kept.untouched:
                    raise
        return await _ask(await self._connect(origin), method, message, content)

    def _take(self, origin: Origin) -> _Connection | None:
        connections = self._kept.get(origin, [])
        oldest = time.monotonic() - KEPT_FOR_S
        while connections:
            connection = connections.pop()
            if connection.usable and connection.idle_since >= oldest:
                return connection
            connection.close()
        self._kept.pop(origin, None)
        return None

    def _release(self, origin: Origin, connection: _Connection) -> None:
        self._slots.release()
        if not connection.is_reusable() or not self._has_room():
            connection.close()
            return
        connection.idle_since = time.monotonic()
        self._kept.setdefault(origin, []).append(connection)

    def _has_room(self) -> bool:
        if sum(map(len, self._kept.values())) < MAX_KEPT:
            return True
        self._sweep()
        return sum(map(len, self._kept.values())) < MAX_KEPT

    def _sweep(self) -> None:
        oldest = time.monotonic() - KEPT_FOR_S
        for origin, connections in list(self._kept.items()):
            fresh = [one for one in connections if one.usable and one.idle_since >= oldest]
            for stale in connections:
                if stale not in fresh:
                    stale.close()
            self._kept[origin] = fresh
            if not fresh:
                del self._kept[origin]

    async def _connect(self, origin: Origin) -> _Connection:
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                addresses = await self._resolve(origin.host, origin.port)
                return await self._connect_to_any(origin, addresses)
        except TimeoutError as error:
            message = f"no connection to {origin.host}:{origin.port} in {CONNECT_TIMEOUT_S:g} s"
            raise httpx.ConnectTimeout(message) from error

    async def _connect_to_any(self, origin: Origin, addresses: Sequence[str]) -> _Connection:
        failure: OSError | None = None
        for address in addresses:
            try:
                return await self._open(origin, address)
            except OSError as error:
                failure = error
        message = f"cannot connect to {origin.host}:{origin.port}{_because(failure)}"
        raise httpx.ConnectError(message) from failure

    async def _open(self, origin: Origin, address: str) -> _Connection:
        loop = asyncio.get_running_loop()
        secure = origin.scheme == "https"
        _, connection = await loop.create_connection(
            _Connection,
            address,
            origin.port,
            ssl=self._context(origin.verify) if secure else None,
            server_hostname=origin.host if secure else None,
        )
        return connection

    def _context(self, verify: bool) -> ssl.SSLContext:
        if verify not in self._contexts:
            context = httpx.create_ssl_context(verify=verify)
            context.set_alpn_protocols(["http/1.1"])
            self._contexts[verify] = context
        return self._contexts[verify]


async def _ask(
    connection: _Connection,
    method: bytes,
    message: bytes,
    content: httpx.AsyncByteStream | None,
) -> _Connection:
    try:
        connection.send(method, message)
        if content is not None:
            await connection.send_content(content)
        await connection.head()
    except BaseException:
        connection.close()
        raise
    return connection


def _origin(request: httpx.Request) -> Origin:
    scheme = request.url.scheme
    host = request.url.raw_host.decode()
    if scheme not in ("http", "https") or not host:
        raise httpx.UnsupportedProtocol(f"{scheme or 'no'}:// is not http:// or https://")
    port = request.url.port or (443 if scheme == "https" else 80)
    return Origin(scheme, host, port, request.extensions.get("verify", True) is not False)


def _head(request: httpx.Request) -> bytes:
    """Request line and headers. Raises httpx.LocalProtocolError for what breaks the framing."""
    lines = [request.method.encode() + b" " + request.url.raw_path + b" HTTP/1.1"]
    for name, value in request.headers.raw:
        if not _TOKEN.fullmatch(name):
            raise httpx.LocalProtocolError(f"{name!r} is not the name of a header")
        lines.append(name + b": " + value)
    head = b"\r\n".join(lines)
    if head.count(b"\n") != len(lines) - 1 or head.count(b"\r") != len(lines) - 1 or b"\0" in head:
        raise httpx.LocalProtocolError("a header's value contains a line break or a NUL")
    if lines[0].count(b" ") != 2 or not _TOKEN.match(lines[0]):
        raise httpx.LocalProtocolError(f"{request.method!r} is not a method")
    return head + b"\r\n\r\n"
