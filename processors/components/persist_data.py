"""Persist data: values kept for one execution, a flow, all flows of an instance, or an integration.

Each action exists once per scope: `getExecutionValue`, `getInstanceValue` (the flow, by its
historic name), `getCrossFlowValue` and `getIntegrationValue`. Reading goes through the context,
writing is a Change. What all instances of an integration share is elsewhere: such an action asks
for it (World.shared_state), and `perform_shared` is what its owner does. Else pure.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from processors import cleaning
from processors.actions import (
    RESERVED_KEYS,
    Action,
    Change,
    Context,
    Input,
    Kind,
    Outcome,
    Runs,
    StepError,
    World,
)
from schemas.definitions import Pair
from schemas.events import Scope
from schemas.instants import Instant, to_iso
from schemas.values import Value, dump

_SHOWN = 200
_COMPONENT = "persist-data"
_SCOPES = (
    (Scope.EXECUTION, "Execution", "Execution"),
    (Scope.FLOW, "Instance", "Flow"),
    (Scope.CROSS_FLOW, "CrossFlow", "Cross Flow"),
    (Scope.INTEGRATION, "Integration", "Integration"),
)
"""Scope, how keys of actions name it, how people do."""


class Here(Protocol):
    """What these actions need of a Context: the values of a scope, and the time."""

    @property
    def state(self) -> Callable[[Scope], Mapping[str, Value]]: ...
    @property
    def now(self) -> Instant: ...


@dataclass(frozen=True, slots=True)
class _Shared:
    """Values that have come from elsewhere, and when they were asked for."""

    values: Mapping[str, Value]
    now: Instant

    def state(self, _scope: Scope) -> Mapping[str, Value]:
        return self.values


Perform = Callable[[Scope, Mapping[str, Any], Here], Outcome]


@dataclass(frozen=True, slots=True)
class _Template:
    """One action before its scope; `key` and `label` hold a place for the scope's name."""

    key: str
    label: str
    description: str
    perform: Perform
    inputs: tuple[Input, ...]


def _get(scope: Scope, inputs: Mapping[str, Any], context: Here) -> Outcome:
    value = context.state(scope).get(inputs["keyInput"])
    return Outcome(result=inputs["defaultValueInput"] if value is None else value)


def _save(scope: Scope, inputs: Mapping[str, Any], _context: Here) -> Outcome:
    dynamic = _by_name(inputs["dynamicValues"])
    if dynamic:
        return Outcome(result={"value": dynamic}, changes=_writes(scope, dynamic))
    value = inputs["valueInput"]
    return Outcome(result={"value": value}, changes=_writes(scope, {_key(inputs): value}))


def _append_one(scope: Scope, inputs: Mapping[str, Any], context: Here) -> Outcome:
    return _append(scope, _key(inputs), [inputs["valueInput"]], context)


def _append_many(scope: Scope, inputs: Mapping[str, Any], context: Here) -> Outcome:
    values = inputs["dynamicValues"] or inputs["valuesInput"]
    if inputs["flatten"]:
        values = [inner for value in values for inner in _flat(value)]
    return _append(scope, _key(inputs), values, context)


def _append(scope: Scope, key: str, values: Iterable[Value], context: Here) -> Outcome:
    extended = [*_list(key, context.state(scope).get(key)), *values]
    return Outcome(result=extended, changes=_writes(scope, {key: extended}))


def _add_to_set(scope: Scope, inputs: Mapping[str, Any], context: Here) -> Outcome:
    key, value = _key(inputs), inputs["valueInput"]
    held = _list(key, context.state(scope).get(key))
    if any(_is_same(member, value) for member in held):
        return Outcome(result=held)
    return _append(scope, key, [value], context)


def _take_out(scope: Scope, inputs: Mapping[str, Any], context: Here) -> Outcome:
    key, value = _key(inputs), inputs["valueInput"]
    held = _list(key, context.state(scope).get(key))
    kept = [member for member in held if not _is_same(member, value)]
    return Outcome(
        result=kept, changes=_writes(scope, {key: kept}) if len(kept) < len(held) else ()
    )


