"""Numbers: how inputs become numbers, and results the numbers that JSON has; pure."""

import math

from processors import cleaning
from processors.actions import Input, StepError
from processors.components.refusals import unfit
from schemas.values import Value

_EXACT = 2**53


def number_of(declared: Input, value: Value) -> int | float:
    """A number, or a text of one; nothing and an empty text count as 0. Raises StepError."""
    if value is None or value == "":
        return 0
    try:
        number = cleaning.to_number(value)
    except ValueError as error:
        raise unfit(declared, "a number", value) from error
    return number if abs(number) < _EXACT else float(number)


def whole(declared: Input, value: float, *, least: int) -> int:
    """`value` where it is a whole number from `least` up. Raises StepError."""
    if value != int(value) or value < least:
        raise unfit(declared, f"a whole number from {least} up", value)
    return int(value)


def tidy(value: float, told: str) -> int | float:
    """`value`, whole ones as int, as JavaScript writes them. Raises StepError where it is none."""
    try:
        finite = math.isfinite(value)
    except OverflowError:
        finite = False
    if not finite:
        raise StepError(f"{told} has no result that is a number")
    if isinstance(value, float) and value.is_integer() and abs(value) < _EXACT:
        return int(value)
    return value if abs(value) < _EXACT else float(value)
