"""The load: a closed loop of HTTP/1.1 requests over connections that are kept alive.

Takes in a Spec, gives out an Outcome: how many answers of which status, how fast, how late. As a
program (`python -m bench.load SPEC`) it reads the Spec as JSON and prints the Outcome as JSON, so
that it has a process, and so a core, of its own. The next request of a connection is sent when its
last one is answered; after `seconds` none are sent, and those under way are waited for.
"""

import asyncio
import json
import re
import sys
import time
from array import array
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from urllib.parse import urlsplit

import uvloop

ANSWER_S = 30.0
"""How long an answer may take after the last request was sent; then it counts as dropped."""
RECONNECTS = 1_000
"""How many lost connections are opened again before the load gives up."""

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_HEAD_END = b"\r\n\r\n"


class LoadFailed(Exception):
    """The load could not be put on: nobody listens, or the answers cannot be read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Spec:
    """What to send. `requests` ends the load early, after that many have been sent."""

    url: str
    connections: int
    seconds: float
    requests: int | None = None
    headers: dict[str, str] = field(default_factory=dict)
    body: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came back. `statuses` counts answers by status, `dropped` requests without one.

    `seconds` run from the first request to the last answer.
    """

    statuses: dict[str, int]
    dropped: int
    seconds: float
    p50_ms: float
    p95_ms: float
    p99_ms: float

    @property
    def answered(self) -> int:
        return sum(self.statuses.values())

    @property
    def rate(self) -> float:
        """Answers of any status per second."""
        return self.answered / self.seconds if self.seconds else 0.0

    def wrong(self, expected: Sequence[int]) -> dict[str, int]:
        """What must not be there: answers of other statuses, and requests without an answer."""
        allowed = {str(status) for status in expected}
        found = {status: n for status, n in self.statuses.items() if status not in allowed}
        return found | ({"no answer": self.dropped} if self.dropped else {})


