"""kill -9 while flows start flows, on each log: each invocation runs once, none is lost.

Every request runs a flow that invokes another one several times, and the other one counts. In the
end the journal holds one start and one end of each invocation, and the count is their number.
"""

import asyncio
from collections import Counter
from pathlib import Path

import httpx
import pytest

from schemas import events, ids
from tests import killing, servers

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


async def _all_invoked(url: str, acknowledged: set[str]) -> set[str]:
    """What was started by all that was acknowledged, once the views have it.

    They read it from the triggers' decisions, which may be behind the end of who caused them.
    """
    deadline = servers.Deadline(killing.PATIENCE_S)
    wanted = INVOKED * len(acknowledged)
    while True:
        ended = await killing.once_ended(url, acknowledged)
        invoked = {one for shown in ended.values() for one in shown["invoked"]}
        if len(invoked) >= wanted:
            assert len(invoked) == wanted
            return invoked
        assert not deadline.passed, f"only {len(invoked)} of {wanted} were started"
        await asyncio.to_thread(deadline.pause)


async def _nothing_runs(url: str, acknowledged: set[str]) -> None:
    """Return once all that was acknowledged has ended, with all that it has started."""
    await killing.once_ended(url, await _all_invoked(url, acknowledged))
    deadline = servers.Deadline(killing.PATIENCE_S)
    async with httpx.AsyncClient(base_url=url, headers=killing.HEADERS, timeout=30) as client:
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
        await killing.kill_under_load(data, log, file, shown, (turn + 1) * 40)
    async with killing.up(data, log) as server:
        await _nothing_runs(server.url, shown)
    said = await killing.valid_events(killing.url_of(data, log))
    acknowledged = {ids.from_global(ids.EXECUTION, one) for one in shown}
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
    async with killing.own_broker(tmp_path / "kafka") as log:
        assert kafka_bootstrap not in log
        await _prove(tmp_path / "data", log)
