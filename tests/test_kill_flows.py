"""kill -9 while flows start flows, on each log: each invocation runs once, none is lost.

Every request runs a flow that invokes another one several times, and the other one counts. In the
end the journal holds one start and one end of each invocation, and the count is their number.
"""

import asyncio
import signal
from collections import Counter
from pathlib import Path

import httpx
import pytest

from eventlog.opening import open_log
from processors import execution
from schemas import codec, events, ids
from schemas.topics import EXECUTIONS
from tests import servers, test_kill
from tests.kafka_broker import Broker
from tests.penstock import running

KILLS = 2
INVOKED = 4

FLOWS = f"""
definitionVersion: 7
name: Fan
flows:
  - name: Fan Out
    steps:
      - name: Trigger
        isTrigger: true
        action: {{key: webhook, component: {{key: webhook-triggers}}}}
        inputs: {{}}
      - name: Each
        action: {{key: loopNTimes, component: {{key: loop}}}}
        inputs: {{iterationCount: {{type: value, value: "{INVOKED}"}}}}
        steps:
          - name: Invoke
            action: {{key: invokeFlow, component: {{key: cross-flow}}}}
            inputs:
              flowName: {{type: value, value: Count}}
              data: {{type: reference, value: each.index}}
          - name: Breathe
            action: {{key: sleep, component: {{key: sleep}}}}
            inputs: {{ms: {{type: value, value: "5"}}}}
  - name: Count
    steps:
      - name: Trigger
        isTrigger: true
        action: {{key: crossFlow, component: {{key: cross-flow}}}}
        inputs: {{}}
      - name: Breathe
        action: {{key: sleep, component: {{key: sleep}}}}
        inputs: {{ms: {{type: value, value: "5"}}}}
      - name: Add
        action: {{key: incrementCrossFlowValue, component: {{key: persist-data}}}}
        inputs: {{keyInput: {{type: value, value: n}}}}
"""


async def _said(url: str) -> list[events.Event]:
    """What counts of the journal."""
    found: list[events.Event] = []
    log = await open_log(url)
    try:
        for partition in range(log.partitions(EXECUTIONS)):
            state = execution.State()
            for record in await test_kill._read(log, partition):
                envelope = codec.decode(record.value)
                execution.fold(state, record.offset, envelope)
                if envelope.claim in (None, state.claim):
                    found += envelope.events
    finally:
        await log.close()
    return found


async def _nothing_runs(url: str, acknowledged: set[str]) -> None:
    """Return once all that was acknowledged has ended, with all that it has started."""
    ended = await test_kill._all_ended(url, acknowledged)
    invoked = {one for shown in ended.values() for one in shown["invoked"]}
    assert len(invoked) == INVOKED * len(acknowledged)
    await test_kill._all_ended(url, invoked)
    deadline = servers.Deadline(60)
    headers = {"authorization": "Bearer t0ken"}
    async with httpx.AsyncClient(base_url=url, headers=headers, timeout=30) as client:
        for status in ("pending", "running"):
            query = {"status": status, "limit": 1}
            while (await client.get("/api/v1/executions", params=query)).json()["executions"]:
                assert not deadline.passed, f"some are still {status}"
                await asyncio.to_thread(deadline.pause)


async def _prove(data: Path, log: str) -> None:
    file = data.parent / "fan.yml"
    file.write_text(FLOWS)
    shown: set[str] = set()
    for turn in range(KILLS):
        manager, server = await test_kill._up(data, log)
        try:
            env = running.environment(url=server.url, token="t0ken")
            deployed = await asyncio.to_thread(
                running.command, "deploy", file, "--rate-limit", "100000", "--json", env=env
            )
            assert deployed.code == 0, deployed.err
            url = deployed.json["flows"][0]["webhookUrl"]
            done = asyncio.Event()
            enough = (turn + 1) * 40
            callers = [
                asyncio.ensure_future(test_kill._load(url, shown, enough, done)) for _ in range(8)
            ]
            await done.wait()
            server.process.send_signal(signal.SIGKILL)
            await asyncio.gather(*callers)
        finally:
            await asyncio.to_thread(manager.__exit__, None, None, None)
    acknowledged = {ids.from_global(ids.EXECUTION, one) for one in shown}
    manager, server = await test_kill._up(data, log)
    try:
        await _nothing_runs(server.url, shown)
    finally:
        await asyncio.to_thread(manager.__exit__, None, None, None)
    said = await _said(test_kill._url_of(data, log))
    _check(said, acknowledged)


def _check(said: list[events.Event], acknowledged: set[str]) -> None:
    invoked = [e for e in said if isinstance(e, events.FlowInvoked)]
    starts = Counter(e.execution_id for e in said if isinstance(e, events.ExecutionStarted))
    ends = Counter(e.execution_id for e in said if isinstance(e, events.ExecutionCompleted))
    assert set(starts.values()) == set(ends.values()) == {1}
    by_parent = Counter(event.invoked_by for event in invoked)
    assert acknowledged <= by_parent.keys()
    assert set(by_parent.values()) == {INVOKED}
    children = {event.execution_id for event in invoked}
    assert len(children) == len(invoked)
    assert starts.keys() == children | by_parent.keys()
    counts = [e.value for e in said if isinstance(e, events.StateChanged) and e.execution_id]
    assert max(counts) == len(children)


async def test_kill_9_starts_each_invoked_flow_once_on_the_embedded_log(tmp_path: Path) -> None:
    await _prove(tmp_path / "data", "")


@pytest.mark.kafka
async def test_kill_9_starts_each_invoked_flow_once_on_kafka(
    tmp_path: Path, kafka_bootstrap: str
) -> None:
    broker = Broker(tmp_path / "kafka")
    await asyncio.to_thread(broker.start)
    try:
        assert broker.bootstrap != kafka_bootstrap
        await _prove(tmp_path / "data", f"kafka://{broker.bootstrap}")
    finally:
        await asyncio.to_thread(broker.close)
