"""Collection tools: objects and lists made of values; pure.

What takes a JavaScript function stands in collection_functions, processInOrder in
collection_order, the checks against schemas in schema_checks.
"""

import contextlib
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any

from processors import cleaning
from processors.actions import Input, Kind, Runs
from processors.components import computed
from processors.components.identity import identity
from processors.components.numbers import whole
from processors.components.refusals import unfit
from schemas.values import Value

_Given = Mapping[str, Any]

LIST = Input(
    key="listInput",
    label="List",
    kind=Kind.LIST,
    description="The list to work on.",
    example='["a", "b", "c"]',
)
_SECOND = Input(
    key="listInput2",
    label="Second List",
    kind=Kind.LIST,
    description="The list whose elements come after those of the first.",
    example='["d"]',
)
_ELEMENT = Input(
    key="elementInput",
    label="Element",
    kind=Kind.ANY,
    description="The element. A text that is JSON also stands for its value.",
    example="b",
)
_NUMBER = Input(
    key="numberInput",
    label="Number of Elements",
    kind=Kind.NUMBER,
    default=1,
    description="How many elements.",
    example="2",
)
_INDEX = Input(
    key="indexInput",
    label="Index",
    required=True,
    description="Which element, counted from 0; for lists in lists several, joined by dots.",
    example="2.0",
)
_OBJECT = Input(
    key="object",
    label="Object",
    kind=Kind.JSON,
    required=True,
    description="The object to start from; it is not changed.",
    example='{"employee": {"id": "123"}}',
)
_KEY = Input(
    key="key",
    label="Key",
    required=True,
    description="The key, taken as it stands.",
    example="firstName",
)
_VALUE = Input(
    key="value",
    label="Value",
    kind=Kind.ANY,
    default="",
    description="The value of the key.",
    example="Jake",
)
_PATH = Input(
    key="objectPath",
    label="Insert Path",
    description="Where in the object to add, as keys joined by dots; what is missing is made.",
    example="employee.contact",
)
_DYNAMIC = Input(
    key="dynamicFields",
    label="Dynamic Key/Values",
    kind=Kind.JSON,
    description="An object, or a list of objects with `key` and `value`. It wins over Key/Values.",
    example='[{"key": "city", "value": "Bonn"}]',
)
_PAIRS = Input(
    key="keyValueListInput",
    label="Key/Values",
    kind=Kind.PAIRS,
    description="The keys and values to add.",
    example="city: Bonn",
)
_PAIR_LIST = Input(
    key="keyValueListInput",
    label="Key/Value List",
    kind=Kind.JSON,
    description="A list of objects with `key` and `value`; of two equal keys the later one counts.",
    example='[{"key": "a", "value": 1}]',
)
_ITEMS = Input(
    key="items",
    label="List Items",
    kind=Kind.LIST,
    description="The elements of the list.",
    example='["a", "b"]',
)
_KEYS_AND_VALUES = Input(
    key="keyValueInput",
    label="Key & Value Pairs",
    kind=Kind.PAIRS,
    description="The keys, taken as they stand, and their values.",
    example="quantity: 3",
)
_COLLECTIONS = Input(
    key="collections",
    label="Collections",
    kind=Kind.PAIRS,
    description="Keys, and the collection for each.",
    example="customers: [1, 2]",
)
_KEY_MAPPINGS = Input(
    key="keyMappings",
    label="Key Mappings",
    kind=Kind.PAIRS,
    description="Under each name the key in the result.",
    example="email: contact_email",
)
_VALUE_MAPPINGS = Input(
    key="valueMappings",
    label="Value Mappings",
    kind=Kind.PAIRS,
    description="Under the same names the values in the result.",
    example="email: ada@example.com",
)


def _create_object(given: _Given) -> Value:
    return {pair.name: pair.value for pair in given["keyValueInput"]}


def _combine(given: _Given) -> Value:
    return {pair.name: pair.value for pair in given["collections"]}


def _add_key(given: _Given) -> Value:
    return _with(given, {given["key"]: given["value"]})


