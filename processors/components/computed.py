"""Computed actions: those whose result follows from their inputs alone; pure.

`action` makes one of a function of the inputs, which gives the result or raises StepError. What
may take more than about a millisecond runs as Runs.THREAD.
"""

from collections.abc import Callable, Mapping
from typing import Any

from processors.actions import Action, Context, Input, Outcome, Runs, StepError, World
from schemas.values import Value

Compute = Callable[[Mapping[str, Any]], Value]


def action(
    component: str,
    key: str,
    label: str,
    description: str,
    compute: Compute,
    *inputs: Input,
    runs: Runs = Runs.INLINE,
    secret_inputs: frozenset[str] = frozenset(),
) -> Action:
    """An action that gives what `compute` makes of its inputs."""

    def perform(
        given: Mapping[str, Any], _context: Context, _world: World | None = None
    ) -> Outcome:
        try:
            return Outcome(result=compute(given))
        except RecursionError as error:
            raise StepError(f"{label}: a value is nested too deep") from error

    return Action(
        component=component,
        key=key,
        label=label,
        description=description,
        perform=perform,
        inputs=inputs,
        runs=runs,
        secret_inputs=secret_inputs,
    )
