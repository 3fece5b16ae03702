"""Keeping the journal: a checkpoint says old values again, and takes no later word back."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from eventlog.log import NewRecord
from eventlog.sqlite import SqliteLog
from processors import execution, journal_keeping
from processors import journal as journals
from processors.actions import Change
from processors.journal import Journal
from processors.journal_keeping import JournalKeeper
from schemas import codec, events
from schemas.events import Scope
from schemas.ids import ExecutionId
from schemas.topics import EXECUTIONS
from schemas.values import Value
from tests.processors.test_interpreter import run_of

ADMITTED = run_of((), {}).admitted
OWNER = ADMITTED.instance_id
KEEP = Change(Scope.CROSS_FLOW, "kept", "new")
REMOVE = Change(Scope.CROSS_FLOW, "kept", removed=True)


def changed(key: str, value: Value) -> events.StateChanged:
    return events.StateChanged(
        execution_id=ExecutionId(""), scope=Scope.CROSS_FLOW, owner=OWNER, key=key, value=value
    )


@asynccontextmanager
async def due(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[tuple[SqliteLog, Journal]]:
    """A journal that has an old value, and for which a checkpoint is due."""
    monkeypatch.setattr(journal_keeping, "CHECKPOINT_RECORDS", 3)
    log = await SqliteLog.open(folder / "log.db")
    claim = codec.encode([events.PartitionClaimed(owner="here")])
    [at] = await log.append([NewRecord(EXECUTIONS.name, "", claim, 0)])
    journal = Journal(0, execution.State(claim=at.offset), at.offset, at.offset + 1)
    said: list[events.Event] = [changed("kept", "old"), changed("other", "old")]
    noise = events.LogWritten(execution_id=ExecutionId("e"), level="info", message="")
    for event in (*said, *[noise] * 4):
        value = codec.encode([event], journal.claim)
        [at] = await log.append([NewRecord(EXECUTIONS.name, OWNER, value, 0)])
        execution.evolve(journal.state, at.offset, event)
        journal.note(at.offset, 1)
    journal.since_checkpoint = 4
    try:
        yield log, journal
    finally:
        await log.close()


def values_of(state: execution.State) -> dict[str, Value]:
    return dict(execution.read_values(state, Scope.CROSS_FLOW, OWNER))


async def test_what_was_said_before_a_checkpoint_need_not_be_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with due(tmp_path, monkeypatch) as (log, journal):
        keeper = JournalKeeper(log)
        end = journal.head
        await keeper.checkpoint_if_due(journal)
        assert await log.committed(journal_keeping.JOURNAL_READER, EXECUTIONS, 0) == end
        assert values_of(await keeper.fold(0, journal.head - 1)) == values_of(journal.state)
        assert values_of(journal.state) == {"kept": "old", "other": "old"}


@pytest.mark.parametrize(("change", "left"), [(KEEP, "new"), (REMOVE, None)])
async def test_a_value_written_while_a_checkpoint_is_under_way_stays_as_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: Change, left: Value
) -> None:
    async with due(tmp_path, monkeypatch) as (log, journal):
        keeping = asyncio.ensure_future(JournalKeeper(log).checkpoint_if_due(journal))
        await asyncio.sleep(0)
        journals.write(journal, ADMITTED, change)
        await keeping
        assert values_of(journal.state).get("kept") == left
