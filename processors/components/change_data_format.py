"""Change data format: between values and the texts of JSON, JSON Lines and forms; pure.

XML, CSV and YAML stand in format_conversions.
"""

import math
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any
from urllib.parse import parse_qsl, urlencode

import orjson

from processors.actions import Input, Kind, Runs
from processors.cleaning import FALSE_WORDS, TRUE_WORDS, load_json
from processors.components import computed
from processors.components.files import inside, text_of
from processors.components.numbers import number_of, tidy
from processors.components.refusals import unfit
from schemas.values import NotSerializable, Value, dump, to_text

_Given = Mapping[str, Any]
COMPONENT = "change-data-format"
_MAX_FIELDS = 100_000


def _data(what: str, example: str) -> Input:
    return Input(key="data", label="Data", kind=Kind.ANY, description=what, example=example)


_EXAMPLES = {
    "JSON": '{"sku": "W-1"}',
    "XML": "<order><sku>W-1</sku></order>",
    "CSV": "sku,count",
    "YAML": "sku: W-1",
}
TEXTS = {
    name: _data(f"{name} as a text or a file.", example) for name, example in _EXAMPLES.items()
}
VALUE = _data("The value.", '{"sku": "W-1"}')
_FORM = replace(_data("Form data as a text or a file.", "sku=W-1&count=2"), default="")
_FIELDS = _data("An object; a list gives its field several times.", '{"sku": "W-1"}')
_LINES = replace(
    _data("A text or a file with one JSON value on each line.", '{"a": 1}'), default=""
)
_LIST = Input(
    key="data",
    label="Array",
    kind=Kind.LIST,
    description="The values, one for each line.",
    example='[{"a": 1}, {"a": 2}]',
)
_CONVERTED = Input(
    key="value",
    label="Value",
    kind=Kind.ANY,
    description="The value to be converted.",
    example="42",
)


def json_of(declared: Input, value: Value) -> Value:
    """The value that a JSON text stands for; a value that is none already is taken as it is."""
    content = inside(value)
    if not isinstance(content, str | bytes | bytearray):
        return content
    try:
        return load_json(text_of(declared, content).removeprefix("\ufeff"))
    except ValueError as error:
        raise unfit(declared, f"JSON ({error})", to_text(content)) from error


def json_text(value: Value) -> str:
    """JSON text of a value; a file that holds JSON is that JSON."""
    content = inside(value)
    if isinstance(content, bytes | bytearray):
        try:
            content = orjson.loads(content)
        except orjson.JSONDecodeError:
            content = bytes(content)
    try:
        return dump(content).decode()
    except NotSerializable as error:
        raise unfit(VALUE, f"a value that JSON can hold ({error})", content) from error


def _from_binary(given: _Given) -> Value:
    content = inside(given["data"])
    if not isinstance(content, str | bytes | bytearray):
        return content
    text = text_of(VALUE, content)
    try:
        return load_json(text)
    except ValueError:
        return text


def _pretty(given: _Given) -> Value:
    content = inside(given["data"])
    if isinstance(content, str | bytes | bytearray):
        content = json_of(VALUE, content)
    return orjson.dumps(orjson.loads(json_text(content)), option=orjson.OPT_INDENT_2).decode()


def from_lines(given: _Given) -> Value:
    """The values of the lines; also run in computing processes."""
    values: list[Value] = []
    for number, line in enumerate(text_of(_LINES, given["data"]).split("\n"), start=1):
        if line.strip():
            try:
                values.append(load_json(line))
            except ValueError as error:
                raise unfit(_LINES, f"JSON in line {number} ({error})", line) from error
    return values


def to_lines(given: _Given) -> Value:
    """The lines of the values; also run in computing processes."""
    return "".join(f"{json_text(value)}\n" for value in given["data"])


