"""YAML with line numbers: a file's text to a tree of nodes that know where they stand.

Takes in the whole text; gives out the tree and every problem found. Plain scalars follow the core
schema (YAML 1.2.2, section 10.3.2), so that `yes` and `2024-01-01` are texts; merge keys (`<<`)
are taken as YAML 1.1 had them. The tree is built from parser events in a loop and never by
PyYAML's composer, which recurses in C and takes the process down on deep nesting.
"""

import re
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import NamedTuple

import yaml

MAX_BYTES = 4 * 1024 * 1024
MAX_NODES = 200_000
"""Counted as if aliases were written out, so that a small file cannot unfold into a huge one."""
MAX_DEPTH = 200
"""Readers of the tree recurse: about three Python frames for each level."""


class Problem(NamedTuple):
    """What is wrong, where: `flows[0].steps[2].name`, and the line, counted from 1."""

    path: str
    line: int
    message: str


class Kind(Enum):
    """What a scalar is under the core schema."""

    TEXT = auto()
    NULL = auto()
    BOOLEAN = auto()
    NUMBER = auto()


@dataclass(slots=True)
class Scalar:
    line: int
    text: str
    kind: Kind


@dataclass(slots=True)
class Sequence:
    line: int
    items: list["Node"] = field(default_factory=list)


@dataclass(slots=True)
class Mapping:
    line: int
    entries: dict[str, "Node"] = field(default_factory=dict)


Node = Scalar | Sequence | Mapping


class Document(NamedTuple):
    """The tree of a file; `root` is None where there is none to speak of."""

    root: Node | None
    problems: list[Problem]


_TAG = "tag:yaml.org,2002:"
_RESOLVED_TAGS = frozenset(_TAG + name for name in ("null", "bool", "int", "float"))
_TEXT_TAGS = frozenset(("!", _TAG + "str"))
_COLLECTION_TAGS = frozenset((None, "!", _TAG + "map", _TAG + "seq"))
_NULLS = frozenset(("", "~", "null", "Null", "NULL"))
_BOOLEANS = frozenset(("true", "True", "TRUE", "false", "False", "FALSE"))
_NUMBER = re.compile(
    r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|0o[0-7]+|0x[0-9a-fA-F]+"
    r"|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)"
)
_NOT_YAML = re.compile(
    "[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]"
)
_MERGE = "<<"


def parse(file: str | bytes, *, text_keys: bool = True) -> Document:
    """The tree in `file`. Never raises: what cannot be read is a problem with its line.

    Without `text_keys`, a key that is another scalar, as in `1: a`, is the text of it.
    """
    builder = _Builder(text_keys=text_keys)
    try:
        text = _text_of(file)
        builder.last_line = max(len(text.splitlines()), 1)
        for event in yaml.parse(text, Loader=yaml.CSafeLoader):
            builder.take(event)
    except _Unreadable as error:
        return Document(None, [*builder.problems, error.problem])
    except yaml.YAMLError as error:
        return Document(None, [*builder.problems, _syntax_problem(error, text)])
    if builder.root is None or builder.root == Scalar(builder.root.line, "", Kind.NULL):
        return Document(None, [*builder.problems, Problem("", 1, "the file is empty")])
    return Document(builder.root, builder.problems)


class _Unreadable(Exception):
    """Reading ends here."""

    def __init__(self, line: int, message: str, path: str = "") -> None:
        super().__init__(message)
        self.problem = Problem(path, line, message)


def _text_of(file: str | bytes) -> str:
    size = len(file)
    if isinstance(file, str) and size <= MAX_BYTES:
        size = len(file.encode("utf-8", "surrogatepass"))
    if size > MAX_BYTES:
        raise _Unreadable(1, f"the file is larger than {MAX_BYTES:,} bytes")
    text = file if isinstance(file, str) else _decoded(file)
    text = text.removeprefix("\ufeff")
    if found := _NOT_YAML.search(text):
        line = text.count("\n", 0, found.start()) + 1
        raise _Unreadable(line, f"the character U+{ord(found[0]):04X} is not allowed in YAML")
    return text


def _decoded(file: bytes) -> str:
    try:
        return file.decode()
    except UnicodeDecodeError as error:
        line = file.count(b"\n", 0, error.start) + 1
        raise _Unreadable(line, f"byte 0x{file[error.start]:02X} is not UTF-8") from None


def _syntax_problem(error: yaml.YAMLError, text: str) -> Problem:
    mark = getattr(error, "problem_mark", None)
    said = [getattr(error, "problem", None), getattr(error, "context", None)]
    message = ", ".join(part for part in said if part) or type(error).__name__
    if mark is None:
        return Problem("", 1, f"not YAML: {message}")
    lines = text.splitlines()
    line = min(mark.line, max(len(lines) - 1, 0))
    if lines and lines[line][mark.column : mark.column + 1] == "\t":
        message = "a tab cannot indent, only spaces can"
    return Problem("", line + 1, f"not YAML: {message}")


@dataclass(slots=True)
class _Frame:
    """A collection under construction. `key` is the mapping key whose value comes next."""

    node: Sequence | Mapping
    anchor: str | None
    size: int = 1
    height: int = 1
    key: str | None = None
    key_is_good: bool = True
    merged: list[Mapping] = field(default_factory=list)

    def segment(self) -> str:
        if isinstance(self.node, Sequence):
            return f"[{len(self.node.items)}]"
        return f".{self.key}" if self.key is not None else ""


