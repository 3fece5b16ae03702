"""The IO around execution: takes batches of `admissions`, appends the journal, then the replies.

A batch is done once every execution in it has been started durably. Executions that wait for the
world go on in tasks of their own (execution_driving); a step that touched the world is durable
before the next begins. A failed append is fatal for this host's state: whoever runs it begins again
from the log.
"""

import asyncio
import logging
from collections.abc import Awaitable, Sequence
from dataclasses import replace
from typing import Any

from eventlog import at_hand
from eventlog.blobs import Blobs
from eventlog.definitions import Definitions
from eventlog.log import Appended, EventLog, NewRecord, Record
from processors import (
    counted_once,
    execution,
    flow_answers,
    journal_writing,
    overlaps,
    replies,
)
from processors.actions import World
from processors.asked import Effect
from processors.components import persist_data
from processors.dead_letters import dead_letter
from processors.execution_driving import Driver
from processors.interpreter import Run
from processors.journal import Journal
from processors.journal_keeping import JournalKeeper
from processors.journal_writing import Written
from processors.run_making import RunMaker
from processors.shared_state_host import SharedState
from schemas import codec, events
from schemas.errors import Undecodable
from schemas.ids import ExecutionId
from schemas.secrets import MasterKey
from schemas.topics import ADMISSIONS, EXECUTIONS

_logger = logging.getLogger(__name__)


