"""PDF: what is made is read again, and hostile files end in an error within their bounds."""

import base64
import contextlib
import io
import random
from typing import Any

import pypdf
import pytest
from fontTools.fontBuilder import FontBuilder
from fontTools.pens.ttGlyphPen import TTGlyphPen
from fpdf import FPDF
from PIL import Image
from pypdf.generic import (
    ArrayObject,
    DictionaryObject,
    FloatObject,
    NameObject,
    NumberObject,
    StreamObject,
    TextStringObject,
)

from processors.actions import StepError
from schemas.values import Value
from tests.processors.components.test_kit import run


def result(key: str, **inputs: Any) -> Any:
    return run("pdf", key, inputs).result


def made(*pages: str) -> bytes:
    """A page for each text, whose lines stand 20 points apart."""
    pdf = FPDF(unit="pt")
    pdf.set_font("Helvetica", size=12)
    for text in pages:
        pdf.add_page()
        for number, line in enumerate(text.split("\n")):
            pdf.text(50, 100 + 20 * number, line)
    return bytes(pdf.output())


INVOICE = made("Invoice 17\nTotal: 12 EUR", "Terms", "Signature\n\n\nTotal: none")


def test_texts_are_given_page_by_page() -> None:
    pages = ["Invoice 17\nTotal: 12 EUR", "Terms", "Signature\nTotal: none"]
    assert result("extractAllText", pdfData=INVOICE) == pages
    file = {"data": INVOICE, "contentType": "application/pdf"}
    assert result("extractPageText", pdfData=file, pageStart="2") == pages[1:2]
    assert result("extractPageText", pdfData=file, pageStart=2, pageEnd=3) == pages[1:]
    assert result("pageNumbers", pdfData=INVOICE) == [1, 2, 3]


def test_a_layout_keeps_lines_and_gaps() -> None:
    given = {"pdfData": INVOICE, "pageStart": 3}
    assert result("extractTextWithLayout", **given) == ["Signature\n\nTotal: none"]
    (line,) = result("extractTextWithLayout", **given, lineTolerance=100)
    assert "\n" not in line


def test_pages_are_found_by_what_they_say() -> None:
    def found(pattern: str, **more: Value) -> Value:
        return result("findPattern", pdfData=INVOICE, searchPattern=pattern, **more)

    assert found("total") == [1, 3]
    assert found("total", caseSensitive="true") == []
    assert found("total", contains="false") == [2]
    assert found(r"\d+ EUR") == []
    assert found(r"\d+ EUR", useRegex=True) == [1]
    with pytest.raises(StepError, match="no expression"):
        found("(", useRegex=True)


def test_what_stands_behind_a_text_is_extracted() -> None:
    given = {"pdfData": INVOICE, "searchPattern": "total: "}
    assert result("extractTextByPattern", **given, charactersAfter=4) == ["12 E", "none"]
    assert result("extractTextByPattern", **given, charactersAfter=4, caseSensitive=True) == []
    assert result("extractTextByPattern", **given) == [
        "Invoice 17\nTotal: 12 EUR",
        "Signature\nTotal: none",
    ]


def test_texts_are_given_with_their_places_and_fonts() -> None:
    page, *_ = result("extractStructuredText", pdfData=INVOICE, pageEnd=1)
    assert (page["pageNumber"], page["width"], page["height"]) == (1, 595.28, 841.89)
    item = page["items"][0]
    assert (item["text"], item["fontName"], item["fontSize"]) == ("Invoice 17", "Helvetica", 12)
    assert item["x"] == pytest.approx(50, abs=3)
    assert item["y"] == pytest.approx(841.89 - 100, abs=3)
    found = result("findTextPosition", pdfData=INVOICE, searchText="TOTAL")
    assert [(one["pageNumber"], one["text"]) for one in found] == [(1, "Total"), (3, "Total")]
    assert found[0]["x"] == pytest.approx(50, abs=3)
    assert found[0]["y"] == pytest.approx(841.89 - 120, abs=3)
    assert 0 < found[0]["width"] < 50
    only = result("findTextPosition", pdfData=INVOICE, searchText="Total", pageNumber=3)
    assert [one["pageNumber"] for one in only] == [3]


