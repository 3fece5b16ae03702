"""Data mapper: values found under other values; pure."""

from collections.abc import Mapping
from typing import Any

from processors import cleaning
from processors.actions import Input, Kind
from processors.components import computed
from processors.components.refusals import unfit
from schemas.values import NotSerializable, Value

_VALUE = Input(
    key="inputValue",
    label="Input Value",
    kind=Kind.ANY,
    default="",
    description="What to look for among the keys of the map.",
    example="de",
)
_VALUES = Input(
    key="inputValueList",
    label="Input Value List",
    kind=Kind.LIST,
    description="What to look for among the keys of the map.",
    example='["de", "fr"]',
)
_MAP = Input(
    key="valueMap",
    label="Value Map",
    kind=Kind.PAIRS,
    description="Keys, compared as texts, and the values that stand for them.",
    example="de: German",
)


def _one(given: Mapping[str, Any]) -> Value:
    return _map(given).get(_key(_VALUE, given["inputValue"]))


def _many(given: Mapping[str, Any]) -> Value:
    known = _map(given)
    return [known.get(_key(_VALUES, value)) for value in given["inputValueList"]]


def _map(given: Mapping[str, Any]) -> dict[str, Value]:
    return {pair.name: pair.value for pair in given["valueMap"]}


def _key(declared: Input, value: Value) -> str:
    try:
        return cleaning.to_text(value)
    except NotSerializable as error:
        raise unfit(declared, "a value that can be compared as text", value) from error


ACTIONS = (
    computed.action(
        "data-mapper",
        "valueMapper",
        "Value Mapper",
        "Gives the value that the map has for the input, null where it has none.",
        _one,
        _VALUE,
        _MAP,
    ),
    computed.action(
        "data-mapper",
        "valueListMapper",
        "Value List Mapper",
        "Gives for each input the value that the map has for it, null where it has none.",
        _many,
        _VALUES,
        _MAP,
    ),
)
