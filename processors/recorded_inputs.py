"""Recorded inputs: what a step's event keeps of the inputs that the step was given; pure.

Takes in the inputs as the definition has them and as they were resolved; gives out a JSON object
for the log, or None where the definition says it all. What is literal is not kept, because the
execution's version of the definition has it; nor the value of a config variable, because its
version of the configuration has that, sealed. Secrets within texts are hidden. Of a long value that
is an earlier result the log keeps the reference, since it has the result; of another one how long
it is, and a digest by which two can be compared.
"""

import hashlib
from collections.abc import Container, Iterable, Mapping
from typing import Any

import orjson

from schemas.definitions import (
    Complex,
    ConfigVar,
    Entry,
    Input,
    Item,
    Literal,
    Pair,
    Reference,
)
from schemas.secrets import hide
from schemas.stored import Stored
from schemas.values import NotSerializable, Value, dump

MAX_INPUT_BYTES = 4096
MAX_INPUTS_BYTES = 32 * 1024
MAX_DIGESTED_BYTES = 1024 * 1024
"""Longer ones are not even read to their end: to write them as JSON takes its time."""

CONFIG_VAR = "$configVar"
REFERENCE = "$reference"
OMITTED = "$omitted"


def recorded(
    given: Mapping[str, Input],
    resolved: Mapping[str, Value],
    secrets: Iterable[str],
    secret_inputs: Container[str] = (),
) -> dict[str, Any] | None:
    """By input a value, `{"$configVar": key}`, `{"$reference": [step, kind, segment…]}` or
    `{"$omitted": {"bytes", "sha256"}}`.

    Bytes are base64 texts, named entries of a complex input `[name, value]`. Of `secret_inputs` no
    value is kept.
    """
    kept: dict[str, Any] = {}
    room = MAX_INPUTS_BYTES
    for key, one in given.items():
        if one.__class__ is Literal:
            continue
        if isinstance(one, ConfigVar):
            if one.key:
                kept[key] = {CONFIG_VAR: one.key}
        elif key in secret_inputs:
            kept[key] = {OMITTED: {"reason": "secret"}}
        elif varies(one):
            kept[key], size = _of(one, resolved[key], secrets, min(room, MAX_INPUT_BYTES))
            room -= size
    return kept or None


def _of(given: Input, value: Value, secrets: Iterable[str], limit: int) -> tuple[Any, int]:
    if _is_longer(value, limit):
        if isinstance(given, Reference):
            return {REFERENCE: [given.step, given.kind, *given.path]}, 0
        if _is_longer(value, MAX_DIGESTED_BYTES):
            return {OMITTED: {"moreThanBytes": MAX_DIGESTED_BYTES}}, 0
    if secrets or isinstance(given, Complex):
        value = _hidden(value, secrets)
    return _short(value, limit)


def _is_longer(value: Value, limit: int) -> bool:
    """Whether `value` takes more than so many bytes of JSON, roughly; no more of it is read."""
    if isinstance(value, str | bytes):
        return len(value) + 2 > limit
    if isinstance(value, Stored):
        return value.size > limit
    pending, size = [value], 0
    while pending and size <= limit:
        one = pending.pop()
        size += 2
        if isinstance(one, str | bytes):
            size += len(one)
        elif isinstance(one, Stored):
            size += one.size
        elif isinstance(one, dict):
            size += 8 * len(one)
            pending += one
            pending += one.values()
        elif isinstance(one, list | tuple):
            pending += one
    return size > limit


def recorded_values(values: Mapping[str, Value], secrets: Iterable[str]) -> dict[str, Any] | None:
    """The same of values that no definition has: what a step of a Python flow is called with."""
    kept: dict[str, Any] = {}
    room = MAX_INPUTS_BYTES
    for key, value in values.items():
        if _is_longer(value, MAX_DIGESTED_BYTES):
            kept[key] = {OMITTED: {"moreThanBytes": MAX_DIGESTED_BYTES}}
            continue
        try:
            kept[key], size = _short(_hidden(value, secrets), min(room, MAX_INPUT_BYTES))
        except RecursionError:
            kept[key], size = {OMITTED: {"reason": "nested too deep"}}, 0
        room -= size
    return kept or None


def varies(given: Input) -> bool:
    """Whether anything of an input is not written out in the definition."""
    if isinstance(given, Complex):
        return any(_item_varies(item) for item in given.items)
    return not isinstance(given, Literal)


def _item_varies(item: Item) -> bool:
    if isinstance(item, Entry):
        return any(varies(part) for part in item if part is not None)
    return not isinstance(item, str) and any(_item_varies(inner) for inner in item)


def _short(value: Value, limit: int) -> tuple[Any, int]:
    """The value for the log, and how many bytes it takes there."""
    # The event nests what is in it a few levels deeper than this.
    nested = [[[[[[[[value]]]]]]]]
    kept = value
    try:
        content = orjson.dumps(nested)[8:-8]
    except TypeError:
        try:
            content = dump(nested)[8:-8]
        except NotSerializable as error:
            return {OMITTED: {"reason": str(error)}}, 0
        kept = orjson.loads(content)
    if len(content) <= limit:
        return kept, len(content)
    digest = hashlib.sha256(content).hexdigest()
    return {OMITTED: {"bytes": len(content), "sha256": digest}}, 0


def _hidden(value: Value, secrets: Iterable[str]) -> Value:
    """`value` without secrets, a Pair as a list of two."""
    if isinstance(value, str):
        return hide(value, secrets)
    if isinstance(value, Pair):
        return [hide(value.name, secrets), _hidden(value.value, secrets)]
    if isinstance(value, list | tuple):
        return [_hidden(inner, secrets) for inner in value]
    if isinstance(value, dict):
        return {key: _hidden(inner, secrets) for key, inner in value.items()}
    return value
