"""Inputs: what a step's inputs come to, given the results so far and the configuration. Pure.

A reference to something that is not there, a step that did not run included, gives None.
"""

from collections.abc import Mapping
from typing import assert_never

from schemas.definitions import (
    Complex,
    ConfigVar,
    Entry,
    Input,
    Item,
    Literal,
    Pair,
    Reference,
    Template,
)
from schemas.values import Value, to_text

Results = Mapping[str, Mapping[str, Value]]
Config = Mapping[str, Value]

HEADERS = "headers"


def resolve(given: Input, results: Results, config: Config) -> Value:
    """The value of one input; a complex one gives a list (definitions.Pair where named)."""
    match given:
        case Literal(text):
            return text
        case Reference():
            return look_up(given, results)
        case ConfigVar(key):
            return config.get(key)
        case Template(parts):
            return "".join(_part(part, results, config) for part in parts)
        case Complex(items):
            return [_item(item, results, config) for item in items]
        case _:
            assert_never(given)


def look_up(reference: Reference, results: Results) -> Value:
    """Follow the path of a reference: keys of dicts, indexes of lists.

    In a dict called `headers` a name that is not there is looked for in any case.
    """
    value: Value = results.get(reference.step, {}).get(reference.kind)
    among = ""
    for segment in reference.path:
        if isinstance(value, Mapping):
            if segment not in value and among == HEADERS:
                segment = _spelt(segment, value)
            value = value.get(segment)
        elif isinstance(value, list | tuple) and segment.isdecimal():
            index = int(segment)
            value = value[index] if index < len(value) else None
        else:
            return None
        among = segment
    return value


def _spelt(name: str, headers: Mapping[str, Value]) -> str:
    """The name as the headers have it: case does not count in them (RFC 9110, 5.1)."""
    lower = name.lower()
    return next((known for known in headers if known.lower() == lower), name)


def _part(part: str | Reference | ConfigVar, results: Results, config: Config) -> str:
    return part if isinstance(part, str) else to_text(resolve(part, results, config))


def _item(item: Item, results: Results, config: Config) -> Value:
    if isinstance(item, str):
        return item
    if isinstance(item, Entry):
        found = resolve(item.value, results, config)
        value = _nested(found) if isinstance(item.value, Complex) else found
        if item.name is None:
            return value
        return Pair(to_text(resolve(item.name, results, config)), value)
    return [_item(inner, results, config) for inner in item]


def _nested(value: Value) -> Value:
    """A list within a list: an object where its entries are named; conditions stay as they are."""
    if isinstance(value, list) and value and all(isinstance(one, Pair) for one in value):
        return {one.name: one.value for one in value}
    return value
