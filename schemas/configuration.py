"""Configuration: what an instance's config variables come to, and which texts are secret; pure.

Takes in the opened seal of a deployment and its definition; gives out a value for every variable,
connections as their fields over the defaults of the definition.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from schemas.definitions import Definition, Literal
from schemas.values import Value


@dataclass(slots=True, frozen=True)
class Configuration:
    """One instance's configuration in one version of its integration."""

    values: Mapping[str, Value]
    secrets: frozenset[str]
    api_keys: Mapping[str, Sequence[str]]


def configured(opened: Mapping[str, Any], definition: Definition) -> Configuration:
    given: Mapping[str, Any] = opened.get("config", {})
    api_keys: Mapping[str, Sequence[str]] = opened.get("api_keys", {})
    config: dict[str, Any] = {}
    secrets: set[str] = {key for keys in api_keys.values() for key in keys}
    for variable in definition.config_vars:
        value = given.get(variable.key, variable.default)
        if variable.connection is not None or isinstance(value, dict):
            defaults = {
                name: known.text
                for name, known in variable.inputs.items()
                if isinstance(known, Literal)
            }
            fields = value if isinstance(value, dict) else {}
            secrets.update(text for text in fields.values() if isinstance(text, str) and text)
            value = defaults | fields
        config[variable.key] = value
    return Configuration(config, frozenset(secrets), api_keys)
