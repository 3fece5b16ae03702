"""Math: functions of numbers and of lists of numbers, as JavaScript has them.

Pure. Where JavaScript gives NaN or Infinity, which JSON does not have, the step fails. Chance is
that of the step: each attempt at it draws the same number. Expressions stand in math_expression.
"""

import functools
import math
import operator
import struct
from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256
from typing import Any

from processors.actions import Action, Context, Input, Kind, Outcome, StepError
from processors.components.numbers import number_of, tidy
from processors.components.refusals import shown, unfit
from schemas.values import Value

_BITS = 53


def _numeric(key: str, label: str, default: Value = None, *, required: bool = True) -> Input:
    return Input(
        key=key,
        label=label,
        kind=Kind.NUMBER,
        default=default,
        required=required,
        description="A number, or a text of one.",
        example="4",
    )


_NUMBER = _numeric("number", "Number")
_EXPONENT_OF_E = _numeric("number", "Exponent")
_BASE = _numeric("base", "Base")
_EXPONENT = _numeric("exponent", "Exponent")
_LOG_BASE = _numeric("base", "Exponent Base", 10)
_MIN = _numeric("min", "Min", 0)
_MAX = _numeric("max", "Max", 1)
_NUMBERS = Input(
    key="numbers",
    label="Numbers",
    kind=Kind.LIST,
    description="The numbers, or texts of them; nothing counts as 0.",
    example="[1, 2.5]",
)
_DYNAMIC = Input(
    key="dynamicNumbers",
    label="Dynamic Numbers",
    kind=Kind.LIST,
    description="A list of numbers. It wins over Numbers.",
    example="[1, 2.5]",
)


def _round(number: float) -> float:
    """Halves go up, as in JavaScript: -2.5 becomes -2."""
    below = math.floor(number)
    return below if number - below < 0.5 else below + 1


def _cube_root(number: float) -> float:
    root = math.copysign(abs(number) ** (1 / 3), number)
    return round(root) if round(root) ** 3 == number else root


def _single(number: float) -> float:
    (rounded,) = struct.unpack("f", struct.pack("f", number))
    return float(rounded)


_OF_ONE: Mapping[str, tuple[str, str, Callable[[float], float]]] = {
    "abs": ("Absolute Value", "the number without its sign", abs),
    "acos": ("Arccosine", "the arccosine, in radians", math.acos),
    "acosh": ("Hyperbolic Arccosine", "the hyperbolic arccosine", math.acosh),
    "asin": ("Arcsine", "the arcsine, in radians", math.asin),
    "asinh": ("Hyperbolic Arcsine", "the hyperbolic arcsine", math.asinh),
    "atan": ("Arctangent", "the arctangent, in radians", math.atan),
    "atanh": ("Hyperbolic Arctangent", "the hyperbolic arctangent", math.atanh),
    "cbrt": ("Cube Root", "the cube root", _cube_root),
    "ceil": ("Ceiling", "the least whole number that is not smaller", math.ceil),
    "cos": ("Cosine", "the cosine of an angle in radians", math.cos),
    "cosh": ("Hyperbolic Cosine", "the hyperbolic cosine", math.cosh),
    "floor": ("Floor", "the largest whole number that is not larger", math.floor),
    "fround": ("Float-round", "the nearest number of single precision", _single),
    "naturalLog": ("Natural Log", "the logarithm to the base e", math.log),
    "round": ("Round", "the nearest whole number; halves go up", _round),
    "sin": ("Sine", "the sine of an angle in radians", math.sin),
    "sinh": ("Hyperbolic Sine", "the hyperbolic sine", math.sinh),
    "sqrt": ("Square Root", "the square root", math.sqrt),
    "tan": ("Tangent", "the tangent of an angle in radians", math.tan),
    "tanh": ("Hyperbolic Tangent", "the hyperbolic tangent", math.tanh),
    "trunc": ("Truncate Number", "the number without its fraction", math.trunc),
}


def _first_and_rest(
    combine: Callable[[float, float], float],
) -> Callable[[Sequence[float]], float]:
    return lambda numbers: functools.reduce(combine, numbers)


def _hypot(numbers: Sequence[float]) -> float:
    return math.hypot(*numbers)


_Numbers = Callable[[Sequence[float]], float]
_OF_MANY: Mapping[str, tuple[str, str, _Numbers, int | None]] = {
    "add": ("Add Numbers", "the sum; 0 of none", _first_and_rest(operator.add), 0),
    "divide": (
        "Divide Numbers",
        "the first number divided by each of the others",
        _first_and_rest(operator.truediv),
        None,
    ),
    "hypot": ("Hypotenuse", "the square root of the sum of squares; 0 of none", _hypot, 0),
    "multiply": ("Multiply Numbers", "the product; 1 of none", _first_and_rest(operator.mul), 1),
    "subtract": (
        "Subtract Numbers",
        "the first number less all others",
        _first_and_rest(operator.sub),
        None,
    ),
}
"""Key: label, what it gives, the function, and what it gives for no numbers at all."""


