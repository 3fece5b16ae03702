"""Math, Evaluate Expression: by JavaScript itself, in its sandbox."""

import re
from collections.abc import Mapping
from typing import Any

from processors.actions import Action, Context, Input, Outcome, Runs, World
from processors.components import javascript
from processors.components.numbers import tidy
from processors.components.refusals import unfit

_CHARS = re.compile(r"[\w\s.+\-*/%()<>&|^~!?:,=]{1,10000}")
_NAMES = (
    "abs, acos, acosh, asin, asinh, atan, atanh, cbrt, ceil, cos, cosh, E, exp, floor, hypot, log, "
    "log10, log2, max, min, PI, pow, round, sign, sin, sinh, sqrt, tan, tanh, trunc"
)

_EXPRESSION = Input(
    key="expression",
    label="Expression",
    required=True,
    description="An expression of JavaScript over numbers, with the functions of Math by name.",
    example="2 * 3 + max(7, 4) ** 2",
)


def _evaluate(inputs: Mapping[str, Any], context: Context, world: World) -> Outcome:
    text = inputs["expression"]
    if not _CHARS.fullmatch(text):
        raise unfit(_EXPRESSION, "an expression of numbers, operators and functions", text)
    expression = f"(function () {{ const {{ {_NAMES} }} = Math; return (\n{text}\n); }})()"
    outcome = javascript.run({}, expression, None, context, world)
    result = outcome.result
    if isinstance(result, bool) or not isinstance(result, int | float):
        raise unfit(_EXPRESSION, "an expression that gives a number", text)
    return Outcome(result=tidy(result, "The expression"))


ACTIONS = (
    Action(
        component="math",
        key="evaluate",
        label="Evaluate Expression",
        description="Gives the value of an expression.",
        perform=_evaluate,
        inputs=(_EXPRESSION,),
        runs=Runs.THREAD,
    ),
)
