"""The load generator against real servers: what it counts, and what it will not count."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from itertools import cycle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench import bare_asgi, flows, load, programs
from bench.load import LoadFailed, Spec
from schemas.integration_file import read
from tests import servers

PATIENCE_S = 60.0
HEADERS = {"content-type": "application/json"}


def spec(url: str, **changed: int) -> Spec:
    given = {"connections": 8, "requests": 200} | changed
    return Spec(url=url, seconds=PATIENCE_S, headers=HEADERS, body='{"a": 1}', **given)


class Server:
    """Answers each request of 8 body bytes with the next of `answers`; an empty one hangs up."""

    def __init__(self, answers: Iterator[bytes]) -> None:
        self._answers = answers
        self.bodies: list[bytes] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                await reader.readuntil(b"\r\n\r\n")
                self.bodies.append(await reader.readexactly(8))
                answer = next(self._answers)
                if not answer:
                    break
                for byte in (answer[:20], answer[20:]):
                    writer.write(byte)
                    await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def serving(*answers: bytes) -> AsyncIterator[tuple[str, Server]]:
    ours = Server(cycle(answers))
    server = await asyncio.start_server(ours.serve, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/path", ours
    finally:
        server.close()


def answer(status: int, body: str = "{}") -> bytes:
    return f"HTTP/1.1 {status} X\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode()


def test_every_answer_of_the_bare_route_is_counted_once() -> None:
    with programs.listening(bare_asgi.__name__) as url:
        outcome = programs.put_load(spec(url, connections=32, requests=500))
    assert outcome.statuses == {"200": 500}
    assert outcome.dropped == 0
    assert outcome.wrong([200]) == {}
    assert 0 < outcome.p50_ms <= outcome.p95_ms <= outcome.p99_ms
    assert outcome.rate == pytest.approx(500 / outcome.seconds)


async def test_other_statuses_are_counted_apart_and_reported_as_wrong() -> None:
    async with serving(answer(200), answer(202), answer(503, "")) as (url, _):
        outcome = await load.run(spec(url, requests=300))
    assert outcome.statuses == {"200": 100, "202": 100, "503": 100}
    assert outcome.wrong([200, 202]) == {"503": 100}


async def test_a_request_without_an_answer_is_counted_as_dropped() -> None:
    async with serving(answer(200), answer(200), answer(200), b"") as (url, _):
        outcome = await load.run(spec(url, requests=40))
    assert outcome.statuses == {"200": 30}
    assert outcome.wrong([200]) == {"no answer": 10}


async def test_requests_carry_the_body_and_go_one_at_a_time() -> None:
    async with serving(answer(200)) as (url, server):
        await load.run(spec(url, connections=1, requests=5))
    assert server.bodies == [b'{"a": 1}'] * 5


async def test_no_request_is_sent_once_the_time_is_up() -> None:
    async with serving(answer(200)) as (url, server):
        outcome = await load.run(Spec(url=url, connections=4, seconds=0.0))
    assert outcome.answered == len(server.bodies) == 0
    assert outcome.rate == 0.0


async def test_an_answer_without_a_length_fails_the_load() -> None:
    async with serving(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n") as (url, _):
        with pytest.raises(LoadFailed, match="200 has no content-length"):
            await load.run(spec(url))


async def test_a_load_on_a_port_where_nobody_listens_fails() -> None:
    with pytest.raises(LoadFailed, match="nobody answers"):
        await load.run(spec(f"http://127.0.0.1:{servers.free_port()}"))


@given(st.lists(st.floats(0, 1e6), min_size=1), st.integers(1, 100))
def test_a_percentile_is_a_value_that_so_many_do_not_exceed(
    values: list[float], percent: int
) -> None:
    ordered = sorted(values)
    found = load.percentile(ordered, percent)
    assert found in ordered
    assert sum(value <= found for value in ordered) * 100 >= percent * len(ordered)
    assert sum(value < found for value in ordered) * 100 < percent * len(ordered)


@pytest.mark.parametrize(
    "definition",
    [flows.one_step(), flows.three_saves(), flows.three_requests("http://127.0.0.1:1")],
    ids=["one", "three", "http"],
)
def test_the_flows_that_are_measured_are_valid_files(definition: str) -> None:
    found = read(definition)
    assert found.problems == ()
    assert found.definition is not None
    assert found.definition.flow(flows.FLOW) is not None
