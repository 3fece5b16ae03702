"""Config values: what the text given for a config variable says, by the variable's type; pure.

Takes in a variable and a text, as `--config` and `defaultValue` have it, or a value that JSON can
hold; gives out what flows see:

    string, code, picklist       the text
    date, timestamp              the text, which must be an ISO date, an ISO instant
    schedule                     the cron text, or the value of an object (schemas.schedules)
    number, boolean              a number; true or false
    objectSelection, objectFieldMap, jsonForm    the value of the JSON text
    connection                   an object of its fields
    collectionType valuelist     a list of such values
    collectionType keyvaluelist  a list of `{key, value}`

An empty text of another type than string and code is no value: null.
"""

import math
import re
from collections.abc import Callable
from datetime import date, datetime
from typing import Any

import orjson

from schemas import schedules
from schemas.definitions import RequiredConfigVar
from schemas.values import Value

VALUE_LIST = "valuelist"
KEY_VALUE_LIST = "keyvaluelist"
COLLECTIONS = (VALUE_LIST, KEY_VALUE_LIST)

_INTEGER = re.compile(r"[+-]?[0-9]{1,300}")
_NUMERAL = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")


class Unfit(ValueError):
    """A value that is not of its variable's type, or `why` not. `path` leads into it, if given."""

    def __init__(self, wanted: str, path: str = "", why: str = "") -> None:
        super().__init__(why or f"must be {wanted}")
        self.path = path


def typed(variable: RequiredConfigVar, given: Value) -> Value:
    """What `given` says. Raises Unfit, whose message shows no value: it may be a secret."""
    if variable.collection == VALUE_LIST:
        return _value_list(variable, given)
    if variable.collection == KEY_VALUE_LIST:
        return _key_value_list(variable, given)
    return _single(variable, given)


def _value_list(variable: RequiredConfigVar, given: Value) -> Value:
    items = _json(given, "a list as JSON")
    if items is None:
        return None
    if not isinstance(items, list):
        raise Unfit("a list as JSON")
    return [_member(variable, item, f"[{index}]") for index, item in enumerate(items)]


def _key_value_list(variable: RequiredConfigVar, given: Value) -> Value:
    wanted = "an object, or a list of {key, value}, as JSON"
    found = _json(given, wanted)
    if found is None:
        return None
    if isinstance(found, dict):
        found = [{"key": key, "value": value} for key, value in found.items()]
    if not isinstance(found, list):
        raise Unfit(wanted)
    pairs = []
    for index, pair in enumerate(found):
        if not isinstance(pair, dict) or pair.keys() != {"key", "value"}:
            raise Unfit("an object of key and value", f"[{index}]")
        value = _member(variable, pair["value"], f"[{index}].value")
        pairs.append({"key": str(pair["key"]), "value": value})
    return pairs


def _member(variable: RequiredConfigVar, given: Value, path: str) -> Value:
    try:
        return _single(variable, given)
    except Unfit as error:
        error.path = path
        raise


def _single(variable: RequiredConfigVar, given: Value) -> Value:
    if given is None:
        return None
    return _TYPES[variable.data_type](variable, given)


def _text(variable: RequiredConfigVar, given: Value) -> Value:
    return given if isinstance(given, str) else orjson.dumps(given).decode()


def _picklist(variable: RequiredConfigVar, given: Value) -> Value:
    text = _text(variable, given)
    if text and variable.pick_list and text not in variable.pick_list:
        raise Unfit(f"one of {', '.join(map(repr, variable.pick_list))}")
    return text or None


def _checked(check: Callable[[str], object], wanted: str) -> Callable[..., Value]:
    def coerce(variable: RequiredConfigVar, given: Value) -> Value:
        text = _text(variable, given).strip()
        try:
            if text:
                check(text)
        except ValueError as error:
            raise Unfit(wanted) from error
        return text or None

    return coerce


def _date(text: str) -> None:
    """A date; the time of day that some forms add counts for nothing."""
    date.fromisoformat(text.partition("T")[0])


def _schedule(variable: RequiredConfigVar, given: Value) -> Value:
    """The text alone: its type and time zone are for the schedule, not for flows."""
    if given == "":
        return None
    try:
        setting = schedules.setting_of(variable, given)
        schedules.expression(setting)
    except schedules.Unfit as error:
        raise Unfit("a schedule", error.path, f"does not say when: {error}") from error
    return setting.value or None


def _number(_variable: RequiredConfigVar, given: Value) -> Value:
    if isinstance(given, int | float) and not isinstance(given, bool):
        return given
    text = given.strip() if isinstance(given, str) else "?"
    if not text:
        return None
    if _INTEGER.fullmatch(text):
        return int(text)
    number = float(text) if _NUMERAL.fullmatch(text) else math.inf
    if not math.isfinite(number):
        raise Unfit("a number")
    return number


def _boolean(_variable: RequiredConfigVar, given: Value) -> Value:
    word = given.strip().lower() if isinstance(given, str) else given
    if word == "":
        return None
    if word not in (True, False, "true", "false"):
        raise Unfit("true or false")
    return word in (True, "true")


def _object(_variable: RequiredConfigVar, given: Value) -> Value:
    return _json(given, "JSON")


def _connection(_variable: RequiredConfigVar, given: Value) -> Value:
    fields = _json(given, "an object of the connection's fields as JSON")
    if fields is not None and not isinstance(fields, dict):
        raise Unfit("an object of the connection's fields as JSON")
    return fields


def _json(given: Value, wanted: str) -> Any:
    if not isinstance(given, str):
        return given
    if not given.strip():
        return None
    try:
        return orjson.loads(given)
    except orjson.JSONDecodeError as error:
        raise Unfit(wanted) from error


_TYPES: dict[str, Callable[[RequiredConfigVar, Value], Value]] = {
    "string": _text,
    "code": _text,
    "picklist": _picklist,
    "date": _checked(_date, "a date such as 2026-01-31"),
    "timestamp": _checked(datetime.fromisoformat, "an instant such as 2026-01-31T12:00:00Z"),
    "schedule": _schedule,
    "number": _number,
    "boolean": _boolean,
    "objectSelection": _object,
    "objectFieldMap": _object,
    "jsonForm": _object,
    "connection": _connection,
}
DATA_TYPES = tuple(_TYPES)
