"""PDF reading: texts of PDF files and where they stand, by PDFium, in a computing process.

A file may take long or much memory, or end the process. Points are counted from the lower left
corner of a page, 72 to an inch; pages from 1. What is nested too deep in a page is not read.
"""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from processors.actions import StepError
from schemas.values import Value

_PASSWORD_ERROR = 4
"""FPDF_ERR_PASSWORD of fpdfview.h."""


@dataclass(frozen=True, slots=True)
class Item:
    """A piece of text that stands in one place."""

    text: str
    left: float
    bottom: float
    right: float
    top: float
    font: str
    size: float


def all_text(given: Value) -> Value:
    """The text of each page. Raises StepError, like all of these."""
    return [_text(page) for _, page in _pages(given)]


def structured_text(given: Value) -> Value:
    """For each page its size and its pieces of text, with their places and fonts."""
    return [
        {
            "pageNumber": number,
            "width": _rounded(page.get_width()),
            "height": _rounded(page.get_height()),
            "items": [_told(item) for item in _items(page)],
        }
        for number, page in _pages(given)
    ]


def text_with_layout(given: Value) -> Value:
    """The text of each page line by line; an empty line stands where there is a gap."""
    tolerance = given["lineTolerance"]
    return [
        "\n".join(_lines_with_gaps(_rows(_items(page), tolerance))) for _, page in _pages(given)
    ]


def table_data(given: Value) -> Value:
    """For each page its texts in rows and columns, by where they stand."""
    return [
        {
            "pageNumber": number,
            "rows": _table(_rows(_items(page), given["rowTolerance"]), given["columnTolerance"]),
        }
        for number, page in _pages(given)
    ]


def text_by_pattern(given: Value) -> Value:
    """What follows each place of the text, or each page that has it."""
    pattern = _pattern(given["searchPattern"], given["caseSensitive"], is_regex=False)
    after = given["charactersAfter"]
    texts = [_text(page) for _, page in _pages(given)]
    if after is None:
        return [text for text in texts if pattern.search(text)]
    count = max(0, int(after))
    return [
        text[match.end() : match.end() + count]
        for text in texts
        for match in pattern.finditer(text)
    ]


def pages_with(given: Value) -> Value:
    """The numbers of the pages that have the text, or that have it not."""
    pattern = _pattern(given["searchPattern"], given["caseSensitive"], is_regex=given["useRegex"])
    return [
        number
        for number, page in _pages(given)
        if (pattern.search(_text(page)) is not None) == given["contains"]
    ]


def text_positions(given: Value) -> Value:
    """Where the text stands: for each place its page and the box around it."""
    only = given["pageNumber"]
    bounds = {} if only is None else {"pageStart": only, "pageEnd": only}
    return [
        {"pageNumber": number, "text": text, **_box(left, bottom, right, top)}
        for number, page in _pages(given | bounds)
        for text, left, bottom, right, top in _found(page, given)
    ]


def page_numbers(given: Value) -> Value:
    with _opened(given) as document:
        return list(range(1, len(document) + 1))


@contextmanager
def _opened(given: Value) -> Iterator[Any]:
    import pypdfium2

    try:
        document = pypdfium2.PdfDocument(given["pdfData"])
    except pypdfium2.PdfiumError as error:
        if error.err_code == _PASSWORD_ERROR:
            raise StepError("PDF Data (pdfData) is encrypted") from error
        raise StepError(f"PDF Data (pdfData) is no PDF: {error}") from error
    try:
        yield document
    except pypdfium2.PdfiumError as error:
        raise StepError(f"PDF Data (pdfData) cannot be read: {error}") from error
    finally:
        document.close()


def _pages(given: Value) -> Iterator[tuple[int, Any]]:
    with _opened(given) as document:
        start, end = span(given.get("pageStart"), given.get("pageEnd"), len(document))
        for number in range(start, end + 1):
            page = document[number - 1]
            yield number, page
            page.close()


