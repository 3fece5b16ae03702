"""Text manipulation with regular expressions, those of JavaScript, run in its sandbox.

There, one that never returns is ended after the time that code steps have.
"""

import re
from collections.abc import Mapping
from typing import Any

from processors.actions import Context, Input, Outcome, World, in_thread
from processors.components import javascript
from processors.components.text_manipulation import TEXT, replaced

_AS_PATTERN = re.compile(r"/(.+)/([dgimsuy]+)", re.DOTALL)

_FIND = Input(
    key="find",
    label="Substring to find and be replaced",
    required=True,
    description="The text to find. Written as `/pattern/flags`, with at least one flag, it is a "
    "regular expression, unless the text holds it as it stands.",
    example="/[aeiou]/g",
)
_REPLACE = Input(
    key="replace",
    label="The substring to replace instances of 'find' with",
    description="What to put in its place; with a regular expression, `$1` is its first group.",
    example="color",
)
_REGEX = Input(
    key="regex",
    label="Regex",
    required=True,
    description="A regular expression of JavaScript, without slashes around it.",
    example="[0-9]+",
)
_FLAGS = Input(
    key="regexFlags",
    label="Regex Flags",
    default="g",
    description="Flags of the expression.",
    example="gi",
)


def _replace(inputs: Mapping[str, Any], context: Context, world: World) -> Outcome:
    text, find, replace = inputs["text"], inputs["find"], inputs["replace"]
    pattern = _AS_PATTERN.fullmatch(find)
    if pattern is None or find in text:
        return Outcome(result=replaced(text, find, replace))
    data = {"text": text, "pattern": pattern[1], "flags": pattern[2], "replace": replace}
    expression = "data.text.replace(new RegExp(data.pattern, data.flags), data.replace)"
    return javascript.run({}, expression, data, context, world)


def _match(inputs: Mapping[str, Any], context: Context, world: World) -> Outcome:
    expression = "data.text.match(new RegExp(data.regex, data.regexFlags))"
    return javascript.run({}, expression, dict(inputs), context, world)


_action = in_thread("text-manipulation")

ACTIONS = (
    _action(
        "replace",
        "Find & Replace",
        "Replaces all that is found; of a regular expression without the flag g, the first.",
        _replace,
        TEXT,
        _FIND,
        _REPLACE,
    ),
    _action(
        "match",
        "Match Regex",
        "Gives the list of matches; without the flag g, the first match and its groups. Null "
        "where nothing matches.",
        _match,
        TEXT,
        _REGEX,
        _FLAGS,
    ),
)
