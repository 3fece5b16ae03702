"""Files: inputs that are a text, bytes, or a file as `{data, contentType}` holds it; pure."""

from processors.actions import Input, Kind
from processors.components.refusals import unfit
from schemas.values import Value

MAX_BYTES = 50 * 1024 * 1024

_WANTED = "a text or a file"


def content_input(
    key: str, label: str, description: str, example: str, *, required: bool = False
) -> Input:
    """An input that takes any of the three; one that is not required is empty by default."""
    return Input(
        key=key,
        label=label,
        kind=Kind.ANY,
        default=None if required else "",
        required=required,
        description=description,
        example=example,
    )


def inside(value: Value) -> Value:
    """What a file holds; any other value as it is."""
    if isinstance(value, dict) and value.keys() == {"data", "contentType"}:
        return value["data"]
    return value


def text_of(declared: Input, value: Value) -> str:
    """The text; bytes are read as UTF-8. Raises StepError."""
    content = inside(value)
    if isinstance(content, str):
        _check(declared, len(content))
        return content
    return bytes_of(declared, content).decode(errors="replace")


def bytes_of(declared: Input, value: Value) -> bytes:
    """The bytes; a text as UTF-8. Raises StepError."""
    content = inside(value)
    if isinstance(content, str):
        content = content.encode(errors="replace")
    if not isinstance(content, bytes | bytearray):
        raise unfit(declared, _WANTED, value)
    _check(declared, len(content))
    return bytes(content)


def _check(declared: Input, size: int) -> None:
    if size > MAX_BYTES:
        raise unfit(declared, f"at most {MAX_BYTES} bytes", f"{size} bytes")
