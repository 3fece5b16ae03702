"""Math: what each function gives, and that what is no number fails."""

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processors import registry
from processors.actions import StepError
from schemas.values import Value
from tests.processors.components.test_kit import context, run


def result(key: str, /, **inputs: Any) -> Value:
    return run("math", key, inputs).result


@pytest.mark.parametrize(
    ("key", "inputs", "expected"),
    [
        ("abs", {"number": "-2.5"}, 2.5),
        ("acos", {"number": 1}, 0),
        ("acosh", {"number": 1}, 0),
        ("add", {"numbers": ["0", 50, None]}, 50),
        ("add", {"numbers": [0.1, 0.2]}, 0.1 + 0.2),
        ("add", {"numbers": []}, 0),
        ("add", {"numbers": "[1, 2]"}, 3),
        ("asin", {"number": 1}, math.pi / 2),
        ("asinh", {"number": 0}, 0),
        ("atan", {"number": 1}, math.pi / 4),
        ("atanh", {"number": 0}, 0),
        ("cbrt", {"number": "-27"}, -3),
        ("cbrt", {"number": "64"}, 4),
        ("cbrt", {"number": "2"}, 2 ** (1 / 3)),
        ("ceil", {"number": "1.2"}, 2),
        ("cos", {"number": 0}, 1),
        ("cosh", {"number": 0}, 1),
        ("divide", {"numbers": [12, 3, 8]}, 0.5),
        ("evaluate", {"expression": "2 * 3 + 7"}, 13),
        ("evaluate", {"expression": "5 << 2"}, 20),
        ("evaluate", {"expression": "max(2 ** 10, PI) % 1000"}, 24),
        ("exp", {"number": 1}, math.e),
        ("floor", {"number": "-1.2"}, -2),
        ("fround", {"number": "5.05"}, 5.050000190734863),
        ("hypot", {"numbers": [3, 4]}, 5),
        ("hypot", {"numbers": []}, 0),
        ("log", {"number": 1000}, 3),
        ("log", {"number": 8, "base": "2"}, 3),
        ("log", {"number": 9, "base": "3"}, 2),
        ("max", {"numbers": [1, "7", 3]}, 7),
        ("max", {"numbers": [1], "dynamicNumbers": "[2, 3]"}, 3),
        ("max", {"numbers": []}, None),
        ("min", {"numbers": [1, "-7", 3]}, -7),
        ("min", {"numbers": [-1], "dynamicNumbers": [2, 3]}, 2),
        ("multiply", {"numbers": [2, "3", 4]}, 24),
        ("multiply", {"numbers": []}, 1),
        ("naturalLog", {"number": 1}, 0),
        ("pow", {"base": 2, "exponent": "0.5"}, math.sqrt(2)),
        ("pow", {"base": 2, "exponent": "70"}, 2.0**70),
        ("round", {"number": "-2.5"}, -2),
        ("round", {"number": "2.5"}, 3),
        ("round", {"number": 0.49999999999999994}, 0),
        ("sin", {"number": 0}, 0),
        ("sinh", {"number": 0}, 0),
        ("sqrt", {"number": 16}, 4),
        ("subtract", {"numbers": [10, 3, 2]}, 5),
        ("tan", {"number": 0}, 0),
        ("tanh", {"number": 0}, 0),
        ("trunc", {"number": "-2.7"}, -2),
        ("floor", {"number": "1e300"}, 1e300),
    ],
)
def test_each_function_gives_what_it_documents(
    key: str, inputs: dict[str, Value], expected: Value
) -> None:
    found = result(key, **inputs)
    assert found == (expected if expected is None else pytest.approx(expected, rel=1e-12))
    if isinstance(expected, int):
        assert isinstance(found, int)


