"""Cleaning: the resolved inputs of a step, coerced to what its action declares; pure.

In: an action and the values that the step's inputs resolved to. Out: every declared input under
its key, and nothing else. Where a step gives nothing, null or an empty text, the default applies.
"""

import math
import re
from collections.abc import Callable, Mapping

import orjson

from processors.actions import Action, Input, Kind, StepError
from schemas.definitions import Pair
from schemas.values import NotSerializable, Value, shown
from schemas.values import to_text as to_text

_INTEGER = re.compile(r"[+-]?\d+")
_NUMERAL = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
_MAX_DIGITS = 18
TRUE_WORDS = frozenset(("t", "true", "y", "yes"))
FALSE_WORDS = frozenset(("f", "false", "n", "no"))
_NESTED = 200
_EMPTY: dict[Kind, Callable[[], Value]] = {
    Kind.TEXT: str,
    Kind.LIST: list,
    Kind.PAIRS: list,
    Kind.CONDITIONS: list,
    Kind.CONNECTION: dict,
}


class _Unfit(ValueError):
    """A value that does not fit its kind; the message says what was wanted."""


def clean(action: Action, resolved: Mapping[str, Value]) -> dict[str, Value]:
    """Every declared input of `action`, coerced. Raises StepError with the input and its value."""
    return {
        one.key: None
        if one.keeps_null and resolved.get(one.key, "") is None
        else clean_one(one, resolved.get(one.key))
        for one in action.inputs
    }


def load_json(text: str | bytes) -> Value:
    """The value of a JSON text that the log can hold. Raises ValueError."""
    value = orjson.loads(text)
    if len(text) > _NESTED:
        try:
            orjson.dumps([[[[[[[[value]]]]]]]])  # a value stands on the log within other values
        except TypeError as error:
            raise ValueError("it is nested too deep") from error
    return value


def to_number(value: Value) -> int | float:
    """`value` as Kind.NUMBER has it. Raises ValueError."""
    if isinstance(value, str):
        return _numeral(value.strip())
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise _Unfit("a number")
    return value


def clean_one(declared: Input, value: Value) -> Value:
    """`value` as the declared input has it. Raises StepError."""
    if _is_missing(value):
        value = declared.default
        if declared.required and _is_missing(value):
            raise StepError(f"{_name(declared)} is required, and the step gives none")
    if value is None:
        return _EMPTY.get(declared.kind, lambda: None)()
    try:
        return _COERCIONS[declared.kind](value)
    except (_Unfit, NotSerializable) as error:
        found = shown(value)
        if declared.kind is Kind.CONNECTION:
            found = f"a value of type {type(value).__name__}"
        raise StepError(f"{_name(declared)} must be {error}, found {found}") from error


def _is_missing(value: Value) -> bool:
    return value is None or (isinstance(value, str) and value == "")


def _name(declared: Input) -> str:
    return f"{declared.label} ({declared.key})"


def _as_is(value: Value) -> Value:
    """A key-value list is an object, a value list a list."""
    if not isinstance(value, list | tuple) or not any(isinstance(one, Pair) for one in value):
        return value
    if all(isinstance(one, Pair) for one in value):
        return {one.name: one.value for one in value}
    return [one.value if isinstance(one, Pair) else one for one in value]


def _to_text(value: Value) -> str:
    try:
        return to_text(value)
    except NotSerializable as error:
        raise _Unfit("a text, or a value that JSON can hold") from error


def _numeral(text: str) -> int | float:
    if len(text) <= _MAX_DIGITS and _INTEGER.fullmatch(text):
        return int(text)  # longer ones do not fit into 64 bits, which is what JSON holds
    number = float(text) if _NUMERAL.fullmatch(text) else math.inf
    if not math.isfinite(number):
        raise _Unfit("a number")
    return number


def _to_boolean(value: Value) -> bool:
    if isinstance(value, bool):
        return value
    word = value.strip().lower() if isinstance(value, str) else ""
    if word not in TRUE_WORDS | FALSE_WORDS:
        raise _Unfit("true or false")
    return word in TRUE_WORDS


def _to_json(value: Value) -> Value:
    return _as_is(_parsed(value))


def _parsed(value: Value) -> Value:
    if not isinstance(value, str):
        return value
    try:
        return load_json(value)
    except ValueError:
        return value


def _to_items(value: Value) -> Value:
    parsed = _to_json(value)
    if isinstance(parsed, Mapping | list | tuple) and not isinstance(parsed, Pair):
        return parsed
    raise _Unfit("a list or an object")


def _to_list(value: Value) -> list[Value]:
    parsed = _parsed(value)
    if not isinstance(parsed, list | tuple) or isinstance(parsed, Pair):
        raise _Unfit("a list")
    return [entry.value if isinstance(entry, Pair) else entry for entry in parsed]


def _to_pairs(value: Value) -> list[Pair]:
    parsed = _parsed(value)
    if isinstance(parsed, Mapping):
        return [Pair(str(name), inner) for name, inner in parsed.items()]
    if not isinstance(parsed, list | tuple) or isinstance(parsed, Pair):
        raise _Unfit("a list of names and values, or an object")
    return [_to_pair(entry) for entry in parsed]


def _to_pair(entry: Value) -> Pair:
    """`{key, value}` is how a config variable holds keys and values (schemas.config_values)."""
    if isinstance(entry, Pair):
        return entry
    if isinstance(entry, Mapping) and entry.keys() == {"key", "value"}:
        return Pair(str(entry["key"]), entry["value"])
    raise _Unfit("a list in which every value has a name")


def _to_conditions(value: Value) -> list[Pair]:
    if isinstance(value, list | tuple) and all(isinstance(entry, Pair) for entry in value):
        return list(value)
    raise _Unfit("a list of conditions, each under the name of its branch")


def _to_connection(value: Value) -> dict[str, Value]:
    parsed = _parsed(value)
    if not isinstance(parsed, Mapping):
        raise _Unfit("a connection with fields")
    return dict(parsed)


_COERCIONS: dict[Kind, Callable[[Value], Value]] = {
    Kind.ANY: _as_is,
    Kind.TEXT: _to_text,
    Kind.NUMBER: to_number,
    Kind.BOOLEAN: _to_boolean,
    Kind.JSON: _to_json,
    Kind.ITEMS: _to_items,
    Kind.LIST: _to_list,
    Kind.PAIRS: _to_pairs,
    Kind.CONDITIONS: _to_conditions,
    Kind.CONNECTION: _to_connection,
}
