"""Identity: when two values are the same; pure. Objects compare by content, 1 equals 1.0."""

import re

import orjson

from schemas.values import NotSerializable, Value, to_json

_MAYBE_WHOLE = re.compile(rb"\.0(?![0-9])|[0-9]e|\$bytes|\$dict")
"""Of JSON that may hold a float with no fraction, or what bytes could be taken for."""


def identity(value: Value) -> bytes:
    """Bytes that equal values share and different values do not. Raises RecursionError."""
    try:
        quick = orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
    except TypeError:
        quick = b".0"
    if not _MAYBE_WHOLE.search(quick):
        return quick
    try:
        tagged, _ = to_json(_normal(value))
        return orjson.dumps(tagged, option=orjson.OPT_SORT_KEYS)
    except (TypeError, NotSerializable) as error:
        raise RecursionError(str(error)) from error


def _normal(value: Value) -> Value:
    if isinstance(value, float) and value.is_integer():
        return int(value) if abs(value) < 2**63 else value
    if isinstance(value, dict):
        return {str(key): _normal(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_normal(inner) for inner in value]
    return value