@pytest.mark.parametrize(
    ("key", "inputs", "message"),
    [
        ("acos", {"number": 2}, "Arccosine of 2 has no result that is a number"),
        ("acosh", {"number": 0}, "no result"),
        ("asin", {"number": -2}, "no result"),
        ("atanh", {"number": 1}, "no result"),
        ("cosh", {"number": "1e9"}, "no result"),
        ("sinh", {"number": "1e9"}, "no result"),
        ("exp", {"number": 1000}, r"e\^x of 1000 has no result"),
        ("fround", {"number": "1e300"}, "no result"),
        ("divide", {"numbers": [1, 0]}, r"Divide Numbers of \[1,0\] has no result"),
        ("divide", {"numbers": []}, r"Numbers \(numbers\) must be at least one number"),
        ("subtract", {"numbers": []}, "at least one number"),
        ("log", {"number": 0}, "no result"),
        ("log", {"number": 5, "base": 1}, "no result"),
        ("naturalLog", {"number": -1}, "no result"),
        ("sqrt", {"number": -1}, "Square Root of -1"),
        ("pow", {"base": -8, "exponent": 0.5}, "no result"),
        ("pow", {"base": 10, "exponent": 1000}, "no result"),
        ("multiply", {"numbers": ["1e200", "1e200"]}, "no result"),
        ("add", {"numbers": ["x"]}, r'Numbers \(numbers\) must be a number, found "x"'),
        ("hypot", {"numbers": [[1]]}, "must be a number"),
        ("max", {"dynamicNumbers": ["x"]}, r"Dynamic Numbers \(dynamicNumbers\) must be a number"),
        ("min", {"numbers": "x"}, "must be a list"),
        ("random", {"min": 2}, "not below the least, 2, found 1"),
        ("randomInt", {"min": "1.2", "max": "1.8"}, "not below the least, 2, found 1"),
        ("evaluate", {"expression": "1 / 0"}, "expression that gives a number"),
        ("evaluate", {"expression": "'a'.repeat(9)"}, "numbers, operators and functions"),
        ("evaluate", {"expression": "1 +"}, "SyntaxError"),
        ("evaluate", {"expression": "unheard(1)"}, "unheard"),
        ("evaluate", {"expression": "true"}, "gives a number"),
        ("evaluate", {"expression": ""}, "is required"),
    ],
)
def test_what_gives_no_number_fails(key: str, inputs: dict[str, Value], message: str) -> None:
    with pytest.raises(StepError, match=message):
        result(key, **inputs)


OF_ONE_NUMBER = [
    action.key
    for action in registry.ACTIONS.values()
    if action.component == "math" and [declared.key for declared in action.inputs] == ["number"]
]


@pytest.mark.parametrize("key", OF_ONE_NUMBER)
def test_a_function_of_one_number_refuses_what_is_none(key: str) -> None:
    with pytest.raises(StepError, match=r'\(number\) must be a number, found "many"'):
        result(key, number="many")
    with pytest.raises(StepError, match=r"\(number\) is required"):
        result(key)


@given(st.sampled_from(OF_ONE_NUMBER), st.floats(allow_nan=False, allow_infinity=False))
def test_every_result_is_a_number_that_json_has(key: str, number: float) -> None:
    try:
        found = result(key, number=number)
    except StepError:
        return
    assert math.isfinite(found)
    assert isinstance(found, float) or abs(found) <= 2**53


def test_chance_is_that_of_the_step() -> None:
    first = run("math", "random", {}, context()).result
    assert 0 <= first < 1
    assert run("math", "random", {}, context(attempt=2)).result == first
    assert run("math", "random", {}, context(loop_path="loop[1]")).result != first


@given(st.integers(-5, 5), st.integers(0, 5), st.text(max_size=5))
def test_a_random_integer_lies_within_its_bounds(low: int, width: int, step: str) -> None:
    inputs = {"min": low, "max": low + width}
    found = run("math", "randomInt", inputs, context(step=step)).result
    assert low <= found <= low + width
    assert isinstance(found, int)


def test_every_integer_within_the_bounds_is_drawn() -> None:
    drawn = {
        run("math", "randomInt", {"min": 1, "max": 3}, context(step=f"s{n}")).result
        for n in range(60)
    }
    assert drawn == {1, 2, 3}
