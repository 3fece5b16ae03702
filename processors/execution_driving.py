"""Driving runs: does what they ask for, appends what they say, and answers who waits for them.

Takes in runs that have begun; each goes on in a task of its own until it has ended or waits without
memory. What a run has said is on the log before what follows from it is done.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextlib import suppress
from typing import Any

from eventlog.blobs import Blobs
from eventlog.log import Appended, EventLog, NewRecord
from processors import (
    effects,
    execution,
    flow_answers,
    journal_records,
    journal_writing,
    preprocess,
    replies,
    routing,
    suspensions,
)
from processors.actions import World
from processors.asked import Effect, Gather, Load, Loaded, Perform, Performed, Wait
from processors.flow_frames import Exchange, Heard, Suspend
from processors.interpreter import Run
from processors.journal import Journal
from processors.journal_keeping import JournalKeeper
from processors.journal_writing import Written
from processors.python.run import PythonRun
from processors.python.sessions import Session
from processors.run_account import MAX_PAST
from processors.run_making import RunMaker
from schemas import codec, events
from schemas.ids import ExecutionId
from schemas.instants import SECOND, Instant
from schemas.topics import ADMISSIONS, EXECUTIONS, TRIGGERS

MAX_OPEN = 2_000
"""So many executions wait for the world at once; then the partition waits."""

HELD_S = 2.0
"""So long a step that waits for another flow's answer is held in memory: most answer at once."""

MAX_BEHIND = 8
"""By so many records an execution may run ahead of the log; then it waits."""


class _Canceled(Exception):
    """What was done for a run is of no use any more."""


