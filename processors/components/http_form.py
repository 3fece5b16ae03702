"""HTTP forms: fields and files as the body of one request, multipart/form-data (RFC 7578); pure.

What is stored stands among the pieces as it is.
"""

from collections.abc import Iterable, Mapping

from processors import cleaning
from processors.actions import StepError
from schemas.definitions import Pair
from schemas.stored import Piece, Stored
from schemas.values import Value

_BINARY = "application/octet-stream"
_TEXT = "text/plain;charset=utf-8"
_ESCAPED = str.maketrans({'"': "%22", "\r": "%0D", "\n": "%0A"})
"""In names of fields and files, as browsers have it (HTML, 4.10.21.8)."""


def body(
    boundary: str, fields: Iterable[Pair], files: Iterable[Pair], file_names: Iterable[Pair]
) -> list[Piece]:
    """The parts in the order given, files after fields. Raises StepError for what is no file."""
    names = {name: cleaning.to_text(value) for name, value in file_names if value is not None}
    pieces: list[Piece] = []
    for name, value in fields:
        pieces += _part(boundary, name, cleaning.to_text(value).encode())
    for name, value in files:
        pieces += [] if value is None else _file(boundary, name, value, names)
    return [*pieces, f"--{boundary}--\r\n".encode()]


def _file(boundary: str, name: str, value: Value, names: Mapping[str, str]) -> list[Piece]:
    content, content_type = value, ""
    if isinstance(value, Mapping):
        content, content_type = value.get("data"), str(value.get("contentType") or "")
    if isinstance(content, str):
        return _part(boundary, name, content.encode(), content_type or _TEXT, names.get(name, name))
    if not isinstance(content, bytes | Stored):
        wanted = "a text, bytes, or an object with data and contentType"
        raise StepError(f"File Data (fileData) {name!r} must be {wanted}")
    return _part(boundary, name, content, content_type or _BINARY, names.get(name, name))


def _part(
    boundary: str,
    name: str,
    content: bytes | Stored,
    content_type: str = "",
    file_name: str | None = None,
) -> list[Piece]:
    disposition = f'form-data; name="{name.translate(_ESCAPED)}"'
    if file_name is not None:
        disposition += f'; filename="{file_name.translate(_ESCAPED)}"'
    lines = [f"--{boundary}", f"Content-Disposition: {disposition}"]
    if content_type:
        if not content_type.isprintable() or not content_type.isascii():
            raise StepError(f"the content type of {name!r} is not one: {content_type[:100]!r}")
        lines.append(f"Content-Type: {content_type}")
    return ["\r\n".join(lines).encode() + b"\r\n\r\n", content, b"\r\n"]
