"""Bodies: what the bytes of a request's body say, going by its content type. Pure.

    application/json, …+json                 the parsed value
    text/*, XML, CSV, YAML, urlencoded, …    text, in the charset that is declared or marked
    no content type                          text where it is UTF-8, else bytes
    multipart/form-data                      a dict of its parts (schemas.forms)
    everything else                          bytes

A byte order mark wins over the declared charset and is no part of the text; without either, text
is UTF-8 (RFC 8259, 8.1; RFC 6657, 4). Text that is not in its charset stays bytes.
"""

import codecs
import re
from dataclasses import dataclass
from functools import lru_cache

import orjson

from schemas.errors import Refused
from schemas.values import Value

MAX_DEPTH = 200
"""Levels that JSON may nest: the log holds 254, and an event has some of its own."""

_LONGEST_KEPT = 256
_LONGEST_CHARSET = 40

MAX_VALUES = 2_000_000
"""Nobody else is served while a text is parsed: these take a fifth of a second, and 150 MB."""

_ORDER_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
# Python's codecs know more than charsets, and some of them take very long.
_CHARSETS = re.compile(
    r"utf-(8|16|32)|ascii|iso8859|cp\d|koi8|shift_jis|euc_|gb|big5|mac-|johab|tis-620"
)
_PARAMETER = re.compile(
    r"""\s*([\w!#$%&'*+.^`|~-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^;"]*))""", re.ASCII
)
_TEXT_ENDINGS = (
    "xml",
    "csv",
    "json",
    "json-seq",
    "yaml",
    "javascript",
    "ecmascript",
    "graphql",
    "sql",
    "x-www-form-urlencoded",
)


class Malformed(Refused):
    """A body that is not what its content type promises.

    For JSON the answer that callers know has no reason, so there the reason is empty.
    """

    def __init__(self, message: str, reason: str = "") -> None:
        super().__init__(message, status=400, reason=reason)


@dataclass(frozen=True, slots=True)
class Media:
    """A content type, taken apart. `charset` is None where none is declared, "" for one unknown."""

    kind: str
    charset: str | None = None
    boundary: bytes = b""

    @property
    def is_json(self) -> bool:
        """`application/json`, or any `+json` (RFC 6839)."""
        return self.kind == "application/json" or self.kind.endswith("+json")

    @property
    def is_form(self) -> bool:
        return self.kind == "multipart/form-data"

    @property
    def is_text(self) -> bool:
        return self.kind.startswith("text/") or self.is_json or self.kind.endswith(_TEXT_ENDINGS)


def media_of(content_type: str) -> Media:
    """The media type of a Content-Type header. What is not one has an empty kind."""
    # Long ones are nobody's habit, and would fill the memory of the cache.
    is_usual = len(content_type) <= _LONGEST_KEPT
    return _kept_media(content_type) if is_usual else _media(content_type)


def _media(content_type: str) -> Media:
    kind, _, rest = content_type.partition(";")
    given = _parameters(rest)
    charset = given.get("charset")
    return Media(
        kind.strip().lower(),
        None if charset is None else _codec(charset),
        given.get("boundary", "").encode("latin-1", "replace"),
    )


_kept_media = lru_cache(maxsize=1024)(_media)


def parsed_json(raw: bytes, media: Media) -> Value:
    """The value in a JSON body. Raises Malformed, and Refused (413) for too many values."""
    if len(raw) > MAX_VALUES and _marks(raw) > MAX_VALUES:
        message = f"The JSON payload holds more than {MAX_VALUES} values."
        raise Refused(message, status=413, reason="too_many_values")
    content: bytes | str = raw
    if media.charset not in (None, "utf-8") or raw[:1] > b"\x7f":
        decoded = text_of(raw, media)
        if decoded is None:
            raise malformed_json()
        content = decoded
    try:
        value = orjson.loads(content)
    except orjson.JSONDecodeError as error:
        raise _too_deep() if "depth limit" in str(error) else malformed_json() from error
    if raw.count(b"[") + raw.count(b"{") > MAX_DEPTH:
        _check_depth(value)
    return value


def text_of(raw: bytes, media: Media) -> str | None:
    """The text of a body, None where the bytes are not in its charset."""
    charset = media.charset
    for mark, marked in _ORDER_MARKS:
        if raw.startswith(mark):
            raw, charset = raw[len(mark) :], marked
            break
    if charset == "":
        return None
    try:
        return raw.decode(charset or "utf-8")
    except UnicodeDecodeError:
        return None


def _marks(raw: bytes) -> int:
    """About how many values there are: what stands before them, within texts too."""
    return sum(map(raw.count, (b",", b"[", b"{")))


def malformed_json() -> Malformed:
    return Malformed("Received malformed JSON payload.")


def _too_deep() -> Malformed:
    return Malformed(f"The JSON payload nests more than {MAX_DEPTH} levels.", "nested_too_deep")


def _check_depth(value: Value) -> None:
    wrapped = value
    for _ in range(254 - MAX_DEPTH):
        wrapped = [wrapped]
    try:
        orjson.dumps(wrapped)
    except TypeError as error:
        raise _too_deep() from error


def _codec(charset: str) -> str:
    """The name of Python's codec for a charset, empty where there is none that may be used."""
    try:
        name = codecs.lookup(charset.strip().lower()[:_LONGEST_CHARSET]).name
    except (LookupError, ValueError):
        return ""
    return name if _CHARSETS.match(name) else ""


def _parameters(text: str) -> dict[str, str]:
    """`; charset=utf-8; boundary="a b"`, names in lower case; the first of a name counts."""
    found: dict[str, str] = {}
    position = 0
    while position >= 0:
        given = _PARAMETER.match(text, position)
        if given is not None:
            name, quoted, bare = given.groups()
            value = bare.strip() if quoted is None else re.sub(r"\\(.)", r"\1", quoted)
            found.setdefault(name.lower(), value)
            position = given.end()
        # Looking on at the next semicolon only, it takes a time that grows with the length.
        position = text.find(";", position) + 1 or -1
    return found
