"""Computed actions: those whose result follows from their inputs alone.

`action` makes one of a function of the inputs, which gives the result or raises StepError. What
may take more than about a millisecond runs as Runs.THREAD.
"""

from collections.abc import Callable, Mapping
from typing import Any

from processors.actions import Action, Context, Input, Outcome, Runs, StepError, World, in_thread
from processors.components.computing import Function, compute_by_size
from processors.components.files import inside
from schemas.values import NotSerializable, Value, dump

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


def action_by_size(
    component: str, key: str, label: str, description: str, function: Function, *inputs: Input
) -> Action:
    """As `action`, of a function of a module whose work grows with its inputs.

    Small ones are worked on here, large ones in a computing process: others keep their pace.
    """

    def perform(given: Mapping[str, Any], _context: Context, world: World) -> Outcome:
        size = max(_size(value) for value in given.values())
        return Outcome(result=compute_by_size(function, dict(given), size, label, world))

    made: Action = in_thread(component)(key, label, description, perform, *inputs)
    return made


def _size(value: Value) -> int:
    content = inside(value)
    if isinstance(content, str | bytes | bytearray):
        return len(content)
    if isinstance(content, list | dict):
        try:
            return len(dump(content))
        except NotSerializable:
            return 0  # the function says what is wrong with it
    return 0
