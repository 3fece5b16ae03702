"""Conditions: whether a resolved tree of branch-on-expression holds; reads a tree, gives a bool.

A tree is `["and" | "or", node…]` or `[operator, left, right?]`. Operators and their coercions are
those of the platform (platform-behaviour, 6.3), that is JavaScript's, with three differences that
only turn a failure or a rounding into an answer: a text such as `12345`, which reads as a number,
still counts as text for the operators on texts; integers compare exactly, also above 2^53; and
null stands for undefined, because a reference to nothing resolves to null.

Of bytes in the blob store it is known that they are there; an operator that needs them themselves
raises NotLoaded.
"""

import math
import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta, tzinfo

import orjson

from processors.actions import StepError
from processors.cleaning import FALSE_WORDS, TRUE_WORDS
from schemas.definitions import Pair
from schemas.stored import Stored
from schemas.values import NotLoaded, Value, shown

_SHOWN = 100
_NUMERAL = re.compile(r"[+-]?(\d+\.?\d*([eE][+-]?\d+)?|\.\d+([eE][+-]?\d+)?|Infinity)")
_RADIX = re.compile(r"0([xX][0-9a-fA-F]+|[oO][0-7]+|[bB][01]+)")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

Operator = Callable[[Value, Value], bool]


def evaluate(condition: Value) -> bool:
    """Whether `condition` holds; `and` and `or` stop once the answer is known. Raises StepError."""
    if not _is_node(condition):
        raise StepError(f"Not a condition: {_shown(condition)}")
    head, rest = condition[0], condition[1:]
    if head == "and":
        return all(evaluate(inner) for inner in rest)
    if head == "or":
        return any(evaluate(inner) for inner in rest)
    return _compare(head, rest)


def _is_node(condition: Value) -> bool:
    return (
        isinstance(condition, list | tuple)
        and not isinstance(condition, Pair)
        and bool(condition)
        and isinstance(condition[0], str)
    )


def _compare(name: str, operands: Sequence[Value]) -> bool:
    operator = OPERATORS.get(name)
    if operator is None:
        raise StepError(f"Unknown operator {_shown(name)} in a condition")
    given = [_bare(operand) for operand in operands[: 1 if name in UNARY else 2]]
    left, right = (*given, None, None)[:2]
    try:
        return operator(left, right)
    except NotLoaded:
        raise
    except (TypeError, ValueError, OverflowError) as error:
        compared = " ".join([_shown(left), name, *map(_shown, given[1:])])
        message = f"Incompatible comparison arguments: {compared}: {error}"
        raise StepError(message) from error


def _bare(operand: Value) -> Value:
    return operand.value if isinstance(operand, Pair) else operand


def _shown(value: Value) -> str:
    return shown(value, _SHOWN)


def _native(term: Value) -> Value:
    """A text that is JSON becomes its value."""
    if not isinstance(term, str):
        return term
    try:
        return orjson.loads(term)
    except orjson.JSONDecodeError:
        return term


def _type(value: Value) -> str:
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int | float):
        return "number"
    if isinstance(value, list | tuple):
        return "array"
    kinds = ((str, "string"), (dict, "object"), (bytes | bytearray | Stored, "buffer"))
    return next((kind for cls, kind in kinds if isinstance(value, cls)), "null")


def _primitive(value: Value) -> Value:
    """JavaScript's ToPrimitive: arrays join with commas, other objects say that they are one."""
    kind = _type(value)
    if kind == "array":
        return ",".join("" if inner is None else _text(inner) for inner in value)
    if kind == "object":
        return "[object Object]"
    if isinstance(value, Stored):
        raise NotLoaded(value)
    return bytes(value).decode(errors="replace") if kind == "buffer" else value


