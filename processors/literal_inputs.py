"""Literal inputs: which inputs a definition spells out that no run of their step could take. Pure.

Takes in a step's component, action and inputs, before anything has run; gives out what is wrong
with which of them. What depends on results or on the configuration is known only at a run, and
what an action requires may be filled in later.
"""

from collections.abc import Callable, Iterator, Mapping

from processors.actions import Action, Kind, StepError
from processors.cleaning import clean_one
from processors.conditions import OPERATORS
from processors.recorded_inputs import varies
from schemas.definitions import Complex, Entry, Input, Item
from schemas.inputs import resolve
from schemas.integration_inputs import CheckStep

Find = Callable[[str, str], Action | None]


def checks(find: Find) -> CheckStep:
    """What checks the steps of a file against the actions that `find` knows."""

    def check(component: str, action: str, given: Mapping[str, Input]) -> Iterator[tuple[str, str]]:
        found = find(component, action)
        if found is not None:
            yield from _unfit(found, given)
            yield from _unknown_operators(found, given)

    return check


def _unfit(action: Action, given: Mapping[str, Input]) -> Iterator[tuple[str, str]]:
    for declared in action.inputs:
        one = given.get(declared.key)
        if one is None or varies(one):
            continue
        value = resolve(one, {}, {})
        if value in ("", []):
            continue
        try:
            clean_one(declared, value)
        except StepError as error:
            yield declared.key, str(error)


def _unknown_operators(action: Action, given: Mapping[str, Input]) -> Iterator[tuple[str, str]]:
    for declared in action.inputs:
        tree = given.get(declared.key)
        if declared.kind is Kind.CONDITIONS and isinstance(tree, Complex):
            for condition in tree.items:
                for name in _heads(condition):
                    if name not in OPERATORS:
                        known = ", ".join(OPERATORS)
                        yield declared.key, f"there is no operator {name!r}; there are {known}"


def _heads(node: Item) -> Iterator[str]:
    """The operators of a condition, as far down as `and` and `or` reach."""
    if isinstance(node, Entry) and isinstance(node.value, Complex):
        node = node.value.items
    if not isinstance(node, tuple) or isinstance(node, Entry) or not node:
        return
    head, *operands = node
    if head in ("and", "or"):
        for operand in operands:
            yield from _heads(operand)
    elif isinstance(head, str):
        yield head