def span(start: float | None, end: float | None, pages: int) -> tuple[int, int]:
    """The first and last page asked for; by default all. Raises StepError."""
    first = page_number("Page Start (pageStart)", 1 if start is None else start, pages)
    last = page_number("Page End (pageEnd)", pages if end is None else end, pages)
    if last < first:
        raise StepError(f"Page End (pageEnd) {last} is before Page Start (pageStart) {first}")
    return first, last


def page_number(what: str, number: float, pages: int) -> int:
    """Raises StepError where there is no such page."""
    if number != int(number) or not 1 <= number <= pages:
        raise StepError(f"{what} must be a page from 1 to {pages}, found {number:g}")
    return int(number)


def _text(page: Any) -> str:
    return str(page.get_textpage().get_text_range()).replace("\r\n", "\n").replace("\r", "\n")


def _items(page: Any) -> list[Item]:
    import pypdfium2

    texts = page.get_textpage()
    found = page.get_objects(filter=[pypdfium2.raw.FPDF_PAGEOBJ_TEXT], textpage=texts)
    items = []
    for one in found:
        text = one.extract().strip("\r\n\0")
        if text.strip():
            font, size = one.get_font().get_base_name(), one.get_font_size()
            left, bottom, right, top = one.get_bounds()
            items.append(Item(text.rstrip(), left, bottom, right, top, font, size))
    return items


def _told(item: Item) -> Value:
    return {
        "text": item.text,
        **_box(item.left, item.bottom, item.right, item.top),
        "fontName": item.font,
        "fontSize": _rounded(item.size),
    }


def _box(left: float, bottom: float, right: float, top: float) -> dict[str, Value]:
    return {
        "x": _rounded(left),
        "y": _rounded(bottom),
        "width": _rounded(right - left),
        "height": _rounded(top - bottom),
    }


def _rounded(number: float) -> float:
    return round(number, 2)


def _rows(items: Sequence[Item], tolerance: float) -> list[list[Item]]:
    """From top to bottom those of one height together, from left to right within.

    Letters without descenders end higher, so it is the middle that counts.
    """
    rows: list[list[Item]] = []
    for item in sorted(items, key=lambda one: -_middle(one)):
        if rows and abs(_middle(rows[-1][0]) - _middle(item)) <= tolerance:
            rows[-1].append(item)
        else:
            rows.append([item])
    return [sorted(row, key=lambda one: one.left) for row in rows]


def _middle(item: Item) -> float:
    return (item.top + item.bottom) / 2


def _lines_with_gaps(rows: Sequence[Sequence[Item]]) -> Iterator[str]:
    above: Item | None = None
    for row in rows:
        if above is not None and above.bottom - row[0].top > max(row[0].size, above.size):
            yield ""
        yield " ".join(item.text for item in row)
        above = row[0]


def _table(rows: Sequence[Sequence[Item]], tolerance: float) -> Value:
    """A column begins where a text does that is further right than `tolerance` from the last."""
    starts: list[float] = []
    for left in sorted(item.left for row in rows for item in row):
        if not starts or left - starts[-1] > tolerance:
            starts.append(left)
    table = []
    for row in rows:
        cells = [""] * len(starts)
        for item in row:
            column = max(i for i, start in enumerate(starts) if start <= item.left)
            cells[column] = f"{cells[column]} {item.text}".strip()
        table.append(cells)
    return table


def _pattern(text: str, case_sensitive: bool, *, is_regex: bool) -> re.Pattern[str]:
    flags = re.NOFLAG if case_sensitive else re.IGNORECASE
    try:
        return re.compile(text if is_regex else re.escape(text), flags)
    except re.error as error:
        raise StepError(f"Search Pattern (searchPattern) is no expression: {error}") from error


def _found(page: Any, given: Value) -> Iterator[tuple[str, float, float, float, float]]:
    texts = page.get_textpage()
    search = texts.search(given["searchText"], match_case=given["caseSensitive"])
    while (at := search.get_next()) is not None:
        index, count = at
        boxes = [texts.get_charbox(i) for i in range(index, index + count)]
        left, bottom, right, top = zip(*boxes, strict=True)
        text = str(texts.get_text_range(index, count))
        yield text, min(left), min(bottom), max(right), max(top)
