"""Change data format: conversions between values and the texts of XML, CSV, YAML and JSON.

Large texts are read and written in a computing process, so that others keep their pace.
"""

from collections.abc import Callable, Mapping
from typing import Any

from processors.actions import Action, Context, Input, Kind, Outcome, Runs, StepError, World
from processors.cleaning import load_json
from processors.components.change_data_format import COMPONENT, TEXTS, VALUE, json_text
from processors.components.computing import compute_by_size
from processors.components.files import MAX_BYTES, bytes_of, inside, text_of
from processors.components.refusals import unfit
from processors.formats import csv_rows, xml_tree, yaml_text
from schemas.values import NotSerializable, Value, dump

_Given = Mapping[str, Any]

_NUMBERS_AS_STRINGS = Input(
    key="numbersAsStrings",
    label="Parse numbers as strings?",
    kind=Kind.BOOLEAN,
    default=False,
    description="Leaves numerals texts; otherwise they become numbers, but not those with leading "
    "zeros or more than 15 digits.",
    example="true",
)
_HEADER = Input(
    key="csvHeader",
    label="CSV Header",
    kind=Kind.BOOLEAN,
    default=True,
    description="Whether the first row names the columns: then rows are objects, else lists.",
    example="false",
)
_NESTED = Input(
    key="unFlatten",
    label="Un-Flatten CSV Keys",
    kind=Kind.BOOLEAN,
    default=False,
    description="Makes nested objects of columns whose names hold two underscores.",
    example="true",
)
_OPTIONS: Mapping[str, tuple[Input, ...]] = {
    "XML": (_NUMBERS_AS_STRINGS,),
    "CSV": (_HEADER, _NESTED),
}


def _rows(text: str, options: _Given) -> Value:
    if options["csvHeader"]:
        return csv_rows.parse_objects(text, nested=options["unFlatten"])
    return csv_rows.parse(text)


def _to_csv(value: Value) -> str:
    rows = value if isinstance(value, list) else [value]
    if rows and all(isinstance(row, list) for row in rows):
        return csv_rows.write(rows)
    return csv_rows.write_objects(_innermost(rows))


def _innermost(rows: list[Value]) -> list[Value]:
    """The list in `{"orders": {"order": [...]}}`, which is how a list comes out of XML."""
    found: list[Value] = rows
    while len(found) == 1 and isinstance(found[0], dict) and len(found[0]) == 1:
        (inner,) = found[0].values()
        found = inner if isinstance(inner, list) else [inner]
        if not all(isinstance(row, dict) for row in found):
            return rows
    return found


_READ: Mapping[str, Callable[[Any, _Given], Value]] = {
    "XML": lambda text, options: xml_tree.parse(text, numbers=not options["numbersAsStrings"]),
    "CSV": _rows,
    "YAML": lambda text, _: yaml_text.parse(text),
    "JSON": lambda text, _: load_json(text),
}
_WRITE: Mapping[str, Callable[[Value], Value]] = {
    "XML": xml_tree.write,
    "CSV": _to_csv,
    "YAML": yaml_text.write,
    "JSON": json_text,
    "": lambda value: value,
}


def convert(given: Value) -> Value:
    """From one format to another; also run in computing processes. Raises StepError.

    `given` has `source`, `target` (empty for the value itself), `text` and the options; or
    `value` in place of source and text.
    """
    source, target = given["source"], given["target"]
    value = given.get("value")
    try:
        if source:
            value = _READ[source](given["text"], given["options"])
    except ValueError as error:
        raise StepError(f"Data (data) is not {source}: {error}") from error
    try:
        return _WRITE[target](value)
    except ValueError as error:
        raise StepError(f"Data (data) is not what {target} can hold: {error}") from error


def _conversion(key: str, label: str, description: str, source: str, target: str) -> Action:
    """An action that reads `source`, a format or empty for a value, and writes `target`."""
    declared = TEXTS.get(source, VALUE)
    options = _OPTIONS.get(source, ())

    def perform(inputs: _Given, _context: Context, world: World) -> Outcome:
        content = inside(inputs["data"])
        given: dict[str, Value] = {"source": source, "target": target}
        given["options"] = {option.key: inputs[option.key] for option in options}
        if source and isinstance(content, str | bytes | bytearray):
            # An XML document in bytes says itself how they are to be read.
            read = bytes_of if source == "XML" and not isinstance(content, str) else text_of
            given["text"] = read(declared, content)
        elif source and source != "JSON":
            raise unfit(declared, f"{source} as a text or a file", content)
        else:
            given |= {"source": "", "value": content}
        return Outcome(result=compute_by_size(convert, given, _size(content), label, world))

    return Action(
        component=COMPONENT,
        key=key,
        label=label,
        description=description,
        perform=perform,
        inputs=(declared, *options),
        runs=Runs.THREAD,
    )


def _size(content: Value) -> int:
    """How large an object is, its JSON says."""
    if isinstance(content, str | bytes | bytearray):
        return len(content)
    try:
        size = len(dump(content))
    except NotSerializable:
        return 0  # the conversion says what is wrong with it
    if size > MAX_BYTES:
        raise unfit(VALUE, f"at most {MAX_BYTES} bytes", f"{size} bytes")
    return size


def _reading(source: str) -> Action:
    return _conversion(
        f"deserializeFrom{source.capitalize()}",
        f"Deserialize {source}",
        f"Gives the value that the {source} stands for.",
        source,
        "",
    )


def _between(source: str, target: str) -> Action:
    return _conversion(
        f"{source.lower()}To{target.capitalize()}",
        f"{source} to {target}",
        f"Gives {target} text of what the {source} stands for.",
        source,
        target,
    )


def _writing(target: str) -> Action:
    return _conversion(
        f"binaryTo{target.capitalize()}",
        f"JavaScript Object to {target}",
        f"Gives {target} text of a value.",
        "",
        target,
    )


ACTIONS = (
    *(_reading(source) for source in ("XML", "CSV", "YAML")),
    *(_writing(target) for target in ("XML", "CSV", "YAML")),
    *(
        _between(source, target)
        for source in ("JSON", "XML", "CSV", "YAML")
        for target in ("JSON", "XML", "CSV", "YAML")
        if source != target
    ),
)
