"""Values: what steps take and give, and how bytes among them stand in JSON.

A value is None, bool, int, float, str, bytes, or a list or dict of values. JSON has no bytes, so
they are tagged: `{"$bytes": "<base64>"}`. Where a value is tagged at all, a dict of the user's own
that could be mistaken for a tag is wrapped as `{"$dict": {…}}`; an event says by its flag `tagged`
whether any of this happened, so that the common case costs nothing.

Bytes that are in the blob store are a value too (schemas.stored), tagged as `{"$stored": …}`.
"""

import base64
from collections.abc import Callable, Iterable
from typing import Any

import orjson

from schemas import stored
from schemas.stored import InBase64, Piece, Stored

Value = Any

MAX_DEPTH = 240
"""orjson takes 254 levels, of which an event needs some for itself."""
_SHOWN = 100

_TAGS = frozenset(("$bytes", "$dict", "$stored"))
_MARK = b"\0"
"""Stands nowhere in what orjson writes."""


class NotSerializable(ValueError):
    """A value that cannot stand on the log. Names the type and where it is."""


class NotLoaded(NotSerializable):
    """Bytes that are in the blob store are needed themselves."""

    def __init__(self, needed: Stored) -> None:
        super().__init__(f"{needed.size} bytes that are in the blob store, and not loaded")
        self.needed = needed


def to_json(value: Value) -> tuple[Any, bool]:
    """`value` as JSON can hold it, and whether it had to be tagged. Raises NotSerializable."""
    if value is None or isinstance(value, str | bool | int | float):
        return _plain(value, ""), False
    try:
        # Far cheaper than looking for bytes in Python, and most values hold none.
        orjson.dumps(value)
    except TypeError:
        try:
            if _has_bytes(value):
                return _tag(value, ""), True
        except RecursionError as error:
            raise NotSerializable("the value is nested too deep") from error
    return value, False


def from_json(value: Any, tagged: bool) -> Value:
    """The inverse of `to_json`."""
    return _untag(value) if tagged else value


def dump(value: Value) -> bytes:
    """`value` as people get it: JSON, bytes inside as base64 text. Raises NotSerializable, and
    NotLoaded for bytes that are in the blob store.
    """
    return _dumped(value, _bytes_as_base64)


def pieces(value: Value) -> list[Piece]:
    """What `dump` would give with all bytes at hand. Raises NotSerializable."""
    found: list[Stored] = []

    def default(inner: Any) -> Any:
        if not isinstance(inner, Stored):
            return _bytes_as_base64(inner)
        found.append(inner)
        return orjson.Fragment(b'"' + _MARK + b'"')

    first, *rest = _dumped(value, default).split(_MARK)
    known: list[Piece] = [first]
    for one, text in zip(found, rest, strict=True):
        known += [InBase64(one), text]
    return known


def described(value: Value) -> Any:
    """`value` as views have it: of bytes in the blob store, where they are and how many."""

    def default(inner: Any) -> Any:
        if isinstance(inner, Stored):
            return {"blob": inner.blob, "bytes": inner.size}
        return _bytes_as_base64(inner)

    return orjson.loads(_dumped(value, default))


def _dumped(value: Value, default: Callable[[Any], Any]) -> bytes:
    try:
        return orjson.dumps(value, default=default, option=orjson.OPT_NON_STR_KEYS)
    except TypeError as error:
        if isinstance(error.__cause__, NotLoaded):
            raise error.__cause__ from None
        raise NotSerializable(str(error)) from error


def to_text(value: Value) -> str:
    """`value` as text: null is none, bytes are read as UTF-8. Raises as `dump`."""
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if isinstance(value, bytes | bytearray):
        return bytes(value).decode(errors="replace")
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e21:
        return str(int(value))
    if isinstance(value, Stored):
        raise NotLoaded(value)
    return dump(value).decode()


