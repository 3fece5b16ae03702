"""The engine of Python flows: a Run whose steps a coroutine reaches, in a process of its own. Pure.

The trigger runs as in any flow. Then the process is told to start the flow, and turns follow: what
the flow asks for. Each thing asked for is recorded when it ends, and then, one at a time, given to
the flow, which goes on to its next turn:

    step, action   begun; StepScheduled before that unless it is pure, then StepSucceeded | -Failed
    sleep, signal  waited for; ExecutionSuspended where that may be long
    state, call    done at once: StateChanged | FlowInvoked with its StepSucceeded, in one record

After a crash, or when the flow's process has died, the flow runs again from its beginning. What is
recorded is given to it again in the order of the log, so it comes to the same place; a step that it
reaches in another order fails the execution (processors.recording).
"""

from collections import deque
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, assert_never

from processors.actions import Change, Invocation, Outcome, Runs, StepError, Stop
from processors.cleaning import clean
from processors.flow_frames import (
    ActionStep,
    Died,
    Exchange,
    Frame,
    Heard,
    Signalled,
    StepEnded,
    Suspend,
    TimeUp,
    Turned,
)
from processors.interpreter import (
    MAX_LOG_CHARACTERS,
    SUSPEND_FROM_S,
    Effect,
    Performed,
    Run,
)
from processors.interpreter import _FlowFailed as FlowFailed
from processors.interpreter import _Signal as Signal
from processors.recorded_inputs import recorded_values
from processors.recording import MAX_SIGNALS, Ended, Recording, recording_of
from schemas import events, ids
from schemas.definitions import Step
from schemas.events import Scope
from schemas.instants import SECOND, Instant
from schemas.secrets import hide
from schemas.values import Value, from_json, to_json

MAX_STEPS = 3_000
"""With their retries these stay below MAX_PAST."""

ATTEMPT_CHARACTERS = 10_000
"""Of an attempt's error."""

_BEGINNING = Instant(0)


@dataclass(slots=True)
class _Pending:
    """Something that the flow waits for."""

    ask: Frame
    attempt: int = 1
    began_at: Instant | None = None
    """When the attempt under way began; None where none is."""
    due: Instant | None = None
    """When a wait is over, or when the next attempt may begin."""
    is_answered: bool = False
    """What it came to has been recorded, and is about to be given to the flow."""

    @property
    def key(self) -> str:
        key: str = self.ask["key"]
        return key

    @property
    def next_at(self) -> Instant | None:
        """When something is to be done about it by itself."""
        if self.is_answered:
            return None
        return self.due if self.began_at is None else self.late_at

    @property
    def late_at(self) -> Instant | None:
        """When the attempt under way has taken too long."""
        if self.began_at is None or "timeout_s" not in self.ask:
            return None
        return Instant(self.began_at + int(self.ask["timeout_s"] * SECOND))


