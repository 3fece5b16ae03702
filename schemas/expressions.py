"""Expressions: the texts of references and templates to what they say.

`step.results.a.0`, with `["a.b"]`, `['a']` and `[0]` as further segments; `{{$step.results.a}}` and
`{{#Config Var}}` within the text of a template (platform-behaviour, 8.6 and 8.7).
"""

import re

from schemas.definitions import ConfigVar, Reference, Template

_SEGMENT = re.compile(
    r"""\.?\["([^"]*)"\]|\.?\['([^']*)'\]|\.?\[([0-9]+)\]|\.((?:[^.\[]|\[(?!["']|[0-9]+\]))+)"""
)
_OPENING = re.compile(r"\{\{[$#]")
_CLOSING = "}}"
_INNER = re.compile(r"""(?:\["[^"]*"\]|\['[^']*'\]|(?!\{\{|\}\}).)*""", re.DOTALL)
"""Up to the closing braces; those within a quoted segment do not close."""
KINDS = ("results", "currentItem", "index")


class Malformed(ValueError):
    """A text that is not what it should be; the message says how."""


def reference(text: str) -> Reference:
    """The reference in `text`. Raises Malformed.

    `step.error` is what a failed and ignored step left, and is read as `step.results.error`
    (platform-behaviour, 6.4). Segments keep their spaces and dashes; a bracket that holds neither
    a number nor a quoted text is part of its segment.
    """
    step, *rest = _segments(text.strip())
    if rest[:1] == ["error"]:
        rest.insert(0, "results")
    if not rest or rest[0] not in KINDS:
        raise Malformed(f"a step's key must be followed by .{', .'.join(KINDS)}")
    return Reference(step, rest[0], tuple(rest[1:]))


def _segments(text: str) -> list[str]:
    if not text:
        raise Malformed("it is empty")
    dotted, position, segments = "." + text, 0, []
    while position < len(dotted):
        found = _SEGMENT.match(dotted, position)
        if found is None:
            raise Malformed(f"character {position or 1} cannot stand there")
        segments.append(found[found.lastindex or 0])
        position = found.end()
    return segments


def template(text: str) -> Template:
    """The template in `text`; braces without `$` or `#` are text. Raises Malformed."""
    parts: list[str | Reference | ConfigVar] = []
    position = 0
    while opening := _OPENING.search(text, position):
        inner = _INNER.match(text, opening.end())
        assert inner is not None
        if not text.startswith(_CLOSING, inner.end()):
            raise Malformed(f"{text[opening.start() :][:40]!r} is not closed by }}}}")
        parts += [text[position : opening.start()], _expression(opening[0], inner[0])]
        position = inner.end() + len(_CLOSING)
    parts.append(text[position:])
    return Template(tuple(part for part in parts if part != ""))


def _expression(opening: str, inner: str) -> Reference | ConfigVar:
    if opening == "{{$":
        try:
            return reference(inner)
        except Malformed as error:
            raise Malformed(f"the reference in {{{{${inner[:40]}}}}}: {error}") from error
    if not inner.strip():
        raise Malformed("{{#}} names no config variable")
    return ConfigVar(inner.strip())