def unfit(value: Value) -> str:
    """Where and why `value` cannot stand on the log; empty where it can."""
    pending: list[tuple[Value, str, int]] = [(value, "", 0)]
    while pending:
        inner, path, depth = pending.pop()
        if depth > MAX_DEPTH:
            return f"more than {MAX_DEPTH} levels at {path[:_SHOWN]}…"
        if isinstance(inner, dict):
            pending += [(one, f"{path}.{key}", depth + 1) for key, one in inner.items()]
        elif isinstance(inner, list | tuple):
            pending += [(one, f"{path}[{index}]", depth + 1) for index, one in enumerate(inner)]
        elif problem := _unfit_leaf(inner):
            return f"{problem} at {path or 'the root'}"
    return ""


def _unfit_leaf(value: Value) -> str:
    if isinstance(value, bytes | bytearray | Stored):
        return ""
    try:
        orjson.dumps(value)
    except TypeError as error:
        return f"{type(value).__name__}: {error}"
    return ""


def _bytes_as_base64(value: Any) -> str:
    if isinstance(value, bytes | bytearray | memoryview):
        return base64.b64encode(value).decode()
    if isinstance(value, Stored):
        raise NotLoaded(value)
    raise TypeError(f"{type(value).__name__} is not a JSON value")


def _has_bytes(value: Value) -> bool:
    if isinstance(value, dict):
        inside: Iterable[Value] = value.values()
    elif isinstance(value, list | tuple):
        inside = value
    else:
        return isinstance(value, bytes | bytearray | Stored)
    # Most of what is inside is text: asked here, that costs no call.
    return any(inner.__class__ is not str and _has_bytes(inner) for inner in inside)


def _tag(value: Value, path: str) -> Any:
    if isinstance(value, bytes | bytearray):
        return {"$bytes": base64.b64encode(value).decode()}
    if isinstance(value, Stored):
        return {"$stored": stored.to_tag(value)}
    if isinstance(value, dict):
        tagged = {str(key): _tag(inner, f"{path}.{key}") for key, inner in value.items()}
        return {"$dict": tagged} if len(tagged) == 1 and _TAGS & tagged.keys() else tagged
    if isinstance(value, list | tuple):
        return [_tag(inner, f"{path}[{index}]") for index, inner in enumerate(value)]
    return _plain(value, path)


def _plain(value: Any, path: str) -> Any:
    """As orjson has it without bytes beside it: dates and UUIDs as texts."""
    if value is None or isinstance(value, str | bool | int | float):
        return value
    try:
        return orjson.loads(orjson.dumps(value))
    except TypeError:
        where = path or "the root"
        raise NotSerializable(f"{type(value).__name__} at {where} is not a JSON value") from None


def _untag(value: Any) -> Value:
    if isinstance(value, dict):
        if len(value) == 1:
            if "$bytes" in value:
                return base64.b64decode(value["$bytes"])
            if "$dict" in value:
                return {key: _untag(inner) for key, inner in value["$dict"].items()}
            # An event from before there was this tag may have such a dict of the user's own.
            if "$stored" in value and (found := stored.of_tag(value["$stored"])) is not None:
                return found
        return {key: _untag(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_untag(inner) for inner in value]
    return value


def shown(value: Value, most: int = 200) -> str:
    """`value` as an error names it: JSON, cut after `most` characters."""
    try:
        text = orjson.dumps(value, default=_readable, option=orjson.OPT_NON_STR_KEYS).decode()
    except TypeError:
        text = repr(value)
    return text if len(text) <= most else f"{text[:most]}…"


def _readable(value: Any) -> Any:
    """A tuple with names as a list; what JSON has no way to write as Python shows it."""
    if isinstance(value, tuple):
        return list(value)
    return _bytes_as_base64(value) if isinstance(value, bytes | bytearray) else repr(value)


def load(content: bytes) -> Any:
    """What `dump` wrote of a JSON value."""
    return orjson.loads(content)
