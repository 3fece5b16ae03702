"""Keeping the journal: folding it at a start, and checkpoints that bound what a start has to read.

Takes in the log and a journal; a checkpoint says again, at the journal's end, what would else stand
too far back: values, answers of shared state, and executions that wait.
"""

import asyncio
from dataclasses import replace

from eventlog.log import EventLog, NewRecord, OffsetOutOfRange
from processors import effects, execution, suspensions
from processors.journal import Journal
from schemas import codec, events, values
from schemas.errors import PenstockError
from schemas.instants import SECOND, Instant
from schemas.topics import EXECUTIONS

JOURNAL_READER = "processors.execution.journal"
CHECKPOINT_RECORDS = 5_000
"""A checkpoint follows about this many records of the journal, or twice the live values if more."""

KEEP_AFTER_S = 7 * 86_400
"""What stands on the journal for longer is carried forward, long before its retention ends."""

KEEP_EVERY_S = 6 * 3_600.0


class JournalKeeper:
    """Reads journals from where a start has to, and moves that place on."""

    def __init__(self, log: EventLog) -> None:
        self._log = log

    async def fold(self, partition: int, until: int) -> execution.State:
        state = execution.State()
        offset = await self._log.committed(JOURNAL_READER, EXECUTIONS, partition) or 0
        while offset <= until:
            try:
                records = await self._log.read(EXECUTIONS, partition, offset, wait_s=1.0)
            except OffsetOutOfRange as gone:
                offset = gone.low
                continue
            if not records:
                raise PenstockError(
                    f"executions/{partition} cannot be read from {offset} to {until}"
                )
            for record in records:
                if record.offset <= until:
                    execution.fold(state, record.offset, codec.decode(record.value))
            offset = records[-1].offset + 1
        return state

    async def checkpoint_if_due(self, journal: Journal) -> None:
        if journal.since_checkpoint < CHECKPOINT_RECORDS:
            return
        live = sum(len(held) for held in journal.state.values.values())
        live += len(journal.state.suspended)
        if journal.since_checkpoint < 2 * live:
            return
        await self._checkpoint(journal, journal.head - journal.since_checkpoint)

    async def keep(self, journal: Journal) -> None:
        """Carry forward what would be past its retention, however little is said meanwhile."""
        while True:
            since = Instant(effects.clock() - KEEP_AFTER_S * SECOND)
            before = await self._log.offset_at(EXECUTIONS, journal.partition, since)
            if execution.low_water(journal.state) < before:
                await self._checkpoint(journal, before)
                while any(one.offset < before for one in journal.state.suspended.values()):
                    await suspensions.carry_forward(self._log, journal, before)
            await asyncio.sleep(KEEP_EVERY_S)

    async def _checkpoint(self, journal: Journal, before: int) -> None:
        journal.since_checkpoint = 0
        records = [
            NewRecord(
                EXECUTIONS.name,
                "",
                codec.encode([execution.checkpoint(journal.state)], journal.claim),
                journal.partition,
            )
        ]
        for instance_id, event in execution.carried(journal.state, before):
            value, tagged = values.to_json(event.value)
            said = [replace(event, value=value, tagged=tagged)]
            content = codec.encode(said, journal.claim)
            records.append(NewRecord(EXECUTIONS.name, instance_id, content, journal.partition))
        for answer in execution.carried_answers(journal.state, before):
            content = codec.encode([answer], journal.claim)
            records.append(NewRecord(EXECUTIONS.name, "", content, journal.partition))
        appended = await self._log.append(records)
        for record, at in zip(records, appended, strict=True):
            for said_now in codec.decode(record.value).events:
                if isinstance(said_now, events.StateChanged):
                    execution.move(journal.state, before, at.offset, said_now)
                else:
                    execution.evolve(journal.state, at.offset, said_now)
        journal.note(appended[-1].offset, 0)
        await suspensions.carry_forward(self._log, journal, before)
        low = execution.low_water(journal.state)
        await self._log.commit(JOURNAL_READER, EXECUTIONS, journal.partition, low)
