"""Counted once: which admissions start something, of those that may be said again. Pure.

Takes in the state of a partition of the journal and what admission has passed; gives out whether it
is a repeat, and the events that make the journal remember it.

    an invocation             counts while it stands on the journal and nothing has followed it
    a deployment or removal   counts for a flow unless the instance has seen a later change, or this
                              one for this flow
    what hooks returned       counts unless the instance has seen this or a later record of
                              `triggers`
"""

from typing import Any, assert_never

from processors.execution import State, read_values
from schemas import events
from schemas.events import Scope
from schemas.ids import ExecutionId, InstanceId

CHANGE = "change"
"""The key in scope platform of `{"no": offset on definitions, "flows": those that it started}`."""

_TOLD = "told/"
"""With a partition of `triggers`: the offset there of what hooks returned last."""


def is_repeat(state: State, admitted: events.ExecutionAdmitted) -> bool:
    """Whether what is admitted here has been started, or never was to be."""
    if admitted.change is not None:
        seen = _seen(state, admitted.instance_id)
        return admitted.change < seen["no"] or (
            admitted.change == seen["no"] and admitted.flow in seen["flows"]
        )
    if admitted.invoked_by is not None:
        known = state.invoked.get(admitted.execution_id)
        # A worker that had lost its partition may have appended what the journal does not hold.
        return known is None or known.event.request != admitted.request
    return False


def remembered(state: State, admitted: events.ExecutionAdmitted) -> list[events.Event]:
    """What is said with the start, so that a repeat is known as one."""
    if admitted.change is None:
        return []
    seen = _seen(state, admitted.instance_id)
    flows = seen["flows"] if seen["no"] == admitted.change else []
    value = {"no": admitted.change, "flows": [*flows, admitted.flow]}
    return [_platform(admitted.execution_id, admitted.instance_id, CHANGE, value)]


def noted(
    state: State, event: events.TriggerRefused | events.LifecycleHappened
) -> list[events.Event]:
    """What the journal notes of a decision that starts nothing."""
    match event:
        case events.TriggerRefused():
            return [event] if event.execution_id in state.invoked else []
        case events.LifecycleHappened():
            return _kept(state, event)
        case _:
            assert_never(event)


def _kept(state: State, event: events.LifecycleHappened) -> list[events.Event]:
    instance_id, key = event.instance_id, f"{_TOLD}{event.trigger_partition}"
    told = read_values(state, Scope.PLATFORM, instance_id).get(key, -1)
    if event.trigger_offset <= told:
        return []
    said: list[events.Event] = [
        events.StateChanged(
            execution_id=ExecutionId(""),
            scope=Scope.CROSS_FLOW,
            owner=instance_id,
            key=name,
            value=value,
            removed=value is None,
        )
        for name, value in event.cross_flow_state.items()
    ]
    said.append(_platform(ExecutionId(""), instance_id, key, event.trigger_offset))
    return said


def _seen(state: State, instance_id: InstanceId) -> dict[str, Any]:
    seen = read_values(state, Scope.PLATFORM, instance_id).get(CHANGE)
    return seen if seen is not None else {"no": -1, "flows": []}


def _platform(
    execution_id: ExecutionId, instance_id: InstanceId, key: str, value: Any
) -> events.StateChanged:
    return events.StateChanged(
        execution_id=execution_id, scope=Scope.PLATFORM, owner=instance_id, key=key, value=value
    )