def test_tables_are_read_by_where_their_cells_stand() -> None:
    pdf = FPDF(unit="pt")
    pdf.add_page()
    pdf.set_font("Helvetica", size=12)
    for row, cells in enumerate((("Item", "Qty", "Price"), ("W-1", "", "2.50"), ("X", "7", "1"))):
        for column, cell in enumerate(cells):
            if cell:
                pdf.text(50 + 100 * column, 100 + 20 * row + column, cell)
    (page,) = result("extractTableData", pdfData=bytes(pdf.output()))
    assert page["rows"] == [["Item", "Qty", "Price"], ["W-1", "", "2.50"], ["X", "7", "1"]]


def pages_of(file: Value) -> list[str]:
    assert isinstance(file, dict)
    assert file["contentType"] == "application/pdf"
    texts: list[str] = result("extractAllText", pdfData=file)
    return texts


def test_files_are_taken_apart_and_put_together() -> None:
    second = result("extractPage", pdfData=INVOICE, pageNumber=2)
    assert pages_of(second) == ["Terms"]
    rest = result("extractPages", pdfData=INVOICE, pageStart=2)
    assert pages_of(rest) == ["Terms", "Signature\nTotal: none"]
    parts = result("splitPdf", pdfData=INVOICE, pagesPerFile=2)
    assert [len(pages_of(part)) for part in parts] == [2, 1]
    merged = result("mergePdfs", files=[second, INVOICE])
    assert pages_of(merged) == ["Terms", *result("extractAllText", pdfData=INVOICE)]


def test_a_file_tells_of_itself() -> None:
    titled = result("createFromText", text="x", title="Order 17", pageSize="A5")
    info = result("getInfo", pdfData=titled)
    assert (info["pageCount"], info["width"], info["height"]) == (1, 419.53, 595.28)
    assert info["metadata"]["Title"] == "Order 17"
    assert info["metadata"]["CreationDate"].startswith("D:20231114221320")


def test_a_text_is_set_on_as_many_pages_as_it_needs() -> None:
    file = result("createFromText", text="Größe €\n" + "word " * 4_000, fontSize=14)
    pages = pages_of(file)
    assert len(pages) > 2
    assert pages[0].startswith("Größe €")
    assert sum(page.count("word") for page in pages) == 4_000
    assert file == result("createFromText", text="Größe €\n" + "word " * 4_000, fontSize=14)


def picture(width: int, height: int, kind: str = "PNG") -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (width, height), "red").save(out, kind)
    return out.getvalue()


def test_html_is_set_with_the_images_that_it_holds() -> None:
    source = base64.b64encode(picture(20, 10)).decode()
    html = (
        "<h1>Order 17</h1><p>Two <b>widgets</b></p><ul><li>W-1</li></ul>"
        "<table><tr><th>Item</th></tr><tr><td>W-2</td></tr></table>"
        f'<img src="data:image/png;base64,{source}">'
    )
    file = result("createFromHtml", html=html, orientation="landscape")
    (text,) = pages_of(file)
    for part in ("Order 17", "Two widgets", "W-1", "W-2"):
        assert part in text
    page = pypdf.PdfReader(io.BytesIO(file["data"])).pages[0]
    assert len(page.images) == 1
    assert page.mediabox.width > page.mediabox.height


def test_what_a_browser_does_not_show_is_not_printed() -> None:
    html = (
        "<html><head><title>T</title><style>p {}</style></head><body><!-- c --><p>Hi</p>"
        "<script>alert(1)</script>there<style>b {}</style></body></html>"
    )
    assert pages_of(result("createFromHtml", html=html)) == ["Hi\nthere"]


@pytest.mark.parametrize(
    "source", ["/etc/passwd", "file:///etc/passwd", "http://127.0.0.1/a.png", "a.svg", ""]
)
def test_html_reads_no_file_and_no_address(source: str) -> None:
    with pytest.raises(StepError, match="must stand in the HTML as data: URLs"):
        result("createFromHtml", html=f'<p>a</p><img src="{source}">')


