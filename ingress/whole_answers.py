"""Whole answers: an answer that is all there goes to its connection in one piece.

uvicorn takes an answer in two messages, looks through every header of ours with two expressions,
and writes twice. Answers to webhooks have their whole body mostly; such a one is written at once,
through what stands in the scope under answers.WHOLE. What follows from an answer (keeping the
connection, the next request of a pipeline, closing) stays uvicorn's.
"""

from collections.abc import Sequence
from typing import Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from ingress.answers import Header, SendWhole


def sender_of(cycle: Any) -> SendWhole:
    """How the answer of one request of uvicorn's (a RequestResponseCycle) is sent whole."""

    def send(status: int, headers: Sequence[Header], body: bytes) -> bool:
        if cycle.disconnected:
            return True
        if cycle.response_started or cycle.flow.write_paused:
            return False
        content = _answer(cycle, status, headers, body)
        cycle.response_started = cycle.response_complete = True
        cycle.waiting_for_100_continue = False
        cycle.transport.write(content)
        cycle.message_event.set()
        if not cycle.keep_alive:
            cycle.transport.close()
        cycle.on_response()
        return True

    return send


def _answer(cycle: Any, status: int, headers: Sequence[Header], body: bytes) -> bytes:
    """Raises ValueError for a header that would end early: what follows would be the caller's."""
    lines = [b"%s: %s\r\n" % header for header in (*cycle.default_headers, *headers)]
    if not cycle.keep_alive:
        lines.append(b"connection: close\r\n")
    head = b"".join([STATUS_LINE[status], *lines])
    ends = len(lines) + 1
    if head.count(b"\r\n") != ends or head.count(b"\n") != ends or head.count(b"\r") != ends:
        raise ValueError("a header of an answer has a line break in it")
    return head + b"\r\n" + (b"" if cycle.scope["method"] == "HEAD" else body)
