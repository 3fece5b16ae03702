"""Inputs of an integration file: the five kinds, and whether what they name is there.

Takes in places of a file; gives out `definitions.Input`. Config variables are checked at once;
references are collected as uses, since whether a step stands before another is known only once
the whole flow has been read.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from schemas import expressions
from schemas.definitions import Complex, ConfigVar, Entry, Input, Item, Literal, Reference
from schemas.yaml_lines import Mapping as MappingNode
from schemas.yaml_lines import Scalar, Sequence
from schemas.yaml_places import Place, shown

CheckStep = Callable[[str, str, Mapping[str, Input]], Iterable[tuple[str, str]]]
"""Component and action of a step, and its inputs, to what is wrong with which input."""


def anything(*_step: object) -> tuple[()]:
    """The check that takes every input."""
    return ()


KINDS = ("value", "reference", "configVar", "template", "complex")
NOTHING = Literal("")
"""An input that is not set."""


class Use(NamedTuple):
    """A reference and where it is made."""

    place: Place
    reference: Reference


@dataclass(frozen=True, slots=True)
class Names:
    """What inputs may name, and the references found in them so far.

    `config_vars` maps keys to data types. In the inputs of config variables `in_config_var` holds:
    templates there name inputs of the connection, which its component knows and the file may not.
    """

    config_vars: Mapping[str, str]
    in_config_var: bool = False
    uses: list[Use] = field(default_factory=list)


class Seen(NamedTuple):
    """A step as references find it: `position` counts the steps of a flow in the file's order."""

    position: int
    name: str
    line: int


def read_all(inputs: Iterable[tuple[str, Place]], names: Names) -> dict[str, Input]:
    return {key: read(place, names) for key, place in inputs}


def read(place: Place, names: Names) -> Input:
    """The input at `place`; where it is wrong, a problem and an empty one."""
    if place.is_nothing() or not place.is_mapping():
        return NOTHING
    return _of_kind(place, names)


def _of_kind(place: Place, names: Names) -> Input:
    if not place.gives("type"):
        place.wrong(f"an input needs a type: one of {', '.join(KINDS)}")
        return NOTHING
    kind = place.choice("type", KINDS, "")
    if kind == "complex":
        return _complex(place, names)
    if kind not in KINDS:
        return NOTHING
    text, value = place.text("value"), place.at("value")
    match kind:
        case "reference":
            return _reference(value, text, names)
        case "configVar":
            return _config_var(value, text, names)
        case "template":
            return _template(value, text, names)
    return Literal(text)


def _reference(place: Place, text: str, names: Names) -> Input:
    if not text:
        return NOTHING
    try:
        found = expressions.reference(text)
    except expressions.Malformed as error:
        place.wrong(f"{shown(text)} is not a reference: {error}")
        return NOTHING
    names.uses.append(Use(place, found))
    return found


def _config_var(place: Place, key: str, names: Names) -> Input:
    if key and key not in names.config_vars:
        place.wrong(f"there is no config variable {shown(key)}")
    return ConfigVar(key)


def _template(place: Place, text: str, names: Names) -> Input:
    try:
        found = expressions.template(text)
    except expressions.Malformed as error:
        place.wrong(f"not a template: {error}")
        return NOTHING
    for part in found.parts:
        if isinstance(part, Reference):
            names.uses.append(Use(place, part))
        elif isinstance(part, ConfigVar) and not names.in_config_var:
            _config_var(place, part.key, names)
    return found


def _complex(place: Place, names: Names) -> Input:
    value = place.get("value")
    if value is None or (isinstance(value.node, Scalar) and value.own_text() == ""):
        return Complex(())
    return Complex(tuple(_item(item, names) for item in value.own_items()))


def _item(place: Place, names: Names) -> Item:
    match place.node:
        case Sequence():
            return tuple(_item(item, names) for item in place.own_items())
        case MappingNode():
            return Entry(_entry_name(place, names), read(place, names))
        case Scalar():
            return Entry(None, NOTHING) if place.is_nothing() else place.own_text()


def _entry_name(place: Place, names: Names) -> Input | None:
    name = place.get("name")
    if name is None:
        return None
    is_input = isinstance(name.node, MappingNode)
    found = read(name, names) if is_input else Literal(name.own_text())
    return None if found == NOTHING else found


def check_uses(
    uses: Iterable[Use], steps: Mapping[str, Seen], at: Seen, loops: tuple[str, ...]
) -> None:
    """Say which of the references made by the step `at`, inside `loops`, lead nowhere.

    A step inside a branch or loop that stands before counts, since it may have run.
    """
    for place, reference in uses:
        written = shown(f"{reference.step}.{reference.kind}")
        found = steps.get(reference.step)
        if found is None:
            place.wrong(f"the reference {written} names no step of the flow")
        elif found.position == at.position:
            place.wrong(f"the reference {written} is to the step itself")
        elif found.position > at.position:
            after = f"which stands after it, on line {found.line}"
            place.wrong(f"the reference {written} is to the step {shown(found.name)}, {after}")
        elif reference.kind != "results" and reference.step not in loops:
            place.wrong(f"the reference {written} stands outside the loop {shown(found.name)}")
