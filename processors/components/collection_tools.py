"""Collection tools: objects and lists made of values; pure."""

from collections.abc import Mapping
from typing import Any

from processors.actions import Action, Context, Input, Kind, Outcome


def _create_object(inputs: Mapping[str, Any], _context: Context) -> Outcome:
    return Outcome(result={pair.name: pair.value for pair in inputs["keyValueInput"]})


ACTIONS = (
    Action(
        component="collection-tools",
        key="createObject",
        label="Create Object",
        description="Gives an object with these keys; of two equal keys the later one counts.",
        perform=_create_object,
        inputs=(
            Input(
                key="keyValueInput",
                label="Keys and Values",
                kind=Kind.PAIRS,
                description="The keys, taken as they stand, and their values.",
                example="quantity: 3",
            ),
        ),
    ),
)