class ExecutionHost:
    """Execution for the partitions that have been assigned to this process."""

    reader = "processors.execution"
    topic = ADMISSIONS

    def __init__(
        self,
        log: EventLog,
        *,
        blobs: Blobs,
        definitions: Definitions,
        master_key: MasterKey,
        world: World,
        owner: str,
    ) -> None:
        self._log = log
        self._definitions = definitions
        self._owner = owner
        self._journals: dict[int, Journal] = {}
        self._shared = SharedState(log, self._journals, persist_data.perform_shared)
        shared = replace(
            world,
            blobs=blobs,
            shared_state=self._shared.ask,
            shared_state_of_thread=self._shared.asker_for_threads(world.code_timeout_s),
        )
        self._maker = RunMaker(definitions, blobs, master_key, shared)
        self._blobs = blobs
        self._keeper = JournalKeeper(log)
        self._driver = Driver(
            log,
            maker=self._maker,
            blobs=blobs,
            keeper=self._keeper,
            world=shared,
            watch=self._watch,
        )
        self.failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def assign(self, partition: int) -> None:
        """Claim the partition, fold its journal and go on with the executions that are open."""
        self.revoke(partition)
        await self._definitions.read_to_end()
        claimed = codec.encode([events.PartitionClaimed(owner=self._owner)])
        [at] = await self._log.append([NewRecord(EXECUTIONS.name, "", claimed, partition)])
        state = await self._keeper.fold(partition, at.offset)
        journal = Journal(partition, state, at.offset, at.offset)
        self._journals[partition] = journal
        # Whether these got to admission before their worker ended is not known.
        await self._log.append(
            [journal_writing.onward(known.event) for known in state.invoked.values()]
        )
        for execution_id, known in state.suspended.items():
            journal.alarm.set(known.wake_at, execution_id)
        state.runs.take_released()
        for execution_id, run in list(state.open.items()):
            if state.runs.is_held(execution_id):
                continue
            if run.carried:
                self._driver.revive_in_task(journal, execution_id)
            else:
                await self._driver.resume(journal, run)
        for work in (self._driver.wake(journal), self._keeper.keep(journal)):
            background = asyncio.ensure_future(work)
            journal.background.append(background)
            self._watch(background)

    def revoke(self, partition: int) -> None:
        """Stop at once: what was under way goes on where the partition goes."""
        journal = self._journals.pop(partition, None)
        if journal is not None:
            for task in (*journal.tasks, *journal.background):
                task.cancel()

    async def drain(self, timeout_s: float) -> None:
        """Let executions under way come to an end, for at most this long."""
        tasks = [task for journal in self._journals.values() for task in journal.tasks]
        if tasks:
            await asyncio.wait(tasks, timeout=timeout_s)

    async def on_batch(self, partition: int, records: Sequence[Record]) -> None:
        """Start what `records` admit, in order; return when all starts are durable."""
        journal = self._journals[partition]
        begun: list[tuple[Run, Effect | None]] = []
        appends: list[NewRecord] = []
        woken: list[ExecutionId] = []
        # What is said between the runs: the journal follows the order of admissions.
        first: list[NewRecord] = []
        firsts: list[list[NewRecord]] = []
        for record in records:
            try:
                said = at_hand.decode(record.value).events
            except Undecodable as cause:
                _logger.error("admissions/%d offset %d: %s", partition, record.offset, cause)
                appends.append(dead_letter(record, cause))
                continue
            for event in said:
                appends += self._noted(journal, event, woken)
                appends += self._signalled(journal, event, woken)
                first += self._overlapping(journal, record, event)
                if answer := await self._shared.on_event(journal, event):
                    appends.append(answer)
                run = await self._begin(journal, record, event)
                if run is not None:
                    effect = None if run.ended else run.advance(None, record.at)
                    begun.append((run, effect))
                    firsts.append(first)
                    first = []
        written = [
            (await journal_writing.written(journal, run, self._blobs)).behind(before)
            for (run, _), before in zip(begun, firsts, strict=True)
        ]
        flat = appends + [record for some in written for record in some.records]
        count = len(flat)
        flat += first
        onward = [record for some in written for record in some.onward]
        if not flat:
            return
        appended = await self._log.append(flat + onward)
        self._go_on(journal, begun, written, appended[len(appends) : count])
        for execution_id in woken:
            self._driver.revive_in_task(journal, execution_id)
        await self._keeper.checkpoint_if_due(journal)

    def _go_on(
        self,
        journal: Journal,
        begun: Sequence[tuple[Run, Effect | None]],
        written: Sequence[Written],
        appended: Sequence[Appended],
    ) -> None:
        answers: list[replies.Reply] = []
        index = 0
        for (run, effect), some in zip(begun, written, strict=True):
            index += len(some.records)
            journal.note(appended[index - 1].offset, len(some.records))
            answers += self._driver.answers(journal, run, some, appended[index - 1].offset)
            if effect is not None:
                self._driver.drive_in_task(journal, run, effect)
        if answers:
            self._watch(self._log.append(replies.records_of(answers)))

    def _noted(
        self, journal: Journal, event: events.Event, woken: list[ExecutionId]
    ) -> list[NewRecord]:
        """The records by which the journal notes a decision that starts nothing."""
        if not isinstance(event, events.TriggerRefused | events.LifecycleHappened):
            return []
        said = counted_once.noted(journal.state, event)
        if not said or event.instance_id is None:
            return []
        for noted in said:
            if isinstance(noted, events.TriggerRefused):
                answer = self._refused(journal, noted)
                if answer is not None:
                    said = [*said, answer]
                    woken += self._driver.hear(journal, answer)
            else:
                execution.evolve(journal.state, journal.head, noted)
        value = codec.encode(said, journal.claim)
        return [NewRecord(EXECUTIONS.name, event.instance_id, value, journal.partition)]

    def _refused(
        self, journal: Journal, refusal: events.TriggerRefused
    ) -> events.FlowAnswered | None:
        """Note that an invocation was refused; what is said to the step that waits for it."""
        invoked = journal.state.invoked[refusal.execution_id].event
        journal.tell(execution.refuse(journal.state, refusal.execution_id))
        return flow_answers.refused(invoked, refusal)

    def _signalled(
        self, journal: Journal, event: events.Event, woken: list[ExecutionId]
    ) -> list[NewRecord]:
        """The record of a signal to an execution that has not ended; it hears of it."""
        if not isinstance(event, events.SignalReceived):
            return []
        state, execution_id = journal.state, event.execution_id
        if not execution.note_decision(state, event.trigger_partition, event.trigger_offset):
            return []
        if execution_id in journal.live:
            journal.live[execution_id].signal(event)
        elif execution_id in state.suspended:
            woken.append(execution_id)
            execution.evolve(state, journal.head, event)
        elif execution_id in state.open and execution.has_room_for_signal(state, execution_id):
            execution.evolve(state, journal.head, event)
        else:
            _logger.info("signal %r to %s is dropped: it takes none", event.name, execution_id)
            return []
        value = codec.encode([event], journal.claim)
        return [NewRecord(EXECUTIONS.name, event.instance_id, value, journal.partition)]

    def _overlapping(
        self, journal: Journal, record: Record, event: events.Event
    ) -> list[NewRecord]:
        """What is to be said of a tick first, because a former run of its schedule is open."""
        state, partition, offset = journal.state, journal.partition, record.offset
        if not isinstance(event, events.ExecutionAdmitted) or event.schedule_id is None:
            return []
        decided = state.decided_through.get(event.trigger_partition, -1)
        if execution.is_started(state, partition, offset) or event.trigger_offset <= decided:
            return []
        said = overlaps.decide(state.runs, event, execution.started(event, partition, offset))
        for one in said:
            execution.evolve(state, journal.head, one)
            if isinstance(one, events.ExecutionCanceled):
                journal.cancel(one.execution_id)
        value = codec.encode(said, journal.claim)
        return [NewRecord(EXECUTIONS.name, event.instance_id, value, partition)] if said else []

    async def _begin(self, journal: Journal, record: Record, event: events.Event) -> Run | None:
        state = journal.state
        if isinstance(event, events.TriggerRefused | events.TickSkipped):
            execution.note_decision(state, event.trigger_partition, event.trigger_offset)
            return None
        if not isinstance(event, events.ExecutionAdmitted):
            return None
        if execution.is_started(state, journal.partition, record.offset):
            return None
        if not execution.note_decision(state, event.trigger_partition, event.trigger_offset):
            return None
        if counted_once.is_repeat(state, event):
            return None
        start = execution.started(event, journal.partition, record.offset)
        remembered = counted_once.remembered(state, event)
        state.started_through[journal.partition] = record.offset
        execution.begin(state, start, journal.head)
        journal.tell(state.open[event.execution_id].invoked_by)
        for change in remembered:
            execution.evolve(state, journal.head, change)
        run = await self._maker.make(journal, event, record.at, [])
        run.said[:0] = [start, *remembered]
        return run

    def _watch(self, under_way: Awaitable[Any]) -> None:
        asyncio.ensure_future(under_way).add_done_callback(self._check)

    def _check(self, done: "asyncio.Future[Any]") -> None:
        error = None if done.cancelled() else done.exception()
        if error is not None and not self.failed.done():
            self.failed.set_exception(error)
