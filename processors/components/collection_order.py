"""Collection tools, Process In Order: items that arrive in any order, in different executions.

Pure. What has not had its turn is held in the flow's state, under one key for each collection:
`{"next": the index whose turn it is, "held": {index: item}}`.
"""

from collections.abc import Mapping
from typing import Any

from processors.actions import Action, Change, Context, Input, Kind, Outcome, StepError
from processors.components.numbers import whole
from processors.components.refusals import unfit
from schemas.events import Scope
from schemas.values import Value

PROCESS = "Process"
SKIP = "Skip"
_STATE_KEY = "processInOrder"

_COLLECTION = Input(
    key="collectionId",
    label="Collection ID",
    required=True,
    description="What names the collection whose items arrive out of order.",
    example="order-17",
)
_LENGTH = Input(
    key="collectionLength",
    label="Collection Length",
    kind=Kind.NUMBER,
    required=True,
    description="How many items it has. After the last one, nothing of it is kept.",
    example="3",
)
_ITEM = Input(
    key="item",
    label="Item",
    kind=Kind.ANY,
    description="The item at hand.",
    example='{"line": 1}',
)
_INDEX = Input(
    key="itemIndex",
    label="Item Index",
    kind=Kind.NUMBER,
    required=True,
    description="Its place in the intended order, counted from 0.",
    example="0",
)


def _process(inputs: Mapping[str, Any], context: Context) -> Outcome:
    length = whole(_LENGTH, inputs["collectionLength"], least=1)
    index = whole(_INDEX, inputs["itemIndex"], least=0)
    if index >= length:
        raise unfit(_INDEX, f"below the collection's length of {length}", index)
    key = f"{_STATE_KEY}.{inputs['collectionId']}"
    turn, held = _held(context.state(Scope.FLOW).get(key), key)
    if index < turn:
        return Outcome(result=inputs["item"], branch=SKIP)
    held[str(index)] = inputs["item"]
    ready: list[Value] = []
    while str(turn) in held:
        ready.append(held.pop(str(turn)))
        turn += 1
    change = Change(Scope.FLOW, key, {"next": turn, "held": held})
    if turn >= length:
        change = Change(Scope.FLOW, key, removed=True)
    if ready:
        return Outcome(result=ready, branch=PROCESS, changes=(change,))
    return Outcome(result=inputs["item"], branch=SKIP, changes=(change,))


def _held(kept: Value, key: str) -> tuple[int, dict[str, Value]]:
    match kept:
        case None:
            return 0, {}
        case {"next": int(turn), "held": dict(held)}:
            return turn, dict(held)
    raise StepError(f"The flow's state {key!r} does not hold the items of a collection")


ACTIONS = (
    Action(
        component="collection-tools",
        key="processInOrder",
        label="Process In Order",
        description="Takes the branch Process with the list of items whose turn has come, in their "
        "order; otherwise keeps the item and takes the branch Skip with it.",
        perform=_process,
        inputs=(_COLLECTION, _LENGTH, _ITEM, _INDEX),
    ),
)
