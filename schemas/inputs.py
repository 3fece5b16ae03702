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
    """Follow the path of a reference: keys of dicts, indexes of lists."""
    value: Value = results.get(reference.step, {}).get(reference.kind)
    for segment in reference.path:
        if isinstance(value, Mapping):
            value = value.get(segment)
        elif isinstance(value, list | tuple) and segment.isdecimal():
            index = int(segment)
            value = value[index] if index < len(value) else None
        else:
            return None
    return value


def _part(part: str | Reference | ConfigVar, results: Results, config: Config) -> str:
    return part if isinstance(part, str) else to_text(resolve(part, results, config))


def _item(item: Item, results: Results, config: Config) -> Value:
    if isinstance(item, str):
        return item
    if isinstance(item, Entry):
        value = resolve(item.value, results, config)
        if item.name is None:
            return value
        return Pair(to_text(resolve(item.name, results, config)), value)
    return [_item(inner, results, config) for inner in item]
