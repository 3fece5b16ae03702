"""The flow engine: walks a flow's steps and says what happened, up to the next effect. Pure.

A Run takes in an admitted trigger and what effects came to; it gives out events and asks for the
next effect. It is a generator underneath, so that it keeps its place in nested loops for nothing.

    advance(None)        → runs until the first effect: Perform, Wait or Pause
    advance(performed)   → goes on with what the effect came to
    …                    → None: the flow has ended, its last event is terminal

After a crash a new Run is given the events of the old one as `recorded`: steps that they hold are
answered from them and say nothing again, so the Run comes to the same place with the same results.
Actions that steer (branch, loop, stop) are performed again for their direction.
"""

import enum
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from processors import (
    batches,
    flow_answers,
    invocations,
    preprocess,
    responses,
    trigger_results,
)
from processors.actions import (
    POLLING_KEY,
    Action,
    Answer,
    Change,
    Context,
    Outcome,
    Runs,
    StepError,
)
from processors.asked import Effect, Gather, Load, Loaded, Pause, Perform, Performed, Wait
from processors.cleaning import clean
from processors.flow_frames import Heard, Suspend
from processors.preprocess import Preprocessing
from processors.recorded_inputs import recorded
from processors.recorded_steps import Record, Recorded
from processors.routing import Astray
from processors.run_account import MAX_PAST, Account, FlowFailed, ignores
from schemas import events
from schemas import inputs as step_inputs
from schemas.definitions import Step
from schemas.errors import Bug
from schemas.events import BodyEncoding, ResultType, Scope
from schemas.ids import ExecutionId
from schemas.instants import SECOND, Instant
from schemas.secrets import hide
from schemas.stored import Stored, found_in, replaced
from schemas.values import NotLoaded, NotSerializable, Value, pieces

EVENTS_BETWEEN_PAUSES = 200
SUSPEND_FROM_S = 60.0
"""Longer waits hold no memory: the Run is forgotten, and made anew from the log."""

MOST_UNSTARTED = 500
"""An execution that has invoked so many that have not begun waits before it invokes more."""

INVOKED_BETWEEN_WAITS = 100
MAX_ITERATIONS = 1_000_000
MAX_LOOP_BYTES = 128 * 1024 * 1024
"""The result of a loop, a list of its last step's results, is held and kept whole."""

RESULTS_BETWEEN_MEASURES = 500


def _over(*_given: object) -> Any:
    raise Bug("the execution has ended")


def _never(_execution_id: ExecutionId) -> bool:
    return False


def _none(_flow: str) -> bool:
    return False


class Signal(enum.Enum):
    GO_ON = enum.auto()
    BREAK = enum.auto()
    STOP = enum.auto()