class _Anchored(NamedTuple):
    node: Node
    size: int
    height: int


@dataclass(slots=True)
class _Builder:
    """From parser events to the tree."""

    root: Node | None = None
    problems: list[Problem] = field(default_factory=list)
    last_line: int = 1
    text_keys: bool = True
    _stack: list[_Frame] = field(default_factory=list)
    _anchors: dict[str, _Anchored] = field(default_factory=dict)

    def take(self, event: yaml.Event) -> None:
        mark_line = event.start_mark.line + 1 if event.start_mark else 1
        line = min(mark_line, self.last_line)
        match event:
            case yaml.ScalarEvent():
                self._finish(_Anchored(self._scalar(event, line), 1, 1), event.anchor)
            case yaml.MappingStartEvent():
                self._open(_Frame(Mapping(line), event.anchor), event.tag)
            case yaml.SequenceStartEvent():
                self._open(_Frame(Sequence(line), event.anchor), event.tag)
            case yaml.MappingEndEvent() | yaml.SequenceEndEvent():
                self._close()
            case yaml.AliasEvent(anchor=str(anchor)):
                self._alias(anchor, line)
            case yaml.DocumentStartEvent():
                if self.root is not None:
                    raise _Unreadable(line, "the file holds more than one YAML document")

    def _scalar(self, event: yaml.ScalarEvent, line: int) -> Scalar:
        resolved = event.implicit[0] and event.tag is None
        if resolved or event.tag in _RESOLVED_TAGS:
            return Scalar(line, event.value, kind_of(event.value))
        if event.tag is not None and event.tag not in _TEXT_TAGS:
            self._say(line, f"the tag {event.tag} is not known")
        return Scalar(line, event.value, Kind.TEXT)

    def _open(self, frame: _Frame, tag: str | None) -> None:
        if tag not in _COLLECTION_TAGS:
            self._say(frame.node.line, f"the tag {tag} is not known")
        if frame.anchor is not None:
            self._anchors.pop(frame.anchor, None)
        self._stack.append(frame)
        self._check_depth(len(self._stack), frame.node.line)

    def _close(self) -> None:
        frame = self._stack.pop()
        if isinstance(frame.node, Mapping):
            for merged in frame.merged:
                frame.node.entries = {**merged.entries, **frame.node.entries}
        self._finish(_Anchored(frame.node, frame.size, frame.height), frame.anchor)

    def _alias(self, anchor: str, line: int) -> None:
        known = self._anchors.get(anchor)
        if known is None:
            inside = any(frame.anchor == anchor for frame in self._stack)
            why = "stands inside what it names" if inside else "names no anchor before it"
            raise _Unreadable(line, f"the alias *{anchor} {why}", self._path())
        self._check_depth(len(self._stack) + known.height, line)
        self._finish(known, None)

    def _check_depth(self, depth: int, line: int) -> None:
        if depth > MAX_DEPTH:
            raise _Unreadable(line, f"nested deeper than {MAX_DEPTH} levels", self._path())

    def _finish(self, done: _Anchored, anchor: str | None) -> None:
        if anchor is not None:
            self._anchors[anchor] = done
        if not self._stack:
            self.root = done.node
            return
        frame = self._stack[-1]
        frame.size += done.size
        frame.height = max(frame.height, done.height + 1)
        if frame.size > MAX_NODES:
            message = f"holds more than {MAX_NODES:,} values with its aliases written out"
            raise _Unreadable(done.node.line, message, self._path())
        if isinstance(frame.node, Sequence):
            frame.node.items.append(done.node)
        elif frame.key is None:
            self._key(frame, done.node)
        else:
            self._value(frame, frame.node, done.node)

    def _key(self, frame: _Frame, key: Node) -> None:
        is_text = isinstance(key, Scalar) and (key.kind is Kind.TEXT or not self.text_keys)
        frame.key_is_good = is_text
        frame.key = key.text if isinstance(key, Scalar) else "?"
        if not frame.key_is_good:
            frame.key = frame.key or "null"
            self._say(key.line, f"the key {_shown(frame.key)} is not a text")
        elif isinstance(frame.node, Mapping) and frame.key in frame.node.entries:
            frame.key_is_good = False
            first = frame.node.entries[frame.key].line
            self._say(
                key.line, f"the key {_shown(frame.key)} is there twice, first on line {first}"
            )

    def _value(self, frame: _Frame, mapping: Mapping, value: Node) -> None:
        if frame.key_is_good and frame.key == _MERGE:
            self._merge(frame, value)
        elif frame.key_is_good and frame.key is not None:
            mapping.entries[frame.key] = value
        frame.key = None

    def _merge(self, frame: _Frame, value: Node) -> None:
        for part in value.items if isinstance(value, Sequence) else [value]:
            if isinstance(part, Mapping):
                frame.merged.append(part)
            else:
                self._say(part.line, "the key << merges mappings, and this is none")

    def _path(self) -> str:
        return "".join(frame.segment() for frame in self._stack).removeprefix(".")

    def _say(self, line: int, message: str) -> None:
        self.problems.append(Problem(self._path(), line, message))


def kind_of(text: str) -> Kind:
    """What `text` is as a plain scalar."""
    if text in _NULLS:
        return Kind.NULL
    if text in _BOOLEANS:
        return Kind.BOOLEAN
    return Kind.NUMBER if _NUMBER.fullmatch(text) else Kind.TEXT


def _shown(key: str) -> str:
    return repr(key if len(key) <= 60 else key[:59] + "…")
