"""Configuration: what an instance's config variables come to, and which texts are secret; pure.

Takes in the opened seal of a deployment and its definition; gives out a value for every variable,
typed (schemas.config_values); connections as their fields over the defaults of the definition,
which may be built from one another and from other config variables.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from schemas import config_values
from schemas.definitions import (
    ConfigVar,
    Definition,
    Literal,
    Reference,
    RequiredConfigVar,
    Template,
)
from schemas.values import Value, to_text


@dataclass(slots=True, frozen=True)
class Configuration:
    """One instance's configuration in one version of its integration."""

    values: Mapping[str, Value]
    secrets: frozenset[str]
    api_keys: Mapping[str, Sequence[str]]


def configured(opened: Mapping[str, Any], definition: Definition) -> Configuration:
    given: Mapping[str, Any] = opened.get("config", {})
    api_keys: Mapping[str, Sequence[str]] = opened.get("api_keys", {})
    values = _Values({variable.key: variable for variable in definition.config_vars}, given)
    config = {variable.key: values.of(variable.key) for variable in definition.config_vars}
    secrets: set[str] = {key for keys in api_keys.values() for key in keys}
    for variable in definition.config_vars:
        if _is_connection(variable):
            secrets.update(_texts(_typed(variable, given.get(variable.key))))
    return Configuration(config, frozenset(secrets), api_keys)


class _Values:
    """The values of config variables, each worked out once and when something needs it."""

    def __init__(
        self, variables: Mapping[str, RequiredConfigVar], given: Mapping[str, Any]
    ) -> None:
        self._variables = variables
        self._given = given
        self._known: dict[str, Value] = {}
        self._under_way: set[tuple[str, str]] = set()

    def of(self, key: str) -> Value:
        """None for a variable that is not there, and within itself for one in a circle."""
        variable = self._variables.get(key)
        if variable is None or (key, "") in self._under_way:
            return None
        if key not in self._known:
            self._under_way.add((key, ""))
            self._known[key] = self._worked_out(variable)
            self._under_way.discard((key, ""))
        return self._known[key]

    def _worked_out(self, variable: RequiredConfigVar) -> Value:
        value = _typed(variable, self._given.get(variable.key, variable.default))
        if not _is_connection(variable):
            return value
        fields = value if isinstance(value, dict) else {}
        return {name: self._field(variable, name, fields) for name in variable.inputs} | fields

    def _field(self, variable: RequiredConfigVar, name: str, fields: Mapping[str, Value]) -> Value:
        """One input of a connection: as given, else what the definition says of it."""
        here = (variable.key, name)
        if name in fields or here in self._under_way:
            return fields.get(name)
        self._under_way.add(here)
        match variable.inputs[name]:
            case Literal(text):
                found: Value = text
            case ConfigVar(key):
                found = self.of(key)
            case Template(parts):
                found = "".join(self._part(variable, part, fields) for part in parts)
            case _:
                found = None
        self._under_way.discard(here)
        return found

    def _part(
        self, variable: RequiredConfigVar, part: str | Reference | ConfigVar, fields: Any
    ) -> str:
        """`{{#name}}` is an input of the same connection, else a config variable."""
        if not isinstance(part, ConfigVar):
            return part if isinstance(part, str) else ""
        if part.key in variable.inputs or part.key in fields:
            return to_text(self._field(variable, part.key, fields))
        return to_text(self.of(part.key))


def _is_connection(variable: RequiredConfigVar) -> bool:
    return variable.connection is not None or variable.data_type == "connection"


def _typed(variable: RequiredConfigVar, given: Value) -> Value:
    """What was deployed under rules of an earlier time may not fit; flows then see it as it is."""
    try:
        return config_values.typed(variable, given)
    except config_values.Unfit:
        return given


def _texts(value: Value) -> Iterator[str]:
    """All texts in a value that are not empty."""
    if isinstance(value, str):
        yield from (value,) if value else ()
    elif isinstance(value, dict):
        for inner in value.values():
            yield from _texts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _texts(inner)
