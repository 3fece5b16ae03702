"""PDF making: PDF files made, merged, taken apart and filled in; functions of a computing process.

HTML and images are set by fpdf2, which here opens no file and no address that they name.
"""

import base64
import datetime
import io
import logging
import tempfile
import warnings
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from processors.actions import StepError
from processors.components.pdf_reading import page_number, span
from schemas.values import Value

MAX_PAGES = 5_000
MAX_PIXELS = 50_000_000
PAGE_SIZES = ("a3", "a4", "a5", "letter", "legal")
ORIENTATIONS = ("portrait", "landscape")
_MARGIN_MM = 10
_LINE = 1.3
"""Heights of a letter from one line to the next."""


def extract_page(given: Value) -> Value:
    """A file of that one page. Raises StepError, like all of these."""
    reader = _reader(given["pdfData"])
    number = page_number("Page Number (pageNumber)", given["pageNumber"], len(reader.pages))
    return _of_pages(reader, number, number)


def extract_pages(given: Value) -> Value:
    """A file of those pages."""
    reader = _reader(given["pdfData"])
    return _of_pages(reader, *span(given["pageStart"], given["pageEnd"], len(reader.pages)))


def split(given: Value) -> Value:
    """Files of so many pages each; the last may have fewer."""
    reader = _reader(given["pdfData"])
    pages, most = len(reader.pages), given["pagesPerFile"]
    if most != int(most) or most < 1:
        raise StepError(f"Pages Per File (pagesPerFile) must be 1 or more, found {most:g}")
    step = int(most)
    return [
        _of_pages(reader, first, min(first + step - 1, pages))
        for first in range(1, pages + 1, step)
    ]


def merge(given: Value) -> Value:
    """One file of all pages of the others, in their order."""
    from pypdf import PdfWriter

    writer = PdfWriter()
    for number, content in enumerate(given["files"], 1):
        with _told(f"file {number} cannot be merged"):
            writer.append(_reader(content, f"file {number}"))
    return _written(writer)


def info(given: Value) -> Value:
    """How many pages there are, of which size, and what the file says of itself."""
    reader = _reader(given["pdfData"])
    with _told("PDF Data (pdfData) cannot be read"):
        said = {str(key).lstrip("/"): str(value) for key, value in (reader.metadata or {}).items()}
        first = reader.pages[0].mediabox if reader.pages else None
        return {
            "pageCount": len(reader.pages),
            "width": round(float(first.width), 2) if first is not None else 0,
            "height": round(float(first.height), 2) if first is not None else 0,
            "version": reader.pdf_header.removeprefix("%PDF-"),
            "metadata": said,
        }


def form_fields(given: Value) -> Value:
    """The fields of the form by name: type, value and choices."""
    return {
        name: {
            "type": _KINDS.get(str(one.get("/FT")), "unknown"),
            "value": _plain(one.get("/V")),
            "choices": _choices(one),
        }
        for name, one in _fields(_reader(given["pdfData"])).items()
    }


def fill_form(given: Value) -> Value:
    """The form with its fields filled in; flat, it is a form no more."""
    from pypdf import PdfWriter

    reader = _reader(given["pdfData"])
    fields, values = _fields(reader), {}
    for name, value in given["fields"].items():
        if name not in fields:
            told = ", ".join(list(fields)[:20]) or "none"
            raise StepError(f"the form has no field {name!r}; it has {told}")
        values[name] = _fitting(name, fields[name], value)
    with _told("the form cannot be filled in"):
        writer = PdfWriter(clone_from=reader)
        for page in writer.pages:
            if "/Annots" in page:
                writer.update_page_form_field_values(page, values, flatten=given["flatten"])
        if given["flatten"]:
            writer.remove_annotations("/Widget")
    return _written(writer)


def from_text(given: Value) -> Value:
    """A text, its lines broken where they are too long."""
    with _document(given) as document:
        size = given["fontSize"]
        document.multi_cell(0, size * _LINE / document.k, given["text"], align="L")
        return _made(document)


def from_html(given: Value) -> Value:
    """HTML, as far as fpdf2 sets it; images stand in it as data: URLs."""
    with _document(given) as document:
        document.write_html(
            _shown(given["html"]),
            image_map=_held,
            font_family=document.font_family,
            ul_bullet_char="•",
            warn_on_tags_not_matching=False,
        )
        return _made(document)


def from_images(given: Value) -> Value:
    """A page for each image, which fills it without being distorted."""
    from PIL import Image

    with _document(given, empty=True) as document:
        for number, content in enumerate(given["images"], 1):
            with _told(f"image {number} cannot be read"):
                with Image.open(io.BytesIO(content)) as image:  # reads no more than its head
                    width, height = image.size
                if width * height > MAX_PIXELS:
                    raise StepError(f"image {number} has more than {MAX_PIXELS} pixels")
                document.add_page()
                document.image(
                    io.BytesIO(content),
                    w=document.epw,
                    h=document.eph,
                    keep_aspect_ratio=True,
                )
        return _made(document)


