"""Schedule triggers: the trigger of a flow that a schedule starts; pure.

A tick has an empty request (platform-behaviour, 4); the flow can be called at its URL as well.
"""

from collections.abc import Mapping
from typing import Any

from processors.actions import Action, Context, Outcome, Support, TriggerTraits


def _schedule(_inputs: Mapping[str, Any], context: Context) -> Outcome:
    return Outcome(result=dict(context.payload))


ACTIONS = (
    Action(
        component="schedule-triggers",
        key="schedule",
        label="Schedule",
        description="Starts the flow at the instants of its schedule; gives an empty payload.",
        perform=_schedule,
        is_trigger=True,
        trigger=TriggerTraits(schedule_support=Support.REQUIRED),
    ),
)
