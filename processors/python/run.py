"""The engine of Python flows: a Run whose steps a coroutine reaches, in a process of its own. Pure.

The trigger runs as in any flow. Then the process is told to start the flow, and turns follow: what
the flow asks for (processors.python.steps). Each thing asked for is recorded when it ends, and
then, one at a time, given to the flow, which goes on to its next turn.

After a crash, or when the flow's process has died, the flow runs again from its beginning. What is
recorded is given to it again in the order of the log, so it comes to the same place; a step that it
reaches in another order fails the execution (processors.python.recording).
"""

from collections.abc import Generator
from dataclasses import dataclass, field, replace
from typing import Any, assert_never

from processors.actions import Outcome, Stop
from processors.asked import Effect
from processors.execution import MAX_SIGNALS
from processors.flow_frames import (
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
from processors.interpreter import SUSPEND_FROM_S, Signal
from processors.python.recording import Ended, recording_of
from processors.python.steps import ATTEMPT_CHARACTERS, Pending, PythonSteps, after
from processors.run_account import FlowFailed
from schemas import events, ids
from schemas.instants import Instant
from schemas.secrets import hide
from schemas.values import from_json, to_json

REST_FROM_S = 1.0
"""Who waits for longer may be asked to leave its process to another execution."""

MAX_STEPS = 3_000
"""With their retries these stay below MAX_PAST."""


@dataclass(slots=True, kw_only=True)
class PythonRun(PythonSteps):
    """One execution of a Python flow under way.

    `turn_s` is how long the flow's own code may take between two things that it waits for.
    """

    turn_s: float = 10.0
    _reached: list[str] = field(default_factory=list)
    """The keys of what the flow has asked for, in its order."""
    _held_there: set[str] = field(default_factory=set)
    """Keys of steps whose result the flow's process has itself."""
    _turn_until: Instant | None = None
    """By when the flow's turn is to be heard; None where it has been."""
    _has_overrun: bool = False
    _again: bool = False
    """The flow is to run again from its beginning."""

    def _main(self) -> Generator[Effect, Any, None]:
        signal = yield from self._steps(self.flow.steps, "")
        if signal is Signal.GO_ON:
            yield from self._code()

    def _code(self) -> Generator[Effect, Heard, None]:
        heard: Heard = yield self._start()
        while not self._understand(heard):
            heard = yield self._next()

    def _understand(self, heard: Heard) -> bool:
        """As `_hear`; what an author's process says may make no sense."""
        try:
            return self._hear(heard)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            message = f"its process said what makes no sense: {type(error).__name__}: {error}"
            raise FlowFailed("", hide(message, self.secrets)) from error

    def _start(self) -> Exchange:
        """Begin the flow from its beginning, in a new process."""
        self._recording = recording_of(self.past)
        self._pending, self._reached = {}, []
        self._ready.clear()
        self._held_there.clear()
        self._told_at = self.admitted.received_at
        self._turn_until = after(self.now, self._patience_s)
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
        pending = self._pending[number] = Pending(ask)
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
        if until is not None and until < after(self.now, SUSPEND_FROM_S):
            return Exchange(until=until, rests=until > after(self.now, REST_FROM_S))
        return Suspend(until)

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
        self._turn_until = after(self.now, self._patience_s)
        return Exchange(send=(frame,), until=self._turn_until, holds=True)

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
            self._overrun()
            return
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

    def _overrun(self) -> None:
        """A turn took too long, perhaps for want of a processor: once it has twice the time."""
        if self._has_overrun:
            limit = f"took longer than {2 * self.turn_s:g} s"
            raise FlowFailed("", f"the flow's own code, outside of its steps, {limit}")
        self._has_overrun = self._again = True

    @property
    def _patience_s(self) -> float:
        return self.turn_s * 2 if self._has_overrun else self.turn_s


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
