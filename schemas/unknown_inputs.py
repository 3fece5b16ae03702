"""Unknown inputs: what steps give to actions that have no such input; pure.

Such an input counts for nothing, so it is likely a slip in the file, or an action that the platform
has with other keys. It is worth a warning and no more.
"""

from collections.abc import Callable, Collection, Iterator
from typing import NamedTuple

from schemas.definitions import Definition, Step

InputsOf = Callable[[str, str], Collection[str] | None]
"""(component, action) → the keys of its inputs, None for an action that is not there."""


def nothing(_component: str, _action: str) -> None:
    """Where no action is known, no input is unknown."""


class UnknownInputs(NamedTuple):
    """One step and those of its inputs that its action does not have, sorted."""

    flow: str
    step: str
    action: str
    inputs: tuple[str, ...]

    @property
    def sentence(self) -> str:
        return (
            f"step {self.step!r} of flow {self.flow!r} gives {self.action} "
            f"what it does not have: {', '.join(self.inputs)}"
        )


def unknown_inputs(definition: Definition, inputs_of: InputsOf) -> list[UnknownInputs]:
    """In order of the file."""
    found = []
    for flow in definition.flows:
        for step in _within(flow.steps):
            known = inputs_of(step.component, step.action)
            if known is not None and (unknown := step.inputs.keys() - set(known)):
                named = f"{step.component}/{step.action}"
                found.append(UnknownInputs(flow.name, step.name, named, tuple(sorted(unknown))))
    return found


def _within(steps: Collection[Step]) -> Iterator[Step]:
    for step in steps:
        yield step
        yield from _within(step.steps)
        for branch in step.branches:
            yield from _within(branch.steps)
