"""UUID: identifiers made and checked; pure.

A version 4 UUID is derived from the execution, the step and its place in loops: it looks random,
is different for each run of a step, and the same for each attempt at it and at its replay.
"""

import uuid
from collections.abc import Mapping
from hashlib import sha256
from typing import Any

from processors.actions import Action, Context, Input, Kind, Outcome
from processors.components import computed
from processors.components.refusals import unfit
from schemas.values import Value

_CASE = Input(
    key="uuidCase",
    label="Lower / Upper Case UUID",
    default="lower",
    description="lower or upper.",
    example="upper",
)
_REMOVE_DASHES = Input(
    key="removeDashes",
    label="Remove dashes?",
    kind=Kind.BOOLEAN,
    default=False,
    description="Gives the 32 digits alone.",
    example="true",
)
_NAMESPACE = Input(
    key="namespace",
    label="Namespace",
    required=True,
    description="A UUID, or dns, url, oid or x500 for those of RFC 9562.",
    example="url",
)
_NAME = Input(
    key="name",
    label="Name",
    description="The name within the namespace.",
    example="https://example.com/orders/17",
)
_VALUE = Input(
    key="value",
    label="Value",
    description="What may be a UUID.",
    example="97b5…",
)
_NAMESPACES = {
    "dns": uuid.NAMESPACE_DNS,
    "url": uuid.NAMESPACE_URL,
    "oid": uuid.NAMESPACE_OID,
    "x500": uuid.NAMESPACE_X500,
}


def _generate(inputs: Mapping[str, Any], context: Context) -> Outcome:
    digest = sha256(f"uuid\0{context.idempotency_key}".encode()).digest()
    return Outcome(result=_written(uuid.UUID(bytes=digest[:16], version=4), inputs))


def _from_name(given: Mapping[str, Any]) -> Value:
    named = given["namespace"].strip()
    namespace = _NAMESPACES.get(named.lower()) or _read(named)
    if namespace is None:
        raise unfit(_NAMESPACE, "a UUID, or one of dns, url, oid and x500", given["namespace"])
    name = given["name"].encode(errors="replace").decode()
    return _written(uuid.uuid5(namespace, name), given)


def _validate(given: Mapping[str, Any]) -> Value:
    text = given["value"].strip()
    found = _read(text)
    return {
        "valid": found is not None,
        "version": found.version if found is not None else None,
        "isNil": found is not None and found.int == 0,
    }


def _read(text: str) -> uuid.UUID | None:
    """A UUID with its dashes, or its 32 digits."""
    try:
        found = uuid.UUID(text)
    except ValueError:
        return None
    return found if text.lower() in (str(found), found.hex) else None


def _written(made: uuid.UUID, given: Mapping[str, Any]) -> str:
    case = given["uuidCase"].strip().lower()
    if case not in ("lower", "upper"):
        raise unfit(_CASE, "lower or upper", given["uuidCase"])
    text = made.hex if given["removeDashes"] else str(made)
    return text.upper() if case == "upper" else text


ACTIONS = (
    Action(
        component="uuid",
        key="generateUuid",
        label="Generate UUID",
        description="Gives a version 4 UUID.",
        perform=_generate,
        inputs=(_CASE, _REMOVE_DASHES),
    ),
    computed.action(
        "uuid",
        "emptyUuid",
        "Nil/Empty UUID",
        "Gives 00000000-0000-0000-0000-000000000000.",
        lambda _given: str(uuid.UUID(int=0)),
    ),
    computed.action(
        "uuid",
        "generateUuidFromName",
        "Generate UUID From Name",
        "Gives the version 5 UUID of a name: always the same for the same name.",
        _from_name,
        _NAMESPACE,
        _NAME,
        _CASE,
        _REMOVE_DASHES,
    ),
    computed.action(
        "uuid",
        "validateUuid",
        "Validate UUID",
        "Gives an object with `valid`, `version` and `isNil`.",
        _validate,
        _VALUE,
    ),
)
