"""The steps of a Python flow: how each thing that it waits for begins, and what its end says. Pure.

Takes in what the flow asks for (penstock.flow_context has the table); gives out frames and actions
to be performed, and events:

    step, action   begun; StepScheduled before that unless it is pure, then StepSucceeded | -Failed
    sleep, signal  waited for; ExecutionSuspended where that may be long
    state, call    done at once: StateChanged | FlowInvoked with its StepSucceeded, in one record
"""

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from processors.actions import Change, Invocation, Outcome, Runs, StepError
from processors.asked import Performed
from processors.cleaning import clean
from processors.components import cross_flow
from processors.flow_frames import (
    ActionStep,
    Exchange,
    Frame,
)
from processors.interpreter import SUSPEND_FROM_S, Run
from processors.python.recording import Ended, Recording
from processors.recorded_inputs import recorded_values
from processors.run_account import MAX_LOG_CHARACTERS
from schemas import events, ids
from schemas.definitions import Step
from schemas.events import Scope
from schemas.instants import SECOND, Instant
from schemas.secrets import hide
from schemas.values import Value, from_json

ATTEMPT_CHARACTERS = 10_000
"""Of an attempt's error."""

MOST_AT_ONCE = 32
"""So many steps of one flow run at once: each has a thread, and its process has to hold all."""

_STEERS = "steers the steps of a YAML flow; code branches, loops and returns, and has context.sleep"

_BEGINNING = Instant(0)


