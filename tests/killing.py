"""Killing: a server under load that ends by kill -9, and what its log says afterwards."""

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx

from eventlog.log import EventLog, Record
from eventlog.opening import open_log
from processors import execution
from schemas import codec, events
from schemas.topics import EXECUTIONS
from tests import servers
from tests.kafka_broker import Broker
from tests.penstock import running
from tests.penstock.running import Running

MASTER_KEY = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="
TOKEN = "t0ken"
HEADERS = {"authorization": f"Bearer {TOKEN}"}
CALLERS = 8
PATIENCE_S = 90.0


def url_of(data: Path, log: str) -> str:
    """Where the log of a server on `data` is; `log` is empty for the embedded one."""
    return log or f"sqlite:///{data / 'log.db'}"


@asynccontextmanager
async def up(data: Path, log: str) -> AsyncIterator[Running]:
    """`penstock up`, started and ended in a thread. Flows fail for no slowness of the machine."""
    manager = running.up(
        data,
        log=log,
        master_key=MASTER_KEY,
        token=TOKEN,
        allow_private_networks="1",
        code_timeout_s=str(PATIENCE_S),
    )
    server = await asyncio.to_thread(manager.__enter__)
    try:
        yield server
    finally:
        await asyncio.to_thread(manager.__exit__, None, None, None)


@asynccontextmanager
async def own_broker(folder: Path) -> AsyncIterator[str]:
    """The URL of a log on a broker that nobody else uses: what is killed is slow to leave it."""
    broker = Broker(folder)
    await asyncio.to_thread(broker.start)
    try:
        yield f"kafka://{broker.bootstrap}"
    finally:
        await asyncio.to_thread(broker.close)


async def kill_under_load(data: Path, log: str, file: Path, shown: set[str], enough: int) -> None:
    """Deploy `file`, call its first flow until `enough` ids are `shown` in all, and kill."""
    async with up(data, log) as server:
        env = running.environment(url=server.url, token=TOKEN)
        deployed = await asyncio.to_thread(
            running.command, "deploy", file, "--rate-limit", "100000", "--json", env=env
        )
        assert deployed.code == 0, deployed.err
        done = asyncio.Event()
        url = deployed.json["flows"][0]["webhookUrl"]
        callers = [asyncio.ensure_future(_load(url, shown, enough, done)) for _ in range(CALLERS)]
        async with asyncio.timeout(PATIENCE_S):
            await done.wait()
        server.process.send_signal(signal.SIGKILL)
        await asyncio.gather(*callers)


async def _load(url: str, shown: set[str], enough: int, done: asyncio.Event) -> None:
    async with httpx.AsyncClient(timeout=30) as client:
        while not done.is_set():
            try:
                answer = await client.post(url, json={"n": 1})
            except httpx.HTTPError:
                return
            if answer.status_code in (200, 202):
                shown.add(answer.json()["executionId"])
            if len(shown) >= enough:
                done.set()


async def once_ended(url: str, ids: set[str]) -> dict[str, Any]:
    """Every execution of `ids` once each has ended."""
    deadline = servers.Deadline(PATIENCE_S)
    ended: dict[str, Any] = {}
    async with httpx.AsyncClient(base_url=url, headers=HEADERS, timeout=30) as client:
        while missing := ids - ended.keys():
            for execution_id in missing:
                answer = await client.get(f"/api/v1/executions/{execution_id}")
                if answer.status_code == 200 and answer.json()["endedAt"]:
                    ended[execution_id] = answer.json()
            assert not deadline.passed, f"{len(missing)} of {len(ids)} have not ended"
            await asyncio.to_thread(deadline.pause)
    return ended


async def valid_events(url: str) -> list[events.Event]:
    """What counts of the journal, by the rules of processors.execution: no lost claim's records."""
    found: list[events.Event] = []
    log = await open_log(url)
    try:
        for partition in range(log.partitions(EXECUTIONS)):
            state = execution.State()
            for record in await _read(log, partition):
                envelope = codec.decode(record.value)
                execution.fold(state, record.offset, envelope)
                if envelope.claim in (None, state.claim):
                    found += envelope.events
    finally:
        await log.close()
    return found


async def _read(log: EventLog, partition: int) -> list[Record]:
    found: list[Record] = []
    at, high = await log.marks(EXECUTIONS, partition)
    while at < high:
        records = await log.read(EXECUTIONS, partition, at, wait_s=PATIENCE_S)
        assert records, f"nothing to read at {at}, below {high}"
        found += records
        at = records[-1].offset + 1
    return found
