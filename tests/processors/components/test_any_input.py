"""Whatever a step's inputs resolve to, an action gives a result that the log can hold, or a
StepError: anything else would be a bug of the component, and stop more than its step."""

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from processors import registry
from processors.actions import Action, Runs, StepError
from schemas.definitions import Pair
from schemas.values import Value, to_json
from tests.processors.components.test_kit import context, run

ELSEWHERE = frozenset(("code", "loop", "persist-data", "stop-execution"))
"""Components with tests of their own for this: they steer the engine, or keep what they get."""

ACTIONS = [
    action
    for action in registry.ACTIONS.values()
    if action.runs is not Runs.ASYNC and action.component not in ELSEWHERE
]
DEEP: Value = []
for _ in range(200):
    DEEP = [DEEP]
NUMERALS = ["0", "-1", "1e999", "9" * 299, "2026-01-31"]
TEXTS = [
    "",
    "\x00",
    "é" * 300,
    "{{ a }}",
    "(x) => x",
    "/(a/g",
    "UTC",
    "sha256",
    "SUM",
    "hex",
    "\\n",
]
MARKUP = ["[1, 2]", '{"a": 1}', "[", "[" * 900 + "]" * 900, "<a>", "a,b\n1,2", "a: 1"]
BYTES = [b"", b"\xff\x00", b"\x1f\x8b\x08", b"PK\x03\x04", b"\x91" * 300 + b"\x01"]
NESTED = [[], {}, DEEP, [[1], {"a": None}], {"a": {"b": [1]}}, [{"key": "a", "value": 1}]]
FILES = [{"data": b"x", "contentType": "a/b"}, {"data": DEEP, "contentType": ""}]
PAIRS = [[Pair("a", 1), Pair("", [None])], [Pair("a", DEEP)]]
AWKWARD: list[Value] = [
    *(None, True, 0, -1, 1.5, 2**63, 1e308),
    *NUMERALS,
    *TEXTS,
    *MARKUP,
    *BYTES,
    *NESTED,
    *FILES,
    *PAIRS,
]
VALUES = st.sampled_from(AWKWARD) | st.recursive(
    st.none()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats()
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=6)
    | st.binary(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=6,
)


@pytest.mark.parametrize("action", ACTIONS, ids=lambda a: f"{a.component}/{a.key}")
@settings(max_examples=8)
@given(data=st.data())
def test_an_action_takes_any_input(action: Action, data: st.DataObject) -> None:
    inputs = {declared.key: data.draw(VALUES, declared.key) for declared in action.inputs}
    try:
        outcome = run(action.component, action.key, inputs, context(branches=("Process", "Skip")))
    except StepError:
        return
    tagged, _ = to_json(outcome.result)
    orjson.dumps(tagged, option=orjson.OPT_NON_STR_KEYS)
