"""The reference of built-in components: Markdown and objects from what their actions declare."""

from collections.abc import Iterable, Mapping
from itertools import groupby
from typing import Any

import orjson

from processors.actions import Action, Input, Kind
from schemas.values import Value

_KINDS: Mapping[Kind, str] = {
    Kind.ANY: "any",
    Kind.TEXT: "text",
    Kind.NUMBER: "number",
    Kind.BOOLEAN: "true or false",
    Kind.JSON: "JSON",
    Kind.LIST: "list",
    Kind.ITEMS: "list or object",
    Kind.PAIRS: "keys and values",
    Kind.CONDITIONS: "conditions",
    Kind.CONNECTION: "connection",
}
_HEAD = """# Components

Every built-in component and its actions. This page is made of what the actions declare, by
`make docs`; `penstock components` prints the same. What holds for all of them, and what was decided
where the sources are silent, stands in [data-components.md](data-components.md).
"""
_COLUMNS = "| input | label | kind | default | description | example |\n|---|---|---|---|---|---|"


def markdown(actions: Iterable[Action]) -> str:
    """The page, with a section for each component and a table for each action."""
    return f"{_HEAD}\n{sections(actions)}"


def sections(actions: Iterable[Action]) -> str:
    """The sections alone."""
    ordered = sorted(actions, key=lambda action: (action.component, action.key))
    grouped = groupby(ordered, key=lambda action: action.component)
    return "\n".join(_section(name, list(of_it)) for name, of_it in grouped)


def objects(actions: Iterable[Action]) -> list[dict[str, Any]]:
    """The same for programs."""
    return [
        {
            "component": action.component,
            "key": action.key,
            "label": action.label,
            "description": action.description,
            "isTrigger": action.is_trigger,
            "touchesWorld": action.touches_world,
            "inputs": [_object(declared) for declared in action.inputs],
        }
        for action in sorted(actions, key=lambda action: (action.component, action.key))
    ]


def _object(declared: Input) -> dict[str, Any]:
    return {
        "key": declared.key,
        "label": declared.label,
        "kind": _KINDS[declared.kind],
        "default": declared.default,
        "required": declared.required,
        "description": declared.description,
        "example": declared.example,
    }


def _section(component: str, actions: Iterable[Action]) -> str:
    return "\n".join([f"## {component}\n", *map(_action, actions)])


def _action(action: Action) -> str:
    lines = [f"### {component_key(action)}\n", f"**{action.label}.** {_told(action)}\n"]
    if action.inputs:
        lines += [_COLUMNS, *map(_row, action.inputs), ""]
    return "\n".join(lines)


def component_key(action: Action) -> str:
    """`http/httpGet`: how a file names an action."""
    return f"{action.component}/{action.key}"


def _told(action: Action) -> str:
    notes = [action.description]
    if action.is_trigger:
        notes.append("A trigger.")
    if action.touches_world:
        notes.append("Reaches outside: its result is durable before the next step begins.")
    return " ".join(notes)


def _row(declared: Input) -> str:
    default = "required" if declared.required else _shown(declared.default)
    cells = (
        f"`{declared.key}`",
        _escaped(declared.label),
        _KINDS[declared.kind],
        default,
        _escaped(declared.description),
        _code(declared.example),
    )
    return f"| {' | '.join(cells)} |"


def _shown(value: Value) -> str:
    if value is None or value == "":
        return ""
    return _code(value if isinstance(value, str) else orjson.dumps(value).decode())


def _code(text: str) -> str:
    """As code in a table's cell: there, a bar ends the cell and a backtick the code."""
    return f"`` {_escaped(text)} ``" if "`" in text else f"`{_escaped(text)}`"


def _escaped(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
