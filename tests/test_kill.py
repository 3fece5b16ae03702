"""kill -9 in the middle of load, on each log: nothing acknowledged is lost, nothing runs again.

A counting server stands behind the HTTP step of a flow. It notes the idempotency key of each
request; the one of a step that was under way when its worker died may come twice, no other.
"""

import asyncio
import contextlib
import signal
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests import servers
from tests.kafka_broker import Broker
from tests.penstock import running

MASTER_KEY = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="
CALLERS = 8
KILLS = 3
ACKNOWLEDGED_BETWEEN_KILLS = 40

FLOW = """
definitionVersion: 7
name: Counted
flows:
  - name: Count
    steps:
      - name: Trigger
        isTrigger: true
        action: {{key: webhook, component: {{key: webhook-triggers}}}}
        inputs: {{}}
      - name: First
        action: {{key: httpPost, component: {{key: http}}}}
        inputs:
          url: {{type: value, value: "{url}/first"}}
          data: {{type: reference, value: trigger.results.executionId}}
      - name: Second
        action: {{key: httpPost, component: {{key: http}}}}
        inputs:
          url: {{type: value, value: "{url}/second"}}
          data: {{type: reference, value: trigger.results.executionId}}
"""


class Counting:
    """What the server behind the steps saw: how often each path and idempotency key came."""

    def __init__(self) -> None:
        self.seen: Counter[tuple[str, str]] = Counter()
        self.url = ""

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
                lines = head.split("\r\n")
                headers = dict(line.lower().split(": ", 1) for line in lines[1:] if line)
                await reader.readexactly(int(headers.get("content-length", "0")))
                self.seen[(lines[0].split()[1], headers["idempotency-key"])] += 1
                writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}")
        writer.close()


@asynccontextmanager
async def counting() -> AsyncIterator[Counting]:
    counter = Counting()
    server = await asyncio.start_server(counter, "127.0.0.1", 0)
    counter.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with server:
        yield counter
        server.close()


async def _load(url: str, acknowledged: set[str], enough: int, done: asyncio.Event) -> None:
    async with httpx.AsyncClient(timeout=30) as client:
        while not done.is_set():
            try:
                answer = await client.post(url, json={"n": 1})
            except httpx.HTTPError:
                return
            if answer.status_code in (200, 202):
                acknowledged.add(answer.json()["executionId"])
            if len(acknowledged) >= enough:
                done.set()


async def _up(data: Path, log: str) -> tuple[contextlib.AbstractContextManager[Any], Any]:
    manager = running.up(
        data, log=log, master_key=MASTER_KEY, token="t0ken", allow_private_networks="1"
    )
    return manager, await asyncio.to_thread(manager.__enter__)


async def _killed_under_load(data: Path, log: str, counter: Counting) -> set[str]:
    """Deploy, load and kill several times; the ids of everything acknowledged."""
    file = data.parent / "counted.yml"
    file.write_text(FLOW.format(url=counter.url))
    acknowledged: set[str] = set()
    for turn in range(KILLS):
        manager, server = await _up(data, log)
        try:
            env = running.environment(url=server.url, token="t0ken")
            deployed = await asyncio.to_thread(
                running.command, "deploy", file, "--rate-limit", "100000", "--json", env=env
            )
            assert deployed.code == 0, deployed.err
            done = asyncio.Event()
            enough = (turn + 1) * ACKNOWLEDGED_BETWEEN_KILLS
            url = deployed.json["flows"][0]["webhookUrl"]
            callers = [
                asyncio.ensure_future(_load(url, acknowledged, enough, done))
                for _ in range(CALLERS)
            ]
            await done.wait()
            server.process.send_signal(signal.SIGKILL)
            await asyncio.gather(*callers)
        finally:
            await asyncio.to_thread(manager.__exit__, None, None, None)
    return acknowledged


async def _all_ended(url: str, ids: set[str]) -> dict[str, Any]:
    """Every execution of `ids` once each has ended."""
    deadline = servers.Deadline(60)
    ended: dict[str, Any] = {}
    headers = {"authorization": "Bearer t0ken"}
    async with httpx.AsyncClient(base_url=url, headers=headers, timeout=30) as client:
        while missing := ids - ended.keys():
            for execution_id in missing:
                answer = await client.get(f"/api/v1/executions/{execution_id}")
                if answer.status_code == 200 and answer.json()["endedAt"]:
                    ended[execution_id] = answer.json()
            assert not deadline.passed, f"{len(missing)} of {len(ids)} have not ended"
            await asyncio.to_thread(deadline.pause)
    return ended


async def _prove(data: Path, log: str) -> None:
    async with counting() as counter:
        acknowledged = await _killed_under_load(data, log, counter)
        manager, server = await _up(data, log)
        try:
            ended = await _all_ended(server.url, acknowledged)
        finally:
            await asyncio.to_thread(manager.__exit__, None, None, None)
    assert {e["status"] for e in ended.values()} == {"succeeded"}
    keys = {(path, key) for path, key in counter.seen}
    assert len(keys) >= 2 * len(acknowledged)
    repeated = sum(times - 1 for times in counter.seen.values())
    assert repeated <= KILLS * 4 * CALLERS, "more repeats than steps can have been under way"
    assert max(counter.seen.values()) <= 1 + KILLS


async def test_kill_9_under_load_loses_nothing_on_the_embedded_log(tmp_path: Path) -> None:
    await _prove(tmp_path / "data", "")


@pytest.mark.kafka
async def test_kill_9_under_load_loses_nothing_on_kafka(
    tmp_path: Path, kafka_bootstrap: str
) -> None:
    broker = Broker(tmp_path / "kafka")
    await asyncio.to_thread(broker.start)
    try:
        assert broker.bootstrap != kafka_bootstrap
        await _prove(tmp_path / "data", f"kafka://{broker.bootstrap}")
    finally:
        await asyncio.to_thread(broker.close)
