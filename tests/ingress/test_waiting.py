"""Waiting: callers get their reply, the news that time is up, or are found to have gone."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from eventlog.sqlite import SqliteLog
from ingress.answers import Disconnected, Message
from ingress.waiting import Node

AT_ONCE_S = 0.001


@pytest.fixture
async def log(tmp_path: Path) -> AsyncIterator[SqliteLog]:
    opened = await SqliteLog.open(tmp_path / "log.db")
    yield opened
    await opened.close()


async def silent() -> Message:
    await asyncio.get_running_loop().create_future()
    raise AssertionError("nobody answers it")


async def gone() -> Message:
    return {"type": "http.disconnect"}


async def test_everyone_who_waits_long_is_watched(log: SqliteLog) -> None:
    node = Node(log, watch_after_s=AT_ONCE_S)
    tickets = [node.expect(for_result=True) for _ in range(5)]
    waits = [node.wait(ticket, 30.0, gone) for ticket in tickets]
    found = await asyncio.gather(*waits, return_exceptions=True)
    assert [type(each) for each in found] == [Disconnected] * 5


async def test_who_came_after_the_others_were_served_is_watched_too(log: SqliteLog) -> None:
    node = Node(log, watch_after_s=AT_ONCE_S)
    first = node.expect(for_result=True)
    first.expire()
    assert await node.wait(first, 30.0, gone) is None
    for _ in range(2):
        with pytest.raises(Disconnected):
            await node.wait(node.expect(for_result=True), 30.0, gone)


@pytest.mark.parametrize("watch_after_s", [AT_ONCE_S, 30.0])
async def test_time_is_up_whether_watched_or_not(log: SqliteLog, watch_after_s: float) -> None:
    node = Node(log, watch_after_s=watch_after_s)
    ticket = node.expect(for_result=True)
    assert await node.wait(ticket, 2 * AT_ONCE_S, silent) is None


async def test_who_has_a_reply_is_not_watched(log: SqliteLog) -> None:
    node = Node(log, watch_after_s=AT_ONCE_S)
    served, left = node.expect(for_result=True), node.expect(for_result=True)
    served.expire()
    assert await node.wait(served, 30.0, gone) is None
    with pytest.raises(Disconnected):
        await node.wait(left, 30.0, gone)


async def test_who_waits_when_the_node_ends_or_comes_yet_hears_that_time_is_up(
    log: SqliteLog,
) -> None:
    node = Node(log)
    early = node.expect(for_result=True)
    waiting = asyncio.create_task(node.wait(early, 30.0, silent))
    await asyncio.sleep(0)
    node.end()
    assert await waiting is None
    assert await node.wait(node.expect(for_result=False), 30.0, silent) is None
    early.wait_on()
    assert await node.wait(early, 30.0, silent) is None
