"""Manifests: what a Python file or package declares, as data that says it without running it.

Takes in an `Integration` or a `Component`; gives out JSON: of an integration the tree of an
integration file (platform-behaviour, section 8) whose flows have their trigger for only step, of a
component its actions, triggers and connections with their inputs.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from penstock import sdk
from penstock.sdk_inputs import Declared
from schemas.definitions import OWN


class Undeclared(Exception):
    """What the file declares is not what it should; `line` is where, 1 where nobody knows."""

    def __init__(self, message: str, line: int = 1, path: str = "integration") -> None:
        super().__init__(message)
        self.line = line
        self.path = path


def of_integration(found: Any) -> dict[str, Any]:
    """The manifest of what stands under the name `integration`. Raises Undeclared."""
    if not isinstance(found, sdk.Integration):
        kind = "is missing" if found is None else f"is of type {type(found).__name__}"
        needed = "the file needs a @flow(trigger=...), or `integration = Integration(...)`"
        raise Undeclared(f"integration {kind}; {needed}")
    for index, flow in enumerate(found.flows):
        if not isinstance(flow, sdk.Flow):
            message = f"{flow!r} is no flow: put @flow(trigger=...) above its function"
            raise Undeclared(message, path=f"integration.flows[{index}]")
    return {
        "definitionVersion": 7,
        "name": found.name,
        "description": found.description,
        "category": found.category,
        "version": found.version,
        "requiredConfigVars": [_config_var(one) for one in found.config],
        "flows": [_flow(one, found) for one in found.flows],
        "python": of_component(sdk.component(OWN, triggers=found.triggers)),
    }


def of_component(found: Any) -> dict[str, Any]:
    """The manifest of one component. Raises Undeclared."""
    if not isinstance(found, sdk.Component):
        raise Undeclared(f"{type(found).__name__} is no component: use penstock.sdk.component()")
    return {
        "key": found.key,
        "label": found.label,
        "description": found.description,
        "actions": [_action(one) for one in _declared(found.actions, sdk.Action, found.key)],
        "triggers": [_action(one) for one in _declared(found.triggers, sdk.Action, found.key)],
        "connections": [
            {"key": one.key, "label": one.label, "inputs": _inputs(one.inputs)}
            for one in _declared(found.connections, sdk.Connection, found.key)
        ],
    }


def _declared(given: Sequence[Any], kind: type, component: str) -> Sequence[Any]:
    for one in given:
        if not isinstance(one, kind):
            raise Undeclared(f"component {component!r}: {one!r} is no {kind.__name__.lower()}")
    return given


def _action(one: sdk.Action) -> dict[str, Any]:
    return {
        "key": one.key,
        "label": one.label,
        "description": one.description,
        "inputs": _inputs(one.inputs),
        "pure": one.pure,
        "atMostOnce": one.at_most_once,
        "timeout": one.timeout,
        "isTrigger": one.is_trigger,
        "scheduleSupport": one.schedule_support,
        "synchronousSupport": one.synchronous_support,
        "branches": list(one.branches),
        "responds": one.responds,
        "polls": one.polls,
        "batches": one.batches,
        "hooks": list(one.hooks),
    }


def _inputs(inputs: Sequence[Declared]) -> list[dict[str, Any]]:
    return [
        {
            "key": one.key,
            "label": one.label,
            "kind": one.kind,
            "default": one.default,
            "required": bool(one.required),
            "description": one.description,
            "example": one.example,
            "secret": one.secret,
        }
        for one in inputs
    ]


def _config_var(one: sdk.ConfigVar) -> dict[str, Any]:
    written: dict[str, Any] = {
        "key": one.key,
        "dataType": "connection" if one.connection else one.data_type,
        "description": one.description,
    }
    if one.default is not None:
        written["defaultValue"] = one.default
    if one.connection:
        component, key = one.connection
        written["connection"] = {"component": {"key": component}, "key": key}
        written["inputs"] = _given(one.fields)
    return written


def _flow(flow: sdk.Flow, found: sdk.Integration) -> dict[str, Any]:
    start = flow.trigger
    own = {one.key for one in found.triggers}
    if start.component == OWN and start.action not in own:
        message = f"flow {flow.name!r}: list its trigger {start.action!r} in Integration(triggers=)"
        raise Undeclared(message, flow.line, f"integration.flows.{flow.name}")
    step: dict[str, Any] = {
        "name": "Trigger",
        "isTrigger": True,
        "action": {"key": start.action, "component": {"key": start.component}},
        "inputs": _given(start.inputs),
    }
    if start.component == OWN:
        step["answers"] = any(one.responds for one in found.triggers if one.key == start.action)
    if start.schedule is not None:
        step["schedule"] = dict(start.schedule)
    written: dict[str, Any] = {
        "name": flow.name,
        "description": flow.description,
        "stableKey": flow.stable_key,
        "isSynchronous": start.is_synchronous,
        "endpointSecurityType": start.security,
        "steps": [step],
    }
    if start.batch_size:
        written["triggerResolver"] = {
            "enabled": True,
            "batchSize": start.batch_size,
            "concurrentBatchLimit": start.batches_at_once,
        }
    return written


def _given(inputs: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: {"type": "configVar", "value": given.key}
        if isinstance(given, sdk.ConfigVar)
        else {"type": "value", "value": _text(given)}
        for name, given in inputs.items()
    }


def _text(given: Any) -> str:
    """As texts stand in integration files: booleans in small letters."""
    return str(given).lower() if isinstance(given, bool) else str(given)