def _result(label: str, function: Callable[..., float], *arguments: Any) -> Outcome:
    told = f"{label} of {shown(arguments[0] if len(arguments) == 1 else list(arguments))}"
    try:
        return Outcome(result=tidy(function(*arguments), told))
    except (ValueError, OverflowError, ZeroDivisionError) as error:
        raise StepError(f"{told} has no result that is a number") from error


def _of_one(key: str) -> Action:
    label, gives, function = _OF_ONE[key]

    def perform(inputs: Mapping[str, Any], _context: Context) -> Outcome:
        return _result(label, function, number_of(_NUMBER, inputs["number"]))

    return _action(key, label, f"Gives {gives}.", perform, _NUMBER)


def _of_many(key: str) -> Action:
    label, gives, function, of_none = _OF_MANY[key]

    def perform(inputs: Mapping[str, Any], _context: Context) -> Outcome:
        numbers = [number_of(_NUMBERS, value) for value in inputs["numbers"]]
        if not numbers and of_none is None:
            raise unfit(_NUMBERS, "at least one number", [])
        if not numbers:
            return Outcome(result=of_none)
        return _result(label, function, numbers)

    return _action(key, label, f"Gives {gives}.", perform, _NUMBERS)


def _extreme(function: Callable[[list[float]], float]) -> Callable[..., Outcome]:
    def perform(inputs: Mapping[str, Any], _context: Context) -> Outcome:
        declared = _DYNAMIC if inputs["dynamicNumbers"] else _NUMBERS
        numbers = [number_of(declared, value) for value in inputs[declared.key]]
        return Outcome(result=function(numbers) if numbers else None)

    return perform


def _exp(inputs: Mapping[str, Any], _context: Context) -> Outcome:
    return _result("e^x", math.exp, number_of(_EXPONENT_OF_E, inputs["number"]))


def _log(inputs: Mapping[str, Any], _context: Context) -> Outcome:
    number, base = number_of(_NUMBER, inputs["number"]), number_of(_LOG_BASE, inputs["base"])
    return _result("Logarithm", _log_to, number, base)


def _log_to(number: float, base: float) -> float:
    if base == 10:
        return math.log10(number)
    return math.log2(number) if base == 2 else math.log(number) / math.log(base)


def _pow(inputs: Mapping[str, Any], _context: Context) -> Outcome:
    base, exponent = number_of(_BASE, inputs["base"]), number_of(_EXPONENT, inputs["exponent"])
    return _result("Power", math.pow, base, exponent)


def _random(inputs: Mapping[str, Any], context: Context) -> Outcome:
    low, high = number_of(_MIN, inputs["min"]), number_of(_MAX, inputs["max"])
    if low > high:
        raise unfit(_MAX, f"not below the least, {low}", high)
    return Outcome(result=low + (high - low) * _chance(context))


def _random_int(inputs: Mapping[str, Any], context: Context) -> Outcome:
    low = math.ceil(number_of(_MIN, inputs["min"]))
    high = math.floor(number_of(_MAX, inputs["max"]))
    if low > high:
        raise unfit(_MAX, f"not below the least, {low}", high)
    return Outcome(result=tidy(low + math.floor((high - low + 1) * _chance(context)), "Random"))


def _chance(context: Context) -> float:
    """From 0 up to but not 1, and the same for each attempt at the step."""
    digest = sha256(f"random\0{context.idempotency_key}".encode()).digest()
    return (int.from_bytes(digest[:8], "big") >> (64 - _BITS)) / float(2**_BITS)


def _action(
    key: str,
    label: str,
    description: str,
    perform: Callable[..., Outcome],
    *inputs: Input,
) -> Action:
    return Action(
        component="math",
        key=key,
        label=label,
        description=description,
        perform=perform,
        inputs=inputs,
    )


ACTIONS = (
    *map(_of_one, _OF_ONE),
    *map(_of_many, _OF_MANY),
    _action("exp", "e^x", "Gives e to the power of the number.", _exp, _EXPONENT_OF_E),
    _action(
        "log",
        "Logarithm",
        "Gives the logarithm of the number to a base.",
        _log,
        _NUMBER,
        _LOG_BASE,
    ),
    _action(
        "max",
        "Maximum",
        "Gives the largest number, null of none.",
        _extreme(max),
        _NUMBERS,
        _DYNAMIC,
    ),
    _action(
        "min",
        "Minimum",
        "Gives the smallest number, null of none.",
        _extreme(min),
        _NUMBERS,
        _DYNAMIC,
    ),
    _action("pow", "Power", "Gives the base to the power of the exponent.", _pow, _BASE, _EXPONENT),
    _action(
        "random",
        "Random Number",
        "Gives a number from the least up to but not the most.",
        _random,
        _MIN,
        _MAX,
    ),
    _action(
        "randomInt",
        "Random Integer",
        "Gives a whole number from the least to the most, both included.",
        _random_int,
        _MIN,
        _MAX,
    ),
)
