"""MessagePack: values as bytes, and back; pure."""

from collections.abc import Mapping
from functools import partial
from typing import Any

import orjson

from processors.actions import Input, Kind, Runs
from processors.components import computed
from processors.components.files import bytes_of
from processors.components.refusals import unfit
from schemas.instants import Instant, to_iso
from schemas.values import NotSerializable, Value, to_json

_DATA = Input(
    key="data",
    label="Data",
    kind=Kind.ANY,
    description="The value.",
    example='{"sku": "W-1"}',
)
_MESSAGE = Input(
    key="message",
    label="Message",
    kind=Kind.ANY,
    required=True,
    description="The message, as bytes or a file.",
    example='{"data": …, "contentType": "application/msgpack"}',
)


def _encode(given: Mapping[str, Any]) -> Value:
    import msgpack

    try:
        content = msgpack.packb(given["data"])
    except (TypeError, ValueError, OverflowError) as error:
        raise unfit(_DATA, f"a value that MessagePack can hold ({error})", given["data"]) from error
    return {"data": content, "contentType": "application/msgpack"}


def _decode(given: Mapping[str, Any]) -> Value:
    import msgpack

    message = bytes_of(_MESSAGE, given["message"])
    try:
        value = msgpack.unpackb(
            message,
            strict_map_key=False,
            unicode_errors="replace",
            object_pairs_hook=lambda pairs: {str(key): inner for key, inner in pairs},
        )
    except (ValueError, msgpack.UnpackException) as error:
        told = f"a MessagePack message ({error or type(error).__name__})"
        raise unfit(_MESSAGE, told, message) from error
    plain = _plain(value)
    try:
        orjson.dumps([[[[[[[[to_json(plain)]]]]]]]])
    except (NotSerializable, TypeError) as error:
        raise unfit(_MESSAGE, f"a message of values that JSON has ({error})", message) from error
    return plain


def _plain(value: Value) -> Value:
    """Timestamps as ISO 8601, other extensions as `{type, data}`."""
    import msgpack

    if isinstance(value, msgpack.Timestamp):
        return to_iso(Instant(value.to_unix_nano() // 1000))
    if isinstance(value, msgpack.ExtType):
        return {"type": value.code, "data": value.data}
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_plain(inner) for inner in value]
    return value


_tool = partial(computed.action, "messagepack", runs=Runs.THREAD)

ACTIONS = (
    _tool("encodeMessage", "Encode", "Gives the message of a value, as a file.", _encode, _DATA),
    _tool("decodeMessage", "Decode", "Gives the value of a message.", _decode, _MESSAGE),
)