@dataclass(slots=True, kw_only=True)
class Run(Account):
    """One execution under way.

    With `preprocessing` the flow is followed by another: here, or as `handed_over` says, where the
    run ends without a terminal event.
    """

    find: Callable[[str, str], Action | None]
    recorded: Record = field(default_factory=dict)
    preprocessing: Preprocessing | None = None
    handed_over: events.FlowDispatched | None = None
    began_as: events.ExecutionAdmitted | None = None
    """The admission of a preprocess flow, once `admitted` is of what follows it."""
    ended: bool = False
    has_invoked: Callable[[ExecutionId], bool] = _never
    failures: Callable[[], int] = int
    """How many of the executions that this one has invoked failed."""
    answers: Callable[[str], bool] = _none
    """Whether a flow of the instance is synchronous, so that a step waits for its answer."""
    answer: events.TriggerAnswered | None = None
    """For the caller whom the trigger answers, once what has been said is durable."""
    _polling: Mapping[str, Value] | None = None
    _has_no_news: bool = False
    _walk: Generator[Effect, Any, None] | None = None

    def advance(self, performed: Performed | Loaded | Heard | None, now: Instant) -> Effect | None:
        """Go on until the next effect, which is returned; None when the flow has ended."""
        self.now = now
        try:
            if self._walk is None:
                self._walk = self._execution()
                return next(self._walk)
            return self._walk.send(performed)
        except StopIteration:
            self.ended = True
            self._let_go()
            return None

    def _let_go(self) -> None:
        """What reads and writes for a run may hold the run: freed here, both are gone at once,
        and thousands a second do not wait for the collector.
        """
        self._walk = self.preprocessing = None
        self.read_state = self.write_state = self.owner_of = _over
        self.has_invoked = self.failures = self.answers = _over

    def _execution(self) -> Generator[Effect, Performed | None, None]:
        execution_id = self.admitted.execution_id
        try:
            if self.preprocessing is not None:
                yield from self._preprocess(self.preprocessing)
            if self.handed_over is not None:
                return
            yield from self._main()
            self._keep_polling()
        except FlowFailed as failure:
            self._say(
                events.ExecutionFailed(
                    execution_id=execution_id,
                    error=failure.error,
                    step=failure.step,
                    reason=failure.reason,
                )
            )
            return
        response = None
        if self.admitted.synchronous:
            response = responses.response_of(self._last, self.payload)
        result_type = ResultType.POLLED_NO_CHANGES if self._has_no_news else ResultType.COMPLETED
        self._say(
            events.ExecutionCompleted(
                execution_id=execution_id, response=response, result_type=result_type
            )
        )

    def _is_done_with(
        self, trigger: Step, outcome: Outcome
    ) -> Generator[Effect, Performed | None, bool]:
        """Act on what a trigger says beside its result; True where nothing is left to do."""
        self._note(trigger, outcome)
        if self._has_no_news:
            return True
        if not batches.size_of(self.flow) or self.admitted.is_batch or self._prefix:
            return False
        yield from self._in_batches(trigger, outcome)
        return True

    def _note(self, trigger: Step, outcome: Outcome) -> None:
        if outcome.polling is not None:
            self._polling = outcome.polling
        self._has_no_news = outcome.polled_no_changes
        if outcome.failed:
            raise FlowFailed(self._name(trigger), hide(outcome.failed, self.secrets))

    def _in_batches(
        self, trigger: Step, outcome: Outcome
    ) -> Generator[Effect, Performed | None, None]:
        """Hand the items of all pages out to executions of their own, and wait for their end."""
        count = page = 0
        found = outcome.page
        while found is not None:
            bodies = batches.cut(found.items, batches.size_of(self.flow))
            for index, body in enumerate(bodies):
                if not self.has_invoked(batches.id_of(self.admitted, page, index)):
                    yield Gather(batches.at_once(self.flow) - 1)
                    self._say(batches.invoked(self.admitted, trigger.key, page, index, body))
            count += len(bodies)
            if found.next is None:
                break
            page += 1
            self.payload = {**self.payload, "paginationState": found.next}
            outcome = yield from self._step(trigger, batches.path_of(trigger.key, page))
            self._note(trigger, outcome)
            found = outcome.page
        if outcome.page is None and not outcome.polled_no_changes:
            message = f"trigger {trigger.name!r} gives no items, which its triggerResolver needs"
            raise FlowFailed(trigger.key, message)
        yield Gather(0)
        failures = self.failures()
        if failures:
            raise FlowFailed(trigger.key, f"{failures} of {count} batches failed")

    def _keep_polling(self) -> None:
        """Only now, with success: a run that fails leaves the cursor where it was."""
        if self._polling is not None:
            self._change(self.flow.steps[0], Change(Scope.FLOW, POLLING_KEY, dict(self._polling)))

    def _main(self) -> Generator[Effect, Any, None]:
        yield from self._steps(self.flow.steps, "")

    def _preprocess(
        self, preprocessing: Preprocessing
    ) -> Generator[Effect, Performed | None, None]:
        """Run the preprocess flow, and leave nothing of it but what follows."""
        self._prefix = events.PREPROCESS
        yield from self._steps(self.flow.steps, "")
        dispatched = preprocessing.known
        if dispatched is None:
            found = preprocessing.dispatch(self._results, self._last.result)
            if isinstance(found, Astray):
                raise FlowFailed("", preprocess.sentence(found), found.reason)
            dispatched = found
            self._say(dispatched)
        self._prefix, self._results, self._last, self._given = "", {}, Outcome(), None
        entered = preprocessing.enter(dispatched)
        if entered is None:
            self.handed_over = dispatched
        else:
            self.began_as = self.admitted
            self.admitted, self.flow, self.payload = entered

    def _steps(
        self, steps: Sequence[Step], loop_path: str
    ) -> Generator[Effect, Performed | None, Signal]:
        for step in steps:
            outcome = yield from self._step(step, loop_path)
            given = self._given
            if step.is_trigger and (yield from self._is_done_with(step, outcome)):
                return Signal.STOP
            if self._since_gathering >= INVOKED_BETWEEN_WAITS:
                self._since_gathering = 0
                yield Gather(MOST_UNSTARTED, unstarted=True)
            if outcome.stop is not None:
                return Signal.STOP
            if outcome.breaks_loop:
                if not loop_path:
                    message = f"step {step.name!r} breaks a loop, and there is none around it"
                    raise FlowFailed(self._name(step), message)
                return Signal.BREAK
            for branch in step.branches:
                if branch.name == outcome.branch:
                    signal = yield from self._steps(branch.steps, loop_path)
                    if signal is not Signal.GO_ON:
                        return signal
            if outcome.iterations is not None:
                try:
                    signal = yield from self._loop(step, loop_path, outcome.iterations, given)
                except FlowFailed as failure:
                    signal = self._fail_loop(step, loop_path, failure, given)
                if signal is Signal.STOP:
                    return signal
            if self._since_pause >= EVENTS_BETWEEN_PAUSES:
                self._since_pause = 0
                yield Pause()
        return Signal.GO_ON

    def _loop(
        self,
        step: Step,
        loop_path: str,
        iterations: Sequence[tuple[Value, Value]],
        given: dict[str, Value] | None,
    ) -> Generator[Effect, Performed | None, Signal]:
        known = self.recorded.get((self._name(step), loop_path))
        if known is not None and known.succeeded is not None:
            self._answer_from(known.succeeded, step)
            return Signal.GO_ON
        gathered: list[Value] = []
        held_bytes, measured, within = 0, 0, _keys_within(step)
        prefix = f"{loop_path}.{step.key}" if loop_path else step.key
        for index, (item, position) in enumerate(iterations):
            self._forget(within)
            self._results[step.key] = {"currentItem": item, "index": position}
            self._last = Outcome()
            signal = yield from self._steps(step.steps, f"{prefix}[{index}]")
            if signal is Signal.STOP:
                return signal
            if signal is Signal.BREAK:
                break
            gathered.append(self._last.result)
            if _is_measured_at(len(gathered)):
                held_bytes += _size_bytes(gathered[measured:])
                measured = len(gathered)
                if held_bytes > MAX_LOOP_BYTES:
                    raise FlowFailed(self._name(step), _too_much(step, len(gathered)))
            self._since_pause += 1
            if self._since_pause >= EVENTS_BETWEEN_PAUSES:
                self._since_pause = 0
                yield Pause()
        self._forget(within)
        self._given = given
        self._succeed(step, loop_path, Outcome(result=gathered), 1, None)
        return Signal.GO_ON

    def _fail_loop(
        self, step: Step, loop_path: str, failure: FlowFailed, given: dict[str, Value] | None
    ) -> Signal:
        """An error that the body did not handle is the loop's own, which may ignore it.

        It is not run again: what its steps have done is done, and each has retries of its own.
        """
        if not ignores(step):
            raise failure
        self._forget(_keys_within(step))
        self._given = given
        self._fail(
            step,
            self._failure(step, loop_path, 1, Performed(None, failure.error, self.now, self.now)),
        )
        return Signal.GO_ON

    def _forget(self, keys: Sequence[str]) -> None:
        for key in keys:
            self._results.pop(key, None)

    def _step(self, step: Step, loop_path: str) -> Generator[Effect, Performed | None, Outcome]:
        known = self.recorded.get((self._name(step), loop_path))
        action = self.find(step.component, step.action)
        if known is not None and known.succeeded is not None:
            outcome = yield from self._repeat(step, loop_path, action, known.succeeded)
            self._answer(step, loop_path, action, outcome.answer, None)
            return outcome
        if known is not None and known.failed is not None:
            self._answer(step, loop_path, action, None, known.failed.error)
            return self._fail(step, known.failed)
        attempt = known.attempts + 1 if known is not None else 1
        while True:
            performed = yield from self._attempt(step, loop_path, action, attempt, known)
            if performed.outcome is not None and performed.outcome.wait_s:
                performed = yield from self._pass_time(step, loop_path, performed)
            if performed.outcome is not None and performed.outcome.invokes:
                performed = yield from self._ask(step, loop_path, attempt, performed)
            if performed.outcome is not None:
                if performed.outcome.iterations is None:
                    self._succeed(step, loop_path, performed.outcome, attempt, performed)
                self._answer(step, loop_path, action, performed.outcome.answer, None)
                return performed.outcome
            policy = step.error_config
            if policy.handler != "retry" or attempt > policy.max_attempts:
                self._answer(step, loop_path, action, None, performed.error)
                return self._fail(step, self._failure(step, loop_path, attempt, performed))
            delay_s = policy.delay_s * (2 ** (attempt - 1) if policy.exponential else 1)
            self._say(
                events.StepRetryScheduled(
                    execution_id=self.admitted.execution_id,
                    step=self._name(step),
                    loop_path=loop_path,
                    attempt=attempt,
                    error=performed.error,
                    delay_s=delay_s,
                )
            )
            yield self._wait(step, loop_path, delay_s, Instant(self.now + int(delay_s * SECOND)))
            attempt, known = attempt + 1, None

    def _wait(self, step: Step, loop_path: str, delay_s: float, until: Instant) -> Effect:
        """Let time pass, in memory where it is short."""
        if delay_s < SUSPEND_FROM_S or len(self.past) > MAX_PAST:
            return Wait(delay_s)
        known = self.recorded.get((self._name(step), loop_path))
        if known is None or known.waits_until != until:
            self._say(
                events.ExecutionSuspended(
                    execution_id=self.admitted.execution_id,
                    step=self._name(step),
                    loop_path=loop_path,
                    until=until,
                )
            )
        return Suspend(until)

    def _ask(
        self, step: Step, loop_path: str, attempt: int, performed: Performed
    ) -> Generator[Effect, Performed | None, Performed]:
        """Where a flow is invoked that answers, invoke it now and wait for its answer."""
        assert performed.outcome is not None
        invocation = performed.outcome.invokes[0]
        if not (invocation.asks and self.answers(invocation.flow)):
            return performed
        if self.admitted.depth >= flow_answers.MOST_WAITING:
            return self._error(
                f"flow {invocation.flow!r} is not called: {flow_answers.MOST_WAITING} flows"
                " wait for one another already"
            )
        caller = self._caller(step, loop_path)
        try:
            asked = invocations.asked_by(self.admitted, caller, invocation, attempt)
        except NotSerializable as error:
            return self._error(f"step {step.name!r} sends {error}")
        known = self.recorded.get((self._name(step), loop_path))
        began, until = self.now, Instant(self.now + int(flow_answers.ANSWER_S * SECOND))
        if known is not None and known.waits_for == asked.execution_id and known.waits_until:
            until = known.waits_until
        else:
            self._say(asked)
            self._say(
                events.ExecutionSuspended(
                    execution_id=self.admitted.execution_id,
                    step=self._name(step),
                    loop_path=loop_path,
                    until=until,
                    waits_for=asked.execution_id,
                )
            )
        while (answer := flow_answers.find(self.past, asked.execution_id)) is None:
            if self.now >= until:
                return self._error(
                    f"flow {invocation.flow!r} has not answered within {flow_answers.ANSWER_S:g} s"
                )
            yield Suspend(until, hears=asked.execution_id)
        answered = flow_answers.performed(answer, invocation.flow, began, self.now)
        return replace(answered, error=hide(answered.error, self.secrets))

    def _pass_time(
        self, step: Step, loop_path: str, performed: Performed
    ) -> Generator[Effect, Performed | None, Performed]:
        """What a step came to that lets time pass, once it has passed."""
        known = self.recorded.get((self._name(step), loop_path))
        until = known.waits_until if known is not None else None
        if until is None:
            wait_s = performed.outcome.wait_s if performed.outcome is not None else 0.0
            until = Instant(performed.ended_at + int(wait_s * SECOND))
        if until > self.now:
            yield self._wait(step, loop_path, (until - self.now) / SECOND, until)
        return Performed(performed.outcome, "", performed.started_at, max(until, self.now))

    def _attempt(
        self,
        step: Step,
        loop_path: str,
        action: Action | None,
        attempt: int,
        known: Recorded | None,
    ) -> Generator[Effect, Performed | None, Performed]:
        self._given = None
        if action is None:
            return self._error(
                f"component {step.component!r} has no action {step.action!r} here, "
                f"which step {step.name!r} needs"
            )
        if known is not None and known.scheduled and action.at_most_once:
            return self._error(
                f"step {step.name!r} had begun when its worker stopped, "
                f"and its action runs at most once"
            )
        if step.is_trigger and self.admitted.is_batch:
            return Performed(Outcome(result=dict(self.payload)), "", self.now, self.now)
        context = self._context(step, loop_path, attempt)
        try:
            if action.runs is Runs.INLINE:
                return (yield from self._inline(step, action, context))
            cleaned = yield from self._inputs(step, action, {})
        except StepError as error:
            return self._error(str(error))
        except Exception as error:  # noqa: BLE001  # a component's bug fails its own step only
            return self._error(f"{type(error).__name__}: {error}")
        if action.touches_world and not (known is not None and known.scheduled):
            self._say(
                events.StepScheduled(
                    execution_id=self.admitted.execution_id,
                    step=self._name(step),
                    loop_path=loop_path,
                    attempt=attempt,
                    idempotency_key=context.idempotency_key,
                )
            )
        performed = yield Perform(action, cleaned, context)
        assert performed is not None
        self.now = performed.ended_at
        if step.is_trigger and performed.outcome is not None:
            try:
                trigger_results.checked(performed.outcome, action, step)
            except StepError as error:
                return replace(performed, outcome=None, error=hide(str(error), self.secrets))
        return performed

    def _answer(
        self,
        step: Step,
        loop_path: str,
        action: Action | None,
        answer: Answer | None,
        error: str | None,
    ) -> None:
        """Note what the caller is told; of a trigger that gives pages the first one speaks."""
        if not step.is_trigger or loop_path or self._prefix or self.admitted.is_batch:
            return
        if action is not None and action.trigger.answers:
            self.answer = trigger_results.answered(self.admitted, answer, error)

    def _inline(
        self, step: Step, action: Action, context: Context
    ) -> Generator[Effect, Any, Performed]:
        outcome = yield from self._outcome(step, action, context)
        if action.is_trigger:
            trigger_results.checked(outcome, action, self.flow.steps[0])
        if outcome.iterations is not None and len(outcome.iterations) > MAX_ITERATIONS:
            raise StepError(
                f"a loop of {len(outcome.iterations)} iterations; {MAX_ITERATIONS} are allowed"
            )
        return Performed(outcome, "", self.now, self.now)

    def _outcome(
        self, step: Step, action: Action, context: Context
    ) -> Generator[Effect, Any, Outcome]:
        """What a pure action comes to; it may find that it needs bytes that are not loaded."""
        found: dict[Stored, bytes] = {}
        while True:
            cleaned = yield from self._inputs(step, action, found)
            try:
                outcome: Outcome = action.perform(cleaned, context)
                return outcome
            except NotLoaded as missing:
                yield from self._load(step, [missing.needed], found)

    def _inputs(
        self, step: Step, action: Action, found: dict[Stored, bytes]
    ) -> Generator[Effect, Any, dict[str, Value]]:
        """The inputs, with what has been loaded in `found`, and what the action needs besides."""
        resolved = self._resolved(step, action, found)
        while not isinstance(resolved, dict):
            yield from self._load(step, resolved, found)
            resolved = self._resolved(step, action, found)
        self._given = recorded(step.inputs, resolved, self.secrets, action.secret_inputs)
        return clean(action, resolved)

    def _resolved(
        self, step: Step, action: Action, found: Mapping[Stored, bytes]
    ) -> dict[str, Value] | list[Stored]:
        """The values of the inputs; or what has to be loaded before they can be had."""
        results = replaced(self._results, found) if found else self._results
        try:
            resolved = {
                name: step_inputs.resolve(given, results, self.config)
                for name, given in step.inputs.items()
            }
        except NotLoaded as missing:
            return [missing.needed]
        if not self._holds_bytes and self.admitted.request.encoding != BodyEncoding.BLOB:
            return resolved
        passed = {declared.key for declared in action.inputs if declared.passes_stored}
        needed = found_in([value for key, value in resolved.items() if key not in passed])
        return needed or resolved

    def _load(
        self, step: Step, needed: Sequence[Stored], found: dict[Stored, bytes]
    ) -> Generator[Effect, Any, None]:
        """Load what a step needs into `found`. Raises StepError."""
        if not found.keys().isdisjoint(needed):
            raise Bug(f"step {step.name!r} does not take what has been loaded for it")
        told: Loaded = yield Load(needed)
        if told.error:
            raise StepError(f"step {step.name!r}: {told.error}")
        found |= told.found

    def _repeat(
        self,
        step: Step,
        loop_path: str,
        action: Action | None,
        succeeded: events.StepSucceeded,
    ) -> Generator[Effect, Any, Outcome]:
        steering = Outcome()
        if action is not None and action.runs is Runs.INLINE and not step.is_trigger:
            try:
                context = self._context(step, loop_path, succeeded.attempt)
                steering = yield from self._outcome(step, action, context)
            except StepError:
                steering = Outcome()
        self._answer_from(succeeded, step)
        if step.is_trigger:
            outcome = trigger_results.restored(succeeded, self.payload, self.admitted.request)
            self._results[step.key] = {"results": outcome.result}
            self._last = outcome
            return outcome
        content_type, headers = responses.answer_of(succeeded)
        outcome = Outcome(
            result=self._results[step.key]["results"],
            branch=succeeded.branch,
            iterations=steering.iterations,
            stop=steering.stop,
            breaks_loop=steering.breaks_loop,
            status=succeeded.status,
            content_type=content_type,
            headers=headers,
        )
        self._last = outcome
        return outcome


def _keys_within(step: Step) -> list[str]:
    keys: list[str] = []
    for inner in (*step.steps, *(s for branch in step.branches for s in branch.steps)):
        keys.append(inner.key)
        keys.extend(_keys_within(inner))
    return keys


def _is_measured_at(count: int) -> bool:
    """Early on at each doubling: few large results are noticed, and each is measured once."""
    if count < RESULTS_BETWEEN_MEASURES:
        return count & (count - 1) == 0
    return count % RESULTS_BETWEEN_MEASURES == 0


def _size_bytes(results: Sequence[Value]) -> int:
    try:
        return sum(len(piece) for piece in pieces(results) if isinstance(piece, bytes))
    except NotSerializable:
        return 0  # what cannot be written at all fails where it is written


def _too_much(step: Step, count: int) -> str:
    return (
        f"step {step.name!r}: the results of its first {count} iterations take more than"
        f" {MAX_LOOP_BYTES} bytes"
    )