def _text(value: Value) -> str:
    value = _primitive(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e21:
        return str(int(value))
    return "null" if value is None else str(value)


def _number(value: Value) -> int | float:
    """JavaScript's ToNumber: what is no number is NaN."""
    value = _primitive(value)
    if value is None:
        return 0
    return _numeral(value.strip()) if isinstance(value, str) else value + 0


def _numeral(text: str) -> int | float:
    if not text:
        return 0
    if _RADIX.fullmatch(text):
        return int(text, 0)
    return float(text) if _NUMERAL.fullmatch(text) else math.nan


def _is_truthy(value: Value) -> bool:
    if isinstance(value, float) and math.isnan(value):
        return False
    return bool(value) or _type(value) in ("array", "object", "buffer")


def _strictly_equal(left: Value, right: Value) -> bool:
    return _deeply_equal(left, right, _same) if _type(left) == _type(right) else False


def _same(left: Value, right: Value) -> bool:
    if _type(left) != _type(right):
        return False
    for one in (left, right):
        if isinstance(one, Stored) and left != right:
            raise NotLoaded(one)
    return bool(left == right)


def _loosely_equal(left: Value, right: Value) -> bool:
    return _deeply_equal(left, right, _loose)


def _deeply_equal(left: Value, right: Value, leaf: Operator) -> bool:
    kinds = (_type(left), _type(right))
    if kinds == ("array", "array"):
        return len(left) == len(right) and all(
            _deeply_equal(a, b, leaf) for a, b in zip(left, right, strict=True)
        )
    if kinds == ("object", "object"):
        return left.keys() == right.keys() and all(
            _deeply_equal(left[key], right[key], leaf) for key in left
        )
    return leaf(left, right)


def _loose(left: Value, right: Value) -> bool:
    """JavaScript's == on anything but two arrays or two objects (ECMA-262, IsLooselyEqual)."""
    if left is None or right is None:
        return left is right
    a, b = _primitive(left), _primitive(right)
    if {_type(left), _type(right)} == {"array", "object"}:
        return False
    return bool(a == b) if _type(a) == _type(b) else bool(_number(a) == _number(b))


def _relational(holds: Operator) -> Operator:
    """JavaScript's < > <= >=: two texts by UTF-16 code units, all else as numbers."""

    def operator(left: Value, right: Value) -> bool:
        a, b = _primitive(_native(left)), _primitive(_native(right))
        if isinstance(a, str) and isinstance(b, str):
            return holds(_code_units(a), _code_units(b))
        return holds(_number(a), _number(b))

    return operator


def _code_units(text: str) -> bytes:
    return text.encode("utf-16-be", "surrogatepass")


def _is_in(left: Value, right: Value) -> bool:
    container = _native(right)
    kind = _type(container)
    if kind == "array":
        wanted = (left, _native(left))
        return any(_strictly_equal(member, one) for member in container for one in wanted)
    if kind == "object":
        return _text(left) in container
    return _text(left) in _as_text(right)


def _as_text(term: Value) -> str:
    """A text as given; one in JSON quotes without them. Raises TypeError for anything else."""
    native = _native(term)
    if isinstance(native, str):
        return native
    if isinstance(term, str):
        return term
    raise TypeError(f"{_shown(term)} is not a text")


def _starts_with(left: Value, right: Value) -> bool:
    return _as_text(right).startswith(_as_text(left))


def _ends_with(left: Value, right: Value) -> bool:
    return _as_text(right).endswith(_as_text(left))


def _is_true(left: Value, _right: Value) -> bool:
    value = _native(left)
    word = value.lower() if isinstance(value, str) else ""
    if word in TRUE_WORDS | FALSE_WORDS:
        return word in TRUE_WORDS
    return _is_truthy(value)


def _exists(left: Value, _right: Value) -> bool:
    return _is_truthy(_native(left))


def _is_empty(left: Value, _right: Value) -> bool:
    native = _native(left)
    if _type(native) == "array":
        return not native
    if isinstance(native, str) or isinstance(left, str):
        return not _as_text(left)
    raise TypeError("neither a text nor a list")


def moment(term: Value, zone: tzinfo = UTC) -> datetime:
    """ISO 8601, `yyyy`, or milliseconds since 1970; without an offset it is in `zone`.

    Raises ValueError, OverflowError.
    """
    if _type(term) == "number":
        return _EPOCH + timedelta(milliseconds=term)
    text = _as_text(term).strip()
    if re.fullmatch(r"\d{4}", text):
        return datetime(int(text), 1, 1, tzinfo=zone)
    if re.fullmatch(r"-?\d{5,7}|-?\d{9,}", text):
        return _EPOCH + timedelta(milliseconds=int(text))
    read = datetime.fromisoformat(text)
    return read if read.tzinfo else read.replace(tzinfo=zone)


def _dates(holds: Operator) -> Operator:
    return lambda left, right: holds(moment(left), moment(right))


def _natives(holds: Operator) -> Operator:
    return lambda left, right: holds(_native(left), _native(right))


def _not(holds: Operator) -> Operator:
    return lambda left, right: not holds(left, right)


_equal = _natives(_loosely_equal)
_exactly_matches = _natives(_strictly_equal)

OPERATORS: dict[str, Operator] = {
    "equal": _equal,
    "notEqual": _not(_equal),
    "exactlyMatches": _exactly_matches,
    "doesNotExactlyMatch": _not(_exactly_matches),
    "greaterThan": _relational(lambda a, b: bool(a > b)),
    "greaterThanOrEqual": _relational(lambda a, b: bool(a >= b)),
    "lessThan": _relational(lambda a, b: bool(a < b)),
    "lessThanOrEqual": _relational(lambda a, b: bool(a <= b)),
    "in": _is_in,
    "notIn": _not(_is_in),
    "startsWith": _starts_with,
    "doesNotStartWith": _not(_starts_with),
    "endsWith": _ends_with,
    "doesNotEndWith": _not(_ends_with),
    "dateTimeAfter": _dates(lambda a, b: bool(a > b)),
    "dateTimeBefore": _dates(lambda a, b: bool(a < b)),
    "dateTimeSame": _dates(lambda a, b: bool(a == b)),
    "isTrue": _is_true,
    "isFalse": _not(_is_true),
    "exists": _exists,
    "doesNotExist": _not(_exists),
    "isEmpty": _is_empty,
    "isNotEmpty": _not(_is_empty),
}
"""Every operator by its name; those on one value ignore the right one."""

UNARY = frozenset(("isTrue", "isFalse", "exists", "doesNotExist", "isEmpty", "isNotEmpty"))
