"""Batch triggers: items cut into executions, page by page, so many at once, also after a crash."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventlog.log import NewRecord
from eventlog.sqlite import SqliteLog
from processors import batches, registry
from processors.actions import Action, Context, Outcome, Page, Runs, Support, TriggerTraits, World
from schemas import codec, definitions, events
from schemas.topics import ADMISSIONS, EXECUTIONS, TRIGGERS
from tests.processors.at_work import processing, said_on
from tests.processors.instances import INSTANCE, admitted, call, definition, deploy, ended, flow, of

COUNTS = "persist-data/incrementCrossFlowValue keyInput: {type: value, value: runs}"
BATCH = (
    "collection-tools/createObject keyValueInput: {type: complex, value:"
    " [{name: got, type: reference, value: step0.results.body.data}]}"
)


@dataclass(slots=True)
class Source:
    """Pages of items, one after another; the state of the next page is its number."""

    pages: list[list[Any]]
    asked: list[Any] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)

    async def perform(self, _inputs: Mapping[str, Any], context: Context, _world: World) -> Outcome:
        number = context.payload.get("paginationState") or 0
        self.asked.append(number)
        self.sizes.append(context.batch_size)
        following = number + 1 if number + 1 < len(self.pages) else None
        return Outcome(
            result=dict(context.payload),
            page=Page(self.pages[number], following),
            polling={"page": number},
        )


@pytest.fixture
def source(monkeypatch: pytest.MonkeyPatch) -> Source:
    source = Source([[]])
    action = Action(
        component="tests",
        key="items",
        label="Items",
        perform=source.perform,
        runs=Runs.ASYNC,
        is_trigger=True,
        trigger=TriggerTraits(is_polling=True, resolves=Support.VALID),
    )
    known = {**registry.ACTIONS, ("tests", "items"): action}
    monkeypatch.setattr(registry, "ACTIONS", MappingProxyType(known))
    return source


def batch_flow(size: int, at_once: int, *steps: str) -> str:
    resolver = f"{{enabled: true, batchSize: {size}, concurrentBatchLimit: {at_once}}}"
    return flow("Items", "tests/items", *steps, extra=f"triggerResolver: {resolver}")


def got(said: list[events.Event], step: str = "step1") -> list[Any]:
    return [e.result["got"] for e in of(events.StepSucceeded, said) if e.step == step]


async def test_items_of_all_pages_run_in_batches_of_the_same_flow(
    tmp_path: Path, source: Source
) -> None:
    source.pages = [[1, 2, 3], [], [4]]
    log = await SqliteLog.open(tmp_path / "log.db")
    await deploy(log, definition(batch_flow(2, 1, BATCH)))
    async with processing(log, tmp_path):
        await log.append([call("Items")])
        said = await ended(log, 4)
    assert got(said) == [[1, 2], [3], [4]]
    assert source.asked == [0, 1, 2]
    assert source.sizes == [2, 2, 2]
    parent = of(events.ExecutionStarted, said)[0].execution_id
    runs = [run for run in (await admitted(log)).values() if run.execution_id != parent]
    assert {run.invoked_by for run in runs} == {parent}
    [*_, last] = of(events.ExecutionCompleted, said)
    assert last.execution_id == parent
    [kept] = [e for e in of(events.StateChanged, said) if e.key == "__polling"]
    assert kept.value == {"page": 2}
    await log.close()


async def test_a_batch_of_one_is_the_item_itself(tmp_path: Path, source: Source) -> None:
    source.pages = [[{"sku": "A"}, "B"]]
    log = await SqliteLog.open(tmp_path / "log.db")
    await deploy(log, definition(batch_flow(1, 5, BATCH)))
    async with processing(log, tmp_path):
        await log.append([call("Items")])
        said = await ended(log, 3)
    assert got(said) == [{"sku": "A"}, "B"]
    await log.close()


async def test_no_more_batches_are_open_than_the_flow_allows(
    tmp_path: Path, source: Source
) -> None:
    source.pages = [list(range(9))]
    sleep = "sleep/sleep ms: {type: value, value: '20'}"
    log = await SqliteLog.open(tmp_path / "log.db")
    await deploy(log, definition(batch_flow(1, 3, sleep)))
    async with processing(log, tmp_path):
        await log.append([call("Items")])
        said = await ended(log, 10)
    parent = of(events.ExecutionStarted, said)[0].execution_id
    most = now = 0
    for event in said:
        if getattr(event, "execution_id", parent) != parent:
            now += isinstance(event, events.FlowInvoked)
            now -= isinstance(event, events.ExecutionCompleted)
            most = max(most, now)
    assert most == 3
    await log.close()


async def test_a_failed_batch_fails_the_poll_and_its_cursor_stays(
    tmp_path: Path, source: Source
) -> None:
    source.pages = [[1, 2]]
    breaks = (
        "code/runCode code: {type: value, value: 'module.exports = async (c, r) => "
        '{ if (r.step0.results.body.data === 2) throw new Error("two"); return {}; };\'}'
    )
    log = await SqliteLog.open(tmp_path / "log.db")
    await deploy(log, definition(batch_flow(1, 2, breaks)))
    async with processing(log, tmp_path):
        await log.append([call("Items")])
        said = await ended(log, 3)
    errors = [e.error for e in of(events.ExecutionFailed, said)]
    assert errors == ["two", "1 of 2 batches failed"]
    assert not [e for e in of(events.StateChanged, said) if e.key == "__polling"]
    await log.close()


async def test_a_trigger_that_gives_no_items_fails_by_name(tmp_path: Path) -> None:
    log = await SqliteLog.open(tmp_path / "log.db")
    resolver = "triggerResolver: {enabled: true, batchSize: 2}"
    await deploy(log, definition(flow("Items", "webhook-triggers/webhook", COUNTS, extra=resolver)))
    async with processing(log, tmp_path):
        await log.append([call("Items")])
        said = await ended(log, 1)
    [failed] = of(events.ExecutionFailed, said)
    assert "trigger 'Step 0' gives no items" in failed.error
    await log.close()


@pytest.mark.parametrize("cut", [2, 3, 4, 5, 6, 8, 11])
async def test_after_a_crash_at_any_record_each_batch_has_run_once(
    tmp_path: Path, source: Source, cut: int
) -> None:
    """What the journal held up to some record, and all admissions up to its last start."""
    source.pages = [[1, 2], [3, 4, 5]]
    text = definition(batch_flow(1, 2, BATCH, COUNTS))
    whole = await SqliteLog.open(tmp_path / "whole.db")
    await deploy(whole, text)
    async with processing(whole, tmp_path):
        await whole.append([call("Items")])
        await ended(whole, 6)
    records = await whole.read(EXECUTIONS, 0, 0, max_records=1000)
    kept = records[:cut]
    said = [event for record in kept for event in codec.decode(record.value).events]
    starts = of(events.ExecutionStarted, said)
    crashed = await SqliteLog.open(tmp_path / "crashed.db")
    await deploy(crashed, text)
    admissions = await said_on(whole, ADMISSIONS)
    await crashed.append([call("Items")] * 50)
    await crashed.append(
        [
            *[
                NewRecord(ADMISSIONS.name, INSTANCE, codec.encode([e]))
                for e in admissions[: len(starts)]
            ],
            *[NewRecord(EXECUTIONS.name, record.key, record.value) for record in kept],
        ]
    )
    # What is said again comes after all that the admissions name.
    await crashed.commit("processors.admission", TRIGGERS, 0, 50)
    async with processing(crashed, tmp_path):
        said = await ended(crashed, 6)
    assert sorted(got(said)) == [1, 2, 3, 4, 5]
    assert len(of(events.ExecutionStarted, said)) == 6
    await crashed.close()
    await whole.close()


@given(st.lists(st.integers(), max_size=30), st.integers(2, 7))
def test_batches_are_all_items_in_their_order(items: list[int], size: int) -> None:
    cut = batches.cut(items, size)
    assert [item for batch in cut for item in batch] == items
    assert all(len(batch) == size for batch in cut[:-1])
    assert batches.cut(items, 1) == items


def test_without_a_limit_as_many_batches_run_at_once_as_are_allowed() -> None:
    unlimited = definitions.Flow(name="Take", steps=(), resolver=definitions.TriggerResolver())
    assert batches.at_once(unlimited) == batches.MOST_AT_ONCE
    two = replace(unlimited, resolver=definitions.TriggerResolver(concurrent_batch_limit=2))
    assert batches.at_once(two) == 2
