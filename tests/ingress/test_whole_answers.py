"""Whole answers: the same bytes as uvicorn would send, in one write."""

import asyncio
import gc
import logging
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from ingress import answers, whole_answers
from ingress.answers import Answer, SendWhole
from tests.ingress.listening import Listening, answer_in, listening

DATE = (b"date", b"Thu, 26 Nov 2026 06:00:00 GMT")


class Written(asyncio.Transport):
    """A connection that only remembers."""

    def __init__(self) -> None:
        super().__init__()
        self.writes: list[bytes] = []
        self.closed = False

    def write(self, data: Any) -> None:
        self.writes.append(bytes(data))

    def close(self) -> None:
        self.closed = True

    def is_closing(self) -> bool:
        return self.closed


def cycle_on(transport: Written, method: str, *, keep_alive: bool = True) -> RequestResponseCycle:
    scope: Any = {"type": "http", "method": method}
    logger = logging.getLogger("test")
    return RequestResponseCycle(
        scope=scope,
        transport=transport,
        flow=FlowControl(transport),
        logger=logger,
        access_logger=logger,
        access_log=False,
        default_headers=[DATE],
        message_event=asyncio.Event(),
        expect_100_continue=False,
        keep_alive=keep_alive,
        on_response=lambda: None,
    )


def sent(answer: Answer, method: str, *, keep_alive: bool, in_one: bool) -> Written:
    """What stands on the connection once `answer` has been sent."""
    transport = Written()
    cycle = cycle_on(transport, method, keep_alive=keep_alive)
    whole: SendWhole | None = whole_answers.sender_of(cycle) if in_one else None
    asyncio.run(answers.send(cycle.send, answer, whole=whole))  # type: ignore[arg-type]  # wider types there
    assert cycle.response_complete
    return transport


VALUES = st.from_regex(rb"[!-~]{0,9}", fullmatch=True)
shown = st.builds(
    Answer,
    status=st.sampled_from([200, 202, 204, 303, 400, 429, 500]),
    body=st.binary(max_size=20),
    headers=st.lists(st.tuples(st.sampled_from([b"x-a", b"location"]), VALUES), max_size=2).map(
        tuple
    ),
    execution_id=st.just("b0a8f2f4-1d5e-5c0e-8a51-2c1d8c1f7e01"),
)


@given(shown, st.sampled_from(["GET", "POST", "HEAD"]), st.booleans())
def test_it_is_what_uvicorn_sends(answer: Answer, method: str, keep_alive: bool) -> None:
    theirs = sent(answer, method, keep_alive=keep_alive, in_one=False)
    ours = sent(answer, method, keep_alive=keep_alive, in_one=True)
    assert ours.writes == [b"".join(theirs.writes)]
    assert ours.closed == theirs.closed == (not keep_alive)


@pytest.mark.parametrize("value", [b"a\r\nset-cookie: b", b"a\nb", b"a\rb"])
def test_no_header_carries_another_one(value: bytes) -> None:
    answer = Answer(200, headers=((b"location", value),))
    with pytest.raises(ValueError, match="line break"):
        sent(answer, "GET", keep_alive=True, in_one=True)


def test_a_connection_that_is_full_is_waited_for() -> None:
    async def answered() -> list[bytes]:
        transport = Written()
        cycle = cycle_on(transport, "GET")
        cycle.flow.pause_writing()
        whole = whole_answers.sender_of(cycle)
        sending = asyncio.ensure_future(answers.send(cycle.send, Answer(200), whole=whole))  # type: ignore[arg-type]  # as above
        await asyncio.sleep(0)
        assert transport.writes == []
        cycle.flow.resume_writing()
        await sending
        return transport.writes

    assert b"".join(asyncio.run(answered())).startswith(b"HTTP/1.1 200 OK\r\n")


async def test_who_has_gone_is_sent_nothing() -> None:
    transport = Written()
    cycle = cycle_on(transport, "GET")
    cycle.disconnected = True
    assert whole_answers.sender_of(cycle)(200, [], b"")
    assert transport.writes == []


@pytest.fixture
async def node(tmp_path: Any) -> Any:
    async with listening(tmp_path) as found:
        yield found


async def test_answers_of_a_pipeline_come_in_order(node: Listening) -> None:
    reader, writer = await node.connect()
    for name in (b"a", b"b"):
        writer.write(b"POST /trigger/%s HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n\r\n" % name)
    for endpoint in ("a", "b"):
        got = await answer_in(reader)
        assert got.status == 404
        assert f"id: {endpoint}" in got.json["error"]
    writer.close()


async def test_answered_requests_leave_nothing_to_the_collector(node: Listening) -> None:
    reader, writer = await node.connect()
    gc.collect()
    gc.disable()
    try:
        for _ in range(5):
            writer.write(b"POST /trigger/a HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n\r\n")
            await answer_in(reader)
        left = [each for each in gc.get_objects() if isinstance(each, RequestResponseCycle)]
    finally:
        gc.enable()
        writer.close()
    assert len(left) <= 1, "the connection holds its last one"
