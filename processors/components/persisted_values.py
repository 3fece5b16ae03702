"""Persisted values: what the actions of persist-data do to the values of one scope; pure.

Takes in a scope, the inputs of an action and the values that are there; gives out a result and the
changes that follow.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from processors import cleaning
from processors.actions import RESERVED_KEYS, Change, Outcome, StepError
from schemas.definitions import Pair
from schemas.events import Scope
from schemas.instants import Instant, to_iso
from schemas.values import Value, dump, shown


class Here(Protocol):
    """What these actions need of a Context: the values of a scope, and the time."""

    @property
    def state(self) -> Callable[[Scope], Mapping[str, Value]]: ...
    @property
    def now(self) -> Instant: ...


@dataclass(frozen=True, slots=True)
class Shared:
    """Values that have come from elsewhere, and when they were asked for."""

    values: Mapping[str, Value]
    now: Instant

    def state(self, _scope: Scope) -> Mapping[str, Value]:
        return self.values


Perform = Callable[[Scope, Mapping[str, Any], Here], Outcome]


def get_value(scope: Scope, inputs: Mapping[str, Any], context: Here) -> Outcome:
    value = context.state(scope).get(inputs["keyInput"])
    return Outcome(result=inputs["defaultValueInput"] if value is None else value)


def save(scope: Scope, inputs: Mapping[str, Any], _context: Here) -> Outcome:
    dynamic = _by_name(inputs["dynamicValues"])
    if dynamic:
        return Outcome(result={"value": dynamic}, changes=_writes(scope, dynamic))
    value = inputs["valueInput"]
    return Outcome(result={"value": value}, changes=_writes(scope, {_key(inputs): value}))


def append_one(scope: Scope, inputs: Mapping[str, Any], context: Here) -> Outcome:
    return _append(scope, _key(inputs), [inputs["valueInput"]], context)


def append_many(scope: Scope, inputs: Mapping[str, Any], context: Here) -> Outcome:
    values = inputs["dynamicValues"] or inputs["valuesInput"]
    if inputs["flatten"]:
        values = [inner for value in values for inner in _flat(value)]
    return _append(scope, _key(inputs), values, context)


def _append(scope: Scope, key: str, values: Iterable[Value], context: Here) -> Outcome:
    extended = [*_list(key, context.state(scope).get(key)), *values]
    return Outcome(result=extended, changes=_writes(scope, {key: extended}))


def add_to_set(scope: Scope, inputs: Mapping[str, Any], context: Here) -> Outcome:
    key, value = _key(inputs), inputs["valueInput"]
    held = _list(key, context.state(scope).get(key))
    if any(_is_same(member, value) for member in held):
        return Outcome(result=held)
    return _append(scope, key, [value], context)


def take_out(scope: Scope, inputs: Mapping[str, Any], context: Here) -> Outcome:
    key, value = _key(inputs), inputs["valueInput"]
    held = _list(key, context.state(scope).get(key))
    kept = [member for member in held if not _is_same(member, value)]
    return Outcome(
        result=kept, changes=_writes(scope, {key: kept}) if len(kept) < len(held) else ()
    )


def _list(key: str, current: Value) -> list[Value]:
    if not isinstance(current, list | None):
        raise StepError(f"Key {key!r} does not hold a list: {shown(current)}")
    return list(current or ())


def _is_same(left: Value, right: Value) -> bool:
    """Equal as JSON has it: true is not 1."""
    return bool(left == right) and dump(left) == dump(right)


def _flat(value: Value) -> list[Value]:
    return value if isinstance(value, list) else [value]


def increment(scope: Scope, inputs: Mapping[str, Any], context: Here) -> Outcome:
    return _add(scope, _key(inputs), inputs["amountInput"], context)


def decrement(scope: Scope, inputs: Mapping[str, Any], context: Here) -> Outcome:
    return _add(scope, _key(inputs), -inputs["amountInput"], context)


def _add(scope: Scope, key: str, amount: float, context: Here) -> Outcome:
    total = _number(key, context.state(scope).get(key)) + amount
    return Outcome(result=total, changes=_writes(scope, {key: total}))


def _number(key: str, value: Value) -> float:
    try:
        return cleaning.to_number(0 if value is None or value == "" else value)
    except ValueError as error:
        raise StepError(f"Key {key!r} does not hold a number: {shown(value)}") from error


def remove(scope: Scope, inputs: Mapping[str, Any], context: Here) -> Outcome:
    keys = [cleaning.to_text(key) for key in inputs["keysInput"]] or [_key(inputs)]
    state = context.state(scope)
    return Outcome(changes=tuple(Change(scope, key, removed=True) for key in keys if key in state))


def save_time(scope: Scope, inputs: Mapping[str, Any], context: Here) -> Outcome:
    now = to_iso(context.now)
    return Outcome(result={"value": now}, changes=_writes(scope, {_key(inputs): now}))


def clear(scope: Scope, _inputs: Mapping[str, Any], context: Here) -> Outcome:
    keys = _own_keys(scope, context)
    return Outcome(changes=tuple(Change(scope, key, removed=True) for key in keys))


def list_keys(scope: Scope, _inputs: Mapping[str, Any], context: Here) -> Outcome:
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