def test_an_svg_reads_no_file_either() -> None:
    svg = (
        '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
        'width="9" height="9"><image width="9" height="9" xlink:href="/etc/passwd"/></svg>'
    )
    source = base64.b64encode(svg.encode()).decode()
    with pytest.raises(StepError):
        result("createFromHtml", html=f'<img src="data:image/svg+xml;base64,{source}">')


def test_each_image_fills_a_page() -> None:
    images = [picture(40, 20), {"data": picture(10, 30, "JPEG"), "contentType": "image/jpeg"}]
    file = result("createFromImages", images=images)
    pages = pypdf.PdfReader(io.BytesIO(file["data"])).pages
    assert [len(page.images) for page in pages] == [1, 1]


def form() -> bytes:
    """A form with a text field and a box to tick."""
    writer = pypdf.PdfWriter(clone_from=io.BytesIO(made("Form")))
    page = writer.pages[0]

    def widget(name: str, kind: str, **more: Any) -> Any:
        entries = {
            "/Type": NameObject("/Annot"),
            "/Subtype": NameObject("/Widget"),
            "/FT": NameObject(kind),
            "/T": TextStringObject(name),
            "/F": NumberObject(4),
            "/Rect": ArrayObject([FloatObject(n) for n in (50, 600, 250, 620)]),
            "/P": page.indirect_reference,
        }
        entries |= {f"/{key}": value for key, value in more.items()}
        return writer._add_object(
            DictionaryObject({NameObject(key): value for key, value in entries.items()})
        )

    states = DictionaryObject()
    for state in ("/Ja", "/Off"):
        stream = StreamObject()
        stream.update({NameObject("/Subtype"): NameObject("/Form")})
        states[NameObject(state)] = writer._add_object(stream)
    boxes = DictionaryObject({NameObject("/N"): states})
    text = widget("customer", "/Tx", DA=TextStringObject("/Helv 10 Tf 0 g"))
    box = widget("paid", "/Btn", AP=boxes, AS=NameObject("/Off"), V=NameObject("/Off"))
    page[NameObject("/Annots")] = ArrayObject([text, box])
    writer._root_object[NameObject("/AcroForm")] = DictionaryObject(
        {NameObject("/Fields"): ArrayObject([text, box])}
    )
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue()


def test_a_form_is_filled_in() -> None:
    empty = form()
    assert result("getFormFields", pdfData=empty) == {
        "customer": {"type": "text", "value": None, "choices": []},
        "paid": {"type": "button", "value": "Off", "choices": ["Ja", "Off"]},
    }
    filled = result("fillForm", pdfData=empty, fields={"customer": "Ada", "paid": True})
    fields = result("getFormFields", pdfData=filled)
    assert {name: one["value"] for name, one in fields.items()} == {"customer": "Ada", "paid": "Ja"}
    flat = result("fillForm", pdfData=empty, fields={"customer": "Ada"}, flatten=True)
    assert "Ada" in pages_of(flat)[0]
    assert not pypdf.PdfReader(io.BytesIO(flat["data"])).pages[0].get("/Annots")


def encrypted() -> bytes:
    writer = pypdf.PdfWriter(clone_from=io.BytesIO(INVOICE))
    writer.encrypt("secret")
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue()


