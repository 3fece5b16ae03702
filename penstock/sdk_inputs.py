"""Inputs of the SDK: from annotations and defaults of functions to declared inputs.

Takes in functions and classes of authors; gives out `Declared` with key, label, type and default.
"""

import inspect
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

KINDS: Mapping[Any, str] = {
    str: "text",
    int: "number",
    float: "number",
    bool: "boolean",
    list: "list",
    dict: "json",
    bytes: "any",
    Any: "any",
}
"""From an annotation to the name of processors.actions.Kind, in small letters."""


@dataclass(frozen=True, kw_only=True)
class Declared:
    """One input: what its annotation says, and what `Input` adds to that."""

    label: str = ""
    description: str = ""
    example: str = ""
    default: Any = None
    required: bool | None = None
    secret: bool = False
    key: str = ""
    kind: str = "text"


def Input(
    *,
    label: str = "",
    description: str = "",
    example: str = "",
    default: Any = None,
    required: bool | None = None,
    secret: bool = False,
) -> Any:
    """Says of a parameter, as its default, what its annotation cannot.

    `sku: str = Input(label="SKU", example="W-1")` is required; with `default=` it is not.
    """
    return Declared(
        label=label,
        description=description,
        example=example,
        default=default,
        required=required,
        secret=secret,
    )


def camel_case(name: str) -> str:
    """`post_message` and `PostMessage` become `postMessage`."""
    first, *rest = name.split("_")
    return first[:1].lower() + first[1:] + "".join(word.capitalize() for word in rest)


def of_function(function: Callable[..., Any], *, skip: int) -> tuple[Declared, ...]:
    """The parameters after the first `skip`. Raises TypeError for one that cannot be an input."""
    hints = typing.get_type_hints(function)
    parameters = list(inspect.signature(function).parameters.values())
    if len(parameters) < skip:
        raise TypeError(f"{function.__name__} needs a first parameter, for the context")
    return tuple(_of_parameter(one, hints) for one in parameters[skip:])


def of_class(cls: type) -> tuple[Declared, ...]:
    """The annotated attributes."""
    hints = typing.get_type_hints(cls)
    bare = Declared(required=True)
    return tuple(_input(key, hint, getattr(cls, key, bare)) for key, hint in hints.items())


def of_mapping(inputs: Mapping[str, Declared]) -> tuple[Declared, ...]:
    """Inputs that have been written out, by key."""
    return tuple(_finished(key, one, one.kind) for key, one in inputs.items())


def _of_parameter(parameter: inspect.Parameter, hints: Mapping[str, Any]) -> Declared:
    if parameter.kind not in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY):
        raise TypeError(f"{parameter} cannot be an input: inputs have names")
    is_bare = parameter.default is parameter.empty
    given = Declared(required=True) if is_bare else parameter.default
    return _input(parameter.name, hints.get(parameter.name, Any), given)


def _input(key: str, hint: Any, given: Any) -> Declared:
    one = given if isinstance(given, Declared) else Declared(default=given, required=False)
    return _finished(key, one, _kind(hint))


def _finished(key: str, one: Declared, kind: str) -> Declared:
    required = one.required
    if required is None:
        required = one.default is None
    label = one.label or key.replace("_", " ").capitalize()
    return replace(one, key=one.key or key, label=label, kind=kind, required=required)


def _kind(hint: Any) -> str:
    origin = typing.get_origin(hint) or hint
    inner = [one for one in typing.get_args(hint) if one is not type(None)]
    if origin not in KINDS and len(inner) == 1:
        return _kind(inner[0])
    return KINDS.get(origin, "any")
