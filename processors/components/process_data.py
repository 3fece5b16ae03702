"""Process data: what of a data set is new to the flow; pure.

The flow's state remembers, for each step, what has been given before: digests of the identifying
fields, the newest MAX_REMEMBERED of them.
"""

import base64
from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Any

from processors import cleaning
from processors.actions import Action, Change, Context, Input, Kind, Outcome, StepError
from processors.components.identity import identity
from processors.components.refusals import unfit
from schemas.events import Scope
from schemas.values import Value

MAX_REMEMBERED = 20_000
_DIGEST_BYTES = 12
_STATE_KEY = "processData.deduplicate"

_FIELDS = Input(
    key="keyFieldNames",
    label="Key Field Names",
    kind=Kind.LIST,
    description="The fields that identify an item; the whole item where none are named.",
    example='["id"]',
)
_DATA = Input(
    key="data",
    label="Data",
    kind=Kind.LIST,
    description="The items, newest first.",
    example='[{"id": 2}, {"id": 1}]',
)


def _deduplicate(inputs: Mapping[str, Any], context: Context) -> Outcome:
    fields = [cleaning.to_text(name) for name in inputs["keyFieldNames"]]
    key = f"{_STATE_KEY}.{context.step}"
    remembered = _remembered(context.state(Scope.FLOW).get(key), key)
    known = set(remembered)
    fresh: list[Value] = []
    seen: list[str] = []
    for item in inputs["data"]:
        digest = _digest(item, fields)
        if digest not in known:
            known.add(digest)
            fresh.append(item)
            seen.append(digest)
    if not seen:
        return Outcome(result=fresh)
    # The list is newest first, what is remembered newest last.
    kept = [*remembered, *reversed(seen)][-MAX_REMEMBERED:]
    return Outcome(result=fresh, changes=(Change(Scope.FLOW, key, kept),))


def _remembered(kept: Value, key: str) -> Sequence[str]:
    if kept is None:
        return ()
    if not isinstance(kept, list) or not all(isinstance(digest, str) for digest in kept):
        raise StepError(f"The flow's state {key!r} does not hold what was given before")
    return kept


def _digest(item: Value, fields: Sequence[str]) -> str:
    if fields and not isinstance(item, dict):
        raise unfit(_DATA, "a list of objects", item)
    identifying = [item.get(name) for name in fields] if fields else item
    try:
        content = identity(identifying)
    except RecursionError as error:
        raise StepError("Data (data) is nested too deep") from error
    return base64.b64encode(sha256(content).digest()[:_DIGEST_BYTES]).decode()


ACTIONS = (
    Action(
        component="process-data",
        key="deduplicate",
        label="Deduplicate",
        description="Gives the items that this step has not given before, in any execution of "
        f"the flow. It remembers {MAX_REMEMBERED} of them.",
        perform=_deduplicate,
        inputs=(_FIELDS, _DATA),
    ),
)
