"""Places in a YAML file: typed questions to its nodes, and problems said where they stand.

Takes in a tree of `yaml_lines`; gives out texts, numbers and further places. A question that the
file does not answer as it should adds a problem and gets the default, so that one pass finds all.
"""

import math
import re
from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Any

from schemas.yaml_lines import Kind, Mapping, Node, Problem, Scalar, Sequence

_NUMBER = re.compile(r"[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?")
_INTEGER = re.compile(r"[-+]?[0-9]{1,18}")
_FLAGS = {"true": True, "false": False}
_SHOWN_CHARACTERS = 60


def shown(text: str) -> str:
    """`text` in quotes, as messages have it: control characters escaped, long texts cut."""
    return repr(text if len(text) <= _SHOWN_CHARACTERS else text[: _SHOWN_CHARACTERS - 1] + "…")


def plain(node: Node) -> Any:
    """What stands at `node` as plain values; numerals that no number can hold stay texts."""
    match node:
        case Mapping(entries=entries):
            return {key: plain(inner) for key, inner in entries.items()}
        case Sequence(items=items):
            return [plain(inner) for inner in items]
        case Scalar(kind=Kind.NULL):
            return None
        case Scalar(kind=Kind.BOOLEAN, text=text):
            return text.lower() == "true"
        case Scalar(kind=Kind.NUMBER, text=text) if _NUMBER.fullmatch(text):
            number = int(text) if _INTEGER.fullmatch(text) else float(text)
            return number if math.isfinite(number) else text
        case Scalar(text=text):
            return text


@dataclass(frozen=True, slots=True)
class Place:
    """A node, the path to it, what people call it (`flow 'A', step 'B'`), and where problems go."""

    node: Node
    path: str
    subject: str
    problems: list[Problem]

    def wrong(self, message: str) -> None:
        """Add a problem about this node."""
        said = f"{self.subject}: {message}" if self.subject else message
        self.problems.append(Problem(self.path, self.node.line, said))

    def about(self, subject: str) -> "Place":
        return replace(self, subject=subject)

    def kind(self) -> str:
        """What stands here, for messages. Values may be secrets and are not shown."""
        match self.node:
            case Scalar(kind=Kind.NULL):
                return "nothing"
            case Scalar():
                return f"a {self.node.kind.name.lower()}"
            case Sequence():
                return "a list"
            case Mapping():
                return "a mapping"

    def is_nothing(self) -> bool:
        return isinstance(self.node, Scalar) and self.node.kind is Kind.NULL

    def is_empty_text(self) -> bool:
        """Whether this is unset in the way of the platform's exports."""
        return isinstance(self.node, Scalar) and not self.node.text

    def gives(self, key: str) -> bool:
        """Whether something stands under `key` that is not an empty text."""
        place = self.get(key)
        return place is not None and not place.is_empty_text()

    def is_mapping(self) -> bool:
        if isinstance(self.node, Mapping):
            return True
        self.wrong(f"must be a mapping, not {self.kind()}")
        return False

    def mapping(self, key: str) -> "Place | None":
        """The mapping under `key`; None where there is nothing, and a problem for anything else."""
        place = self.get(key)
        return place if place is not None and place.is_mapping() else None

    def get(self, key: str) -> "Place | None":
        """What stands under `key`; None where that is nothing, or this is no mapping."""
        node = self.node.entries.get(key) if isinstance(self.node, Mapping) else None
        place = self._child(key, node) if node else None
        return None if place is None or place.is_nothing() else place

    def at(self, key: str) -> "Place":
        """Where to say something about `key`: its value, or this node where it has none."""
        node = self.node.entries.get(key) if isinstance(self.node, Mapping) else None
        return self._child(key, node or self.node)

    def line(self, key: str) -> int:
        return self.at(key).node.line

    def is_empty(self, key: str) -> bool:
        """Whether nothing, or a list without items, stands under `key`."""
        place = self.get(key)
        return place is None or (isinstance(place.node, Sequence) and not place.node.items)

    def items(self, key: str) -> list["Place"]:
        """The items of the list under `key`; none where it is not there."""
        place = self.get(key)
        return place.own_items() if place else []

    def own_items(self) -> list["Place"]:
        if not isinstance(self.node, Sequence):
            self.wrong(f"must be a list, not {self.kind()}")
            return []
        return [
            replace(self, node=node, path=f"{self.path}[{index}]")
            for index, node in enumerate(self.node.items)
        ]

    def entries(self, key: str) -> list[tuple[str, "Place"]]:
        """The entries of the mapping under `key`; none where it is not there."""
        place = self.get(key)
        if place is None or not place.is_mapping() or not isinstance(place.node, Mapping):
            return []
        return [(name, place._child(name, node)) for name, node in place.node.entries.items()]

    def own_text(self) -> str:
        """This scalar as a text: as written, but true and false in lower case, nothing as ""."""
        match self.node:
            case Scalar(kind=Kind.NULL):
                return ""
            case Scalar(kind=Kind.BOOLEAN, text=text):
                return text.lower()
            case Scalar(text=text):
                return text
            case _:
                self.wrong(f"must be a text, not {self.kind()}")
                return ""

    def text(self, key: str, default: str = "") -> str:
        place = self.get(key)
        return place.own_text() if place else default

    def name(self, key: str) -> str:
        """The text under `key`, which must be there and not be blank."""
        before = len(self.problems)
        text = self.text(key)
        if len(self.problems) == before:
            if not text.strip():
                self.at(key).wrong(f"{key} is missing or empty")
            elif "\0" in text:
                self.at(key).wrong(f"{key} holds the character U+0000")
        return text

    def flag(self, key: str, default: bool = False) -> bool:
        place = self.get(key)
        if place is None or place.is_empty_text():
            return default
        word = place.node.text.lower() if isinstance(place.node, Scalar) else ""
        if word not in _FLAGS:
            place.wrong(f"{key} must be true or false")
        return _FLAGS.get(word, default)

    def choice(self, key: str, allowed: Collection[str], default: str) -> str:
        """The text under `key`, which must be one of `allowed`; an empty one is unset."""
        place = self.get(key)
        if place is None or place.is_empty_text():
            return default
        before = len(self.problems)
        text = place.own_text()
        if text not in allowed and len(self.problems) == before:
            place.wrong(f"{key} is {shown(text)}, not one of {', '.join(allowed)}")
        return text

    def number(self, key: str, low: int, high: int, default: float = 0) -> float:
        """The number under `key`, which must be from `low` to `high`; an empty text is unset."""
        place = self.get(key)
        if place is None or place.is_empty_text():
            return default
        text = place.node.text if isinstance(place.node, Scalar) else ""
        number = float(text) if _NUMBER.fullmatch(text) else None
        if number is None or not low <= number <= high:
            found = shown(text) if isinstance(place.node, Scalar) else place.kind()
            place.wrong(f"{key} must be a number from {low} to {high}, not {found}")
            return default
        return number

    def count(self, key: str, low: int, high: int, default: int = 0) -> int:
        """The whole number under `key`, which must be from `low` to `high`."""
        number = self.number(key, low, high, default)
        if number != int(number):
            self.at(key).wrong(f"{key} must be a whole number, not {number}")
        return int(number)

    def _child(self, key: str, node: Node) -> "Place":
        return replace(self, node=node, path=f"{self.path}.{key}" if self.path else key)
