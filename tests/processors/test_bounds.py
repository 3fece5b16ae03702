"""Bounds: executions that are long or large harm neither the process nor others."""

import asyncio
from collections.abc import Awaitable, Sequence
from pathlib import Path
from typing import Any

import orjson

from eventlog.blobs import Blobs
from eventlog.log import Appended, NewRecord
from eventlog.sqlite import SqliteLog
from processors import execution_driving, registry
from processors.actions import Action, Outcome
from schemas import events
from schemas.topics import EXECUTIONS
from tests import http_stub
from tests.processors.at_work import deploy, processing, replies, request, said_on
from tests.processors.instances import ORDER

LONG = (
    ORDER
    + """
      - name: Each
        action: {key: loopNTimes, component: {key: loop}}
        inputs: {iterationCount: {type: reference, value: trigger.results.body.data.times}}
        steps:
          - name: Keep
            action: {key: createObject, component: {key: collection-tools}}
            inputs:
              keyValueInput:
                type: complex
                value: [{name: n, type: reference, value: each.index}]
"""
)
LARGE = (
    ORDER
    + """
      - name: Get
        action: {key: httpGet, component: {key: http}}
        inputs: {url: {type: reference, value: trigger.results.body.data.url}}
      - name: Again
        action: {key: create, component: {key: collection-tools}}
        inputs:
          items: {type: complex, value: [{type: reference, value: get.results}]}
      - name: Length
        action: {key: stringLength, component: {key: text-manipulation}}
        inputs: {text: {type: reference, value: get.results}}
"""
)
ODD = (
    ORDER
    + """
      - name: Save
        action: {key: saveCrossFlowValue, component: {key: persist-data}}
        inputs: {keyInput: {type: value, value: k}, valueInput: {type: value, value: v}}
      - name: Get
        action: {key: httpGet, component: {key: http}}
        inputs: {url: {type: reference, value: trigger.results.body.data.url}}
      - name: Raise
        action: {key: pow, component: {key: math}}
        inputs: {}
      - name: Get Again
        action: {key: httpGet, component: {key: http}}
        inputs: {url: {type: reference, value: trigger.results.body.data.url}}
"""
)


class Counting:
    """A log that counts how many appends are under way at once."""

    def __init__(self, log: SqliteLog) -> None:
        self._log = log
        self.most = self._under_way = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._log, name)

    def append(self, records: Sequence[NewRecord]) -> Awaitable[list[Appended]]:
        self._under_way += 1
        self.most = max(self.most, self._under_way)
        appending = asyncio.ensure_future(self._log.append(records))
        appending.add_done_callback(self._done)
        return appending

    def _done(self, _appending: object) -> None:
        self._under_way -= 1


def body(**data: object) -> str:
    return orjson.dumps(data).decode()


async def test_a_long_execution_runs_ahead_of_the_log_by_a_few_records_only(
    tmp_path: Path,
) -> None:
    log = Counting(await SqliteLog.open(tmp_path / "log.db"))
    await deploy(log, LONG)
    async with processing(log, tmp_path):
        await log.append([request(1, body(times=20_000))])
        [reply] = await replies(log, 1)
    assert isinstance(reply, events.ResultReady)
    assert reply.error is None
    assert log.most <= execution_driving.MAX_BEHIND + 5
    await log.close()


async def test_others_end_while_a_long_execution_runs(tmp_path: Path) -> None:
    log = await SqliteLog.open(tmp_path / "log.db")
    await deploy(log, LONG)
    async with processing(log, tmp_path):
        await log.append([request(1, body(times=30_000)), request(2, body(times=1))])
        first, second = await replies(log, 2)
    assert isinstance(first, events.ResultReady)
    assert isinstance(second, events.ResultReady)
    assert (first.request_no, second.request_no) == (2, 1)
    await log.close()


async def test_a_result_of_fifty_megabytes_is_kept_in_a_blob_and_goes_on(tmp_path: Path) -> None:
    log = await SqliteLog.open(tmp_path / "log.db")
    await deploy(log, LARGE)
    size = 50 * 1024 * 1024
    async with http_stub.running() as stub, processing(log, tmp_path):
        await log.append([request(1, body(url=f"{stub.url}/bytes/{size}"))])
        [reply] = await replies(log, 1)
    assert isinstance(reply, events.ResultReady)
    assert reply.error is None
    assert reply.response is not None
    assert reply.response.result == size
    found = {
        e.step: e for e in await said_on(log, EXECUTIONS) if isinstance(e, events.StepSucceeded)
    }
    assert found["get"].result is None
    assert found["get"].blob is not None
    kept = await Blobs.open(str(tmp_path / "blobs")).get(found["get"].blob)
    assert len(kept) == size + 2
    assert found["length"].inputs == {"text": {"$reference": ["get", "results"]}}
    await log.close()


async def test_a_result_that_json_cannot_hold_names_step_and_place_and_ends_it(
    tmp_path: Path, monkeypatch: Any
) -> None:
    odd = Action(
        component="math",
        key="pow",
        label="Odd",
        perform=lambda inputs, context: Outcome(result={"a": [1, {2, 3}]}),
    )
    monkeypatch.setattr(registry, "ACTIONS", {**registry.ACTIONS, ("math", "pow"): odd})
    log = await SqliteLog.open(tmp_path / "log.db")
    await deploy(log, ODD)
    async with http_stub.running() as stub, processing(log, tmp_path):
        await log.append([request(1, body(url=f"{stub.url}/echo"))])
        [reply] = await replies(log, 1)
    assert isinstance(reply, events.ResultReady)
    assert reply.error is not None
    assert "set at .a[1]" in reply.error
    assert len(stub.received) == 1
    said = await said_on(log, EXECUTIONS)
    assert any(isinstance(e, events.StateChanged) for e in said)
    [failed] = [e for e in said if isinstance(e, events.ExecutionFailed)]
    assert failed.step == "raise"
    await log.close()
