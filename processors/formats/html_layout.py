"""HTML layout: a document with each block on a line of its own, indented by its depth; pure.

What is within a line stays there; `pre`, `textarea`, `script` and `style` stay as they are. Nothing
but white space that does not show is added or left out.
"""

import re
from html.parser import HTMLParser

_INDENT = "  "
_MAX_DEPTH = 100
_KEPT = frozenset(("pre", "textarea", "script", "style"))
_VOID = frozenset(
    [
        "area",
        "base",
        "br",
        "col",
        "embed",
        "hr",
        "img",
        "input",
        "link",
        "meta",
        "param",
        "source",
        "track",
        "wbr",
    ]
)
_INLINE = frozenset(
    [
        "a",
        "abbr",
        "b",
        "bdi",
        "bdo",
        "br",
        "button",
        "cite",
        "code",
        "data",
        "dfn",
        "em",
        "i",
        "img",
        "input",
        "kbd",
        "label",
        "mark",
        "q",
        "s",
        "samp",
        "select",
        "small",
        "span",
        "strong",
        "sub",
        "sup",
        "time",
        "u",
        "var",
        "wbr",
    ]
)
_SPACE = re.compile(r"\s+")


def laid_out(text: str) -> str:
    """`text` with a line for each block."""
    reader = _Reader()
    reader.feed(text)
    reader.close()
    return reader.written()


class _Reader(HTMLParser):
    """Writes lines; `_line` gathers what stands within the current one."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=False)
        self._lines: list[str] = []
        self._line = ""
        self._open: list[str] = []
        self._kept = ""

    def written(self) -> str:
        self._end_line()
        return "".join(f"{line}\n" for line in self._lines)

    def handle_starttag(self, tag: str, _attrs: object) -> None:
        text = self.get_starttag_text() or f"<{tag}>"
        if self._kept:
            self._line += text
            return
        if tag in _INLINE:
            self._line += _SPACE.sub(" ", text)
            return
        self._end_line()
        if tag in _KEPT:
            self._kept, self._line = tag, text
            return
        self._write(_SPACE.sub(" ", text))
        if tag not in _VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: object) -> None:
        if tag in _INLINE or self._kept:
            self._line += self.get_starttag_text() or ""
            return
        self._end_line()
        self._write(self.get_starttag_text() or "")

    def handle_endtag(self, tag: str) -> None:
        if self._kept:
            self._line += f"</{tag}>"
            if tag == self._kept:
                self._kept = ""
                self._lines.append(f"{self._indent()}{self._line}")
                self._line = ""
            return
        if tag in _INLINE:
            self._line += f"</{tag}>"
            return
        self._end_line()
        if tag in self._open:
            while self._open.pop() != tag:
                pass
        self._write(f"</{tag}>")

    def handle_data(self, data: str) -> None:
        self._line += data if self._kept else _SPACE.sub(" ", data)

    def handle_entityref(self, name: str) -> None:
        self._line += f"&{name};"

    def handle_charref(self, name: str) -> None:
        self._line += f"&#{name};"

    def handle_comment(self, data: str) -> None:
        self._line += f"<!--{data}-->"

    def handle_decl(self, decl: str) -> None:
        self._end_line()
        self._write(f"<!{decl}>")

    def handle_pi(self, data: str) -> None:
        self._line += f"<?{data}>"

    def unknown_decl(self, data: str) -> None:
        self._line += f"<![{data}]>"

    def _end_line(self) -> None:
        if self._line.strip():
            self._write(self._line.strip())
        self._line = ""

    def _write(self, text: str) -> None:
        self._lines.append(f"{self._indent()}{text}")

    def _indent(self) -> str:
        return _INDENT * min(len(self._open), _MAX_DEPTH)