class Driver:
    """Drives the runs of one process. `watch` is given work that nobody awaits."""

    def __init__(
        self,
        log: EventLog,
        *,
        maker: RunMaker,
        blobs: Blobs,
        keeper: JournalKeeper,
        world: World,
        watch: Callable[[Awaitable[Any]], None],
    ) -> None:
        self._log = log
        self._maker = maker
        self._blobs = blobs
        self._keeper = keeper
        self._world = world
        self._watch = watch
        self._room = asyncio.Semaphore(MAX_OPEN)

    async def resume(self, journal: Journal, open_run: execution.Open) -> None:
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
                    run = await self._maker.make(journal, event, record.at, said)
                    effect = None if run.ended else run.advance(None, record.at)
                    await self._append(journal, run)
                    if effect is not None:
                        self.drive_in_task(journal, run, effect)
                    elif run.handed_over is not None and run.handed_over in said:
                        self._hand_over_in_task(journal, run)

    def drive_in_task(self, journal: Journal, run: Run, effect: Effect) -> None:
        self._in_task(journal, self._drive(journal, run, effect))

    async def _drive(self, journal: Journal, run: Run, effect: Effect | None) -> None:
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
        self, journal: Journal, run: Run, effect: Effect | None, session: Session | None
    ) -> None:
        """Do what the run asks for, until it has ended or is suspended."""
        behind: deque[asyncio.Future[None]] = deque()
        while effect is not None and run.admitted.execution_id in journal.state.open:
            if run.ended:  # by a value that JSON cannot hold
                return
            if isinstance(effect, Exchange) and effect.rests and session and session.is_to_leave:
                effect = Suspend(effect.until)
            if isinstance(effect, Suspend) and effect.hears is not None:
                self._in_task(journal, self._hear_answer(journal, run, effect))
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

    async def _gather(self, journal: Journal, run: Run, effect: Gather) -> None:
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
        await self._go_on(journal, run)

    async def _go_on(self, journal: Journal, run: Run) -> None:
        """Go on with a run that has waited without taking room."""
        following = run.advance(None, effects.clock())
        if following is None:
            await self._append(journal, run)
        else:
            await self._drive(journal, run, following)

    async def _hear_answer(self, journal: Journal, run: Run, wait: Suspend) -> None:
        """Go on with the run once the flow that it has called has answered, or the time is up."""
        if not await self._is_left(journal, run, wait):
            await self._go_on(journal, run)

    async def _is_left(self, journal: Journal, run: Run, wait: Suspend) -> bool:
        """Wait for the answer of a flow; True where the run has been left to the log, or canceled.

        It is held in memory for a while, and for longer only where it cannot be left.
        """
        if run.said:
            await self._append(journal, run)
        execution_id = run.admitted.execution_id
        held_until = Instant(effects.clock() + int(HELD_S * SECOND))
        if await self._is_answered(journal, run, wait, held_until):
            return False
        if execution_id not in journal.state.open:
            return True
        if await self._suspend(journal, run, wait, None):
            return True
        assert wait.wake_at is not None
        await self._is_answered(journal, run, wait, wait.wake_at)
        return execution_id not in journal.state.open

    async def _is_answered(self, journal: Journal, run: Run, wait: Suspend, until: Instant) -> bool:
        """Whether the answer has come by then; then it is of what the run knows."""
        assert wait.hears is not None
        execution_id = run.admitted.execution_id
        news = journal.news.setdefault(execution_id, asyncio.Event())
        while (known := journal.state.open.get(execution_id)) is not None:
            answer = flow_answers.find(known.said, wait.hears)
            if answer is not None:
                run.past.append(answer)
                return True
            left_s = (until - effects.clock()) / SECOND
            if left_s <= 0:
                return False
            news.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(left_s):
                    await news.wait()
        return False

    def hear(self, journal: Journal, answer: events.FlowAnswered) -> list[ExecutionId]:
        """Note the answer to a step that waits for it; gives whom that wakes."""
        waiting = answer.execution_id
        was_suspended = waiting in journal.state.suspended
        execution.evolve(journal.state, journal.head, answer)
        journal.tell(waiting)
        return [waiting] if was_suspended else []

    async def _suspend(
        self, journal: Journal, run: Run, wait: Suspend, session: Session | None
    ) -> bool:
        """Leave the run to the log; False where it has to wait in memory."""
        execution_id = run.admitted.execution_id
        open_run = journal.state.open[execution_id]
        gathers = session is None and bool(open_run.running or open_run.failures)
        gathers = gathers and wait.hears is None
        if gathers or len(run.past) > MAX_PAST:
            await self._append(journal, run)
            return False
        said = suspensions.carried(run.began_as or run.admitted, wait.wake_at, run.past)
        if len(codec.encode(said)) > journal_records.LARGE_BYTES:
            said = [await journal_records.offloaded(event, self._blobs) for event in said]
        record = suspensions.record_of(said, journal.claim, journal.partition)
        written = await journal_writing.written(journal, run, self._blobs)
        # From here to the append nothing may come between: who is signalled must be carried whole.
        is_answered = wait.hears is not None and flow_answers.find(open_run.said, wait.hears)
        is_heard = session is not None and session.has_unheard_signals
        if record is None or is_heard or is_answered:
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
        journal.note(offset, len(written.records) + 1)
        answers = self.answers(journal, run, written, offset)
        if answers:
            self._watch(self._log.append(replies.records_of(answers)))
        del journal.suspending[execution_id]
        place.set_result(offset)
        known = journal.state.suspended.get(execution_id)
        if known is not None:
            journal.state.suspended[execution_id] = known._replace(offset=offset)
            journal.alarm.set(wait.wake_at, execution_id)
        await self._keeper.checkpoint_if_due(journal)
        return True

    async def wake(self, journal: Journal) -> None:
        """Go on with suspended executions when they are due, as far as there is room."""
        while True:
            execution_id = await journal.alarm.next_due()
            async with self._room:
                pass
            known = journal.state.suspended.get(execution_id)
            if known is None or known.wake_at is None or known.wake_at > effects.clock():
                continue
            execution.resume(journal.state, execution_id)
            self.revive_in_task(journal, execution_id)
            await asyncio.sleep(0)  # it takes its room before the next one looks

    def revive_in_task(self, journal: Journal, execution_id: ExecutionId) -> None:
        said = list(journal.state.open[execution_id].said)
        journal.live[execution_id] = Session(self._world)
        self._in_task(journal, self._revive(journal, execution_id, said))

    async def _revive(
        self, journal: Journal, execution_id: ExecutionId, since: Sequence[events.Event]
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
        run = await self._maker.make(journal, told.admitted, now, said)
        if not isinstance(run, PythonRun):
            del journal.live[execution_id]
        run.said.insert(0, events.ExecutionResumed(execution_id=execution_id))
        effect = None if run.ended else run.advance(None, now)
        if effect is None:
            await self._append(journal, run)
        await self._drive(journal, run, effect)

    def _in_task(self, journal: Journal, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(work)
        journal.tasks.add(task)
        task.add_done_callback(journal.tasks.discard)
        self._watch(task)

    def _hand_over_in_task(self, journal: Journal, run: Run) -> None:
        task = asyncio.ensure_future(self._hand_over(journal, run))
        journal.tasks.add(task)
        task.add_done_callback(journal.tasks.discard)
        self._watch(task)

    async def _hand_over(self, journal: Journal, run: Run) -> None:
        """Let the instance that the preprocess flow has named go on with the execution."""
        assert run.handed_over is not None
        admission = preprocess.continued(run.admitted, run.handed_over)
        requested = codec.encode([events.DispatchRequested(admission=admission)])
        await self._log.append([NewRecord(TRIGGERS.name, admission.endpoint_id, requested)])
        done = events.ExecutionHandedOver(execution_id=admission.execution_id)
        value = codec.encode([done], journal.claim)
        key = run.admitted.instance_id
        [at] = await self._log.append([NewRecord(EXECUTIONS.name, key, value, journal.partition)])
        journal.note(at.offset, 1)
        execution.evolve(journal.state, at.offset, done)

    async def _performed(
        self, journal: Journal, run: Run, effect: Effect, session: Session | None
    ) -> Performed | Loaded | Heard | None:
        """Raises _Canceled where a later run of the schedule has taken over meanwhile."""
        if run.admitted.schedule_id is None:
            return await self._perform(effect, session)
        execution_id = run.admitted.execution_id
        performing: asyncio.Future[Performed | Loaded | Heard | None]
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

    async def _perform(
        self, effect: Effect, session: Session | None
    ) -> Performed | Loaded | Heard | None:
        if isinstance(effect, Exchange):
            assert session is not None
            return await session.exchange(effect)
        if isinstance(effect, Suspend):
            return await _waited(effect, session)
        if isinstance(effect, Perform):
            return await effects.perform(effect, self._world)
        if isinstance(effect, Load):
            return await effects.load(effect, self._world)
        await asyncio.sleep(effect.delay_s if isinstance(effect, Wait) else 0)
        return None

    async def _append(self, journal: Journal, run: Run) -> None:
        """Append what `run` has said; once that is durable, answer its caller if it has ended."""
        await (await self._begun(journal, run))

    async def _begun(self, journal: Journal, run: Run) -> Awaitable[None]:
        """Append what `run` has said: on return it has its place, before all that follows.

        What is returned does the rest, once it is durable.
        """
        written = await journal_writing.written(journal, run, self._blobs)
        appending = None
        if written.records:
            appending = self._log.append(written.records + written.onward)
        return self._settled(journal, run, written, appending)

    async def _settled(
        self,
        journal: Journal,
        run: Run,
        written: Written,
        appending: Awaitable[list[Appended]] | None,
    ) -> None:
        offset = -1
        if appending is not None:
            records = written.records
            appended = await appending
            offset = appended[len(records) - 1].offset
            journal.note(offset, len(records))
        answers = self.answers(journal, run, written, offset)
        if answers:
            await self._log.append(replies.records_of(answers))
        await self._keeper.checkpoint_if_due(journal)

    def answers(
        self, journal: Journal, run: Run, written: Written, offset: int
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
        if written.flow_answer is not None:
            for waiting in self.hear(journal, written.flow_answer):
                self.revive_in_task(journal, waiting)
        return answers

    def _ended(
        self, journal: Journal, run: Run, terminal: execution.Terminal, offset: int
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

    def _release(self, journal: Journal) -> None:
        """Begin the runs that were held for one that has ended."""
        for execution_id in journal.state.runs.take_released():
            held = journal.state.open.get(execution_id)
            if held is not None:
                self._in_task(journal, self.resume(journal, held))


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
