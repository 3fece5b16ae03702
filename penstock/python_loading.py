"""Loading: an author's file or the installed packages, run once in a process of their own.

Takes in what to load; gives out the objects, and either their manifest or what is wrong, with the
line. Nothing here is called in a server's process.
"""

import sys
import traceback
import types
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import metadata
from typing import Any

from penstock import manifests, sdk
from schemas.definitions import OWN

PATH = "<integration>"
"""The name of an author's file in tracebacks."""

MODULE = "penstock_integration"


@dataclass(slots=True)
class Loaded:
    """What can be run here: flows by name, actions and triggers by component and key."""

    flows: dict[str, sdk.Flow] = field(default_factory=dict)
    actions: dict[tuple[str, str], sdk.Action] = field(default_factory=dict)

    def add(self, component: sdk.Component) -> None:
        for action in (*component.actions, *component.triggers):
            self.actions[component.key, action.key] = action


def load(told: Mapping[str, Any]) -> tuple[Loaded | None, dict[str, Any]]:
    """What was asked for, and what is to be said of it."""
    return _packages() if told.get("packages") else _file(told["source"])


def _file(source: str) -> tuple[Loaded | None, dict[str, Any]]:
    module = types.ModuleType(MODULE)
    sys.modules[MODULE] = module
    try:
        exec(compile(source, PATH, "exec"), module.__dict__)
        integration = _declared(module)
        manifest = manifests.of_integration(integration)
    except manifests.Undeclared as error:
        return None, {"problems": [_problem(str(error), error.line, error.path)]}
    except SyntaxError as error:
        return None, {"problems": [_problem(f"{error.msg}", error.lineno or 1, "")]}
    except BaseException as error:  # noqa: BLE001  # also where the file ends its process
        message = f"the file does not run: {type(error).__name__}: {error}"
        return None, {"problems": [_problem(message, _line_of(error), "")]}
    loaded = loaded_of(integration)
    lines = {flow.name: flow.line for flow in integration.flows}
    return loaded, {"manifest": manifest, "lines": lines}


def _declared(module: types.ModuleType) -> Any:
    """What stands under `integration`; else all of the file's flows, named after the first."""
    given = vars(module).get("integration")
    flows = [one for one in vars(module).values() if isinstance(one, sdk.Flow)]
    if given is not None or not flows:
        return given
    first = min(flows, key=lambda flow: flow.line)
    triggers = [one for one in vars(module).values() if isinstance(one, sdk.Action)]
    own = tuple(one for one in triggers if one.is_trigger)
    return sdk.Integration(name=first.name, flows=flows, triggers=own)


def loaded_of(integration: sdk.Integration) -> Loaded:
    """What can be run of an integration."""
    loaded = Loaded(flows={flow.name: flow for flow in integration.flows})
    loaded.add(sdk.component(OWN, triggers=integration.triggers))
    return loaded


def _packages() -> tuple[Loaded, dict[str, Any]]:
    loaded, found, broken = Loaded(), list[dict[str, Any]](), list[dict[str, str]]()
    for point in metadata.entry_points(group=sdk.COMPONENTS):
        try:
            component = point.load()
            manifest = manifests.of_component(component)
        except BaseException as error:  # noqa: BLE001  # one broken package stops no other
            broken.append({"name": point.name, "error": f"{type(error).__name__}: {error}"})
            continue
        loaded.add(component)
        found.append(manifest)
    return loaded, {"manifest": found, "broken": broken}


def _problem(message: str, line: int, path: str) -> dict[str, Any]:
    return {"message": message, "line": line, "path": path}


def _line_of(error: BaseException) -> int:
    frames = traceback.extract_tb(error.__traceback__)
    lines = [frame.lineno for frame in frames if frame.filename == PATH]
    return (lines[-1] if lines else None) or 1
