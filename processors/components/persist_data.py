"""Persist data: values kept for one execution, a flow, all flows of an instance, or an integration.

Each action exists once per scope: `getExecutionValue`, `getInstanceValue` (the flow, by its
historic name), `getCrossFlowValue` and `getIntegrationValue`. Reading goes through the context,
writing is a Change. What all instances of an integration share is elsewhere: such an action asks
for it (World.shared_state), and `perform_shared` is what its owner does. Else pure.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from processors import cleaning
from processors.actions import (
    Action,
    Context,
    Input,
    Kind,
    Outcome,
    Runs,
    StepError,
    World,
)
from processors.components import persisted_values
from schemas.events import Scope
from schemas.instants import Instant
from schemas.values import Value

_COMPONENT = "persist-data"
ALL_SHARED = "allIntegrationValues"
"""Asks for every value that the instances of an integration share; no step can name it."""

SAVE_SHARED = "saveIntegrationValue"
_SCOPES = (
    (Scope.EXECUTION, "Execution", "Execution"),
    (Scope.FLOW, "Instance", "Flow"),
    (Scope.CROSS_FLOW, "CrossFlow", "Cross Flow"),
    (Scope.INTEGRATION, "Integration", "Integration"),
)
"""Scope, how keys of actions name it, how people do."""


@dataclass(frozen=True, slots=True)
class _Template:
    """One action before its scope; `key` and `label` hold a place for the scope's name."""

    key: str
    label: str
    description: str
    perform: persisted_values.Perform
    inputs: tuple[Input, ...]


_KEY = Input(
    key="keyInput",
    label="Key",
    description="The name under which the value is kept.",
    example="lastRun",
)
_VALUE = Input(
    key="valueInput",
    label="Value",
    kind=Kind.ANY,
    default="",
    keeps_null=True,
    description="What is kept.",
    example="2026-01-31",
)
_AMOUNT = Input(
    key="amountInput",
    label="Amount",
    kind=Kind.NUMBER,
    default=1,
    description="By how much the number changes; one that is not there yet counts as 0.",
    example="5",
)
_TEMPLATES = (
    _Template(
        "get{}Value",
        "{} - Get Value",
        "Gives the value of a key, or the default where there is none.",
        persisted_values.get_value,
        (
            _KEY,
            Input(
                key="defaultValueInput",
                label="Default Value",
                kind=Kind.ANY,
                description="What to give where the key has no value.",
                example="0",
            ),
        ),
    ),
    _Template(
        "save{}Value",
        "{} - Save Value",
        "Keeps a value, or several; gives an object with `value`.",
        persisted_values.save,
        (
            _KEY,
            _VALUE,
            Input(
                key="dynamicValues",
                label="Dynamic Values",
                kind=Kind.PAIRS,
                description="Keys and values to keep instead of the one above.",
                example="lastRun: 2026-01-31",
            ),
        ),
    ),
    _Template(
        "append{}ValueToList",
        "{} - Append Value to List",
        "Adds a value to the end of the list that a key holds; gives the list.",
        persisted_values.append_one,
        (_KEY, _VALUE),
    ),
    _Template(
        "append{}ValuesToList",
        "{} - Append Values to List",
        "Adds values to the end of the list that a key holds; gives the list.",
        persisted_values.append_many,
        (
            _KEY,
            Input(
                key="valuesInput",
                label="Values",
                kind=Kind.LIST,
                description="The values to add.",
                example="[1, 2]",
            ),
            Input(
                key="dynamicValues",
                label="Dynamic Values",
                kind=Kind.LIST,
                description="A list of values to add instead of those above.",
                example="[1, 2]",
            ),
            Input(
                key="flatten",
                label="Flatten",
                kind=Kind.BOOLEAN,
                default=False,
                description="Adds the members of values that are lists, not the lists.",
                example="true",
            ),
        ),
    ),
    _Template(
        "add{}ValueToSet",
        "{} - Add Value to Set",
        "Adds a value to the list that a key holds, unless it is there; gives the list.",
        persisted_values.add_to_set,
        (_KEY, _VALUE),
    ),
    _Template(
        "remove{}ValueFromSet",
        "{} - Remove Value from Set",
        "Takes a value out of the set that a key holds; gives what is left as a list.",
        persisted_values.take_out,
        (_KEY, _VALUE),
    ),
    _Template(
        "remove{}ValueFromList",
        "{} - Remove Value from List",
        "Takes a value out of the list that a key holds, wherever it is there; gives the rest.",
        persisted_values.take_out,
        (_KEY, _VALUE),
    ),
    _Template(
        "save{}CurrentTime",
        "{} - Save Current Time",
        "Keeps the time of this step in ISO 8601; gives an object with `value`.",
        persisted_values.save_time,
        (_KEY,),
    ),
    _Template(
        "clearAll{}Values",
        "{} - Clear All Values",
        "Removes every key of this scope.",
        persisted_values.clear,
        (),
    ),
    _Template(
        "increment{}Value",
        "{} - Increment Value",
        "Adds to the number that a key holds; gives the new number.",
        persisted_values.increment,
        (_KEY, _AMOUNT),
    ),
    _Template(
        "decrement{}Value",
        "{} - Decrement Value",
        "Takes from the number that a key holds; gives the new number.",
        persisted_values.decrement,
        (_KEY, _AMOUNT),
    ),
    _Template(
        "remove{}Value",
        "{} - Remove Value",
        "Removes a key, or several, with what they hold.",
        persisted_values.remove,
        (
            _KEY,
            Input(
                key="keysInput",
                label="Keys",
                kind=Kind.LIST,
                description="Keys to remove instead of the one above.",
                example='["lastRun", "cursor"]',
            ),
        ),
    ),
    _Template(
        "list{}Keys",
        "{} - List Keys",
        "Gives all keys that have a value, in order.",
        persisted_values.list_keys,
        (),
    ),
)


def perform_shared(
    key: str, inputs: Mapping[str, Value], values: Mapping[str, Value], now: Instant
) -> Outcome:
    """What the owner of an integration's values does for the action `key` of a step."""
    if key == ALL_SHARED:
        return Outcome(result=dict(values))
    action, template = _SHARED[key]
    cleaned = cleaning.clean(action, inputs)
    return template.perform(Scope.INTEGRATION, cleaned, persisted_values.Shared(values, now))


def _action(template: _Template, scope: Scope, named: str, shown: str) -> Action:
    key = template.key.format(named)
    more: dict[str, Any] = {
        "component": _COMPONENT,
        "key": key,
        "label": template.label.format(shown),
        "description": template.description,
        "inputs": template.inputs,
    }

    def perform(inputs: Mapping[str, Any], context: Context) -> Outcome:
        return template.perform(scope, inputs, context)

    async def ask(inputs: Mapping[str, Any], context: Context, world: World) -> Outcome:
        if world.shared_state is None:
            raise StepError("values of an integration cannot be reached here")
        return Outcome(result=await world.shared_state(context, key, inputs))

    if scope is Scope.INTEGRATION:
        return Action(perform=ask, runs=Runs.ASYNC, **more)
    return Action(perform=perform, **more)


_BY_SCOPE = [(_action(template, *scope), template) for template in _TEMPLATES for scope in _SCOPES]
_SHARED = {
    action.key: (action, template) for action, template in _BY_SCOPE if action.runs is Runs.ASYNC
}
ACTIONS = tuple(action for action, _ in _BY_SCOPE)
