"""XML: values from a document and documents from values; pure.

An element with nothing but text is its text, others are objects: a key for each child, a list
where a child repeats, `@_name` for an attribute and `#text` for text beside them. Entities are
never declared or expanded, nothing is fetched.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from xml.parsers import expat
from xml.sax.saxutils import escape, quoteattr

from processors.formats.errors import Unfit
from schemas.values import NotSerializable, Value, to_text

MAX_DEPTH = 200
MAX_NODES = 1_000_000
ATTRIBUTE = "@_"
TEXT = "#text"
ROOT = "root"
ITEM = "item"

_NUMERAL = re.compile(r"-?(0|[1-9]\d{0,14})(\.\d{1,15})?")
"""What is the same number again when it is written; `007` and long ids stay texts."""
_NOT_NAME = re.compile(r"[^\w.\-:]")
_NOT_START = re.compile(r"^(?=[^A-Za-z_])")
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def parse(document: str | bytes, *, numbers: bool = True) -> Value:
    """`{"order": {"sku": "W-1", "count": 2}}`; with `numbers`, numerals are numbers. Raises Unfit.

    Bytes are read in the encoding that the document names.
    """
    reader = _Reader(numbers)
    is_text = isinstance(document, str)
    parser = expat.ParserCreate("utf-8" if is_text else None)
    parser.buffer_text = True
    parser.StartElementHandler = reader.start
    parser.EndElementHandler = reader.end
    parser.CharacterDataHandler = reader.text
    parser.EntityDeclHandler = _no_entities
    try:
        parser.Parse(document.encode() if isinstance(document, str) else document, True)
    except expat.ExpatError as error:
        raise Unfit(f"line {error.lineno}: {expat.ErrorString(error.code)}") from error
    except (LookupError, UnicodeError, ValueError) as error:
        raise Unfit(str(error)) from error
    return reader.root


def write(value: Value, root: str = ROOT, item: str = ITEM) -> str:
    """The document of `value`: an object with one key names its root, else it is `root`.

    What cannot stand in a name is an underscore. Raises Unfit.
    """
    if isinstance(value, dict) and len(value) == 1:
        ((name, inner),) = value.items()
        if not isinstance(inner, list) and name != TEXT and not name.startswith(ATTRIBUTE):
            return "".join(_element(name, inner, item, 1))
    return "".join(_element(root, value, item, 1))


@dataclass(slots=True)
class _Open:
    name: str
    children: dict[str, Value]
    text: list[str] = field(default_factory=list)


class _Reader:
    """Builds the tree in a loop, from expat's events."""

    def __init__(self, numbers: bool) -> None:
        self.root: Value = None
        self._numbers = numbers
        self._open: list[_Open] = []
        self._nodes = 0

    def start(self, name: str, attributes: dict[str, str]) -> None:
        self._nodes += 1 + len(attributes)
        if len(self._open) >= MAX_DEPTH:
            raise Unfit(f"elements are nested deeper than {MAX_DEPTH} levels")
        if self._nodes > MAX_NODES:
            raise Unfit(f"there are more than {MAX_NODES:,} elements and attributes")
        named = {f"{ATTRIBUTE}{key}": value for key, value in attributes.items()}
        self._open.append(_Open(name, named))

    def text(self, text: str) -> None:
        self._open[-1].text.append(text)

    def end(self, name: str) -> None:
        element = self._open.pop()
        value = self._value(element)
        if not self._open:
            self.root = {name: value}
            return
        siblings = self._open[-1].children
        if name not in siblings:
            siblings[name] = value
        elif isinstance(siblings[name], list):
            siblings[name].append(value)
        else:
            siblings[name] = [siblings[name], value]

    def _value(self, element: _Open) -> Value:
        text = "".join(element.text)
        if not element.children:
            return self._scalar(text.strip())
        if text.strip():
            element.children[TEXT] = self._scalar(text.strip())
        return element.children

    def _scalar(self, text: str) -> Value:
        if not self._numbers or not _NUMERAL.fullmatch(text):
            return text
        return float(text) if "." in text else int(text)


def _no_entities(name: str, *_: object) -> None:
    raise Unfit(f"the entity {name!r} is declared, and documents with entities are not read")


def _element(name: str, value: Value, item: str, depth: int) -> Iterator[str]:
    if depth > MAX_DEPTH:
        raise Unfit(f"values are nested deeper than {MAX_DEPTH} levels")
    tag = _name(name)
    if isinstance(value, list | tuple):
        value = {item: list(value)}
    if not isinstance(value, dict):
        yield f"<{tag}>{_text(value)}</{tag}>"
        return
    yield f"<{tag}{_attributes(value)}>"
    for key, inner in value.items():
        if key == TEXT:
            yield _text(inner)
        elif not str(key).startswith(ATTRIBUTE):
            for one in inner if isinstance(inner, list | tuple) else (inner,):
                yield from _element(str(key), one, item, depth + 1)
    yield f"</{tag}>"


def _attributes(value: dict[str, Value]) -> str:
    return "".join(_attribute(key, inner) for key, inner in value.items())


def _attribute(key: Value, value: Value) -> str:
    if not str(key).startswith(ATTRIBUTE):
        return ""
    return f" {_name(str(key).removeprefix(ATTRIBUTE))}={quoteattr(_allowed(value), _LINES)}"


_LINES = {"\n": "&#10;", "\r": "&#13;", "\t": "&#9;"}


def _text(value: Value) -> str:
    return escape(_allowed(value), {"\r": "&#13;"})


def _allowed(value: Value) -> str:
    try:
        text = to_text(value)
    except NotSerializable as error:
        raise Unfit(f"a value cannot stand in XML: {error}") from error
    if found := _NOT_XML.search(text):
        raise Unfit(f"the character U+{ord(found[0]):04X} cannot stand in XML")
    return text


def _name(text: str) -> str:
    return _NOT_START.sub("_", _NOT_NAME.sub("_", text)) or "_"
