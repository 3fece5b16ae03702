"""Collection tools that take a JavaScript function: filter, map, sort, aggregate.

In: a list and the function's text. Out: what the function makes of the list, in a sandbox.
"""

import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from processors.actions import Context, Input, Kind, Outcome, World, in_thread
from processors.components import javascript
from processors.components.collection_tools import LIST
from processors.components.numbers import number_of, tidy
from processors.components.refusals import unfit
from schemas.values import Value

_EVERY = "(item, index) => { return true; }"
_FILTER = Input(
    key="filterCodeInput",
    label="Filter Function",
    default=_EVERY,
    description="A JavaScript function of an element and its index; elements for which it gives "
    "nothing true are left out.",
    example="(item, index) => item.quantity > 0",
)
_TRANSFORM = Input(
    key="transformCodeInput",
    label="Transform (map) Function",
    default="(item, index) => { return item; }",
    description="A JavaScript function of an element, its index and the context data; it gives "
    "the element of the result.",
    example="(item, index, context) => ({ ...item, currency: context })",
)
_CONTEXT = Input(
    key="contextInput",
    label="Context Data",
    kind=Kind.ANY,
    description="The third argument of both functions.",
    example="EUR",
)
_SORT = Input(
    key="sortCodeInput",
    label="Sort Comparison Function",
    default="(a, b) => { const of = (one) => (one === Object(one) ? one.prop : one);"
    " return of(a) < of(b) ? -1 : of(a) > of(b) ? 1 : 0; }",
    description="A JavaScript function of two elements: negative where the first one comes first.",
    example="(a, b) => a.price - b.price",
)
_AGGREGATE = Input(
    key="aggregateFunctionInput",
    label="Aggregate Function",
    required=True,
    description="AVERAGE, COUNT, MAX, MIN, SUM, PRODUCT or MEDIAN.",
    example="SUM",
)

_AGGREGATES: Mapping[str, Callable[[Sequence[float]], float]] = {
    "AVERAGE": lambda numbers: math.fsum(numbers) / len(numbers),
    "COUNT": len,
    "MAX": max,
    "MIN": min,
    "SUM": sum,
    "PRODUCT": math.prod,
    "MEDIAN": statistics.median,
}
_OF_NOTHING: Mapping[str, Value] = {"COUNT": 0, "SUM": 0, "PRODUCT": 1}


def _filter(inputs: Mapping[str, Any], context: Context, world: World) -> Outcome:
    items: list[Value] = inputs["listInput"]
    code = inputs["filterCodeInput"]
    if code.strip() == _EVERY:
        return Outcome(result=items)
    chosen = javascript.run(
        {_FILTER: code},
        "(await awaited(data.map((item, index) => filterCodeInput(item, index)))).map(Boolean)",
        items,
        context,
        world,
    )
    kept = [item for item, is_chosen in zip(items, chosen.result, strict=True) if is_chosen]
    return replace(chosen, result=kept)


def _map(inputs: Mapping[str, Any], context: Context, world: World) -> Outcome:
    return javascript.run(
        {_FILTER: inputs["filterCodeInput"], _TRANSFORM: inputs["transformCodeInput"]},
        "await awaited("
        "data.list.filter((item, index) => filterCodeInput(item, index, data.context))"
        ".map((item, index) => transformCodeInput(item, index, data.context)))",
        {"list": inputs["listInput"], "context": inputs["contextInput"]},
        context,
        world,
    )


def _sort(inputs: Mapping[str, Any], context: Context, world: World) -> Outcome:
    functions = {_SORT: inputs["sortCodeInput"]}
    items = inputs["listInput"]
    order = javascript.run(
        functions,
        "data.map((_, index) => index).sort((a, b) => sortCodeInput(data[a], data[b]))",
        items,
        context,
        world,
    )
    return replace(order, result=[items[index] for index in order.result])


def _aggregate(inputs: Mapping[str, Any], context: Context, world: World) -> Outcome:
    name = inputs["aggregateFunctionInput"].strip().upper()
    if name not in _AGGREGATES:
        raise unfit(_AGGREGATE, f"one of {', '.join(_AGGREGATES)}", name)
    kept = _filter(inputs, context, world)
    return replace(kept, result=_aggregated(name, kept.result))


def _aggregated(name: str, items: list[Value]) -> Value:
    if not items:
        return _OF_NOTHING.get(name)
    if name == "COUNT":
        return len(items)
    return tidy(_AGGREGATES[name]([number_of(LIST, item) for item in items]), name)


_action = in_thread("collection-tools")

ACTIONS = (
    _action(
        "filter",
        "Filter",
        "Gives the elements for which the function gives something true.",
        _filter,
        LIST,
        _FILTER,
    ),
    _action(
        "map",
        "Map",
        "Leaves elements out by the filter function, then gives what the transform function makes "
        "of the others.",
        _map,
        LIST,
        _TRANSFORM,
        _FILTER,
        _CONTEXT,
    ),
    _action("sort", "Sort", "Gives the elements in the order of the function.", _sort, LIST, _SORT),
    _action(
        "aggregate",
        "Aggregate",
        "Gives one number for the list; null for the average, median, least or largest of none.",
        _aggregate,
        LIST,
        _AGGREGATE,
        _FILTER,
    ),
)
