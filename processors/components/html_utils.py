"""HTML utils: texts from HTML, and HTML of an address."""

import html
import re
from collections.abc import Callable, Mapping
from functools import partial
from html.parser import HTMLParser
from typing import Any

from processors import cleaning
from processors.actions import Action, Context, Input, Outcome, Runs, StepError, World
from processors.components import computed, http
from processors.components.computing import Function, compute
from processors.formats import html_layout
from schemas.values import Value

_HIDDEN = frozenset(("script", "style", "head", "title", "template", "noscript"))
_BLOCKS = frozenset(
    [
        "address",
        "article",
        "aside",
        "blockquote",
        "div",
        "dl",
        "dt",
        "dd",
        "fieldset",
        "figure",
        "footer",
        "form",
        "h1",
        "h2",
        "h3",
        "h4",
        "h5",
        "h6",
        "header",
        "hr",
        "li",
        "main",
        "nav",
        "ol",
        "p",
        "pre",
        "section",
        "table",
        "tr",
        "ul",
    ]
)
_SPACES = re.compile(r"[ \t\r\f\v]+")
_BLANK_LINES = re.compile(r"\n\s*\n\s*")

_HTML = Input(
    key="html",
    label="HTML",
    description="The HTML.",
    example="<p>Hello</p>",
)
_TEXT = Input(key="text", label="Text", description="The text.", example="a < b")
_URL = Input(
    key="url",
    label="URL",
    required=True,
    description="Where the HTML is.",
    example="https://example.com/",
)


class _Reader(HTMLParser):
    """Gathers text. `lays_out`: blocks begin on lines of their own, what is not shown is left."""

    def __init__(self, *, lays_out: bool) -> None:
        super().__init__(convert_charrefs=True)
        self.parts: list[str] = []
        self._lays_out = lays_out
        self._hidden = 0

    def handle_starttag(self, tag: str, _attrs: object) -> None:
        if self._lays_out:
            self._hidden += tag in _HIDDEN
            if tag == "br":
                self.parts.append("\n")
            elif tag in _BLOCKS:
                self.parts.append("\n\n" if tag == "p" else "\n")
            if tag == "li":
                self.parts.append("* ")

    def handle_endtag(self, tag: str) -> None:
        if self._lays_out:
            self._hidden -= tag in _HIDDEN and self._hidden > 0
            if tag in _BLOCKS:
                self.parts.append("\n\n" if tag == "p" else "\n")
            elif tag in ("td", "th"):
                self.parts.append(" ")

    def handle_data(self, data: str) -> None:
        if not self._hidden:
            self.parts.append(re.sub(r"\s+", " ", data) if self._lays_out else data)


def _read(text: str, *, lays_out: bool) -> str:
    reader = _Reader(lays_out=lays_out)
    reader.feed(text)
    reader.close()
    return "".join(reader.parts)


def plain(given: Value) -> Value:
    """The text as it is read; runs in a computing process."""
    lines = _SPACES.sub(" ", _read(given["html"], lays_out=True)).split("\n")
    return _BLANK_LINES.sub("\n\n", "\n".join(line.strip() for line in lines)).strip()


def stripped(given: Value) -> Value:
    """All text; runs in a computing process."""
    return _read(given["html"], lays_out=False)


def inlined(given: Value) -> Value:
    """The document with style attributes; runs in a computing process. Raises StepError."""
    import css_inline

    # Without a loader of stylesheets: what a document refers to elsewhere is not fetched.
    inliner = css_inline.CSSInliner(load_remote_stylesheets=False)
    try:
        document: str = inliner.inline(given["html"])
    except (ValueError, css_inline.InlineError) as error:
        raise StepError(str(error)) from error
    return document


def formatted(given: Value) -> Value:
    """The document in lines; runs in a computing process."""
    return html_layout.laid_out(given["html"])


def decode(given: Mapping[str, Any]) -> Value:
    """The text that the HTML stands for; also run in computing processes."""
    return html.unescape(given["html"])


def _computed(function: Function) -> Callable[..., Outcome]:
    """The parser takes long for some texts that are no HTML, so it runs where it can be ended."""

    def perform(inputs: Mapping[str, Any], _context: Context, world: World) -> Outcome:
        return Outcome(result=compute(function, inputs, "Reading the HTML", world))

    return perform


_GET = next(action for action in http.ACTIONS if action.key == "httpGet")


async def _fetch(inputs: Mapping[str, Any], context: Context, world: World) -> Outcome:
    asked = {"url": inputs["url"], "responseType": "text"}
    outcome: Outcome = await _GET.perform(cleaning.clean(_GET, asked), context, world)
    return outcome


_tool = partial(computed.action, "html-utils")

ACTIONS = (
    Action(
        component="html-utils",
        key="htmlToPlaintext",
        label="HTML to Plaintext",
        description="Gives the text as it is read: blocks on lines of their own, scripts and "
        "styles left out.",
        perform=_computed(plain),
        inputs=(_HTML,),
        runs=Runs.THREAD,
    ),
    Action(
        component="html-utils",
        key="stripHtmlTags",
        label="Strip HTML Tags",
        description="Gives all text between tags.",
        perform=_computed(stripped),
        inputs=(_HTML,),
        runs=Runs.THREAD,
    ),
    _tool(
        "encodeHtml",
        "Encode HTML",
        "Gives the text as it can stand in HTML, in attributes too.",
        lambda given: html.escape(given["text"]),
        _TEXT,
    ),
    Action(
        component="html-utils",
        key="convertInlineCss",
        label="Convert to Inline CSS",
        description="Gives the document with its stylesheets as style attributes, as mail programs "
        "want it. Stylesheets elsewhere are not fetched.",
        perform=_computed(inlined),
        inputs=(_HTML,),
        runs=Runs.THREAD,
    ),
    Action(
        component="html-utils",
        key="formatHtml",
        label="Format HTML",
        description="Gives the document with each block on a line of its own, indented.",
        perform=_computed(formatted),
        inputs=(_HTML,),
        runs=Runs.THREAD,
    ),
    computed.action_by_size(
        "html-utils",
        "decodeHtml",
        "Decode HTML",
        "Gives the text with the characters that references stand for.",
        decode,
        _HTML,
    ),
    Action(
        component="html-utils",
        key="getHtmlFromUrl",
        label="Get HTML from URL",
        description="Gives the text of the page.",
        perform=_fetch,
        inputs=(_URL,),
        runs=Runs.ASYNC,
        touches_world=True,
    ),
)