def from_form(given: _Given) -> Value:
    """The fields of the form; also run in computing processes."""
    content = inside(given["data"])
    if isinstance(content, dict):
        return content
    try:
        pairs = parse_qsl(
            text_of(_FORM, content), keep_blank_values=True, max_num_fields=_MAX_FIELDS
        )
    except ValueError as error:
        raise unfit(_FORM, f"form data of at most {_MAX_FIELDS} fields", content) from error
    fields: dict[str, Value] = {}
    for name, value in pairs:
        if name not in fields:
            fields[name] = value
        elif isinstance(fields[name], list):
            fields[name].append(value)
        else:
            fields[name] = [fields[name], value]
    return fields


def to_form(given: _Given) -> Value:
    """The form of the fields; also run in computing processes."""
    fields = json_of(_FIELDS, given["data"])
    if not isinstance(fields, dict):
        raise unfit(_FIELDS, "an object", fields)
    pairs = [
        (str(name), to_text(one))
        for name, value in fields.items()
        for one in (value if isinstance(value, list) else [value])
    ]
    return urlencode(pairs, errors="replace")


def _to_boolean(given: _Given) -> Value:
    value = given["value"]
    if not isinstance(value, str):
        return bool(value)
    word = value.strip().lower()
    if word and word not in TRUE_WORDS | FALSE_WORDS:
        raise unfit(_CONVERTED, "true or false, t or f, yes or no, y or n", value)
    return word in TRUE_WORDS


def _to_number(given: _Given) -> Value:
    return number_of(_CONVERTED, given["value"])


def _to_int(given: _Given) -> Value:
    return tidy(math.trunc(number_of(_CONVERTED, given["value"])), "The conversion")


def _to_string(given: _Given) -> Value:
    try:
        return to_text(inside(given["value"]))
    except NotSerializable as error:
        raise unfit(_CONVERTED, "a value that can be written as text", given["value"]) from error


_quick = partial(computed.action, COMPONENT)
_by_size = partial(computed.action_by_size, COMPONENT)

ACTIONS = (
    _quick(
        "convertToBoolean",
        "Convert To Boolean",
        "Gives true or false. Of texts, t, true, y and yes are true, f, false, n, no and none are "
        "false; of other values, 0 and null are false.",
        _to_boolean,
        _CONVERTED,
    ),
    _quick(
        "convertToInt",
        "Convert To Integer",
        "Gives a number without its fraction; 0 where there is no value.",
        _to_int,
        _CONVERTED,
    ),
    _quick(
        "convertToNumber",
        "Convert To Number",
        "Gives a number; 0 where there is no value.",
        _to_number,
        _CONVERTED,
    ),
    _quick(
        "convertToString",
        "Convert To String",
        "Gives a text; objects and lists as JSON, nothing as an empty text.",
        _to_string,
        _CONVERTED,
    ),
    _quick(
        "deserializeFromJson",
        "Deserialize JSON",
        "Gives the value that the JSON stands for.",
        lambda given: json_of(TEXTS["JSON"], given["data"]),
        TEXTS["JSON"],
    ),
    _quick(
        "deserializeFromBinary",
        "Deserialize BINARY",
        "Gives the text of a file, or the value where that text is JSON.",
        _from_binary,
        VALUE,
    ),
    _by_size(
        "deserializeFormData",
        "Deserialize URL-encoded Form Data",
        "Gives an object of the fields; one that is there several times is a list.",
        from_form,
        _FORM,
    ),
    _by_size(
        "serializeFormData",
        "Serialize URL-encoded Form Data",
        "Gives the text of a form with these fields.",
        to_form,
        _FIELDS,
    ),
    _by_size(
        "deserializeJsonl",
        "Deserialize JSON Lines (.jsonl)",
        "Gives the list of values; blank lines count for nothing.",
        from_lines,
        _LINES,
    ),
    _by_size(
        "serializeJsonl",
        "Serialize JSON Lines (.jsonl)",
        "Gives one line of JSON for each value.",
        to_lines,
        _LIST,
    ),
    _quick(
        "binaryToJson",
        "JavaScript Object to JSON",
        "Gives JSON text of a value.",
        lambda given: json_text(given["data"]),
        VALUE,
    ),
    _quick(
        "prettyPrint",
        "Pretty Print",
        "Gives JSON text with a line for each entry.",
        _pretty,
        VALUE,
        runs=Runs.THREAD,
    ),
)