def _add_keys(given: _Given) -> Value:
    dynamic = given["dynamicFields"]
    if dynamic:
        return _with(given, _fields(_DYNAMIC, dynamic))
    return _with(given, {pair.name: pair.value for pair in given["keyValueListInput"]})


def _fields(declared: Input, value: Value) -> dict[str, Value]:
    if isinstance(value, dict):
        return value
    wanted = "a list of objects with key and value"
    if not isinstance(value, list):
        raise unfit(declared, wanted, value)
    for entry in value:
        if not isinstance(entry, dict) or "key" not in entry:
            raise unfit(declared, wanted, entry)
    return {cleaning.to_text(entry["key"]): entry.get("value") for entry in value}


def _with(given: _Given, fields: Mapping[str, Value]) -> Value:
    path = [segment for segment in given["objectPath"].split(".") if segment]
    return _inserted(given["object"], path, fields, given["objectPath"])


def _inserted(value: Value, path: list[str], fields: Mapping[str, Value], told: str) -> Value:
    """A copy of `value` that has `fields` at `path`; shares what lies beside the path."""
    if isinstance(value, list) and path:
        index = path[0]
        if not index.isdecimal() or int(index) >= len(value):
            raise unfit(_PATH, f"a path of keys and indexes, and there is no {index!r}", told)
        inner = _inserted(value[int(index)], path[1:], fields, told)
        return [*value[: int(index)], inner, *value[int(index) + 1 :]]
    if not isinstance(value, dict):
        raise unfit(_OBJECT, f"an object where {told!r} leads" if told else "an object", value)
    if not path:
        return {**value, **fields}
    inner = value.get(path[0])
    return {**value, path[0]: _inserted({} if inner is None else inner, path[1:], fields, told)}


def _to_object(given: _Given) -> Value:
    return _fields(_PAIR_LIST, given["keyValueListInput"] or [])


def _from_object(given: _Given) -> Value:
    value = given["object"]
    if not isinstance(value, dict):
        raise unfit(_OBJECT, "an object", value)
    return [{"key": key, "value": inner} for key, inner in value.items()]


def _field_values(given: _Given) -> Value:
    values = {pair.name: pair.value for pair in given["valueMappings"]}
    return [
        {"key": key.value, "value": values[key.name]}
        for key in given["keyMappings"]
        if key.name in values
    ]


def _chunks(given: _Given) -> Value:
    size = whole(_NUMBER, given["numberInput"], least=1)
    items = given["listInput"]
    return [items[start : start + size] for start in range(0, len(items), size)]


def _take_first(given: _Given) -> Value:
    return given["listInput"][: whole(_NUMBER, given["numberInput"], least=0)]


def _take_last(given: _Given) -> Value:
    items, count = given["listInput"], whole(_NUMBER, given["numberInput"], least=0)
    return items[max(0, len(items) - count) :]


def _flatten(given: _Given) -> Value:
    return [
        inner
        for item in given["listInput"]
        for inner in (item if isinstance(item, list | tuple) else (item,))
    ]


def _select(given: _Given) -> Value:
    value: Value = given["listInput"]
    for segment in given["indexInput"].split("."):
        if not segment.strip().isdecimal():
            raise unfit(_INDEX, "whole numbers from 0 up, joined by dots", given["indexInput"])
        if not isinstance(value, list) or int(segment) >= len(value):
            return None
        value = value[int(segment)]
    return value


def _deduplicate(given: _Given) -> Value:
    kept: dict[bytes, Value] = {}
    for item in given["listInput"]:
        kept.setdefault(identity(item), item)
    return list(kept.values())


def _is_element(element: Value) -> Callable[[Value], bool]:
    readings = {identity(element)}
    if isinstance(element, str):
        with contextlib.suppress(ValueError):
            readings.add(identity(cleaning.load_json(element)))
    return lambda item: identity(item) in readings


def _count(given: _Given) -> Value:
    return sum(map(_is_element(given["elementInput"]), given["listInput"]))


def _remove(given: _Given) -> Value:
    is_element = _is_element(given["elementInput"])
    return [item for item in given["listInput"] if not is_element(item)]


def _edge(index: int) -> Callable[[_Given], Value]:
    return lambda given: given["listInput"][index] if given["listInput"] else None