@dataclass(slots=True)
class Pending:
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
class PythonSteps(Run):
    """What an execution of a Python flow waits for, and what has come of it."""

    _recording: Recording = field(default_factory=Recording)
    _pending: dict[int, Pending] = field(default_factory=dict)
    _ready: deque[Ended] = field(default_factory=deque)
    """What has come to its end since, and is to be given to the flow."""
    _told_at: Instant = _BEGINNING
    """The time of what the flow was told last."""
    _one_at_a_time: bool = False
    """Several steps ran when the process died: now the one that is to blame is found."""
    _retry_at: dict[str, Instant] = field(default_factory=dict)
    _numbering: int = 0
    """The number of the step whose end is being said."""

    def _begin_what_may(self) -> Exchange:
        """Begin the attempts that are due."""
        send: list[Frame] = []
        performs: list[ActionStep] = []
        durable = False
        room = 1 if self._one_at_a_time else MOST_AT_ONCE
        room -= sum(one.began_at is not None for one in self._pending.values())
        for number, pending in self._pending.items():
            if room <= 0:
                break
            if pending.ask["kind"] not in ("step", "action") or pending.is_answered:
                continue
            if pending.began_at is not None or pending.due is not None:
                continue
            if pending.ask["kind"] == "step":
                self._schedule(number, pending, not pending.ask["pure"])
                send.append(self._go(pending))
                durable = durable or not pending.ask["pure"]
                room -= 1
                continue
            perform = self._performing(number, pending)
            if perform is not None:
                performs.append(perform)
                room -= 1
                durable = durable or perform.action.touches_world
        return Exchange(send=tuple(send), performs=tuple(performs), durable=durable)

    def _schedule(self, number: int, pending: Pending, touches_world: bool) -> None:
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

    def _go(self, pending: Pending) -> Frame:
        context = {
            "execution_id": ids.to_global(ids.EXECUTION, self.admitted.execution_id),
            "flow": self.flow.name,
            "step": pending.key,
            "attempt": pending.attempt,
            "idempotency_key": self._idempotency_key(pending.key),
        }
        return {"do": "go", "number": pending.ask["number"], "context": context}

    def _performing(self, number: int, pending: Pending) -> ActionStep | None:
        """The action of a component; None where it has been performed here, or cannot be."""
        ask = pending.ask
        action = self.find(ask["component"], ask["action"])
        try:
            if action is None:
                raise StepError(f"there is no action {ask['component']}/{ask['action']} here")
            cleaned = clean(action, from_json(ask["inputs"], ask["tagged"]))
            context = self._context(_step(pending.key), "", pending.attempt)
            outcome = action.perform(cleaned, context) if action.runs is Runs.INLINE else None
            if outcome is not None and _steers(outcome):
                raise StepError(f"{ask['component']}/{ask['action']} {_STEERS}")
        except StepError as error:
            self._attempt_failed(pending, str(error), self.now, permanent=True)
            return None
        except Exception as error:  # noqa: BLE001  # a component's bug fails its own step only
            broken = f"{type(error).__name__}: {error}"
            self._attempt_failed(pending, broken, self.now, permanent=True)
            return None
        if outcome is not None:
            self._succeed_step(pending, outcome, self.now)
            return None
        self._schedule(number, pending, action.touches_world)
        return ActionStep(number, action, cleaned, context)

    def _idempotency_key(self, key: str) -> str:
        return ids.derived("step", self.admitted.execution_id, key, "")

    def _attempt_failed(
        self, pending: Pending, error: str, began_at: Instant, *, permanent: bool = False
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
        pending.due = self._retry_at[pending.key] = after(self.now, delay_s)
        if delay_s >= SUSPEND_FROM_S:
            self._suspend(pending)

    def _next_attempt_at(self, key: str) -> Instant | None:
        """When a step that has failed is tried again; a short delay is not kept over a crash."""
        suspended = self._recording.suspended.get(key)
        return suspended.until if suspended is not None else self._retry_at.get(key)

    def _begin_wait(self, pending: Pending) -> None:
        ask, key = pending.ask, pending.key
        if ask["seconds"] is not None:
            pending.due = after(self._told_at, ask["seconds"])
        is_long = ask["kind"] == "signal" or ask["seconds"] >= SUSPEND_FROM_S
        if is_long and key not in self._recording.suspended:
            self._suspend(pending)

    def _suspend(self, pending: Pending) -> None:
        self._say(
            events.ExecutionSuspended(
                execution_id=self.admitted.execution_id,
                step=pending.key,
                until=pending.due,
                waits_for=pending.ask.get("signal", ""),
                sequence=pending.ask["number"],
            )
        )

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

    def _answer_wait(self, pending: Pending, *, is_due: bool) -> None:
        name = pending.ask["signal"]
        signal = self._recording.take_signal(name)
        if signal is not None:
            self._succeed_step(pending, Outcome(result=signal.data), self._told_at)
        elif is_due:
            error = f"no signal {name!r} came within {pending.ask['seconds']:g} s"
            self._fail_step(pending, error, self._told_at)

    def _use_state(self, pending: Pending) -> None:
        try:
            outcome = _of_state(pending.ask, self.read_state)
        except StepError as error:
            self._fail_step(pending, str(error), self.now)
        else:
            self._succeed_step(pending, outcome, self.now)

    def _call(self, pending: Pending) -> None:
        ask = pending.ask
        try:
            cross_flow.check_flow(self.payload, ask["flow"])
        except StepError as error:
            return self._fail_step(pending, str(error), self.now)
        invoked = Invocation(ask["flow"], from_json(ask["data"], ask["tagged"]))
        key = self._idempotency_key(pending.key)
        started = ids.to_global(ids.EXECUTION, ids.invocation_of(key, 0))
        self._succeed_step(pending, Outcome(result=started, invokes=(invoked,)), self.now)

    def _succeed_step(self, pending: Pending, outcome: Outcome, began_at: Instant) -> None:
        pending.is_answered, pending.began_at = True, None
        self._numbering, self._given = pending.ask["number"], self._inputs_of(pending)
        performed = Performed(outcome, "", began_at, self.now)
        self._succeed(_step(pending.key), "", outcome, pending.attempt, performed)
        self._numbering = 0

    def _fail_step(self, pending: Pending, error: str, began_at: Instant) -> None:
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

    def _inputs_of(self, pending: Pending) -> dict[str, Any] | None:
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


def _steers(outcome: Outcome) -> bool:
    """Whether it says what the steps of a YAML flow do next, which nobody here would follow."""
    steers = (outcome.iterations, outcome.stop, outcome.branch)
    return any(one is not None for one in steers) or outcome.breaks_loop or outcome.wait_s > 0


def after(instant: Instant, delay_s: float) -> Instant:
    """The instant so many seconds later."""
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