@dataclass(slots=True, kw_only=True)
class PythonRun(Run):
    """One execution of a Python flow under way.

    `turn_s` is how long the flow's own code may take between two things that it waits for.
    """

    turn_s: float = 10.0
    _recording: Recording = field(default_factory=Recording)
    _pending: dict[int, _Pending] = field(default_factory=dict)
    _reached: list[str] = field(default_factory=list)
    _ready: deque[Ended] = field(default_factory=deque)
    _held_there: set[str] = field(default_factory=set)
    """Keys of steps whose result the flow's process has itself."""
    _told_at: Instant = _BEGINNING
    """The time of what the flow was told last."""
    _turn_until: Instant | None = None
    """By when the flow's turn is to be heard; None where it has been."""
    _one_at_a_time: bool = False
    """Several steps ran when the process died: now the one that is to blame is found."""
    _again: bool = False
    """The flow is to run again from its beginning."""
    _retry_at: dict[str, Instant] = field(default_factory=dict)
    _numbering: int = 0
    """The number of the step whose end is being said."""

    def _main(self) -> Generator[Effect, Any, None]:
        signal = yield from self._steps(self.flow.steps, "")
        if signal is Signal.GO_ON:
            yield from self._code()

    def _code(self) -> Generator[Effect, Heard, None]:
        heard: Heard = yield self._start()
        while not self._hear(heard):
            heard = yield self._next()

    def _start(self) -> Exchange:
        """Begin the flow from its beginning, in a new process."""
        self._recording = recording_of(self.past)
        self._pending, self._reached = {}, []
        self._ready.clear()
        self._held_there.clear()
        self._told_at = self.admitted.received_at
        self._turn_until = _after(self.now, self.turn_s)
        payload, tagged = to_json(self._results[self.flow.steps[0].key]["results"])
        about = {
            "execution_id": ids.to_global(ids.EXECUTION, self.admitted.execution_id),
            "config": dict(self.config),
            "now": self._told_at,
            "payload": payload,
            "tagged": tagged,
            "branch": self._last.branch,
        }
        frame = {"do": "flow", "flow": self.flow.name, "about": about}
        return Exchange(send=(frame,), starts=True, until=self._turn_until)

    def _hear(self, heard: Heard) -> bool:
        """Take in what has come; True where the flow has ended."""
        match heard:
            case Turned():
                self._turn_until = None
                return self._turn(heard)
            case StepEnded():
                self._step_ended(heard)
            case Died(reason):
                self._died(reason)
            case TimeUp():
                self._time_up()
            case Signalled(signal):
                self._keep_signal(signal)
            case _:
                assert_never(heard)
        return False

    def _keep_signal(self, signal: events.SignalReceived) -> None:
        if self._recording.add_signal(signal):
            self.past.append(signal)
        elif self._recording.has_many_signals:
            line = f"a signal {signal.name!r} was dropped: {MAX_SIGNALS} wait to be taken"
            self._log((("warn", line),), "")

    def _turn(self, turn: Turned) -> bool:
        repeats = bool(self._recording.ended) or (
            bool(turn.asks) and all(one["number"] in self._recording.order for one in turn.asks)
        )
        if not repeats or turn.end is not None:
            self._log(turn.logs, "")
        for ask in turn.asks:
            self._reach(ask)
        if turn.end is None:
            return False
        if self._recording.is_missing_after(len(self._reached)):
            raise FlowFailed("", self._recording.departure(self._reached))
        if "failed" in turn.end:
            error = hide(str(turn.end["failed"])[:ATTEMPT_CHARACTERS], self.secrets)
            raise FlowFailed(turn.end["step"], error)
        self._last = _result_of(turn.end)
        return True

    def _reach(self, ask: Frame) -> None:
        number, key = ask["number"], ask["key"]
        self._reached.append(key)
        if not self._recording.fits(number, key):
            raise FlowFailed(key, self._recording.departure(self._reached))
        if number > MAX_STEPS:
            raise FlowFailed(key, f"a flow of more than {MAX_STEPS} steps")
        pending = self._pending[number] = _Pending(ask)
        if any(ended.step == key for ended in self._recording.ended):
            return
        match ask["kind"]:
            case "step" | "action":
                pending.attempt = self._recording.failed.get(key, 0) + 1
                pending.due = self._next_attempt_at(key)
                if ask.get("at_most_once") and self._recording.had_begun(key):
                    self._fail_step(
                        pending,
                        "it had begun when its worker stopped, and it runs at most once",
                        self.now,
                    )
            case "sleep" | "signal":
                self._begin_wait(pending)
            case "state":
                self._use_state(pending)
            case "call":
                self._call(pending)

    def _next_attempt_at(self, key: str) -> Instant | None:
        """When a step that has failed is tried again; a short delay is not kept over a crash."""
        suspended = self._recording.suspended.get(key)
        return suspended.until if suspended is not None else self._retry_at.get(key)

    def _use_state(self, pending: _Pending) -> None:
        try:
            outcome = _of_state(pending.ask, self.read_state)
        except StepError as error:
            self._fail_step(pending, str(error), self.now)
        else:
            self._succeed_step(pending, outcome, self.now)

    def _call(self, pending: _Pending) -> None:
        ask = pending.ask
        invoked = Invocation(ask["flow"], from_json(ask["data"], ask["tagged"]))
        key = self._idempotency_key(pending.key)
        started = ids.to_global(ids.EXECUTION, ids.invocation_of(key, 0))
        self._succeed_step(pending, Outcome(result=started, invokes=(invoked,)), self.now)

    def _begin_wait(self, pending: _Pending) -> None:
        ask, key = pending.ask, pending.key
        if ask["seconds"] is not None:
            pending.due = _after(self._told_at, ask["seconds"])
        is_long = ask["kind"] == "signal" or ask["seconds"] >= SUSPEND_FROM_S
        if is_long and key not in self._recording.suspended:
            self._suspend(pending)

    def _suspend(self, pending: _Pending) -> None:
        self._say(
            events.ExecutionSuspended(
                execution_id=self.admitted.execution_id,
                step=pending.key,
                until=pending.due,
                waits_for=pending.ask.get("signal", ""),
                sequence=pending.ask["number"],
            )
        )

    def _next(self) -> Effect:
        """What is to be done now that everything heard has been taken in."""
        if self._again:
            self._again = False
            return self._start()
        if self._turn_until is not None:
            return Exchange(until=self._turn_until)
        begun = Exchange()
        if not self._recording.ended:
            self._expire()
            begun = self._begin_what_may()
        ended = self._next_ended()
        if ended is not None:
            delivery = self._deliver(ended)
            send = (*begun.send, *delivery.send)
            return replace(begun, send=send, until=delivery.until, holds=True)
        instants = [one.next_at for one in self._pending.values()]
        until = min((instant for instant in instants if instant is not None), default=None)
        if any(one.began_at is not None for one in self._pending.values()):
            return replace(begun, until=until)
        if until is not None and until < _after(self.now, SUSPEND_FROM_S):
            return Exchange(until=until)
        return Suspend(until)

    def _expire(self) -> None:
        """End the waits that are over, by time or by a signal."""
        for pending in list(self._pending.values()):
            if pending.is_answered or pending.began_at is not None:
                continue
            is_due = pending.due is not None and pending.due <= self.now
            match pending.ask["kind"]:
                case "sleep" if is_due:
                    self._succeed_step(pending, Outcome(), self._told_at)
                case "signal":
                    self._answer_wait(pending, is_due=is_due)
                case "step" | "action" if is_due:
                    pending.due = None

    def _answer_wait(self, pending: _Pending, *, is_due: bool) -> None:
        name = pending.ask["signal"]
        signal = self._recording.take_signal(name)
        if signal is not None:
            self._succeed_step(pending, Outcome(result=signal.data), self._told_at)
        elif is_due:
            error = f"no signal {name!r} came within {pending.ask['seconds']:g} s"
            self._fail_step(pending, error, self._told_at)

    def _next_ended(self) -> Ended | None:
        """What is to be given to the flow next, recorded results first."""
        if not self._recording.ended:
            return self._ready.popleft() if self._ready else None
        ended = self._recording.ended[0]
        if ended.sequence not in self._pending:
            raise FlowFailed(ended.step, self._recording.departure(self._reached))
        self._recording.ended.popleft()
        pending = self._pending[ended.sequence]
        if pending.ask["kind"] == "signal" and isinstance(ended, events.StepSucceeded):
            self._recording.take_signal(pending.ask["signal"])
        return ended

    def _deliver(self, ended: Ended) -> Exchange:
        pending = self._pending.pop(ended.sequence)
        if ended.ended_at is not None:
            self._told_at = max(self._told_at, ended.ended_at)
        if isinstance(ended, events.StepFailed):
            outcome = {"error": ended.error, "timed_out": pending.ask["kind"] == "signal"}
        elif ended.step in self._held_there:
            outcome = {"held": True}
        else:
            outcome = {"value": ended.result, "tagged": ended.tagged}
        frame = {
            "do": "deliver",
            "number": ended.sequence,
            "outcome": outcome,
            "now": self._told_at,
        }
        self._turn_until = _after(self.now, self.turn_s)
        return Exchange(send=(frame,), until=self._turn_until, holds=True)

    def _begin_what_may(self) -> Exchange:
        """Begin the attempts that are due."""
        send: list[Frame] = []
        performs: list[ActionStep] = []
        durable = False
        for number, pending in self._pending.items():
            if pending.ask["kind"] not in ("step", "action") or pending.is_answered:
                continue
            if pending.began_at is not None or pending.due is not None or self._must_wait():
                continue
            if pending.ask["kind"] == "step":
                self._schedule(number, pending, not pending.ask["pure"])
                send.append(self._go(pending))
                durable = durable or not pending.ask["pure"]
                continue
            perform = self._performing(number, pending)
            if perform is not None:
                performs.append(perform)
                durable = durable or perform.action.touches_world
        return Exchange(send=tuple(send), performs=tuple(performs), durable=durable)

    def _must_wait(self) -> bool:
        running = any(one.began_at is not None for one in self._pending.values())
        return self._one_at_a_time and running

    def _schedule(self, number: int, pending: _Pending, touches_world: bool) -> None:
        pending.began_at = self.now
        known = self._recording.scheduled.get(pending.key, 0)
        if not touches_world or known >= pending.attempt:
            return
        self._recording.scheduled[pending.key] = pending.attempt
        self._say(
            events.StepScheduled(
                execution_id=self.admitted.execution_id,
                step=pending.key,
                attempt=pending.attempt,
                idempotency_key=self._idempotency_key(pending.key),
                sequence=number,
            )
        )

    def _go(self, pending: _Pending) -> Frame:
        context = {
            "execution_id": ids.to_global(ids.EXECUTION, self.admitted.execution_id),
            "flow": self.flow.name,
            "step": pending.key,
            "attempt": pending.attempt,
            "idempotency_key": self._idempotency_key(pending.key),
        }
        return {"do": "go", "number": pending.ask["number"], "context": context}

    def _performing(self, number: int, pending: _Pending) -> ActionStep | None:
        """The action of a component; None where it has been performed here, or cannot be."""
        ask = pending.ask
        action = self.find(ask["component"], ask["action"])
        try:
            if action is None:
                raise StepError(f"there is no action {ask['component']}/{ask['action']} here")
            cleaned = clean(action, from_json(ask["inputs"], ask["tagged"]))
            context = self._context(_step(pending.key), "", pending.attempt)
            if action.runs is Runs.INLINE:
                self._succeed_step(pending, action.perform(cleaned, context), self.now)
                return None
        except StepError as error:
            self._attempt_failed(pending, str(error), self.now, permanent=True)
            return None
        self._schedule(number, pending, action.touches_world)
        return ActionStep(number, action, cleaned, context)

    def _idempotency_key(self, key: str) -> str:
        return ids.derived("step", self.admitted.execution_id, key, "")

    def _step_ended(self, heard: StepEnded) -> None:
        pending = self._pending.get(heard.number)
        if pending is None or pending.began_at is None:
            return
        began_at, pending.began_at = heard.started_at or pending.began_at, None
        self._log(heard.logs, pending.key)
        if heard.outcome is not None:
            if pending.ask["kind"] == "step":
                self._held_there.add(pending.key)
            self._succeed_step(pending, heard.outcome, began_at)
        else:
            self._attempt_failed(pending, heard.error, began_at, permanent=heard.permanent)

    def _attempt_failed(
        self, pending: _Pending, error: str, began_at: Instant, *, permanent: bool = False
    ) -> None:
        error = hide(error[:ATTEMPT_CHARACTERS], self.secrets)
        retry: Mapping[str, Any] = pending.ask["retry"]
        attempt = pending.attempt
        if permanent or attempt >= retry["attempts"]:
            self._fail_step(pending, error, began_at)
            return
        delay_s = min(retry["delay_s"] * retry["backoff"] ** (attempt - 1), retry["longest_s"])
        self._say(
            events.StepRetryScheduled(
                execution_id=self.admitted.execution_id,
                step=pending.key,
                loop_path="",
                attempt=attempt,
                error=error,
                delay_s=delay_s,
            )
        )
        self._recording.failed[pending.key] = attempt
        pending.attempt = attempt + 1
        pending.began_at = None
        pending.due = self._retry_at[pending.key] = _after(self.now, delay_s)
        if delay_s >= SUSPEND_FROM_S:
            self._suspend(pending)

    def _died(self, reason: str) -> None:
        """The process has ended: what ran in it alone is to blame, else all of it runs again."""
        known = self._pending.values()
        running = [one for one in known if one.began_at is not None and one.ask["kind"] == "step"]
        if self._turn_until is not None or not running:
            raise FlowFailed("", f"the flow's own code, outside of its steps: {reason}")
        if len(running) == 1:
            began_at = running[0].began_at or self.now
            self._attempt_failed(running[0], reason, began_at)
        self._one_at_a_time = len(running) > 1
        self._again = True

    def _time_up(self) -> None:
        if self._turn_until is not None and self.now >= self._turn_until:
            raise FlowFailed(
                "", f"the flow's own code, outside of its steps, took longer than {self.turn_s:g} s"
            )
        late = [
            one
            for one in self._pending.values()
            if one.late_at is not None and one.late_at <= self.now
        ]
        for pending in late:
            began_at = pending.began_at or self.now
            error = f"it took longer than {pending.ask['timeout_s']:g} s"
            self._attempt_failed(pending, error, began_at)
            self._again = True

    def _succeed_step(self, pending: _Pending, outcome: Outcome, began_at: Instant) -> None:
        pending.is_answered, pending.began_at = True, None
        self._numbering, self._given = pending.ask["number"], self._inputs_of(pending)
        performed = Performed(outcome, "", began_at, self.now)
        self._succeed(_step(pending.key), "", outcome, pending.attempt, performed)
        self._numbering = 0

    def _fail_step(self, pending: _Pending, error: str, began_at: Instant) -> None:
        pending.is_answered, pending.began_at = True, None
        self._numbering = pending.ask["number"]
        self._say(
            events.StepFailed(
                execution_id=self.admitted.execution_id,
                step=pending.key,
                error=hide(error, self.secrets),
                attempt=pending.attempt,
                started_at=began_at,
                ended_at=self.now,
                inputs=self._inputs_of(pending),
            )
        )
        self._numbering = 0

    def _inputs_of(self, pending: _Pending) -> dict[str, Any] | None:
        """What the log keeps of what the step was given; secrets are hidden."""
        inputs = pending.ask.get("inputs")
        return recorded_values(inputs, self.secrets) if inputs else None

    def _log(self, lines: tuple[tuple[str, str], ...], step: str) -> None:
        for level, message in lines:
            self._say(
                events.LogWritten(
                    execution_id=self.admitted.execution_id,
                    level=level,
                    message=hide(message, self.secrets)[:MAX_LOG_CHARACTERS],
                    step=step,
                )
            )

    def _say(self, event: events.Event) -> None:
        if self._numbering and isinstance(event, events.StepSucceeded | events.StepFailed):
            event = replace(event, sequence=self._numbering)
            self._ready.append(event)
        Run._say(self, event)


