"""Management triggers: the triggers of flows that a deployment or a removal starts; pure."""

from collections.abc import Mapping
from typing import Any

from processors.actions import Action, Context, Outcome, TriggerTraits
from schemas.events import Occasion


def _trigger(_inputs: Mapping[str, Any], context: Context) -> Outcome:
    return Outcome(result=dict(context.payload))


def _action(key: str, label: str, description: str, started_on: Occasion | None) -> Action:
    return Action(
        component="management-triggers",
        key=key,
        label=label,
        description=description,
        perform=_trigger,
        is_trigger=True,
        trigger=TriggerTraits(started_on=started_on),
    )


ACTIONS = (
    _action(
        "instanceDeploy",
        "Instance Deploy",
        "Starts the flow whenever the instance is deployed; gives the URLs of all its flows.",
        Occasion.DEPLOY,
    ),
    _action(
        "instanceRemove",
        "Instance Remove",
        "Starts the flow when the instance is removed.",
        Occasion.REMOVE,
    ),
    _action(
        "userLevelConfigDeploy",
        "User Level Config Deploy",
        "Starts the flow by its URL: there is no configuration of single users here.",
        None,
    ),
    _action(
        "userLevelConfigRemove",
        "User Level Config Remove",
        "Starts the flow by its URL: there is no configuration of single users here.",
        None,
    ),
)
