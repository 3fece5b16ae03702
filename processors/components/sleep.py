"""Sleep: a pause within an execution; pure, as the engine lets the time pass."""

from collections.abc import Mapping
from typing import Any

from processors.actions import Action, Context, Input, Kind, Outcome, StepError

MAX_MS = 15 * 60 * 1000


def _sleep(inputs: Mapping[str, Any], _context: Context) -> Outcome:
    pause_ms = inputs["ms"]
    if not 0 <= pause_ms <= MAX_MS:
        raise StepError(f"Milliseconds (ms) must be from 0 to {MAX_MS}, found {pause_ms}")
    return Outcome(wait_s=pause_ms / 1000)


ACTIONS = (
    Action(
        component="sleep",
        key="sleep",
        label="Sleep",
        description="Waits before the next step.",
        perform=_sleep,
        inputs=(
            Input(
                key="ms",
                label="Milliseconds",
                kind=Kind.NUMBER,
                default=1000,
                description=f"How long to wait, at most {MAX_MS} (15 minutes).",
                example="500",
            ),
        ),
    ),
)
