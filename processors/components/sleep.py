"""Sleep: a pause within an execution."""

import asyncio
from collections.abc import Mapping
from typing import Any

from processors.actions import Action, Context, Input, Kind, Outcome, Runs, StepError, World

MAX_MS = 15 * 60 * 1000


async def _sleep(inputs: Mapping[str, Any], _context: Context, _world: World) -> Outcome:
    pause_ms = inputs["ms"]
    if not 0 <= pause_ms <= MAX_MS:
        raise StepError(f"Milliseconds (ms) must be from 0 to {MAX_MS}, found {pause_ms}")
    await asyncio.sleep(pause_ms / 1000)
    return Outcome()


ACTIONS = (
    Action(
        component="sleep",
        key="sleep",
        label="Sleep",
        description="Waits before the next step.",
        perform=_sleep,
        runs=Runs.ASYNC,
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
