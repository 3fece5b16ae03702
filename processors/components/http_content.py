"""HTTP content: what a request sends for each kind of value; pure.

Takes in a value; gives out its bytes, or pieces where something in it is stored, and their content
type.
"""

from collections.abc import Sequence

from processors.actions import StepError
from schemas.stored import Piece, Stored
from schemas.values import NotLoaded, NotSerializable, Value, dump, pieces

Content = bytes | tuple[Piece, ...] | None

_JSON = "application/json"
_FORM = "application/x-www-form-urlencoded"
_BINARY = "application/octet-stream"


def of_data(data: Value) -> tuple[Content, str]:
    """What to send and its content type, for each kind of value."""
    if data is None or data == "":
        return None, ""
    if isinstance(data, str):
        return data.encode(errors="replace"), _FORM
    if isinstance(data, bytes):
        return data, _BINARY
    if isinstance(data, Stored):
        return (data,), _BINARY
    if _is_file(data):
        content, _ = of_data(data["data"])
        return content, str(data["contentType"] or _BINARY)
    try:
        return dump(data), _JSON
    except NotLoaded:
        return tuple(pieces(data)), _JSON
    except NotSerializable as error:
        raise StepError(f"Data (data) cannot be sent as JSON: {error}") from error


def _is_file(data: Value) -> bool:
    """`{data, contentType}` with text or bytes: how payloads and files stand in results."""
    if not isinstance(data, dict) or data.keys() != {"data", "contentType"}:
        return False
    return isinstance(data["data"], str | bytes | Stored) and isinstance(data["contentType"], str)


def joined(form: Sequence[Piece]) -> Content:
    """One piece of bytes where nothing is stored."""
    plain = [piece for piece in form if isinstance(piece, bytes)]
    return b"".join(plain) if len(plain) == len(form) else tuple(form)
