"""Cross flow: one flow starts another one of its instance; pure.

The other flow runs as an execution of its own, linked to this one. Where it is synchronous the step
waits for its answer, else this one goes on. It is started once, however often the step runs.
"""

from collections.abc import Mapping
from typing import Any

from processors.actions import (
    Action,
    Context,
    Input,
    Invocation,
    Kind,
    Outcome,
    StepError,
    TriggerTraits,
)
from schemas import ids
from schemas.values import Value


def _trigger(_inputs: Mapping[str, Any], context: Context) -> Outcome:
    return Outcome(result=dict(context.payload))


def _invoke_flow(inputs: Mapping[str, Any], context: Context) -> Outcome:
    return invoke(context, inputs["flowName"], inputs["data"], asks=True)


def _trigger_flow(inputs: Mapping[str, Any], context: Context) -> Outcome:
    return invoke(context, inputs["flowName"], None, asks=True)


def check_flow(payload: Mapping[str, Value], flow: str) -> None:
    """Raises StepError where the instance of that payload has no such flow."""
    known = payload.get("webhookUrls", {})
    if flow not in known:
        listed = ", ".join(repr(name) for name in known)
        raise StepError(f"There is no flow {flow!r} to invoke; the integration has: {listed}")


def invoke(context: Context, flow: str, data: Value, *, asks: bool = False) -> Outcome:
    """The outcome of a step that starts `flow` with `data`. Raises StepError for an unknown one.

    `asks`: it waits for the answer of a synchronous flow.
    """
    check_flow(context.payload, flow)
    shown = ids.to_global(ids.EXECUTION, context.invoked(0))
    return Outcome(result={"executionId": shown}, invokes=(Invocation(flow, data, asks),))


_FLOW = Input(
    key="flowName",
    label="Flow Name",
    required=True,
    description="The name of the flow to start, of the same integration.",
    example="Process Order",
)

ACTIONS = (
    Action(
        component="cross-flow",
        key="crossFlow",
        label="Cross-Flow Trigger",
        description="Starts the flow when another flow of the instance invokes it; gives what was "
        "sent as `body.data`.",
        perform=_trigger,
        is_trigger=True,
        trigger=TriggerTraits(),
    ),
    Action(
        component="cross-flow",
        key="invokeFlow",
        label="Invoke Flow",
        description="Starts another flow with data; gives the answer of a synchronous one, of "
        "others the id of the execution.",
        perform=_invoke_flow,
        touches_world=True,
        inputs=(
            _FLOW,
            Input(
                key="data",
                label="Data",
                kind=Kind.ANY,
                description="What the other flow finds as `body.data` in its trigger's results.",
                example='{"orderId": 17}',
            ),
        ),
    ),
    Action(
        component="cross-flow",
        key="triggerFlow",
        label="Trigger Flow",
        description="Starts another flow without data; gives the answer of a synchronous one, of "
        "others the id of the execution.",
        perform=_trigger_flow,
        touches_world=True,
        inputs=(_FLOW,),
    ),
)
