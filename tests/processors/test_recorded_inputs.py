"""Recorded inputs: what the log keeps of what a step was given, and what it never does."""

from typing import Any

import orjson
from hypothesis import given, settings
from hypothesis import strategies as st

from processors.recorded_inputs import (
    MAX_DIGESTED_BYTES,
    MAX_INPUT_BYTES,
    MAX_INPUTS_BYTES,
    recorded,
    recorded_values,
)
from schemas.definitions import Complex, ConfigVar, Entry, Input, Literal, Pair, Reference, Template

RESULT = Reference("get", "results", ())


def of(given: Input, value: Any, secrets: frozenset[str] = frozenset()) -> Any:
    kept = recorded({"input": given}, {"input": value}, secrets)
    return None if kept is None else kept["input"]


def test_what_the_definition_spells_out_is_not_kept() -> None:
    words = Complex((Entry(Literal("a"), Literal("b")), ("and", Entry(None, Literal("c")))))
    assert of(Literal("x"), "x") is None
    assert of(words, [Pair("a", "b")]) is None


def test_references_and_templates_are_kept_as_resolved() -> None:
    assert of(RESULT, {"a": [1, None]}) == {"a": [1, None]}
    assert of(Template(("n ", RESULT)), "n 5") == "n 5"
    assert of(RESULT, b"hi") == "aGk="
    pairs = Complex((Entry(Literal("a"), RESULT), Entry(Literal("b"), Literal("c"))))
    assert of(pairs, [Pair("a", 1), Pair("b", "c")]) == [["a", 1], ["b", "c"]]
    tree = Complex((Entry(Literal("Yes"), Complex(("and", ("equal", Entry(None, RESULT))))),))
    assert of(tree, [Pair("Yes", ["and", ["equal", 1]])]) == [["Yes", ["and", ["equal", 1]]]]


def test_a_config_variable_is_kept_by_its_key_alone() -> None:
    assert of(ConfigVar("Shop"), {"password": "s3cret"}) == {"$configVar": "Shop"}
    assert of(ConfigVar(""), None) is None


def test_of_an_input_that_is_a_secret_no_value_is_kept() -> None:
    secret = Template(("s3", ConfigVar("Rest")))
    listed = Complex((Entry(None, ConfigVar("Old")),))
    given: dict[str, Input] = {"key": secret, "others": listed, "by": ConfigVar("Key"), "x": RESULT}
    resolved = {"key": "s3cret", "others": ["0ld"], "by": "s3cret", "x": 1}
    kept = recorded(given, resolved, frozenset(), frozenset(("key", "others", "by")))
    assert kept == {
        "key": {"$omitted": {"reason": "secret"}},
        "others": {"$omitted": {"reason": "secret"}},
        "by": {"$configVar": "Key"},
        "x": 1,
    }


def test_secrets_are_hidden_wherever_they_stand() -> None:
    secrets = frozenset({"s3cret"})
    value = {"a": ["x s3cret y"], "b": {"c": "s3cret"}}
    assert of(RESULT, value, secrets) == {"a": ["x *** y"], "b": {"c": "***"}}
    pairs = Complex((Entry(Literal("auth"), RESULT),))
    assert of(pairs, [Pair("auth", "Bearer s3cret")], secrets) == [["auth", "Bearer ***"]]


def test_of_a_long_result_the_reference_is_kept() -> None:
    deep = Reference("loop", "currentItem", ("a.b", "0"))
    for long in ("x" * MAX_INPUT_BYTES, ["xxxx"] * 1000, {"k" * 5000: 1}, [1] * 3000):
        assert of(deep, long) == {"$reference": ["loop", "currentItem", "a.b", "0"]}
    assert of(deep, "x" * 4000) == "x" * 4000


def test_of_other_long_values_size_and_digest_are_kept() -> None:
    text = Template(("n ", RESULT))
    first, again = (of(text, "x" * MAX_INPUT_BYTES) for _ in range(2))
    other = of(text, "y" * MAX_INPUT_BYTES)
    assert first == again != other
    assert first["$omitted"]["bytes"] == MAX_INPUT_BYTES + 2
    huge = of(text, "x" * (MAX_DIGESTED_BYTES + 1))
    assert huge == {"$omitted": {"moreThanBytes": MAX_DIGESTED_BYTES}}


def test_of_many_inputs_only_the_first_are_kept_whole() -> None:
    values = {f"input {number}": "x" * 4_000 for number in range(20)}
    kept = recorded(dict.fromkeys(values, RESULT), values, frozenset())
    assert kept is not None
    whole = [key for key, value in kept.items() if value == values[key]]
    assert whole == list(values)[: MAX_INPUTS_BYTES // 4_000]
    assert kept["input 19"] == {"$reference": ["get", "results"]}


def test_of_what_json_cannot_hold_the_reason_is_kept() -> None:
    assert "$omitted" in of(RESULT, 2**70)
    deep: Any = []
    for _ in range(250):
        deep = [deep]
    assert "$omitted" in of(RESULT, deep)


def test_what_a_python_step_is_given_is_not_read_to_its_end_where_it_is_long() -> None:
    kept = recorded_values({"rows": [[0] * 1_000] * 1_000, "n": 1}, frozenset())
    assert kept == {"rows": {"$omitted": {"moreThanBytes": MAX_DIGESTED_BYTES}}, "n": 1}


JSON = st.recursive(
    st.none()
    | st.integers(-(2**63), 2**64 - 1)
    | st.text(max_size=9)
    | st.binary(max_size=9)
    | st.integers(0, 2 * MAX_INPUT_BYTES).map(lambda size: "ü" * size),
    lambda inner: st.lists(inner, max_size=9) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=20,
)


@settings(max_examples=40)
@given(st.dictionaries(st.text(max_size=9), JSON, max_size=20))
def test_whatever_is_kept_is_json_and_bounded(values: dict[str, Any]) -> None:
    kept = recorded(dict.fromkeys(values, RESULT), values, frozenset())
    size = len(orjson.dumps(kept))
    assert size <= MAX_INPUTS_BYTES + 200 * len(values) + sum(map(len, values)) * 6 + 4
