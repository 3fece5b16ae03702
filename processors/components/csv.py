"""CSV: rows of values from a text, and a text from rows. Large texts in a computing process."""

import contextlib
from collections.abc import Mapping
from typing import Any

from processors.actions import (
    Context,
    Input,
    Kind,
    Outcome,
    StepError,
    World,
    in_thread,
)
from processors.cleaning import load_json
from processors.components.computing import compute_by_size
from processors.components.files import text_of
from processors.formats import csv_rows
from processors.formats.errors import Unfit
from schemas.values import NotSerializable, Value, dump

_CSV = Input(
    key="csv",
    label="CSV Data",
    kind=Kind.ANY,
    default="",
    description="A text or a file with rows of values.",
    example="W-1,3",
)
_DELIMITER = Input(
    key="delimiter",
    label="Delimiter",
    default=",",
    description="The character between values; `\\t` and `tab` are a tab.",
    example=";",
)
_IGNORE_HEADERS = Input(
    key="ignoreHeaders",
    label="Ignore Headers",
    kind=Kind.BOOLEAN,
    default=False,
    description="Leaves out the first row.",
    example="true",
)
_INPUT_ARRAY = Input(
    key="inputArray",
    label="Input Array",
    kind=Kind.LIST,
    description="Objects; there is a column for each key that any of them has.",
    example='[{"sku": "W-1", "count": 3}]',
)
_INCLUDE_HEADER = Input(
    key="includeHeader",
    label="Include Header?",
    kind=Kind.BOOLEAN,
    default=True,
    description="Begins with a row of the columns' names.",
    example="false",
)
_DATA = Input(
    key="data",
    label="Data",
    kind=Kind.LIST,
    description="Rows, each of them a list of values, or JSON of one.",
    example='[["W-1", 3]]',
)


def _parse(inputs: Mapping[str, Any], _context: Context, world: World) -> Outcome:
    text = text_of(_CSV, inputs["csv"])
    given = {"text": text, "delimiter": inputs["delimiter"]}
    rows = compute_by_size(parse, given, len(text), "Parse", world)
    return Outcome(result=rows[1:] if inputs["ignoreHeaders"] else rows)


def parse(given: Value) -> Value:
    """The rows; also run in computing processes. Raises StepError."""
    try:
        return csv_rows.parse(given["text"], given["delimiter"])
    except Unfit as error:
        raise StepError(f"CSV Data (csv) cannot be read: {error}") from error


def _generate_from_object(inputs: Mapping[str, Any], _context: Context, world: World) -> Outcome:
    size = _size(inputs["inputArray"])
    return Outcome(result=compute_by_size(write_objects, inputs, size, "Generate", world))


def write_objects(given: Value) -> Value:
    """The text; also run in computing processes. Raises StepError."""
    try:
        return csv_rows.write_objects(
            given["inputArray"], given["delimiter"], header=given["includeHeader"]
        )
    except Unfit as error:
        raise StepError(f"Input Array (inputArray) cannot be written: {error}") from error


def _generate(inputs: Mapping[str, Any], _context: Context, world: World) -> Outcome:
    size = _size(inputs["data"])
    return Outcome(result=compute_by_size(write_rows, inputs, size, "Generate", world))


def write_rows(given: Value) -> Value:
    """The text; also run in computing processes. Raises StepError."""
    try:
        return csv_rows.write(map(_row, given["data"]), given["delimiter"])
    except Unfit as error:
        raise StepError(f"Data (data) cannot be written: {error}") from error


def _row(value: Value) -> list[Value]:
    if isinstance(value, str) and value.lstrip().startswith("["):
        with contextlib.suppress(ValueError):
            value = load_json(value)
    return value if isinstance(value, list) else [value]


def _size(value: Value) -> int:
    try:
        return len(dump(value))
    except NotSerializable:
        return 0  # writing says what is wrong with it


_action = in_thread("csv")

ACTIONS = (
    _action(
        "parse",
        "Parse",
        "Gives the rows, each of them a list of texts; blank lines are left out.",
        _parse,
        _CSV,
        _DELIMITER,
        _IGNORE_HEADERS,
    ),
    _action(
        "generateFromObject",
        "Generate CSV From Array",
        "Gives CSV text of objects. Objects within them are columns such as `person__first`.",
        _generate_from_object,
        _INPUT_ARRAY,
        _DELIMITER,
        _INCLUDE_HEADER,
    ),
    _action(
        "generate",
        "Generate (Deprecated)",
        "Gives CSV text of rows.",
        _generate,
        _DATA,
        _DELIMITER,
    ),
)
