"""Literal inputs: which inputs a definition spells out that no run of their step could take. Pure.

Takes in a step's component, action and inputs, before anything has run; gives out what is wrong
with which of them. What depends on results or on the configuration is known only at a run, and
what an action requires may be filled in later.
"""

from collections.abc import Callable, Iterator, Mapping

from processors.actions import Action, StepError
from processors.cleaning import clean_one
from processors.recorded_inputs import varies
from schemas.definitions import Input
from schemas.inputs import resolve

Find = Callable[[str, str], Action | None]


def checks(find: Find) -> Callable[[str, str, Mapping[str, Input]], Iterator[tuple[str, str]]]:
    """What checks the steps of a file against the actions that `find` knows."""

    def check(component: str, action: str, given: Mapping[str, Input]) -> Iterator[tuple[str, str]]:
        found = find(component, action)
        return _problems(found, given) if found is not None else iter(())

    return check


def _problems(action: Action, given: Mapping[str, Input]) -> Iterator[tuple[str, str]]:
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
