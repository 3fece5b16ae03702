"""kill -9 in the middle of load, on each log: nothing acknowledged is lost, nothing runs again.

A counting server stands behind the HTTP steps of a flow. It notes the idempotency key of each
request. After each kill the log is read: only a step whose result is not there may be asked again,
and that once in each life of the worker.
"""

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from schemas import events, ids
from tests import killing

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
    found = Journal()
    for event in await killing.valid_events(url):
        found.collect(event)
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


async def _killed_under_load(
    data: Path, log: str, counter: Counting, name: str, text: str
) -> tuple[set[str], list[Killed]]:
    """Deploy, load and kill several times; the ids of everything acknowledged, and each kill."""
    file = data.parent / name
    file.write_text(text.format(url=counter.url))
    acknowledged: set[str] = set()
    kills: list[Killed] = []
    for turn in range(KILLS):
        enough = (turn + 1) * ACKNOWLEDGED_BETWEEN_KILLS
        await killing.kill_under_load(data, log, file, acknowledged, enough)
        await counter.nobody_left()
        journal = await _journal(killing.url_of(data, log))
        kills.append(Killed(counter.seen.copy(), journal))
    return acknowledged, kills


async def _prove(data: Path, log: str, name: str = "counted.yml", text: str = FLOW) -> None:
    async with counting() as counter:
        acknowledged, kills = await _killed_under_load(data, log, counter, name, text)
        async with killing.up(data, log) as server:
            ended = await killing.once_ended(server.url, acknowledged)
        await counter.nobody_left()
        seen = counter.seen
    assert {e["status"] for e in ended.values()} == {"succeeded"}
    journal = await _journal(killing.url_of(data, log))
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
    async with killing.own_broker(tmp_path / "kafka") as log:
        assert kafka_bootstrap not in log
        await _prove(tmp_path / "data", log)