def head_of(spec: Spec) -> bytes:
    """The bytes of the request, the same each time."""
    url = urlsplit(spec.url)
    body = spec.body.encode()
    path = (url.path or "/") + (f"?{url.query}" if url.query else "")
    lines = [f"POST {path} HTTP/1.1", f"host: {url.netloc}", f"content-length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in spec.headers.items()]
    return "\r\n".join(lines).encode() + _HEAD_END + body


def next_answer(unread: bytes) -> tuple[int, int] | None:
    """The status and the size of the answer that `unread` begins with; None if it is not whole.

    Raises LoadFailed for an answer without a length: this reader knows no chunks.
    """
    end = unread.find(_HEAD_END)
    if end < 0:
        return None
    head = unread[:end]
    status = int(head[9:12])
    given = _LENGTH.search(head)
    if given is None and status not in (204, 304):
        raise LoadFailed(f"an answer with status {status} has no content-length")
    size = end + len(_HEAD_END) + (int(given[1]) if given else 0)
    return (status, size) if len(unread) >= size else None


def percentile(ordered: Sequence[float], percent: float) -> float:
    """The value that `percent` of `ordered` do not exceed (nearest rank); 0 for none."""
    if not ordered:
        return 0.0
    rank = -(-len(ordered) * percent // 100)
    return ordered[max(0, int(rank) - 1)]


class _Load:
    """One run: what is left to send, and what has come back."""

    def __init__(self, spec: Spec) -> None:
        self.request = head_of(spec)
        self.open = spec.connections
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.dropped = 0
        self.reconnects = RECONNECTS
        self._left = spec.requests
        self._began_at = self._ended_at = time.perf_counter()
        self._stops_at = self._began_at + spec.seconds
        self._statuses: Counter[int] = Counter()
        self._latencies = array("d")

    def may_send(self, now: float) -> bool:
        if now >= self._stops_at or self.done.done() or self._left == 0:
            return False
        if self._left is not None:
            self._left -= 1
        return True

    def note(self, status: int, sent_at: float, now: float) -> None:
        self._statuses[status] += 1
        self._latencies.append(now - sent_at)
        self._ended_at = now

    def leave(self) -> None:
        """A connection has nothing more to send."""
        self.open -= 1
        if self.open == 0 and not self.done.done():
            self.done.set_result(None)

    def fail(self, error: LoadFailed) -> None:
        if not self.done.done():
            self.done.set_exception(error)

    def outcome(self) -> Outcome:
        ordered = sorted(self._latencies)
        return Outcome(
            statuses={str(status): n for status, n in sorted(self._statuses.items())},
            dropped=self.dropped,
            seconds=self._ended_at - self._began_at,
            p50_ms=percentile(ordered, 50) * 1_000,
            p95_ms=percentile(ordered, 95) * 1_000,
            p99_ms=percentile(ordered, 99) * 1_000,
        )


class _Connection(asyncio.Protocol):
    """One caller. `lost` tells its owner why the connection ended: what to do next is theirs."""

    def __init__(self, load: _Load) -> None:
        self.lost: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._load = load
        self._unread = b""
        self._sent_at: float | None = None
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]  # a stream socket's transport
        self._send(time.perf_counter())

    def data_received(self, data: bytes) -> None:
        self._unread = self._unread + data if self._unread else data
        try:
            answer = next_answer(self._unread)
        except (LoadFailed, ValueError) as error:
            self._load.fail(LoadFailed(f"an answer cannot be read: {error}"))
            self._transport.close()
            return
        if answer is not None:
            self._take(*answer)

    def _take(self, status: int, size: int) -> None:
        now = time.perf_counter()
        if self._sent_at is not None:
            self._load.note(status, self._sent_at, now)
        self._unread = self._unread[size:]
        self._send(now)

    def _send(self, now: float) -> None:
        self._sent_at = None
        if self._load.may_send(now):
            self._sent_at = now
            self._transport.write(self._load.request)
        else:
            self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.lost.done():
            self.lost.set_result(self._sent_at is not None)

    def abort(self) -> None:
        self._transport.abort()


async def _keep_calling(load: _Load, host: str, port: int) -> None:
    """One caller to the end; a connection that is lost with a request under way is opened again."""
    was_dropped = True
    while was_dropped and load.reconnects > 0:
        connection = await _connect(load, host, port)
        try:
            was_dropped = await connection.lost
        except asyncio.CancelledError:
            connection.abort()
            load.dropped += 1
            raise
        if was_dropped:
            load.dropped += 1
            load.reconnects -= 1
    load.leave()


async def _connect(load: _Load, host: str, port: int) -> _Connection:
    loop = asyncio.get_running_loop()
    try:
        _, connection = await loop.create_connection(lambda: _Connection(load), host, port)
    except OSError as error:
        failed = LoadFailed(f"nobody answers at {host}:{port}: {error}")
        load.fail(failed)
        raise failed from error
    return connection


async def run(spec: Spec) -> Outcome:
    """Put the load on, in this event loop. Raises LoadFailed."""
    url = urlsplit(spec.url)
    load = _Load(spec)
    host, port = url.hostname or "127.0.0.1", url.port or 80
    callers = [
        asyncio.create_task(_keep_calling(load, host, port)) for _ in range(spec.connections)
    ]
    try:
        await asyncio.wait_for(load.done, spec.seconds + ANSWER_S)
    except TimeoutError:
        pass  # what is under way still counts as dropped, below
    finally:
        for caller in callers:
            caller.cancel()
        await asyncio.gather(*callers, return_exceptions=True)
    return load.outcome()


def spec_to_json(spec: Spec) -> str:
    return json.dumps(asdict(spec))


def outcome_from_json(text: str) -> Outcome:
    return Outcome(**json.loads(text))


def main() -> None:
    try:
        outcome = uvloop.run(run(Spec(**json.loads(sys.argv[1]))))
    except LoadFailed as error:
        sys.exit(str(error))
    print(json.dumps(asdict(outcome)))


if __name__ == "__main__":
    main()
