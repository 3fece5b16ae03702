"""Stored bytes: bytes of a blob, as a value that steps pass on without holding them. Pure.

They stand among other values (schemas.values) where bytes could stand. Whoever needs the bytes
themselves has them loaded, and puts them in their place by `replaced`.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

Value = Any


class Stored:
    """`size` bytes of the blob `blob`, from `start` on. Equal where they are the same bytes.

    No dataclass and no tuple: orjson would write those without asking.
    """

    __slots__ = ("blob", "size", "start")

    def __init__(self, blob: str, size: int, start: int = 0) -> None:
        self.blob = blob
        self.size = size
        self.start = start

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Stored) and self._key() == other._key()

    def __hash__(self) -> int:
        return hash(self._key())

    def __repr__(self) -> str:
        return f"Stored({self.blob!r}, {self.size}, {self.start})"

    def _key(self) -> tuple[str, int, int]:
        return self.blob, self.size, self.start


class InBase64(NamedTuple):
    """Stored bytes, written as base64: how bytes stand in JSON that people get."""

    stored: Stored


Piece = bytes | Stored | InBase64
"""A part of a content, of which what is stored is fetched only when its turn comes."""


def size_of(piece: Piece) -> int:
    """How many bytes a piece comes to."""
    if isinstance(piece, bytes):
        return len(piece)
    return piece.size if isinstance(piece, Stored) else (piece.stored.size + 2) // 3 * 4


def to_tag(stored: Stored) -> list[str | int]:
    return [stored.blob, stored.start, stored.size]


def of_tag(tag: Any) -> Stored | None:
    """The inverse of `to_tag`; None for anything else."""
    match tag:
        case [str(blob), int(start), int(size)]:
            return Stored(blob, size, start)
    return None


def found_in(value: Value) -> list[Stored]:
    """All that is stored within a value, each once."""
    found: dict[Stored, None] = {}
    pending = [value]
    while pending:
        one = pending.pop()
        if isinstance(one, Stored):
            found[one] = None
        elif isinstance(one, Mapping):
            pending += one.values()
        elif isinstance(one, list | tuple):
            pending += one
    return list(found)


def replaced(value: Value, loaded: Mapping[Stored, Value]) -> Value:
    """`value` with what has been loaded in its place."""
    if isinstance(value, Stored):
        return loaded.get(value, value)
    if isinstance(value, Mapping):
        return {key: replaced(inner, loaded) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [replaced(inner, loaded) for inner in value]
    return value
