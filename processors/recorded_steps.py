"""Recorded steps: what the log says of an execution's steps, for a Run that begins again. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from schemas import events
from schemas.instants import Instant


@dataclass(slots=True)
class Recorded:
    """What the log says of one run of one step."""

    succeeded: events.StepSucceeded | None = None
    failed: events.StepFailed | None = None
    scheduled: bool = False
    attempts: int = 0
    waits_until: Instant | None = None
    waits_for: str = ""


Record = Mapping[tuple[str, str], Recorded]


def record_of(said: Sequence[events.Event]) -> dict[tuple[str, str], Recorded]:
    """The recorded steps of one execution, by step key and loop path."""
    recorded: dict[tuple[str, str], Recorded] = {}
    for event in said:
        match event:
            case events.StepSucceeded():
                recorded.setdefault((event.step, event.loop_path), Recorded()).succeeded = event
            case events.StepFailed():
                recorded.setdefault((event.step, event.loop_path), Recorded()).failed = event
            case events.StepScheduled():
                recorded.setdefault((event.step, event.loop_path), Recorded()).scheduled = True
            case events.StepRetryScheduled():
                known = recorded.setdefault((event.step, event.loop_path), Recorded())
                known.attempts = event.attempt
                known.scheduled = False
            case events.ExecutionSuspended():
                known = recorded.setdefault((event.step, event.loop_path), Recorded())
                known.waits_until, known.waits_for = event.until, event.waits_for
    return recorded


KEPT = (
    events.StepScheduled
    | events.StepRetryScheduled
    | events.StepSucceeded
    | events.StepFailed
    | events.ExecutionSuspended
    | events.SignalReceived
    | events.FlowAnswered
    | events.FlowDispatched
)
"""The events from which an execution is brought back to where it was."""
