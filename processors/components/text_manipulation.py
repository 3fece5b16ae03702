"""Text manipulation: texts from texts and lists of them; pure.

What takes a regular expression stands in text_patterns. A character is a code point of Unicode.
"""

import base64
import binascii
import html
import re
from collections.abc import Mapping
from functools import partial
from typing import Any

from processors import cleaning
from processors.actions import Input, Kind, StepError
from processors.components import computed
from processors.components.files import bytes_of
from processors.components.numbers import whole
from processors.components.refusals import unfit
from schemas.values import NotSerializable, Value

MAX_CHARS = 50 * 1024 * 1024
MAX_PARTS = 1_000_000
_MAX_NEWLINES = 1_000
_NEWLINES = {"\\n": "\n", "\\r\\n": "\r\n", "\\r": "\r"}
_LINE_END = re.compile(r"\r?\n")
_WHITE_SPACE = re.compile(r"\s+")

TEXT = Input(
    key="text",
    label="Text",
    description="The text to work on.",
    example="Lorem ipsum",
)
_BASE64 = Input(
    key="text",
    label="Base64 Text",
    description="Base64, also its form for URLs, with or without padding.",
    example="SGVsbG8=",
)
_FILE = Input(
    key="text",
    label="Text or file",
    kind=Kind.ANY,
    default="",
    description="A text, which is encoded as UTF-8, or a file.",
    example="Hello",
)
_START = Input(
    key="sliceStart",
    label="Slice start",
    kind=Kind.NUMBER,
    default=0,
    description="Where to begin, counted from 0; a negative number counts from the end.",
    example="2",
)
_STOP = Input(
    key="sliceStop",
    label="Slice stop",
    kind=Kind.NUMBER,
    description="Before which character to stop; the end of the text where nothing is given.",
    example="-1",
)
_REPLACEMENTS = Input(
    key="replaceWith",
    label="Replace With",
    kind=Kind.PAIRS,
    description="Texts to find and what to put in their places, one after the other.",
    example="colour: color",
)
_STRINGS = Input(
    key="strings",
    label="Strings",
    kind=Kind.LIST,
    description="The texts to join, in this order.",
    example='["a", "b"]',
)
_SEPARATOR = Input(
    key="separator",
    label="Separator",
    description="What stands between the parts.",
    example=", ",
)
_NEWLINE = Input(
    key="newlineType",
    label="Newline type",
    default="\\n",
    description="`\\n`, `\\r\\n` or `\\r`.",
    example="\\r\\n",
)
_NEWLINE_COUNT = Input(
    key="numberOfNewlines",
    label="Number of newlines",
    kind=Kind.NUMBER,
    default=1,
    description="How many newlines stand between two texts.",
    example="2",
)
_FILTER_BLANK = Input(
    key="filterBlankLines",
    label="Filter Blank Lines",
    kind=Kind.BOOLEAN,
    default=True,
    description="Leaves out lines without anything but white space.",
    example="false",
)


def _decode(given: Mapping[str, Any]) -> Value:
    text = _WHITE_SPACE.sub("", given["text"]).translate(str.maketrans("-_", "+/")).rstrip("=")
    try:
        content = base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError) as error:
        raise unfit(_BASE64, f"base64 ({error})", given["text"]) from error
    try:
        return content.decode()
    except UnicodeDecodeError:
        return content


def _slice(given: Mapping[str, Any]) -> Value:
    start, stop = given["sliceStart"], given["sliceStop"]
    for declared, value in ((_START, start), (_STOP, stop)):
        if value is not None and value != int(value):
            raise unfit(declared, "a whole number", value)
    return given["text"][int(start) : None if stop is None else int(stop)]


def replaced(text: str, find: str, replace: str) -> str:
    """`text` with `replace` for each `find`. Raises StepError where that is too long."""
    if not find:
        return text
    growth = text.count(find) * (len(replace) - len(find))
    if len(text) + growth > MAX_CHARS:
        raise StepError(f"The text would have more than {MAX_CHARS} characters")
    return text.replace(find, replace)


def _replace_many(given: Mapping[str, Any]) -> Value:
    text: str = given["text"]
    for name, value in given["replaceWith"]:
        text = replaced(text, name, _text(_REPLACEMENTS, value))
    return text


