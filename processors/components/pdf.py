"""PDF: files searched, read, taken apart, merged, filled in and made.

The work is done in a computing process, within its time and memory (pdf_reading, pdf_making).
"""

from collections.abc import Callable, Mapping
from typing import Any

from processors.actions import Context, Input, Outcome, World, in_thread
from processors.components import pdf_inputs, pdf_making, pdf_reading
from processors.components.computing import Function, compute
from processors.components.files import bytes_of
from processors.components.refusals import unfit
from schemas.definitions import Pair
from schemas.instants import to_iso
from schemas.values import Value

_MAX_FONT_SIZE = 500
_PDF = "application/pdf"


def _given(inputs: Mapping[str, Any], context: Context) -> dict[str, Value]:
    """The inputs as the functions take them: files as bytes, names of sizes checked."""
    given = dict(inputs) | {"now": to_iso(context.now)}
    for declared in (pdf_inputs.DATA, pdf_inputs.FONT):
        if declared.key in given:
            given[declared.key] = bytes_of(declared, given[declared.key])
    for declared in (pdf_inputs.MERGED, pdf_inputs.IMAGES):
        if declared.key in given:
            given[declared.key] = [bytes_of(declared, one) for one in given[declared.key]]
    if "fields" in given:
        pairs: list[Pair] = given["fields"]
        given["fields"] = {pair.name: pair.value for pair in pairs}
    for declared, allowed in (
        (pdf_inputs.SIZE, pdf_making.PAGE_SIZES),
        (pdf_inputs.ORIENTATION, pdf_making.ORIENTATIONS),
    ):
        if declared.key in given:
            given[declared.key] = _one_of(declared, allowed, given[declared.key])
    if not 1 <= given.get("fontSize", 1) <= _MAX_FONT_SIZE:
        raise unfit(pdf_inputs.FONT_SIZE, f"between 1 and {_MAX_FONT_SIZE}", given["fontSize"])
    return given


def _one_of(declared: Input, allowed: tuple[str, ...], given: str) -> str:
    found = given.strip().lower()
    if found not in allowed:
        raise unfit(declared, f"one of {', '.join(allowed)}", given)
    return found


_make = in_thread("pdf")


def _action(
    key: str,
    label: str,
    description: str,
    function: Function,
    *inputs: Input,
    result: Callable[[Any], Value] = lambda found: found,
) -> Any:
    def perform(given: Mapping[str, Any], context: Context, world: World) -> Outcome:
        return Outcome(result=result(compute(function, _given(given, context), label, world)))

    return _make(key, label, description, perform, *inputs)


def _file(content: Value) -> Value:
    return {"data": content, "contentType": _PDF}


def _page_text(given: Mapping[str, Any], context: Context, world: World) -> Outcome:
    start = 1 if given["pageStart"] is None else given["pageStart"]
    end = start if given["pageEnd"] is None else given["pageEnd"]
    asked = _given({**given, "pageStart": start, "pageEnd": end}, context)
    return Outcome(result=compute(pdf_reading.all_text, asked, "Extract Page Text", world))


_RANGE = (pdf_inputs.START, pdf_inputs.END)
_PAPER = (pdf_inputs.SIZE, pdf_inputs.ORIENTATION, pdf_inputs.TITLE)

