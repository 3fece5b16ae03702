"""Computing processes: what templates, expressions and schemas ask for ends within its limits."""

import pytest

from processors.actions import StepError, World
from processors.components import computing
from processors.private_networks import guarded_client
from schemas.values import Value


def double(given: Value) -> Value:
    return given * 2


def print_much(given: Value) -> Value:
    print(given * 1000)  # noqa: T201
    return "printed"


def loop_for_ever(_given: Value) -> Value:
    while True:
        pass


def fill_memory(_given: Value) -> Value:
    return len("x" * 4_000_000_000)


def recurse(given: Value) -> Value:
    return recurse(given)


def end(_given: Value) -> Value:
    raise SystemExit(3)


def fail(_given: Value) -> Value:
    raise ValueError("not this")


def give_no_value(_given: Value) -> Value:
    return [object()]


def world(limit_s: float = 5.0) -> World:
    return World(http=guarded_client(allow_private=False), code_timeout_s=limit_s)


@pytest.mark.parametrize("value", [b"\x00\xff", [1, {"a": b"x"}], {"$bytes": "eA=="}, "ä"])
def test_values_go_in_and_come_out_as_they_are(value: Value) -> None:
    assert computing.compute(double, [value], "It", world()) == [value, value]


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (fill_memory, "It: needs too much memory"),
        (recurse, "It: something is nested too deep"),
        (end, "It ended its process"),
        (fail, "It: ValueError: not this"),
        (give_no_value, "It: TypeError"),
    ],
)
def test_a_failure_is_the_steps_and_the_next_computation_works(
    function: computing.Function, message: str
) -> None:
    with pytest.raises(StepError, match=message):
        computing.compute(function, 1, "It", world())
    assert computing.compute(double, 2, "It", world()) == 4


def test_what_takes_too_long_is_ended() -> None:
    with pytest.raises(StepError, match=r"It took longer than 0\.2 s"):
        computing.compute(loop_for_ever, 1, "It", world(0.2))


def test_what_a_library_prints_does_not_reach_the_answer() -> None:
    assert computing.compute(print_much, "x", "It", world()) == "printed"


def test_a_value_that_json_cannot_hold_is_refused() -> None:
    with pytest.raises(StepError, match="It: an input cannot be used"):
        computing.compute(double, [object()], "It", world())
