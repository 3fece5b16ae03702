"""PDF inputs: what the actions of pdf declare that they take; pure."""

from processors.actions import Input, Kind


def _number(key: str, label: str, description: str, default: float | None, example: str) -> Input:
    return Input(
        key=key,
        label=label,
        kind=Kind.NUMBER,
        default=default,
        description=description,
        example=example,
    )


def _boolean(key: str, label: str, description: str, *, default: bool = False) -> Input:
    return Input(
        key=key,
        label=label,
        kind=Kind.BOOLEAN,
        default=default,
        description=description,
        example="true",
    )


def _files(key: str, label: str, description: str) -> Input:
    return Input(
        key=key,
        label=label,
        kind=Kind.LIST,
        required=True,
        description=description,
        example="getInvoice.results, getReceipt.results",
    )


def _text(key: str, label: str, description: str, example: str) -> Input:
    return Input(key=key, label=label, required=True, description=description, example=example)


DATA = Input(
    key="pdfData",
    label="PDF Data",
    kind=Kind.ANY,
    required=True,
    description="The PDF file, not encrypted.",
    example="getInvoice.results",
)
NUMBER = Input(
    key="pageNumber",
    label="Page Number",
    kind=Kind.NUMBER,
    required=True,
    description="The number of the page, from 1.",
    example="5",
)
START = _number("pageStart", "Page Start", "The first page; by default 1.", None, "1")
END = _number("pageEnd", "Page End", "The last page; by default that of the file.", None, "5")
ONE_OR_MORE = _number(
    "pageEnd", "Page End", "The last page; by default the page that it starts with.", None, "5"
)
PATTERN = _text("searchPattern", "Search Pattern", "The text to look for.", "Invoice Number:")
EXPRESSION = _text(
    "searchPattern", "Search Pattern", "The text or expression to look for.", r"INV-\d+"
)
AFTER = _number(
    "charactersAfter",
    "Characters After",
    "How many characters behind the text to give; by default whole pages that have it.",
    None,
    "10",
)
CASE = _boolean("caseSensitive", "Case Sensitive", "Takes A and a for different letters.")
REGEX = _boolean(
    "useRegex", "Use Regex", "Takes the pattern for a regular expression, as Python has them."
)
CONTAINS = _boolean(
    "contains", "Contains", "Pages that have it; otherwise those that have it not.", default=True
)
SEARCHED = _text("searchText", "Search Text", "The text to look for.", "Signature")
WITHIN = _number("pageNumber", "Page Number", "The page to look in; by default all.", None, "5")
LINE_TOLERANCE = _number(
    "lineTolerance", "Line Tolerance", "How many points texts of a line may differ.", 2, "3"
)
ROW_TOLERANCE = _number(
    "rowTolerance", "Row Tolerance", "How many points texts of a row may differ.", 3, "5"
)
COLUMN_TOLERANCE = _number(
    "columnTolerance", "Column Tolerance", "How many points columns are apart.", 10, "20"
)
MERGED = _files("files", "Files", "The PDF files, in their order.")
PER_FILE = _number("pagesPerFile", "Pages Per File", "How many pages a file gets.", 1, "2")
FIELDS = Input(
    key="fields",
    label="Fields",
    kind=Kind.PAIRS,
    required=True,
    description="Names of fields and what they are filled with; true ticks a box.",
    example="customer: Ada",
)
FLATTEN = _boolean("flatten", "Flatten", "Makes fields plain text, which nobody changes.")
BODY = _text("text", "Text", "What stands in the file.", "Order 17 has shipped")
HTML = _text(
    "html",
    "HTML",
    "Headings, paragraphs, lists, tables, links, and images as data: URLs. Nothing is fetched.",
    "<h1>Order 17</h1><p>3 widgets</p>",
)
IMAGES = _files("images", "Images", "The images, in their order: PNG, JPEG, GIF, WebP or TIFF.")
SIZE = Input(
    key="pageSize",
    label="Page Size",
    default="A4",
    description="A3, A4, A5, Letter or Legal.",
    example="Letter",
)
ORIENTATION = Input(
    key="orientation",
    label="Orientation",
    default="portrait",
    description="portrait or landscape.",
    example="landscape",
)
TITLE = Input(
    key="title", label="Title", description="What the file says its title is.", example="Order 17"
)
FONT_SIZE = _number("fontSize", "Font Size", "The size of the text, in points.", 11, "14")
FONT = Input(
    key="font",
    label="Font",
    kind=Kind.ANY,
    default="",
    description="A TrueType or OpenType font; the standard one has the characters of Western "
    "Europe only.",
    example='{"data": …, "contentType": "font/ttf"}',
)