ACTIONS = (
    _action(
        "extractAllText",
        "Extract All Text",
        "Gives a list with the text of each page.",
        pdf_reading.all_text,
        pdf_inputs.DATA,
    ),
    _make(
        "extractPageText",
        "Extract Page Text",
        "Gives a list with the text of each of these pages.",
        _page_text,
        pdf_inputs.DATA,
        pdf_inputs.START,
        pdf_inputs.ONE_OR_MORE,
    ),
    _action(
        "extractTextWithLayout",
        "Extract Text with Layout",
        "Gives a list with the text of each page, line by line as it stands there, with an empty "
        "line where there is a gap.",
        pdf_reading.text_with_layout,
        pdf_inputs.DATA,
        pdf_inputs.LINE_TOLERANCE,
        *_RANGE,
    ),
    _action(
        "extractStructuredText",
        "Extract Structured Text",
        "Gives for each page `{pageNumber, width, height, items}`, and of each item `{text, x, y, "
        "width, height, fontName, fontSize}` in points from the lower left corner.",
        pdf_reading.structured_text,
        pdf_inputs.DATA,
        *_RANGE,
    ),
    _action(
        "extractTableData",
        "Extract Table Data",
        "Gives for each page `{pageNumber, rows}`, where each row is a list of texts.",
        pdf_reading.table_data,
        pdf_inputs.DATA,
        pdf_inputs.ROW_TOLERANCE,
        pdf_inputs.COLUMN_TOLERANCE,
        *_RANGE,
    ),
    _action(
        "extractTextByPattern",
        "Extract Text by Pattern",
        "Gives a list of what stands behind the text, or of the pages that have it.",
        pdf_reading.text_by_pattern,
        pdf_inputs.DATA,
        pdf_inputs.PATTERN,
        pdf_inputs.AFTER,
        pdf_inputs.CASE,
    ),
    _action(
        "findPattern",
        "Find Pattern",
        "Gives the numbers of the pages that have the text, or have it not.",
        pdf_reading.pages_with,
        pdf_inputs.DATA,
        pdf_inputs.EXPRESSION,
        pdf_inputs.CASE,
        pdf_inputs.REGEX,
        pdf_inputs.CONTAINS,
    ),
    _action(
        "findTextPosition",
        "Find Text Position",
        "Gives for each place of the text `{pageNumber, text, x, y, width, height}` in points from "
        "the lower left corner.",
        pdf_reading.text_positions,
        pdf_inputs.DATA,
        pdf_inputs.SEARCHED,
        pdf_inputs.CASE,
        pdf_inputs.WITHIN,
    ),
    _action(
        "pageNumbers",
        "Page Numbers",
        "Gives the numbers from 1 to that of the last page.",
        pdf_reading.page_numbers,
        pdf_inputs.DATA,
    ),
    _action(
        "getInfo",
        "Get Info",
        "Gives `{pageCount, width, height, version, metadata}`; the size is that of the first "
        "page, in points.",
        pdf_making.info,
        pdf_inputs.DATA,
    ),
    _action(
        "extractPage",
        "Extract Page",
        "Gives a file of that one page.",
        pdf_making.extract_page,
        pdf_inputs.DATA,
        pdf_inputs.NUMBER,
        result=_file,
    ),
    _action(
        "extractPages",
        "Extract Pages",
        "Gives a file of these pages.",
        pdf_making.extract_pages,
        pdf_inputs.DATA,
        *_RANGE,
        result=_file,
    ),
    _action(
        "splitPdf",
        "Split PDF",
        "Gives a list of files.",
        pdf_making.split,
        pdf_inputs.DATA,
        pdf_inputs.PER_FILE,
        result=lambda files: [_file(one) for one in files],
    ),
    _action(
        "mergePdfs",
        "Merge PDFs",
        "Gives one file of all pages.",
        pdf_making.merge,
        pdf_inputs.MERGED,
        result=_file,
    ),
    _action(
        "getFormFields",
        "Get Form Fields",
        "Gives an object: under each field's name its `{type, value, choices}`.",
        pdf_making.form_fields,
        pdf_inputs.DATA,
    ),
    _action(
        "fillForm",
        "Fill Form",
        "Gives the form with its fields filled in. Fails where there is no such field.",
        pdf_making.fill_form,
        pdf_inputs.DATA,
        pdf_inputs.FIELDS,
        pdf_inputs.FLATTEN,
        result=_file,
    ),
    _action(
        "createFromText",
        "Create from Text",
        "Gives a PDF of a text.",
        pdf_making.from_text,
        pdf_inputs.BODY,
        *_PAPER,
        pdf_inputs.FONT_SIZE,
        pdf_inputs.FONT,
        result=_file,
    ),
    _action(
        "createFromHtml",
        "Create from HTML",
        "Gives a PDF of simple HTML, without scripts and stylesheets.",
        pdf_making.from_html,
        pdf_inputs.HTML,
        *_PAPER,
        pdf_inputs.FONT_SIZE,
        pdf_inputs.FONT,
        result=_file,
    ),
    _action(
        "createFromImages",
        "Create from Images",
        "Gives a PDF with a page for each image.",
        pdf_making.from_images,
        pdf_inputs.IMAGES,
        *_PAPER,
        result=_file,
    ),
)
