"""Hidden keys: what the log shows of a result that hands the trigger's API keys on; pure.

A step may return all that the trigger gave it. Takes in such a result; `hidden` puts a mark where
the keys of the payload stand, however deep, and `shown` puts them back when the execution goes on
from the log.
"""

from collections.abc import Mapping
from typing import Any

from processors.payload import API_KEYS
from schemas.secrets import HIDDEN
from schemas.values import NotSerializable, Value


def hidden(result: Value, payload: Mapping[str, Value]) -> Value:
    """Raises NotSerializable for a result that is nested too deep."""
    keys = _keys(payload)
    return _swapped(result, keys, HIDDEN) if keys else result


def shown(result: Value, payload: Mapping[str, Value]) -> Value:
    """The inverse of `hidden`."""
    keys = _keys(payload)
    return _swapped(result, HIDDEN, keys) if keys else result


def _keys(payload: Mapping[str, Value]) -> Any:
    keys: Any = payload.get(API_KEYS)
    return keys if keys and any(keys.values()) else None


def _swapped(result: Value, old: Value, new: Value) -> Value:
    try:
        return _walked(result, old, new)
    except RecursionError as error:
        raise NotSerializable("the value is nested too deep") from error


def _walked(value: Value, old: Value, new: Value) -> Value:
    if isinstance(value, dict):
        return {
            key: new if key == API_KEYS and inner == old else _walked(inner, old, new)
            for key, inner in value.items()
        }
    return [_walked(inner, old, new) for inner in value] if isinstance(value, list) else value