@pytest.mark.parametrize(
    ("key", "inputs", "message"),
    [
        ("extractAllText", {"pdfData": "no"}, r"PDF Data \(pdfData\) is no PDF"),
        ("getInfo", {"pdfData": b"%PDF-1.7 no"}, r"PDF Data \(pdfData\) is no PDF"),
        ("extractAllText", {"pdfData": encrypted()}, "is encrypted"),
        ("extractPage", {"pdfData": encrypted(), "pageNumber": 1}, "is encrypted"),
        ("extractAllText", {}, r"PDF Data \(pdfData\) is required"),
        ("extractPage", {"pdfData": INVOICE, "pageNumber": 4}, "a page from 1 to 3, found 4"),
        ("extractPageText", {"pdfData": INVOICE, "pageStart": 1.5}, "found 1.5"),
        ("extractPages", {"pdfData": INVOICE, "pageStart": 3, "pageEnd": 2}, "2 is before"),
        ("splitPdf", {"pdfData": INVOICE, "pagesPerFile": 0}, "1 or more"),
        ("mergePdfs", {"files": [INVOICE, "no"]}, "file 2 is no PDF"),
        ("mergePdfs", {"files": [INVOICE, 3]}, r"Files \(files\) must be a text or a file"),
        ("fillForm", {"pdfData": form(), "fields": {"name": "Ada"}}, "'name'; it has customer"),
        ("fillForm", {"pdfData": form(), "fields": {"paid": "Nein"}}, "one of Ja, Off"),
        ("fillForm", {"pdfData": INVOICE, "fields": {"a": "b"}}, "it has none"),
        ("createFromText", {"text": "日本"}, r"'日' needs a Font \(font\)"),
        ("createFromText", {"text": "a", "font": "none"}, r"Font \(font\) is no TrueType"),
        ("createFromText", {"text": "a", "fontSize": 0}, "between 1 and 500"),
        ("createFromText", {"text": "a", "pageSize": "B9"}, "one of a3, a4"),
        ("createFromHtml", {"html": "a", "orientation": "up"}, "one of portrait, landscape"),
        ("createFromImages", {"images": ["none"]}, "image 1 cannot be read"),
        ("createFromImages", {"images": [picture(10_000, 6_000)]}, "more than 50000000 pixels"),
    ],
)
def test_what_cannot_be_done_fails_clearly(
    key: str, inputs: dict[str, Value], message: str
) -> None:
    with pytest.raises(StepError, match=message):
        result(key, **inputs)


def test_damaged_files_end_in_an_error_or_in_a_result() -> None:
    chance = random.Random(17)
    for key in ("extractAllText", "extractStructuredText", "getInfo", "getFormFields"):
        for _ in range(15):
            content = bytearray(form())
            for _ in range(20):
                content[chance.randrange(len(content))] = chance.randrange(256)
            with contextlib.suppress(StepError):
                assert result(key, pdfData=bytes(content)) is not None


def bomb(megabytes: int) -> bytes:
    """A page whose content unpacks to so many megabytes of texts."""
    writer = pypdf.PdfWriter(clone_from=io.BytesIO(made("Bomb")))
    stream = StreamObject()
    stream.set_data(b"BT /F1 12 Tf (boom) Tj ET " * (40_000 * megabytes))
    page = writer.pages[0]
    page[NameObject("/Contents")] = writer._add_object(stream.flate_encode(9))
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue()


def test_a_small_file_that_unpacks_to_a_huge_one_is_given_up() -> None:
    small = bomb(50)
    assert len(small) < 1_000_000
    with pytest.raises(StepError, match="Extract Structured Text"):
        result("extractStructuredText", pdfData=small)
    assert result("pageNumbers", pdfData=INVOICE) == [1, 2, 3]


def test_an_expression_that_never_ends_is_ended() -> None:
    page = made("a" * 60 + "!")
    with pytest.raises(StepError, match="Find Pattern took longer"):
        result("findPattern", pdfData=page, searchPattern="(a|aa)+$", useRegex=True)


def font() -> bytes:
    """A font that has a Greek alpha and nothing else."""
    pen = TTGlyphPen(None)
    pen.moveTo((0, 0))
    pen.lineTo((500, 700))
    pen.lineTo((500, 0))
    pen.closePath()
    builder = FontBuilder(1000, isTTF=True)
    builder.setupGlyphOrder([".notdef", "alpha"])
    builder.setupCharacterMap({ord("α"): "alpha"})
    builder.setupGlyf({".notdef": TTGlyphPen(None).glyph(), "alpha": pen.glyph()})
    builder.setupHorizontalMetrics({".notdef": (500, 0), "alpha": (600, 0)})
    builder.setupHorizontalHeader(ascent=800, descent=-200)
    builder.setupNameTable({"familyName": "Alpha", "styleName": "Regular"})
    builder.setupOS2()
    builder.setupPost()
    out = io.BytesIO()
    builder.save(out)
    return out.getvalue()


def test_a_font_of_ones_own_has_its_characters() -> None:
    for key, given in (("createFromText", {"text": "αα"}), ("createFromHtml", {"html": "αα"})):
        assert pages_of(result(key, **given, font=font())) == ["αα"]