def _after(instant: Instant, delay_s: float) -> Instant:
    return Instant(instant + int(delay_s * SECOND))


def _step(key: str) -> Step:
    return Step(key=key, name=key, component="python", action="step")


def _of_state(ask: Frame, read: Callable[[Scope], Mapping[str, Value]]) -> Outcome:
    """What reading or writing a persisted value comes to. Raises StepError."""
    scope, name = Scope(ask["scope"]), ask["name"]
    value = from_json(ask["value"], ask["tagged"])
    match ask["op"]:
        case "get":
            return Outcome(result=read(scope).get(name))
        case "set":
            return Outcome(changes=(Change(scope, name, value, removed=value is None),))
        case "remove":
            return Outcome(changes=(Change(scope, name, removed=True),))
    current = read(scope).get(name) or 0
    if not isinstance(current, int | float) or not isinstance(value, int | float):
        raise StepError(f"the value at {name!r} is no number, so it cannot be incremented")
    return Outcome(result=current + value, changes=(Change(scope, name, current + value),))


def _result_of(end: Frame) -> Outcome:
    """How the flow's result becomes the last result of the execution, and its response."""
    value = from_json(end["value"], end["tagged"])
    if "status" not in end:
        return Outcome(result=value)
    stop = Stop(
        status=end["status"],
        body=value,
        content_type=end["content_type"],
        headers=dict(end["headers"]),
    )
    return Outcome(result=value, stop=stop)
