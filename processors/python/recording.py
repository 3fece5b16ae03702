"""Recordings: what the log says of the steps of one execution of a Python flow. Pure.

Takes in its events in the order of the log; gives out in which order the flow reached its steps,
which of them have ended, in which order, and what is still open.
"""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field

from processors.execution import MAX_SIGNALS
from schemas import events

SHOWN = 30
"""So many steps of an order are named in an error."""

Ended = events.StepSucceeded | events.StepFailed


@dataclass(slots=True)
class Recording:
    """Steps go by their keys, which are unique within an execution, or by number where ordered."""

    order: dict[int, str] = field(default_factory=dict)
    ended: deque[Ended] = field(default_factory=deque)
    """What has not been given to the flow again yet, in the order of the log."""
    scheduled: dict[str, int] = field(default_factory=dict)
    """The attempt that was the last to be scheduled."""
    failed: dict[str, int] = field(default_factory=dict)
    """The attempt that was the last to fail with another one to follow."""
    suspended: dict[str, events.ExecutionSuspended] = field(default_factory=dict)
    signals: list[events.SignalReceived] = field(default_factory=list)
    """Those that no step has taken yet."""
    _seen: set[tuple[str, str]] = field(default_factory=set)
    _numbers: dict[str, int] = field(default_factory=dict)

    def collect(self, event: events.Event) -> None:
        """Take the next event of the log."""
        match event:
            case events.StepSucceeded() | events.StepFailed() if event.sequence:
                self._note(event.sequence, event.step)
                self.ended.append(event)
            case events.StepScheduled() if event.sequence:
                self._note(event.sequence, event.step)
                self.scheduled[event.step] = event.attempt
            case events.StepRetryScheduled():
                self.failed[event.step] = event.attempt
            case events.ExecutionSuspended() if event.sequence:
                self._note(event.sequence, event.step)
                self.suspended[event.step] = event
            case events.SignalReceived():
                self.add_signal(event)

    def add_signal(self, event: events.SignalReceived) -> bool:
        """Keep a signal; False where its idempotency key has come before, or too many wait."""
        if self.has_many_signals:
            return False
        key = (event.name, event.idempotency_key)
        if event.idempotency_key and key in self._seen:
            return False
        self._seen.add(key)
        self.signals.append(event)
        return True

    @property
    def has_many_signals(self) -> bool:
        return len(self.signals) >= MAX_SIGNALS

    def take_signal(self, name: str) -> events.SignalReceived | None:
        """The first signal of this name, which is then gone."""
        for index, event in enumerate(self.signals):
            if event.name == name:
                return self.signals.pop(index)
        return None

    def had_begun(self, key: str) -> bool:
        """Whether an attempt at the step was scheduled and nothing is known of its end."""
        return self.scheduled.get(key, 0) > self.failed.get(key, 0)

    def fits(self, number: int, key: str) -> bool:
        """Whether the flow may reach the step `key` as its step `number`."""
        return self.order.get(number, key) == key and self._numbers.get(key, number) == number

    def is_missing_after(self, reached: int) -> bool:
        """Whether more steps are recorded than the flow has reached."""
        return any(number > reached for number in self.order)

    def departure(self, reached: list[str]) -> str:
        """The error of a flow that reached these steps, which do not fit."""
        recorded = [key for _, key in sorted(self.order.items())]
        return (
            "the flow reached its steps in another order than recorded; "
            f"recorded: {_shown(recorded)}; now: {_shown(reached)}. What a flow does between its "
            "steps must follow from its input and their results alone"
        )

    def _note(self, number: int, key: str) -> None:
        self.order[number] = key
        self._numbers[key] = number


def recording_of(said: Iterable[events.Event]) -> Recording:
    """What `said`, in the order of the log, records."""
    found = Recording()
    for event in said:
        found.collect(event)
    return found


def _shown(keys: list[str]) -> str:
    more = f" … ({len(keys)} steps)" if len(keys) > SHOWN else ""
    return ", ".join(keys[:SHOWN]) + more or "none"
