"""Persist data: values kept for one execution, one flow of an instance, or all its flows; pure.

Each action exists once per scope: `getExecutionValue`, `getInstanceValue` (the flow, by its
historic name) and `getCrossFlowValue`. Reading goes through the context, writing is a Change.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from processors import cleaning
from processors.actions import Action, Change, Context, Input, Kind, Outcome, StepError
from schemas.definitions import Pair
from schemas.events import Scope
from schemas.values import Value

_SHOWN = 200
_SCOPES = (
    (Scope.EXECUTION, "Execution", "Execution"),
    (Scope.FLOW, "Instance", "Flow"),
    (Scope.CROSS_FLOW, "CrossFlow", "Cross Flow"),
)
"""Scope, how keys of actions name it, how people do."""

Perform = Callable[[Scope, Mapping[str, Any], Context], Outcome]


@dataclass(frozen=True, slots=True)
class _Template:
    """One action before its scope; `key` and `label` hold a place for the scope's name."""

    key: str
    label: str
    description: str
    perform: Perform
    inputs: tuple[Input, ...]


def _get(scope: Scope, inputs: Mapping[str, Any], context: Context) -> Outcome:
    value = context.state(scope).get(inputs["keyInput"])
    return Outcome(result=inputs["defaultValueInput"] if value is None else value)


def _save(scope: Scope, inputs: Mapping[str, Any], _context: Context) -> Outcome:
    dynamic = _by_name(inputs["dynamicValues"])
    if dynamic:
        return Outcome(result={"value": dynamic}, changes=_writes(scope, dynamic))
    value = inputs["valueInput"]
    return Outcome(result={"value": value}, changes=_writes(scope, {_key(inputs): value}))


def _append_one(scope: Scope, inputs: Mapping[str, Any], context: Context) -> Outcome:
    return _append(scope, _key(inputs), [inputs["valueInput"]], context)


def _append_many(scope: Scope, inputs: Mapping[str, Any], context: Context) -> Outcome:
    values = inputs["dynamicValues"] or inputs["valuesInput"]
    if inputs["flatten"]:
        values = [inner for value in values for inner in _flat(value)]
    return _append(scope, _key(inputs), values, context)


def _append(scope: Scope, key: str, values: Iterable[Value], context: Context) -> Outcome:
    current = context.state(scope).get(key)
    if not isinstance(current, list | None):
        raise StepError(f"Key {key!r} does not hold a list: {_shown(current)}")
    extended = [*(current or ()), *values]
    return Outcome(result=extended, changes=_writes(scope, {key: extended}))


def _flat(value: Value) -> list[Value]:
    return value if isinstance(value, list) else [value]


def _increment(scope: Scope, inputs: Mapping[str, Any], context: Context) -> Outcome:
    return _add(scope, _key(inputs), inputs["amountInput"], context)


def _decrement(scope: Scope, inputs: Mapping[str, Any], context: Context) -> Outcome:
    return _add(scope, _key(inputs), -inputs["amountInput"], context)


def _add(scope: Scope, key: str, amount: float, context: Context) -> Outcome:
    total = _number(key, context.state(scope).get(key)) + amount
    return Outcome(result=total, changes=_writes(scope, {key: total}))


def _number(key: str, value: Value) -> float:
    try:
        return cleaning.to_number(0 if value is None or value == "" else value)
    except ValueError as error:
        raise StepError(f"Key {key!r} does not hold a number: {_shown(value)}") from error


def _remove(scope: Scope, inputs: Mapping[str, Any], context: Context) -> Outcome:
    keys = [cleaning.to_text(key) for key in inputs["keysInput"]] or [_key(inputs)]
    state = context.state(scope)
    return Outcome(changes=tuple(Change(scope, key, removed=True) for key in keys if key in state))


def _list_keys(scope: Scope, _inputs: Mapping[str, Any], context: Context) -> Outcome:
    return Outcome(result=sorted(context.state(scope)))


def _key(inputs: Mapping[str, Any]) -> str:
    key: str = inputs["keyInput"]
    if not key:
        raise StepError("Key (keyInput) is required, and the step gives none")
    return key


def _by_name(pairs: Iterable[Pair]) -> dict[str, Value]:
    return {pair.name: pair.value for pair in pairs}


def _writes(scope: Scope, values: Mapping[str, Value]) -> tuple[Change, ...]:
    """A null removes its key (platform-behaviour, 6.8)."""
    return tuple(Change(scope, key, value, removed=value is None) for key, value in values.items())


def _shown(value: Value) -> str:
    return repr(value)[:_SHOWN]


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
        _get,
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
        _save,
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
        _append_one,
        (_KEY, _VALUE),
    ),
    _Template(
        "append{}ValuesToList",
        "{} - Append Values to List",
        "Adds values to the end of the list that a key holds; gives the list.",
        _append_many,
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
        "increment{}Value",
        "{} - Increment Value",
        "Adds to the number that a key holds; gives the new number.",
        _increment,
        (_KEY, _AMOUNT),
    ),
    _Template(
        "decrement{}Value",
        "{} - Decrement Value",
        "Takes from the number that a key holds; gives the new number.",
        _decrement,
        (_KEY, _AMOUNT),
    ),
    _Template(
        "remove{}Value",
        "{} - Remove Value",
        "Removes a key, or several, with what they hold.",
        _remove,
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
        _list_keys,
        (),
    ),
)


def _action(template: _Template, scope: Scope, named: str, shown: str) -> Action:
    def perform(inputs: Mapping[str, Any], context: Context) -> Outcome:
        return template.perform(scope, inputs, context)

    return Action(
        component="persist-data",
        key=template.key.format(named),
        label=template.label.format(shown),
        description=template.description,
        perform=perform,
        inputs=template.inputs,
    )


ACTIONS = tuple(_action(template, *scope) for template in _TEMPLATES for scope in _SCOPES)
