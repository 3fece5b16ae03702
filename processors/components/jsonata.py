"""JSONata: an expression of the query and transformation language, evaluated over data.

Expressions can loop for ever and hold regular expressions, so they run in a computing process.
There, time and chance are those of the step: `$now()`, `$millis()`, `$random()` and `$shuffle()`
give the same for each attempt.
"""

from collections.abc import Mapping
from typing import Any

import orjson

from processors.actions import Action, Context, Input, Kind, Outcome, Runs, StepError, World
from processors.components.computing import compute
from schemas.instants import MILLISECOND
from schemas.values import Value

_EXPRESSION = Input(
    key="expression",
    label="Expression",
    required=True,
    description="The JSONata expression.",
    example="$sum(lines.(price * quantity))",
)
_DATA = Input(
    key="data",
    label="Data",
    kind=Kind.JSON,
    description="What the expression is evaluated over.",
    example='{"lines": [{"price": 2, "quantity": 3}]}',
)


def _transform(inputs: Mapping[str, Any], context: Context, world: World) -> Outcome:
    given = {
        "expression": inputs["expression"],
        "data": inputs["data"],
        "now_ms": context.now // MILLISECOND,
        "seed": context.idempotency_key,
    }
    return Outcome(result=compute(evaluate, given, "The expression", world))


def evaluate(given: Value) -> Value:
    """What the expression gives; runs in a computing process. Raises StepError."""
    import random

    import jsonata
    from jsonata.jexception import JException
    from jsonata.timebox import Timebox

    random.seed(given["seed"])
    Timebox.current_milli_time = staticmethod(lambda: given["now_ms"])
    try:
        result = jsonata.Jsonata(given["expression"]).evaluate(given["data"])
    except JException as error:
        raise StepError(str(error)) from error
    try:
        orjson.dumps(result)
    except TypeError as error:
        raise StepError(f"it gives what is no value: {error}") from error
    return result


ACTIONS = (
    Action(
        component="jsonata",
        key="transform",
        label="Transform",
        description="Gives what the expression makes of the data; null where it makes nothing.",
        perform=_transform,
        inputs=(_EXPRESSION, _DATA),
        runs=Runs.THREAD,
    ),
)
