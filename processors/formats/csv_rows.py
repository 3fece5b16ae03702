"""CSV: rows from a text (RFC 4180) and a text from rows; pure.

Rows are lists of texts, or objects by the names of a header. Objects within objects stand in
columns whose names are joined by two underscores: `person__first`.
"""

import csv
import io
import re
from collections.abc import Iterable, Iterator, Sequence

from processors.formats.errors import Unfit
from schemas.values import NotSerializable, Value, to_text

_JOINT = "__"
_MAX_FIELD_CHARS = 50 * 1024 * 1024
_SPELLED = {"\\t": "\t", "tab": "\t"}


def parse(text: str, delimiter: str = ",") -> list[list[str]]:
    """The rows of `text`, blank lines left out. Raises Unfit."""
    csv.field_size_limit(_MAX_FIELD_CHARS)
    reader = csv.reader(
        io.StringIO(text.removeprefix("\ufeff"), newline=""),
        delimiter=delimiter_of(delimiter),
        strict=True,
    )
    try:
        return [row for row in reader if row]
    except csv.Error as error:
        raise Unfit(f"line {reader.line_num}: {error}") from error


def parse_objects(text: str, delimiter: str = ",", *, nested: bool = False) -> list[Value]:
    """The rows of `text` as objects; the first row names the columns. Raises Unfit."""
    rows = parse(text, delimiter)
    names = rows[0] if rows else []
    objects: list[Value] = list(_objects(names, rows[1:]))
    return [_unflattened(one) for one in objects] if nested else objects


def write(rows: Iterable[Sequence[Value]], delimiter: str = ",") -> str:
    """`rows` as a text, every line ended by a line feed. Raises Unfit."""
    apart = delimiter_of(delimiter)
    needs_quotes = re.compile(f'[{re.escape(apart)}"\r\n]')
    return "".join(_line([_cell(value) for value in row], apart, needs_quotes) for row in rows)


def _line(cells: Sequence[str], delimiter: str, needs_quotes: re.Pattern[str]) -> str:
    """Written here because csv.writer of Python 3.11 leaves a carriage return without quotes."""
    if list(cells) == [""]:
        return '""\n'
    quoted = (
        '"' + cell.replace('"', '""') + '"' if needs_quotes.search(cell) else cell for cell in cells
    )
    return delimiter.join(quoted) + "\n"


def write_objects(objects: Sequence[Value], delimiter: str = ",", *, header: bool = True) -> str:
    """`objects` as a text with a column for each key that any of them has. Raises Unfit."""
    flat = [_flattened(one, number) for number, one in enumerate(objects)]
    names = list(dict.fromkeys(name for one in flat for name in one))
    rows = ([one.get(name) for name in names] for one in flat)
    return write([names, *rows] if header and names else rows, delimiter)


def delimiter_of(text: str) -> str:
    """The one character that parts columns. Raises Unfit."""
    delimiter = _SPELLED.get(text.lower(), text)
    if len(delimiter) != 1 or delimiter in '"\r\n\0':
        raise Unfit(f"the delimiter must be one character, found {text[:20]!r}")
    return delimiter


def _objects(names: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[dict[str, Value]]:
    for number, row in enumerate(rows, start=2):
        if len(row) > len(names):
            raise Unfit(f"row {number} has {len(row)} values for {len(names)} columns")
        filled = [*row, *[""] * (len(names) - len(row))]
        yield dict(zip(names, filled, strict=True))


def _unflattened(flat: dict[str, Value]) -> Value:
    nested: dict[str, Value] = {}
    for name, value in flat.items():
        *path, last = name.split(_JOINT)
        at = nested
        for segment in path:
            inner = at.setdefault(segment, {})
            if not isinstance(inner, dict):
                raise Unfit(f"the columns {name!r} and {_JOINT.join(path)!r} exclude one another")
            at = inner
        if isinstance(at.get(last), dict):
            raise Unfit(f"the column {name!r} and columns within it exclude one another")
        at[last] = value
    return nested


def _flattened(value: Value, number: int) -> dict[str, Value]:
    if not isinstance(value, dict):
        raise Unfit(f"row {number + 1} must be an object, found {type(value).__name__}")
    flat: dict[str, Value] = {}
    for key, inner in value.items():
        if isinstance(inner, dict) and inner:
            within = _flattened(inner, number)
            flat.update({f"{key}{_JOINT}{name}": deep for name, deep in within.items()})
        else:
            flat[str(key)] = inner
    return flat


def _cell(value: Value) -> str:
    try:
        return to_text(value)
    except NotSerializable as error:
        raise Unfit(f"a value cannot stand in CSV: {error}") from error
