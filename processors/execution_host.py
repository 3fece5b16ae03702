"""The IO around execution: takes batches of `admissions`, appends the journal, then the replies.

A batch is done once every execution in it has been started durably. Executions that wait for the
world go on in tasks of their own; a step that touched the world is durable before the next begins.
A failed append is fatal for this host's state: whoever runs it begins again from the log.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Coroutine, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from eventlog import at_hand
from eventlog.blobs import BlobMissing, Blobs
from eventlog.definitions import Definitions
from eventlog.log import Appended, EventLog, NewRecord, OffsetOutOfRange, Record
from processors import (
    counted_once,
    effects,
    execution,
    finding,
    journal_records,
    overlaps,
    preprocess,
    replies,
    routing,
    suspensions,
)
from processors.actions import Change, World
from processors.components import persist_data
from processors.dead_letters import dead_letter
from processors.flow_frames import Exchange, Heard, Suspend
from processors.interpreter import (
    MAX_PAST,
    Effect,
    Gather,
    Perform,
    Performed,
    Run,
    Wait,
    record_of,
)
from processors.payload import payload
from processors.preprocess import Preprocessing
from processors.python_run import PythonRun
from processors.python_sessions import Session
from processors.shared_state_host import Gaps, SharedState
from schemas import codec, configuration, events, values
from schemas.catalog import Catalog
from schemas.configuration import Configuration
from schemas.definitions import YAML, Definition
from schemas.errors import PenstockError, Undecodable
from schemas.events import BodyEncoding
from schemas.ids import ExecutionId
from schemas.instants import SECOND, Instant
from schemas.secrets import MasterKey
from schemas.topics import ADMISSIONS, EXECUTIONS, TRIGGERS

JOURNAL_READER = "processors.execution.journal"
CHECKPOINT_RECORDS = 5_000
"""A checkpoint follows about this many records of the journal, or twice the live values if more."""

MAX_OPEN = 2_000
"""So many executions wait for the world at once; then the partition waits."""

MAX_BEHIND = 8
"""By so many records an execution may run ahead of the log; then it waits."""

KEEP_AFTER_S = 7 * 86_400
"""What stands on the journal for longer is carried forward, long before its retention ends."""

KEEP_EVERY_S = 6 * 3_600.0

CARRIED_IN_RECORD = 200

_logger = logging.getLogger(__name__)


@dataclass(slots=True)
class _Journal:
    """One partition of `executions`, owned by this process since its claim."""

    partition: int
    state: execution.State
    claim: int
    head: int
    since_checkpoint: int = 0
    tasks: set["asyncio.Task[None]"] = field(default_factory=set)
    news: dict[ExecutionId, asyncio.Event] = field(default_factory=dict)
    """Of executions that wait for what they have invoked: set when one of it has ended."""

    gaps: Gaps = field(default_factory=Gaps)
    alarm: suspensions.Alarm = field(default_factory=suspensions.Alarm)
    live: dict[ExecutionId, Session] = field(default_factory=dict)
    """The sessions of Python flows that are in memory."""
    suspending: dict[ExecutionId, "asyncio.Future[int]"] = field(default_factory=dict)
    """What will tell where those executions are carried whose record is under way."""
    performing: dict[ExecutionId, "asyncio.Future[Performed | Heard | None]"] = field(
        default_factory=dict
    )
    """What is done now for runs of schedules: these may be canceled."""
    background: list["asyncio.Task[None]"] = field(default_factory=list)
    """What goes on until the partition is lost, beside the executions."""

    def note(self, offset: int, records: int) -> None:
        """Note what this process has appended: so many records, the last one at `offset`."""
        self.gaps.add(self.head, offset - records + 1)
        self.head = max(self.head, offset + 1)
        self.since_checkpoint += records

    def cancel(self, execution_id: ExecutionId) -> None:
        """Stop what is done for an execution that has been canceled."""
        performing = self.performing.get(execution_id)
        if performing is not None:
            performing.cancel()
        self.tell(execution_id)

    def tell(self, invoked_by: ExecutionId | None) -> None:
        waits = self.news.get(invoked_by) if invoked_by is not None else None
        if waits is not None:
            waits.set()


class _Canceled(Exception):
    """What was done for a run is of no use any more."""


class _Written(NamedTuple):
    """What a run has said: records of the journal, and what follows from them.

    Invocations go on to admission with them; the trigger's answer goes out once they are durable.
    """

    records: list[NewRecord]
    onward: list[NewRecord]
    last: events.Event | None = None
    """The last event; where it is terminal the run ends with it, whatever the run says now."""
    dispatched: events.FlowDispatched | None = None
    answer: events.TriggerAnswered | None = None

    def behind(self, records: list[NewRecord]) -> "_Written":
        return self._replace(records=records + self.records) if records else self


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
        self._journals: dict[int, _Journal] = {}
        self._blobs = blobs
        self._definitions = definitions
        self._master_key = master_key
        self._shared = SharedState(log, self._journals, persist_data.perform_shared)
        self._world = replace(
            world,
            shared_state=self._shared.ask,
            shared_state_of_thread=self._shared.asker_for_threads(world.code_timeout_s),
        )
        self._owner = owner
        self._finder = finding.Finder()
        """By version: the triggers that a Python file declares itself."""
        self._room = asyncio.Semaphore(MAX_OPEN)
        self._configurations: dict[tuple[str, str, int], Configuration] = {}
        self.failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def assign(self, partition: int) -> None:
        """Claim the partition, fold its journal and go on with the executions that are open."""
        self.revoke(partition)
        await self._definitions.read_to_end()
        claimed = codec.encode([events.PartitionClaimed(owner=self._owner)])
        [at] = await self._log.append([NewRecord(EXECUTIONS.name, "", claimed, partition)])
        state = await self._fold(partition, at.offset)
        journal = _Journal(partition, state, at.offset, at.offset)
        self._journals[partition] = journal
        # Whether these got to admission before their worker ended is not known.
        await self._log.append([_onward(known.event) for known in state.invoked.values()])
        for execution_id, known in state.suspended.items():
            journal.alarm.set(known.wake_at, execution_id)
        state.runs.take_released()
        for execution_id, run in list(state.open.items()):
            if state.runs.is_held(execution_id):
                continue
            if run.carried:
                self._revive_in_task(journal, execution_id)
            else:
                await self._resume(journal, run)
        for work in (self._wake(journal), self._keep(journal)):
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
                appends += self._noted(journal, event)
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
            (await self._records(journal, run)).behind(before)
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
            self._revive_in_task(journal, execution_id)
        await self._checkpoint_if_due(journal)

    def _go_on(
        self,
        journal: _Journal,
        begun: Sequence[tuple[Run, Effect | None]],
        written: Sequence[_Written],
        appended: Sequence[Appended],
    ) -> None:
        answers: list[replies.Reply] = []
        index = 0
        for (run, effect), some in zip(begun, written, strict=True):
            index += len(some.records)
            self._note(journal, appended[index - 1].offset, len(some.records))
            answers += self._answers(journal, run, some, appended[index - 1].offset)
            if effect is not None:
                self._drive_in_task(journal, run, effect)
        if answers:
            self._watch(self._log.append(replies.records_of(answers)))

    def _noted(self, journal: _Journal, event: events.Event) -> list[NewRecord]:
        """The records by which the journal notes a decision that starts nothing."""
        if not isinstance(event, events.TriggerRefused | events.LifecycleHappened):
            return []
        said = counted_once.noted(journal.state, event)
        if not said or event.instance_id is None:
            return []
        for noted in said:
            if isinstance(noted, events.TriggerRefused):
                journal.tell(execution.refuse(journal.state, noted.execution_id))
            else:
                execution.evolve(journal.state, journal.head, noted)
        value = codec.encode(said, journal.claim)
        return [NewRecord(EXECUTIONS.name, event.instance_id, value, journal.partition)]

    def _signalled(
        self, journal: _Journal, event: events.Event, woken: list[ExecutionId]
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
        self, journal: _Journal, record: Record, event: events.Event
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

    async def _begin(self, journal: _Journal, record: Record, event: events.Event) -> Run | None:
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
        run = await self._run(journal, event, record.at, [])
        run.said[:0] = [start, *remembered]
        return run

    async def _resume(self, journal: _Journal, open_run: execution.Open) -> None:
        found = await self._log.read(
            ADMISSIONS, journal.partition, open_run.admission_offset, max_records=1, wait_s=1.0
        )
        for record in found:
            for event in codec.decode(record.value).events:
                if isinstance(event, events.ExecutionAdmitted):
                    said = [
                        await journal_records.restored(known, self._blobs)
                        for known in open_run.said
                    ]
                    run = await self._run(journal, event, record.at, said)
                    effect = None if run.ended else run.advance(None, record.at)
                    await self._append(journal, run)
                    if effect is not None:
                        self._drive_in_task(journal, run, effect)
                    elif run.handed_over is not None and run.handed_over in said:
                        self._hand_over_in_task(journal, run)

    async def _run(
        self,
        journal: _Journal,
        admitted: events.ExecutionAdmitted,
        now: Instant,
        said: Sequence[events.Event],
    ) -> Run:
        catalog = self._definitions.catalog
        if admitted.preprocess is not None or _is_behind(catalog, admitted):
            await self._definitions.read_to_end()
        definition = catalog.definition(admitted.integration_id, admitted.version)
        configuration = self._configuration(admitted, definition)
        flow = definition.flow(admitted.flow)
        problem = "" if flow is not None else f"version has no flow {admitted.flow!r}"
        body: bytes | None = None
        if admitted.request.encoding == BodyEncoding.BLOB:
            try:
                body = await self._blobs.get(admitted.request.body)
            except BlobMissing as error:
                problem = f"the body of the request is gone: {error}"
        published = catalog.versions[admitted.integration_id, admitted.version]
        kind = Run if published.language == YAML else PythonRun
        run = kind(
            admitted=admitted,
            flow=flow or definition.flows[0],
            payload={}
            if problem
            else payload(admitted, catalog, api_keys=configuration.api_keys, body=body),
            config=configuration.values,
            secrets=configuration.secrets,
            find=self._finder.find_in(published),
            read_state=lambda scope: execution.read_values(
                journal.state, scope, execution.owner_of(scope, run.admitted)
            ),
            write_state=lambda change: _write(journal, run.admitted, change),
            owner_of=lambda scope: execution.owner_of(scope, run.admitted),
            now=now,
            recorded=record_of(said),
            has_invoked=lambda invoked: invoked in _open(journal, run).invoked,
            failures=lambda: _open(journal, run).failures,
        )
        run.past += said
        if admitted.preprocess is not None:
            run.preprocessing = self._preprocessing(run, configuration, body, said)
        if isinstance(run, PythonRun) and not problem:
            session = journal.live.setdefault(admitted.execution_id, Session(self._world))
            session.use(finding.key_of(published), published.definition)
            run.turn_s = self._world.code_timeout_s
        if problem:
            run.said.append(
                events.ExecutionFailed(execution_id=admitted.execution_id, error=problem)
            )
            run.ended = True
        return run

    def _preprocessing(
        self,
        run: Run,
        configuration: Configuration,
        body: bytes | None,
        said: Sequence[events.Event],
    ) -> Preprocessing:
        catalog, admitted = self._definitions.catalog, run.admitted

        def enter(dispatched: events.FlowDispatched) -> preprocess.Entered | None:
            if dispatched.instance_id != admitted.instance_id:
                return None
            follows = preprocess.continued(admitted, dispatched)
            definition = catalog.definition(dispatched.integration_id, dispatched.version)
            flow = definition.flow(dispatched.flow)
            assert flow is not None
            keys = configuration.api_keys
            return preprocess.Entered(
                follows, flow, payload(follows, catalog, api_keys=keys, body=body)
            )

        return Preprocessing(
            dispatch=lambda results, last: preprocess.dispatch(
                catalog, admitted, run.payload, results, last
            ),
            enter=enter,
            known=next((e for e in said if isinstance(e, events.FlowDispatched)), None),
        )

    def _drive_in_task(self, journal: _Journal, run: Run, effect: Effect) -> None:
        self._in_task(journal, self._drive(journal, run, effect))

    async def _drive(self, journal: _Journal, run: Run, effect: Effect | None) -> None:
        execution_id = run.admitted.execution_id
        session = journal.live.get(execution_id)
        try:
            async with self._room:
                await self._advance(journal, run, effect, session)
        finally:
            if session is not None:
                session.close()
                if journal.live.get(execution_id) is session:
                    del journal.live[execution_id]

    async def _advance(
        self, journal: _Journal, run: Run, effect: Effect | None, session: Session | None
    ) -> None:
        """Do what the run asks for, until it has ended or is suspended."""
        behind: deque[asyncio.Future[None]] = deque()
        while effect is not None and run.admitted.execution_id in journal.state.open:
            if run.ended:  # by a value that JSON cannot hold
                return
            if isinstance(effect, Suspend) and await self._suspend(journal, run, effect, session):
                return
            if isinstance(effect, Gather):
                # In a task of its own: who waits here leaves its room to those it waits for.
                self._in_task(journal, self._gather(journal, run, effect))
                return
            touched = isinstance(effect, Perform) and effect.action.touches_world
            try:
                performed = await self._performed(journal, run, effect, session)
            except _Canceled:
                return
            now = performed.ended_at if isinstance(performed, Performed) else run.now
            is_timed = session is not None or isinstance(effect, Suspend)
            effect = run.advance(performed, effects.clock() if is_timed else now)
            if touched or effect is None or _is_durable_before(effect):
                await self._append(journal, run)
            elif run.said and not (isinstance(effect, Exchange) and effect.holds):
                behind.append(asyncio.ensure_future(await self._begun(journal, run)))
                self._watch(behind[-1])
                if len(behind) > MAX_BEHIND:
                    await behind.popleft()

    async def _gather(self, journal: _Journal, run: Run, effect: Gather) -> None:
        """Go on with the run once few enough of those that it has invoked are still running."""
        await self._append(journal, run)
        execution_id = run.admitted.execution_id
        news = journal.news.setdefault(execution_id, asyncio.Event())
        while (known := journal.state.open.get(execution_id)) is not None:
            if len(known.unstarted if effect.unstarted else known.running) <= effect.at_most:
                break
            news.clear()
            await news.wait()
        else:
            return
        following = run.advance(None, effects.clock())
        if following is None:
            await self._append(journal, run)
        else:
            await self._drive(journal, run, following)

    async def _suspend(
        self, journal: _Journal, run: Run, wait: Suspend, session: Session | None
    ) -> bool:
        """Leave the run to the log; False where it has to wait in memory."""
        execution_id = run.admitted.execution_id
        open_run = journal.state.open[execution_id]
        gathers = session is None and bool(open_run.running or open_run.failures)
        if gathers or len(run.past) > MAX_PAST:
            await self._append(journal, run)
            return False
        said = suspensions.carried(run.began_as or run.admitted, wait.wake_at, run.past)
        if len(codec.encode(said)) > journal_records.LARGE_BYTES:
            said = [await journal_records.offloaded(event, self._blobs) for event in said]
        record = suspensions.record_of(said, journal.claim, journal.partition)
        written = await self._records(journal, run)
        # From here to the append nothing may come between: who is signalled must be carried whole.
        if record is None or (session is not None and session.has_unheard_signals):
            run.said += [e for one in written.records for e in codec.decode(one.value).events]
            await self._append(journal, run)
            return False
        if execution_id not in journal.state.open:
            return True
        head = said[0]
        assert isinstance(head, events.ExecutionCarried)
        execution.suspend(journal.state, journal.head, head)
        journal.live.pop(execution_id, None)
        place = asyncio.get_running_loop().create_future()
        journal.suspending[execution_id] = place
        appended = await self._log.append([*written.records, record, *written.onward])
        offset = appended[len(written.records)].offset
        self._note(journal, offset, len(written.records) + 1)
        answers = self._answers(journal, run, written, offset)
        if answers:
            self._watch(self._log.append(replies.records_of(answers)))
        del journal.suspending[execution_id]
        place.set_result(offset)
        known = journal.state.suspended.get(execution_id)
        if known is not None:
            journal.state.suspended[execution_id] = known._replace(offset=offset)
            journal.alarm.set(wait.wake_at, execution_id)
        await self._checkpoint_if_due(journal)
        return True

    async def _wake(self, journal: _Journal) -> None:
        """Go on with suspended executions when they are due, as far as there is room."""
        while True:
            execution_id = await journal.alarm.next_due()
            async with self._room:
                pass
            known = journal.state.suspended.get(execution_id)
            if known is None or known.wake_at is None or known.wake_at > effects.clock():
                continue
            execution.resume(journal.state, execution_id)
            self._revive_in_task(journal, execution_id)
            await asyncio.sleep(0)  # it takes its room before the next one looks

    def _revive_in_task(self, journal: _Journal, execution_id: ExecutionId) -> None:
        said = list(journal.state.open[execution_id].said)
        journal.live[execution_id] = Session(self._world)
        self._in_task(journal, self._revive(journal, execution_id, said))

    async def _revive(
        self, journal: _Journal, execution_id: ExecutionId, since: Sequence[events.Event]
    ) -> None:
        """Make the run of a suspended execution anew, and go on with it."""
        open_run = journal.state.open.get(execution_id)
        if open_run is None:
            journal.live.pop(execution_id, None)
            return
        if (place := journal.suspending.get(execution_id)) is not None:
            open_run.journal_offset = await asyncio.shield(place)
        told = await suspensions.read(self._log, journal.partition, open_run.journal_offset)
        said = [
            await journal_records.restored(event, self._blobs) for event in (*told.said, *since)
        ]
        now = effects.clock()
        run = await self._run(journal, told.admitted, now, said)
        if not isinstance(run, PythonRun):
            del journal.live[execution_id]
        run.said.insert(0, events.ExecutionResumed(execution_id=execution_id))
        effect = None if run.ended else run.advance(None, now)
        if effect is None:
            await self._append(journal, run)
        await self._drive(journal, run, effect)

    def _in_task(self, journal: _Journal, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(work)
        journal.tasks.add(task)
        task.add_done_callback(journal.tasks.discard)
        self._watch(task)

    def _hand_over_in_task(self, journal: _Journal, run: Run) -> None:
        task = asyncio.ensure_future(self._hand_over(journal, run))
        journal.tasks.add(task)
        task.add_done_callback(journal.tasks.discard)
        self._watch(task)

    async def _hand_over(self, journal: _Journal, run: Run) -> None:
        """Let the instance that the preprocess flow has named go on with the execution."""
        assert run.handed_over is not None
        admission = preprocess.continued(run.admitted, run.handed_over)
        requested = codec.encode([events.DispatchRequested(admission=admission)])
        await self._log.append([NewRecord(TRIGGERS.name, admission.endpoint_id, requested)])
        done = events.ExecutionHandedOver(execution_id=admission.execution_id)
        value = codec.encode([done], journal.claim)
        key = run.admitted.instance_id
        [at] = await self._log.append([NewRecord(EXECUTIONS.name, key, value, journal.partition)])
        self._note(journal, at.offset, 1)
        execution.evolve(journal.state, at.offset, done)

    async def _performed(
        self, journal: _Journal, run: Run, effect: Effect, session: Session | None
    ) -> Performed | Heard | None:
        """Raises _Canceled where a later run of the schedule has taken over meanwhile."""
        if run.admitted.schedule_id is None:
            return await self._perform(effect, session)
        execution_id = run.admitted.execution_id
        performing = asyncio.ensure_future(self._perform(effect, session))
        journal.performing[execution_id] = performing
        try:
            return await performing
        except asyncio.CancelledError:
            if execution_id in journal.state.open:
                raise
            raise _Canceled from None
        finally:
            del journal.performing[execution_id]

    async def _perform(self, effect: Effect, session: Session | None) -> Performed | Heard | None:
        if isinstance(effect, Exchange):
            assert session is not None
            return await session.exchange(effect)
        if isinstance(effect, Suspend):
            return await _waited(effect, session)
        if isinstance(effect, Perform):
            return await effects.perform(effect, self._world)
        await asyncio.sleep(effect.delay_s if isinstance(effect, Wait) else 0)
        return None

    async def _append(self, journal: _Journal, run: Run) -> None:
        """Append what `run` has said; once that is durable, answer its caller if it has ended."""
        await (await self._begun(journal, run))

    async def _begun(self, journal: _Journal, run: Run) -> Awaitable[None]:
        """Append what `run` has said: on return it has its place, before all that follows.

        What is returned does the rest, once it is durable.
        """
        written = await self._records(journal, run)
        appending = None
        if written.records:
            appending = self._log.append(written.records + written.onward)
        return self._settled(journal, run, written, appending)

    async def _settled(
        self,
        journal: _Journal,
        run: Run,
        written: _Written,
        appending: Awaitable[list[Appended]] | None,
    ) -> None:
        offset = -1
        if appending is not None:
            records = written.records
            appended = await appending
            offset = appended[len(records) - 1].offset
            self._note(journal, offset, len(records))
        answers = self._answers(journal, run, written, offset)
        if answers:
            await self._log.append(replies.records_of(answers))
        await self._checkpoint_if_due(journal)

    def _answers(
        self, journal: _Journal, run: Run, written: _Written, offset: int
    ) -> list[replies.Reply]:
        """What callers are told of what is durable now."""
        answers: list[replies.Reply] = [] if written.answer is None else [written.answer]
        dispatched = written.dispatched
        if dispatched is not None and run.handed_over is not None:
            self._hand_over_in_task(journal, run)
        elif dispatched is not None:
            by_flow = run.admitted.preprocess is not None and run.admitted.preprocess.by_flow
            answers += routing.told(run.admitted, by_flow=by_flow)
        if isinstance(written.last, execution.Terminal):
            answers += self._ended(journal, run, written.last, offset)
        return answers

    async def _records(self, journal: _Journal, run: Run) -> _Written:
        said, run.said = run.said, []
        answer, run.answer = run.answer, None
        if not said:
            return _Written([], [], answer=answer)
        invoked: list[events.FlowInvoked] = []
        dispatched: events.FlowDispatched | None = None
        for index, event in enumerate(said):
            if isinstance(event, events.FlowInvoked):
                said[index] = event = await journal_records.with_stored_body(event, self._blobs)
                execution.invoke(journal.state, journal.head, event)
                invoked.append(event)
            elif isinstance(event, events.FlowDispatched):
                dispatched = event
        onward = [_onward(event) for event in invoked]
        place = journal_records.Place(journal.partition, journal.claim, run.admitted.instance_id)
        records, last = await journal_records.records(
            said, run.admitted.execution_id, place, self._blobs
        )
        run.ended = run.ended or isinstance(last, execution.Terminal)
        return _Written(records, onward, last, dispatched, answer)

    def _ended(
        self, journal: _Journal, run: Run, terminal: execution.Terminal, offset: int
    ) -> list[replies.Reply]:
        admitted = run.admitted
        journal.news.pop(admitted.execution_id, None)
        known = journal.state.open.get(admitted.execution_id)
        if known is None:
            return []  # it was canceled meanwhile
        invoker = known.invoked_by
        waited_for = bool(admitted.reply_to) and (
            admitted.synchronous or preprocess.is_open(admitted)
        )
        if not waited_for and invoker is None:
            execution.end(journal.state, admitted.execution_id, failed=False)
            self._release(journal)
            return []
        failed = isinstance(terminal, events.ExecutionFailed)
        journal.tell(execution.end(journal.state, admitted.execution_id, failed=failed))
        self._release(journal)
        if not waited_for:
            return []
        return [
            events.ResultReady(
                reply_to=admitted.reply_to,
                request_no=admitted.request_no,
                execution_id=admitted.execution_id,
                partition=journal.partition,
                offset=offset,
                error=terminal.error if isinstance(terminal, events.ExecutionFailed) else None,
                response=None if failed else getattr(terminal, "response", None),
                reason=getattr(terminal, "reason", ""),
            )
        ]

    def _release(self, journal: _Journal) -> None:
        """Begin the runs that were held for one that has ended."""
        for execution_id in journal.state.runs.take_released():
            held = journal.state.open.get(execution_id)
            if held is not None:
                self._in_task(journal, self._resume(journal, held))

    async def _fold(self, partition: int, until: int) -> execution.State:
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

    def _note(self, journal: _Journal, offset: int, records: int) -> None:
        journal.note(offset, records)

    async def _checkpoint_if_due(self, journal: _Journal) -> None:
        if journal.since_checkpoint < CHECKPOINT_RECORDS:
            return
        live = sum(len(held) for held in journal.state.values.values())
        live += len(journal.state.suspended)
        if journal.since_checkpoint < 2 * live:
            return
        await self._checkpoint(journal, journal.head - journal.since_checkpoint)

    async def _keep(self, journal: _Journal) -> None:
        """Carry forward what would be past its retention, however little is said meanwhile."""
        while True:
            since = Instant(effects.clock() - KEEP_AFTER_S * SECOND)
            before = await self._log.offset_at(EXECUTIONS, journal.partition, since)
            if execution.low_water(journal.state) < before:
                await self._checkpoint(journal, before)
                while any(one.offset < before for one in journal.state.suspended.values()):
                    await suspensions.carry_forward(self._log, journal, before)
            await asyncio.sleep(KEEP_EVERY_S)

    async def _checkpoint(self, journal: _Journal, before: int) -> None:
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
                execution.evolve(journal.state, at.offset, said_now)
        self._note(journal, appended[-1].offset, 0)
        await suspensions.carry_forward(self._log, journal, before)
        low = execution.low_water(journal.state)
        await self._log.commit(JOURNAL_READER, EXECUTIONS, journal.partition, low)

    def _configuration(
        self, admitted: events.ExecutionAdmitted, definition: Definition
    ) -> Configuration:
        catalog = self._definitions.catalog
        if not admitted.customer_id:
            # A preprocess flow of all customers: nothing of any of them is its own.
            return Configuration({}, frozenset(), {})
        deployed = catalog.instances[admitted.instance_id].deployed
        revision = (admitted.instance_id, admitted.revision)
        sealed = catalog.configurations.get(revision, deployed.sealed)
        key = (sealed, admitted.integration_id, admitted.version)
        if key not in self._configurations:
            if len(self._configurations) >= 10_000:
                self._configurations.clear()
            self._configurations[key] = configuration.configured(
                self._master_key.unseal(sealed), definition
            )
        return self._configurations[key]

    def _watch(self, under_way: Awaitable[Any]) -> None:
        asyncio.ensure_future(under_way).add_done_callback(self._check)

    def _check(self, done: "asyncio.Future[Any]") -> None:
        error = None if done.cancelled() else done.exception()
        if error is not None and not self.failed.done():
            self.failed.set_exception(error)


def _is_behind(catalog: Catalog, admitted: events.ExecutionAdmitted) -> bool:
    """Whether another process has decided with what this one has not read yet."""
    known = catalog.instances.get(admitted.instance_id)
    version = (admitted.integration_id, admitted.version)
    if version not in catalog.versions or known is None:
        return True
    return known.deployed.revision < admitted.revision


def _open(journal: _Journal, run: Run) -> execution.Open:
    return journal.state.open[run.admitted.execution_id]


def _onward(event: events.FlowInvoked) -> NewRecord:
    return NewRecord(TRIGGERS.name, event.instance_id, codec.encode([event]))


async def _waited(wait: Suspend, session: Session | None) -> Heard | None:
    """The wait of a run that cannot be suspended."""
    if session is not None:
        return await session.exchange(Exchange(until=wait.wake_at))
    assert wait.wake_at is not None
    await asyncio.sleep(max(0.0, (wait.wake_at - effects.clock()) / SECOND))
    return None


def _is_durable_before(effect: Effect) -> bool:
    """Whether what has been said must be on the log before this is done."""
    if isinstance(effect, Exchange):
        return effect.durable
    return isinstance(effect, Perform) and effect.action.at_most_once


def _write(journal: _Journal, admitted: events.ExecutionAdmitted, change: Change) -> None:
    owner = (change.scope.value, execution.owner_of(change.scope, admitted))
    held = journal.state.values.setdefault(owner, {})
    if change.removed:
        held.pop(change.key, None)
    else:
        held[change.key] = execution.Stored(change.value, journal.head)