def _joined(lists: Iterable[list[Value]]) -> Value:
    return [item for items in lists for item in items]


_tool = partial(computed.action, "collection-tools")

ACTIONS = (
    _tool(
        "addKey",
        "Add Key/Value to Object",
        "Gives the object with one more key.",
        _add_key,
        _OBJECT,
        _KEY,
        _VALUE,
        _PATH,
    ),
    _tool(
        "addMultipleKeys",
        "Add Multiple Key/Value to Object",
        "Gives the object with further keys.",
        _add_keys,
        _OBJECT,
        _PATH,
        _DYNAMIC,
        _PAIRS,
    ),
    _tool(
        "append",
        "Append",
        "Gives the list with one more element at its end.",
        lambda given: [*given["listInput"], given["elementInput"]],
        LIST,
        _ELEMENT,
    ),
    _tool(
        "chunks",
        "Chunks",
        "Gives lists of so many elements each; the last one may have fewer.",
        _chunks,
        LIST,
        _NUMBER,
    ),
    _tool(
        "combineCollections",
        "Combine Collection (Deprecated)",
        "Does what Create Object does.",
        _combine,
        _COLLECTIONS,
    ),
    _tool(
        "concatenate",
        "Concatenate",
        "Gives the elements of two lists as one list.",
        lambda given: _joined((given["listInput"], given["listInput2"])),
        LIST,
        _SECOND,
    ),
    _tool(
        "count",
        "Count",
        "Gives how often an element is in the list; objects and lists compare by content.",
        _count,
        LIST,
        _ELEMENT,
        runs=Runs.THREAD,
    ),
    _tool(
        "create",
        "Create List",
        "Gives a list of the values.",
        lambda given: given["items"],
        _ITEMS,
    ),
    _tool(
        "createObject",
        "Create Object",
        "Gives an object with these keys; of two equal keys the later one counts.",
        _create_object,
        _KEYS_AND_VALUES,
    ),
    _tool(
        "deduplicate",
        "De-duplicate",
        "Gives the list without repetitions, the first of equal elements kept. Objects and lists "
        "compare by content.",
        _deduplicate,
        LIST,
        runs=Runs.THREAD,
    ),
    _tool(
        "fieldValueMapping",
        "Field Value Mapping",
        "Gives a list of `key` and `value`, joined by the names that both mappings have.",
        _field_values,
        _KEY_MAPPINGS,
        _VALUE_MAPPINGS,
    ),
    _tool(
        "first",
        "First",
        "Gives the first element, null where there is none.",
        _edge(0),
        LIST,
    ),
    _tool(
        "flatten",
        "Flatten",
        "Gives the elements of the lists within the list, one level deep.",
        _flatten,
        LIST,
    ),
    _tool(
        "fromObject",
        "Object to Key Value Pair List",
        "Gives a list with `key` and `value` for each key of the object.",
        _from_object,
        _OBJECT,
    ),
    _tool(
        "last",
        "Last",
        "Gives the last element, null where there is none.",
        _edge(-1),
        LIST,
    ),
    _tool(
        "length",
        "Length",
        "Gives how many elements the list has.",
        lambda given: len(given["listInput"]),
        LIST,
    ),
    _tool(
        "remove",
        "Remove",
        "Gives the list without an element, however often it is there.",
        _remove,
        LIST,
        _ELEMENT,
        runs=Runs.THREAD,
    ),
    _tool(
        "selectItemFromList",
        "Select Item From List by Index",
        "Gives one element of the list, or of a list within it; null where there is none.",
        _select,
        LIST,
        _INDEX,
    ),
    _tool(
        "takeFirst",
        "Take First",
        "Gives so many elements from the beginning of the list.",
        _take_first,
        LIST,
        _NUMBER,
    ),
    _tool(
        "takeLast",
        "Take Last",
        "Gives so many elements from the end of the list.",
        _take_last,
        LIST,
        _NUMBER,
    ),
    _tool(
        "toObject",
        "Key Value Pair List to Object",
        "Gives an object of a list of keys and values.",
        _to_object,
        _PAIR_LIST,
    ),
)
