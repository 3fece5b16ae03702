"""Rows of bad input: how soon each way of being wrong is answered while valid load runs beside it.

Every request has a connection of its own and is timed from its first byte to the end of its answer.
Slow callers are not among them: they are answered when their time is up.
"""

import gzip
import socket
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

from bench import flows, journal, programs
from bench.load import Outcome, Spec, percentile
from bench.rows import Effort, Invalid, Row
from bench.server import penstock

MARK_MS = 50.0
CALLERS = 4
"""Connections of the valid load."""

_JSON = b"content-type: application/json\r\n"
_FORM = b"content-type: multipart/form-data; boundary=x\r\n"
_GZIP = b"content-encoding: gzip\r\n"
_PART = b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n'
_ANSWER_S = 30.0


@dataclass(frozen=True, slots=True)
class Kind:
    """One way of being wrong, and the status that it is answered with."""

    name: str
    status: int
    headers: bytes = b""
    body: bytes = b""
    path: str = ""
    method: bytes = b"POST"
    whole: bytes = b""
    """The request as it stands, where it is not even HTTP."""


KINDS = (
    Kind("malformed JSON", 400, _JSON, b"{bad-data"),
    Kind("JSON 100,000 levels deep", 400, _JSON, b"[" * 100_000),
    Kind("JSON that is no UTF-8", 400, _JSON, b'{"a": "\xff"}'),
    Kind("a form without a boundary", 400, b"content-type: multipart/form-data\r\n", _PART),
    Kind("a form of 10,000 parts", 400, _FORM, _PART * 10_000),
    Kind("a bomb of 1 GB", 413, _GZIP, gzip.compress(bytes(1_000_000_000), 1)),
    Kind("a body that is not packed as said", 400, _GZIP, b"no gzip"),
    Kind("an unknown encoding", 415, b"content-encoding: br\r\n", b"x"),
    Kind("another method", 405, method=b"TRACE"),
    Kind("an unknown endpoint", 404, path="/trigger/nonsense"),
    Kind("no HTTP", 400, whole=b"nonsense\r\n\r\n"),
    Kind("two lengths", 400, b"content-length: 3\r\n", b"x"),
    Kind("a bad chunk", 400, b"transfer-encoding: chunked\r\n", b"zz\r\n"),
    Kind("a header of 1 MB", 431, b"x: " + b"a" * 1_000_000 + b"\r\n"),
    Kind("10,000 headers", 431, b"x: 1\r\n" * 10_000),
    Kind("a body of 10 GB", 413, b"content-length: 10000000000\r\n"),
)


def rows(effort: Effort) -> list[Row]:
    with penstock() as up:
        url = up.deploy(flows.one_step())
        valid: list[Outcome] = []
        load = threading.Thread(target=_put_valid_load, args=(url, effort, valid))
        load.start()
        times = _timed(urlsplit(url), effort, load)
        load.join()
    if not valid or valid[0].wrong((200, 202)):
        raise Invalid(f"the valid load was not answered as it should: {valid}")
    return [_row(kind, times[kind.name], valid[0].rate) for kind in KINDS]


def _put_valid_load(url: str, effort: Effort, into: list[Outcome]) -> None:
    spec = Spec(
        url=url,
        connections=CALLERS,
        seconds=effort.seconds * 2,
        headers={"content-type": "application/json"},
        body=journal.BODY,
    )
    into.append(programs.put_load(spec))


def _timed(url: SplitResult, effort: Effort, load: threading.Thread) -> dict[str, list[float]]:
    """Milliseconds of each kind, round after round, as long as the load is there."""
    time.sleep(effort.warm_up_s)
    times: dict[str, list[float]] = {kind.name: [] for kind in KINDS}
    requests = [(kind, _bytes_of(kind, url.path)) for kind in KINDS]
    while load.is_alive():
        for kind, sent in requests:
            times[kind.name].append(_answer_ms(kind, url, sent))
    return times


def _bytes_of(kind: Kind, path: str) -> bytes:
    if kind.whole:
        return kind.whole
    head = b"%s %s HTTP/1.1\r\nhost: bench\r\n" % (kind.method, (kind.path or path).encode())
    if b"transfer-encoding" not in kind.headers and kind.body:
        head += b"content-length: %d\r\n" % len(kind.body)
    return head + kind.headers + b"\r\n" + kind.body


def _answer_ms(kind: Kind, url: SplitResult, sent: bytes) -> float:
    began_at = time.perf_counter()
    with socket.create_connection((url.hostname or "", url.port or 80), _ANSWER_S) as caller:
        # Whoever is refused early does not read on.
        with suppress(ConnectionError):
            caller.sendall(sent)
        answer = b""
        with suppress(ConnectionError):
            while b"\r\n\r\n" not in answer and (more := caller.recv(65_536)):
                answer += more
    took_ms = (time.perf_counter() - began_at) * 1_000
    if not answer.startswith(b"HTTP/1.1 %d " % kind.status):
        raise Invalid(f"{kind.name} was answered with {answer[:60]!r}")
    return took_ms


def _row(kind: Kind, times_ms: list[float], rate: float) -> Row:
    ordered = sorted(times_ms)
    p50, p99 = percentile(ordered, 50), percentile(ordered, 99)
    return Row(
        name="bad-input",
        what=f"bad input: {kind.name}, beside valid load of {CALLERS} connections",
        mark=f"p99 ≤ {MARK_MS:g} ms",
        measured=f"p50 {p50:.1f} ms, p99 {p99:.1f} ms; {len(ordered)} beside {rate:,.0f}/s",
        reached=p99 <= MARK_MS,
        details={"p50_ms": p50, "p99_ms": p99, "requests": len(ordered), "valid_rate": rate},
    )