def _reader(content: bytes, what: str = "PDF Data (pdfData)") -> Any:
    from pypdf import PdfReader

    logging.disable(logging.CRITICAL)  # it tells of each flaw that it mends
    try:
        reader = PdfReader(io.BytesIO(content))
        if reader.is_encrypted:
            raise StepError(f"{what} is encrypted")
        pages = len(reader.pages)
    except (StepError, MemoryError, RecursionError):
        raise
    except Exception as error:
        raise StepError(f"{what} is no PDF: {error or type(error).__name__}") from error
    if pages > MAX_PAGES:
        raise StepError(f"{what} has {pages} pages; {MAX_PAGES} are allowed")
    return reader


def _of_pages(reader: Any, first: int, last: int) -> bytes:
    from pypdf import PdfWriter

    writer = PdfWriter()
    with _told("the pages cannot be taken"):
        writer.append(reader, pages=(first - 1, last), import_outline=False)
    return _written(writer)


def _written(writer: Any) -> bytes:
    out = io.BytesIO()
    with _told("the PDF cannot be written"):
        writer.write(out)
    return out.getvalue()


_KINDS = {"/Tx": "text", "/Btn": "button", "/Ch": "choice", "/Sig": "signature"}


def _fields(reader: Any) -> dict[str, Any]:
    with _told("the form cannot be read"):
        return reader.get_fields() or {}


def _plain(value: Any) -> Value:
    if isinstance(value, list):
        return [_plain(one) for one in value]
    return None if value is None else str(value).removeprefix("/")


def _choices(field: Any) -> list[Value]:
    states = field.get("/_States_") or ()
    return [_plain(one[1] if isinstance(one, list) else one) for one in states]


def _fitting(name: str, field: Any, value: Value) -> str:
    """What is written for `value`: a box that is ticked has a state of its own."""
    if field.get("/FT") != "/Btn":
        if isinstance(value, dict | list | bytes):
            raise StepError(f"field {name!r} takes a text, a number or a boolean")
        return "" if value is None else str(value)
    states = [str(state) for state in field.get("/_States_") or ()]
    if value in (True, "true"):
        return next((state for state in states if state != "/Off"), "/Yes")
    if value in (False, None, "", "false"):
        return "/Off"
    wanted = f"/{str(value).removeprefix('/')}"
    if states and wanted not in states:
        told = ", ".join(state.removeprefix("/") for state in states)
        raise StepError(f"field {name!r} is one of {told}, found {value!r}")
    return wanted


@contextmanager
def _document(given: Value, *, empty: bool = False) -> Iterator[Any]:
    """An fpdf2 document with its first page; texts stand in the font that is given, if any."""
    from fpdf import FPDF
    from fpdf.enums import ResourceAccessPolicy
    from fpdf.errors import FPDFUnicodeEncodingException

    logging.disable(logging.CRITICAL)
    document = FPDF(orientation=given["orientation"], unit="mm", format=given["pageSize"])
    document.resource_access_policy = ResourceAccessPolicy.NONE
    document.set_creation_date(datetime.datetime.fromisoformat(given["now"]))
    document.set_margin(_MARGIN_MM)
    document.set_auto_page_break(True, _MARGIN_MM)
    if given.get("title"):
        document.set_title(given["title"])
    document.core_fonts_encoding = "cp1252"  # what WinAnsiEncoding is in a PDF
    with ExitStack() as kept:
        kept.enter_context(warnings.catch_warnings(action="ignore"))
        try:
            if not empty:
                document.add_page()
                document.set_font(_font(document, given, kept), size=given["fontSize"])
            yield document
        except FPDFUnicodeEncodingException as error:
            raise StepError(
                f"the character {error.character!r} needs a Font (font) that has it"
            ) from error
        except (StepError, MemoryError, RecursionError):
            raise
        except Exception as error:
            raise StepError(f"the PDF cannot be made: {error or type(error).__name__}") from error


def _font(document: Any, given: Mapping[str, Any], kept: ExitStack) -> str:
    """The name of the font; fpdf2 takes one from a file only, and reads it until the end."""
    content = given["font"]
    if not content:
        return "helvetica"
    folder = Path(kept.enter_context(tempfile.TemporaryDirectory()))
    file = folder / ("font.otf" if content.startswith(b"OTTO") else "font.ttf")
    file.write_bytes(content)
    with _told("Font (font) is no TrueType or OpenType font"):
        for style in ("", "B", "I", "BI"):
            document.add_font("given", style, file)
    return "given"


def _shown(html: str) -> str:
    """The body, without what a browser does not show: fpdf2 would print it."""
    from lxml import etree
    from lxml.html import document_fromstring, tostring

    with _told("HTML (html) cannot be read"):
        body = document_fromstring(html).find("body")
        if body is None:
            raise StepError("HTML (html) has nothing to show")
        for element in list(body.iter("script", "style", "template", "title", etree.Comment)):
            element.drop_tree()
        return str(tostring(body, encoding="unicode"))


def _held(source: str) -> Any:
    if not source.startswith("data:"):
        raise StepError(f"images must stand in the HTML as data: URLs, found {source[:100]!r}")
    return io.BytesIO(base64.b64decode(source.partition("base64,")[2]))


def _made(document: Any) -> bytes:
    if document.pages_count > MAX_PAGES:
        raise StepError(f"the PDF has more than {MAX_PAGES} pages")
    return bytes(document.output())


@contextmanager
def _told(what: str) -> Iterator[None]:
    try:
        yield
    except (StepError, MemoryError, RecursionError):
        raise
    except Exception as error:
        raise StepError(f"{what}: {str(error)[:500] or type(error).__name__}") from error
