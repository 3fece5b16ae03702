"""kill -9 in the middle of load, on each log: nothing acknowledged is lost, nothing runs again.

A counting server stands behind the HTTP steps of a flow. It notes the idempotency key of each
request. After each kill the log is read: only a step whose result is not there may be asked again,
and that once in each life of the worker.
"""

import asyncio
import contextlib
import signal
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from eventlog.log import EventLog, Record
from eventlog.opening import open_log
from processors import execution
from schemas import codec, events, ids
from schemas.topics import EXECUTIONS
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


PYTHON_FLOW = """
import urllib.request
from penstock.sdk import Integration, current, flow, webhook

def post(path, data):
    headers = {{"idempotency-key": current().idempotency_key}}
    request = urllib.request.Request("{url}" + path, data.encode(), headers, method="POST")
    with urllib.request.urlopen(request) as answer:
        return answer.status

@flow(trigger=webhook(), name="Count")
async def count(context, trigger):
    await context.step("first", post, "/first", trigger.execution_id)
    return await context.step("second", post, "/second", trigger.execution_id)

integration = Integration(name="Counted", flows=[count])
"""


class Counting:
    """What the server behind the steps saw: how often each idempotency key came."""

    def __init__(self) -> None:
        self.seen: Counter[str] = Counter()
        self.url = ""
        self._connected = 0
        self._idle = asyncio.Event()

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._connected += 1
        self._idle.clear()
        try:
            await self._count(reader, writer)
        finally:
            self._connected -= 1
            if not self._connected:
                self._idle.set()

    async def nobody_left(self) -> None:
        """Return once every connection has ended: what a dead worker sent has been counted."""
        if self._connected:
            await self._idle.wait()

    async def _count(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
                lines = head.split("\r\n")
                headers = dict(line.lower().split(": ", 1) for line in lines[1:] if line)
                await reader.readexactly(int(headers.get("content-length", "0")))
                self.seen[headers["idempotency-key"]] += 1
                writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}")
        writer.close()


Step = tuple[str, str, str]
"""Of which execution, which step, on which path through loops."""


@dataclass(slots=True)
class Journal:
    """What counts of the topic `executions`: records of a claim that was not lost when they came.

    `keys` are the idempotency keys of the steps that were scheduled.
    """

    keys: dict[str, Step] = field(default_factory=dict)
    results: Counter[Step] = field(default_factory=Counter)
    starts: Counter[str] = field(default_factory=Counter)
    ends: Counter[str] = field(default_factory=Counter)

    def collect(self, event: events.Event) -> None:
        match event:
            case events.ExecutionStarted():
                self.starts[event.execution_id] += 1
            case events.StepScheduled(execution_id=execution_id, step=step, loop_path=path):
                self.keys[event.idempotency_key] = (execution_id, step, path)
            case events.StepSucceeded() | events.StepFailed():
                self.results[(event.execution_id, event.step, event.loop_path)] += 1
            case events.ExecutionCompleted() | events.ExecutionFailed():
                self.ends[event.execution_id] += 1
            case _:
                pass

    def recorded(self) -> set[str]:
        """The idempotency keys of steps whose results are there."""
        return {key for key, step in self.keys.items() if self.results[step]}


async def _journal(url: str) -> Journal:
    """All of the journal, read by the rules of processors.execution."""
    found = Journal()
    log = await open_log(url)
    try:
        for partition in range(log.partitions(EXECUTIONS)):
            state = execution.State()
            for record in await _read(log, partition):
                said = codec.decode(record.value)
                execution.fold(state, record.offset, said)
                if said.claim in (None, state.claim):
                    for event in said.events:
                        found.collect(event)
    finally:
        await log.close()
    return found


async def _read(log: EventLog, partition: int) -> list[Record]:
    found: list[Record] = []
    at, high = await log.marks(EXECUTIONS, partition)
    while at < high:
        records = await log.read(EXECUTIONS, partition, at, wait_s=1.0)
        assert records, f"nothing to read at {at}, below {high}"
        found += records
        at = records[-1].offset + 1
    return found


@dataclass(slots=True)
class Killed:
    """What stood when a worker had ended: `seen` by the counting server, and on the log."""

    seen: Counter[str]
    journal: Journal

    @property
    def recorded(self) -> set[str]:
        return self.journal.recorded()


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


async def _killed_under_load(
    data: Path, log: str, counter: Counting, name: str, text: str
) -> tuple[set[str], list[Killed]]:
    """Deploy, load and kill several times; the ids of everything acknowledged, and each kill."""
    file = data.parent / name
    file.write_text(text.format(url=counter.url))
    acknowledged: set[str] = set()
    kills: list[Killed] = []
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
        await counter.nobody_left()
        journal = await _journal(_url_of(data, log))
        kills.append(Killed(counter.seen.copy(), journal))
    return acknowledged, kills


def _url_of(data: Path, log: str) -> str:
    return log or f"sqlite:///{data / 'log.db'}"


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


async def _prove(data: Path, log: str, name: str = "counted.yml", text: str = FLOW) -> None:
    async with counting() as counter:
        acknowledged, kills = await _killed_under_load(data, log, counter, name, text)
        manager, server = await _up(data, log)
        try:
            ended = await _all_ended(server.url, acknowledged)
        finally:
            await asyncio.to_thread(manager.__exit__, None, None, None)
        await counter.nobody_left()
        seen = counter.seen
    assert {e["status"] for e in ended.values()} == {"succeeded"}
    journal = await _journal(_url_of(data, log))
    _check_ends(journal, {ids.from_global(ids.EXECUTION, shown) for shown in acknowledged})
    _check_requests(journal, kills, seen)


def _check_ends(journal: Journal, acknowledged: set[str]) -> None:
    """Everything acknowledged ended, and what was started did so once, with each result once."""
    assert acknowledged <= journal.ends.keys() <= journal.starts.keys()
    assert {*journal.starts.values(), *journal.ends.values(), *journal.results.values()} == {1}
    for execution_id in acknowledged:
        for step in ("first", "second"):
            assert journal.results[(execution_id, step, "")] == 1


def _check_requests(journal: Journal, kills: Sequence[Killed], seen: Counter[str]) -> None:
    """Each life of the worker asks once, and never for what was recorded before it."""
    assert seen.keys() <= journal.keys.keys()
    assert journal.recorded() <= seen.keys()
    before = Killed(Counter(), Journal())
    for after in (*kills, Killed(seen, journal)):
        _check_order(after)
        asked = after.seen - before.seen
        assert set(asked.values()) <= {1}
        assert not asked.keys() & before.recorded
        assert before.recorded <= after.recorded
        before = after


def _check_order(ended: Killed) -> None:
    """What was asked for had been scheduled on the log, and after the step before it."""
    assert ended.seen.keys() <= ended.journal.keys.keys()
    for key in ended.seen:
        execution_id, step, path = ended.journal.keys[key]
        if step == "second":
            assert ended.journal.results[execution_id, "first", path] == 1


async def test_kill_9_under_load_loses_nothing_on_the_embedded_log(tmp_path: Path) -> None:
    await _prove(tmp_path / "data", "")


async def test_kill_9_under_load_repeats_no_recorded_step_of_a_python_flow(
    tmp_path: Path,
) -> None:
    await _prove(tmp_path / "data", "", "counted.py", PYTHON_FLOW)


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