def _list(key: str, current: Value) -> list[Value]:
    if not isinstance(current, list | None):
        raise StepError(f"Key {key!r} does not hold a list: {_shown(current)}")
    return list(current or ())


def _is_same(left: Value, right: Value) -> bool:
    """Equal as JSON has it: true is not 1."""
    return bool(left == right) and dump(left) == dump(right)


def _flat(value: Value) -> list[Value]:
    return value if isinstance(value, list) else [value]


def _increment(scope: Scope, inputs: Mapping[str, Any], context: Here) -> Outcome:
    return _add(scope, _key(inputs), inputs["amountInput"], context)


def _decrement(scope: Scope, inputs: Mapping[str, Any], context: Here) -> Outcome:
    return _add(scope, _key(inputs), -inputs["amountInput"], context)


def _add(scope: Scope, key: str, amount: float, context: Here) -> Outcome:
    total = _number(key, context.state(scope).get(key)) + amount
    return Outcome(result=total, changes=_writes(scope, {key: total}))


def _number(key: str, value: Value) -> float:
    try:
        return cleaning.to_number(0 if value is None or value == "" else value)
    except ValueError as error:
        raise StepError(f"Key {key!r} does not hold a number: {_shown(value)}") from error


def _remove(scope: Scope, inputs: Mapping[str, Any], context: Here) -> Outcome:
    keys = [cleaning.to_text(key) for key in inputs["keysInput"]] or [_key(inputs)]
    state = context.state(scope)
    return Outcome(changes=tuple(Change(scope, key, removed=True) for key in keys if key in state))


def _save_time(scope: Scope, inputs: Mapping[str, Any], context: Here) -> Outcome:
    now = to_iso(context.now)
    return Outcome(result={"value": now}, changes=_writes(scope, {_key(inputs): now}))


def _clear(scope: Scope, _inputs: Mapping[str, Any], context: Here) -> Outcome:
    keys = _own_keys(scope, context)
    return Outcome(changes=tuple(Change(scope, key, removed=True) for key in keys))


def _list_keys(scope: Scope, _inputs: Mapping[str, Any], context: Here) -> Outcome:
    return Outcome(result=sorted(_own_keys(scope, context)))


def _own_keys(scope: Scope, context: Here) -> list[str]:
    """Without what triggers keep beside them: the state of a poll, the cursor of a recursion."""
    return [key for key in context.state(scope) if key not in RESERVED_KEYS]


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
        "add{}ValueToSet",
        "{} - Add Value to Set",
        "Adds a value to the list that a key holds, unless it is there; gives the list.",
        _add_to_set,
        (_KEY, _VALUE),
    ),
    _Template(
        "remove{}ValueFromSet",
        "{} - Remove Value from Set",
        "Takes a value out of the set that a key holds; gives what is left as a list.",
        _take_out,
        (_KEY, _VALUE),
    ),
    _Template(
        "remove{}ValueFromList",
        "{} - Remove Value from List",
        "Takes a value out of the list that a key holds, wherever it is there; gives the rest.",
        _take_out,
        (_KEY, _VALUE),
    ),
    _Template(
        "save{}CurrentTime",
        "{} - Save Current Time",
        "Keeps the time of this step in ISO 8601; gives an object with `value`.",
        _save_time,
        (_KEY,),
    ),
    _Template(
        "clearAll{}Values",
        "{} - Clear All Values",
        "Removes every key of this scope.",
        _clear,
        (),
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


def perform_shared(
    key: str, inputs: Mapping[str, Value], values: Mapping[str, Value], now: Instant
) -> Outcome:
    """What the owner of an integration's values does for the action `key` of a step."""
    action, template = _SHARED[key]
    cleaned = cleaning.clean(action, inputs)
    return template.perform(Scope.INTEGRATION, cleaned, _Shared(values, now))


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
