"""XML: values from documents and documents from values. Large ones in a computing process."""

from collections.abc import Mapping
from typing import Any

from processors.actions import Context, Input, Kind, Outcome, StepError, World, in_thread
from processors.components.computing import compute_by_size
from processors.components.files import inside, text_of
from processors.components.refusals import unfit
from processors.formats import xml_tree
from processors.formats.errors import Unfit
from schemas.values import NotSerializable, Value, dump

_XML = Input(
    key="xml",
    label="XML",
    kind=Kind.ANY,
    required=True,
    description="The document, as a text or a file. One that declares entities is refused.",
    example="<order number='17'><sku>W-1</sku></order>",
)
_NUMBERS_AS_STRINGS = Input(
    key="numbersAsStrings",
    label="Parse numbers as strings?",
    kind=Kind.BOOLEAN,
    default=False,
    description="Leaves numerals texts; otherwise they become numbers, but not those with leading "
    "zeros or more than 15 digits.",
    example="true",
)
_DATA = Input(
    key="data",
    label="Data",
    kind=Kind.JSON,
    required=True,
    description="The value; `@_name` is an attribute, `#text` the text beside children.",
    example='{"order": {"@_number": "17", "sku": "W-1"}}',
)
_ROOT = Input(
    key="rootName",
    label="Root Name",
    default=xml_tree.ROOT,
    description="The name of the root where the value is not an object with one key.",
    example="orders",
)
_DECLARATION = Input(
    key="includeDeclaration",
    label="Include Declaration",
    kind=Kind.BOOLEAN,
    default=False,
    description="Begins with a line that names version and encoding.",
    example="true",
)


def _parse(inputs: Mapping[str, Any], _context: Context, world: World) -> Outcome:
    document = inside(inputs["xml"])
    if not isinstance(document, str | bytes):
        raise unfit(_XML, "a text or a file", inputs["xml"])
    text_of(_XML, document)
    given = {"document": document, "numbers": not inputs["numbersAsStrings"]}
    return Outcome(result=compute_by_size(parse, given, len(document), "Parse", world))


def parse(given: Value) -> Value:
    """The value; also run in computing processes. Raises StepError."""
    try:
        return xml_tree.parse(given["document"], numbers=given["numbers"])
    except Unfit as error:
        raise StepError(f"XML (xml) cannot be read: {error}") from error


def _generate(inputs: Mapping[str, Any], _context: Context, world: World) -> Outcome:
    try:
        size = len(dump(inputs["data"]))
    except NotSerializable as error:
        raise unfit(_DATA, f"a value ({error})", inputs["data"]) from error
    document = compute_by_size(write, inputs, size, "Generate", world)
    declaration = '<?xml version="1.0" encoding="UTF-8"?>\n'
    return Outcome(result=declaration + document if inputs["includeDeclaration"] else document)


def write(given: Value) -> Value:
    """The document; also run in computing processes. Raises StepError."""
    try:
        return xml_tree.write(given["data"], root=given["rootName"])
    except Unfit as error:
        raise StepError(f"Data (data) cannot be written: {error}") from error


_action = in_thread("xml")

ACTIONS = (
    _action(
        "parse",
        "Parse XML",
        "Gives an object: a key for each child, a list where one repeats.",
        _parse,
        _XML,
        _NUMBERS_AS_STRINGS,
    ),
    _action(
        "generate",
        "Generate XML",
        "Gives the XML document of a value. What cannot stand in a name becomes an underscore.",
        _generate,
        _DATA,
        _ROOT,
        _DECLARATION,
    ),
)
