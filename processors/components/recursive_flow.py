"""Recursive flow: a flow that works through much in many executions, handing a cursor on; pure.

An execution starts with the cursor that it was invoked with: `{"cursor": …}` in the body of its
request, so that a caller too may say where to begin; else with `defaultCursor`. Whoever wants to
end the chain does not invoke again, or pauses the instance.
"""

from collections.abc import Mapping
from typing import Any

from processors.actions import (
    CURSOR_KEY,
    Action,
    Change,
    Context,
    Input,
    Invocation,
    Kind,
    Outcome,
    StepError,
    TriggerTraits,
)
from schemas import ids
from schemas.events import Occasion, Scope
from schemas.values import Value


def _trigger(inputs: Mapping[str, Any], context: Context) -> Outcome:
    data = context.payload.get("body", {}).get("data")
    given = isinstance(data, Mapping) and "cursor" in data
    cursor = data["cursor"] if given else inputs["defaultCursor"]
    return Outcome(result=dict(context.payload), changes=(_change(cursor),))


def _get(_inputs: Mapping[str, Any], context: Context) -> Outcome:
    return Outcome(result=_cursor(context))


def _set(inputs: Mapping[str, Any], context: Context) -> Outcome:
    _cursor(context)
    return Outcome(changes=(_change(inputs["cursor"]),))


def _invoke(_inputs: Mapping[str, Any], context: Context) -> Outcome:
    data = {"cursor": _cursor(context)}
    shown = ids.to_global(ids.EXECUTION, context.invoked(0))
    return Outcome(result={"executionId": shown}, invokes=(Invocation(context.flow, data),))


def _cursor(context: Context) -> Value:
    kept = context.state(Scope.EXECUTION).get(CURSOR_KEY)
    if not isinstance(kept, Mapping):
        raise StepError("This flow has no cursor: its trigger must be recursive-flow's")
    return kept.get("cursor")


def _change(cursor: Value) -> Change:
    """In an object, for a cursor may be null."""
    return Change(Scope.EXECUTION, CURSOR_KEY, {"cursor": cursor})


ACTIONS = (
    Action(
        component="recursive-flow",
        key="recursiveTrigger",
        label="Recursive Flow Trigger",
        description="Starts the flow with a cursor: when it invokes itself, at its URL, and if "
        "wanted when the instance is deployed.",
        perform=_trigger,
        is_trigger=True,
        trigger=TriggerTraits(started_on=Occasion.DEPLOY, started_if="runOnDeploy"),
        inputs=(
            Input(
                key="runOnDeploy",
                label="Run On Deploy",
                kind=Kind.BOOLEAN,
                default=False,
                description="Whether each deployment of the instance starts the flow.",
                example="true",
            ),
            Input(
                key="defaultCursor",
                label="Default Cursor",
                kind=Kind.ANY,
                description="The cursor of an execution that was not given one.",
                example="0",
            ),
        ),
    ),
    Action(
        component="recursive-flow",
        key="getCursor",
        label="Get Cursor",
        description="Gives the cursor of this execution, as it was set last.",
        perform=_get,
    ),
    Action(
        component="recursive-flow",
        key="setCursor",
        label="Set Cursor",
        description="Sets the cursor, for later steps and for the next execution.",
        perform=_set,
        inputs=(
            Input(
                key="cursor",
                label="Cursor",
                kind=Kind.ANY,
                description="Where the work goes on.",
                example="150",
            ),
        ),
    ),
    Action(
        component="recursive-flow",
        key="invokeRecursive",
        label="Invoke Recursive Flow",
        description="Starts the next execution of this flow with the cursor; gives its id.",
        perform=_invoke,
        touches_world=True,
    ),
)