def _join(given: Mapping[str, Any], separator: str) -> Value:
    parts = [_text(_STRINGS, part) for part in given["strings"]]
    if sum(map(len, parts)) + len(parts) * len(separator) > MAX_CHARS:
        raise StepError(f"The text would have more than {MAX_CHARS} characters")
    return separator.join(parts)


def _join_lines(given: Mapping[str, Any]) -> Value:
    kind = given["newlineType"]
    newline = _NEWLINES.get(kind, kind)
    if newline not in _NEWLINES.values():
        raise unfit(_NEWLINE, f"one of {', '.join(_NEWLINES)}", kind)
    count = whole(_NEWLINE_COUNT, given["numberOfNewlines"], least=0)
    if count > _MAX_NEWLINES:
        raise unfit(_NEWLINE_COUNT, f"at most {_MAX_NEWLINES}", count)
    return _join(given, newline * count)


def _split(given: Mapping[str, Any]) -> Value:
    text, separator = given["text"], given["separator"]
    _check_parts(text.count(separator) if separator else len(text))
    return text.split(separator) if separator else list(text)


def _split_lines(given: Mapping[str, Any]) -> Value:
    _check_parts(given["text"].count("\n"))
    lines = _LINE_END.split(given["text"])
    return [line for line in lines if line.strip()] if given["filterBlankLines"] else lines


def _check_parts(count: int) -> None:
    if count >= MAX_PARTS:
        raise StepError(f"The text would have more than {MAX_PARTS} parts")


def html_decode(given: Mapping[str, Any]) -> Value:
    """The text that the HTML stands for; also run in computing processes."""
    return html.unescape(given["text"])


def _text(declared: Input, value: Value) -> str:
    try:
        return cleaning.to_text(value)
    except NotSerializable as error:
        raise unfit(declared, "texts", value) from error


_tool = partial(computed.action, "text-manipulation")

ACTIONS = (
    _tool(
        "decodeBase64",
        "Decode Base64",
        "Gives the text that was encoded, or its bytes where they are no UTF-8.",
        _decode,
        _BASE64,
    ),
    _tool(
        "encodeBase64",
        "Encode Base64",
        "Gives the base64 of a text or a file.",
        lambda given: base64.b64encode(bytes_of(_FILE, given["text"])).decode(),
        _FILE,
    ),
    _tool(
        "slice",
        "Extract Substring",
        "Gives the characters from one index up to another.",
        _slice,
        TEXT,
        _START,
        _STOP,
    ),
    _tool(
        "replaceMultipleSubstring",
        "Find & Replace Multiple Substrings",
        "Replaces all that is found of each text.",
        _replace_many,
        TEXT,
        _REPLACEMENTS,
    ),
    computed.action_by_size(
        "text-manipulation",
        "htmlDecode",
        "HTML Decode",
        "Gives the text with the characters that references such as &amp;amp; stand for.",
        html_decode,
        TEXT,
    ),
    _tool(
        "htmlEncode",
        "HTML Encode",
        "Gives the text as it can stand in HTML, in attributes too.",
        lambda given: html.escape(given["text"]),
        TEXT,
    ),
    _tool(
        "join",
        "Join",
        "Gives one text of several.",
        lambda given: _join(given, given["separator"]),
        _STRINGS,
        _SEPARATOR,
    ),
    _tool(
        "joinLines",
        "Join Lines",
        "Gives one text of several, with newlines between them.",
        _join_lines,
        _STRINGS,
        _NEWLINE,
        _NEWLINE_COUNT,
    ),
    _tool(
        "lowerCase",
        "Lower Case",
        "Gives the text in lower case.",
        lambda given: given["text"].lower(),
        TEXT,
    ),
    _tool(
        "split",
        "Split String",
        "Gives the parts between separators; without one, the characters.",
        _split,
        TEXT,
        _SEPARATOR,
    ),
    _tool(
        "splitLines",
        "Split Lines",
        "Gives the lines of the text, without their ends.",
        _split_lines,
        TEXT,
        _FILTER_BLANK,
    ),
    _tool(
        "stringLength",
        "String Length",
        "Gives how many characters the text has.",
        lambda given: len(given["text"]),
        TEXT,
    ),
    _tool(
        "trim",
        "Remove Whitespace",
        "Gives the text without white space at its beginning and end.",
        lambda given: given["text"].strip(),
        TEXT,
    ),
    _tool(
        "upperCase",
        "Upper Case",
        "Gives the text in upper case.",
        lambda given: given["text"].upper(),
        TEXT,
    ),
)
