"""Trigger rules: what a flow may set on its trigger, given what the trigger declares. Pure.

Takes in a definition; gives out one sentence for each thing that does not fit (platform-behaviour,
2.5). A trigger that nobody knows is not judged: a stand-in may take its place in a test.
"""

from collections.abc import Callable, Iterator

from processors import batches
from processors.actions import Action, Support
from schemas.definitions import Definition, Flow, Step


def objections(definition: Definition, find: Callable[[str, str], Action | None]) -> list[str]:
    """What does not fit, flow by flow."""
    found: list[str] = []
    for flow in definition.flows:
        step = flow.steps[0]
        action = find(step.component, step.action)
        if action is not None and action.is_trigger:
            found += [f"flow {flow.name!r}: {why}" for why in _of_flow(flow, step, action)]
    return found


def _of_flow(flow: Flow, step: Step, action: Action) -> Iterator[str]:
    traits, name = action.trigger, f"the trigger {action.component}/{action.key}"
    given = (
        (step.schedule is not None, traits.schedule_support, "a schedule"),
        (flow.is_synchronous, traits.synchronous_support, "isSynchronous"),
        (batches.size_of(flow) > 0, traits.resolves, "a triggerResolver"),
    )
    for is_set, support, what in given:
        if is_set and support is Support.INVALID:
            yield f"{name} does not go with {what}"
        if not is_set and support is Support.REQUIRED:
            yield f"{name} needs {what}"
    if traits.allows_branching and not traits.static_branch_names:
        return
    known = traits.static_branch_names if traits.allows_branching else ()
    for branch in step.branches:
        if branch.name not in known:
            listed = ", ".join(map(repr, known)) or "none"
            yield f"{name} has no branch {branch.name!r}; it has: {listed}"
