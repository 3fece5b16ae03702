"""Liquid template: text made of a template and data.

Templates can loop for long and double a text at each filter, so they render in a computing
process. `now` in a template is the time of the step.
"""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from processors.actions import Action, Context, Input, Kind, Outcome, Runs, StepError, World
from processors.components.computing import compute
from processors.components.refusals import unfit
from schemas.instants import to_iso
from schemas.values import Value

if TYPE_CHECKING:
    from liquid.exceptions import LiquidError

MAX_OUTPUT_BYTES = 20 * 1024 * 1024
_MAX_ITERATIONS = 1_000_000

_DATA = Input(
    key="data",
    label="Data",
    kind=Kind.JSON,
    default={},
    description="An object, or JSON of one. Its keys are the names that the template knows.",
    example='{"customer": {"name": "Ada"}}',
)
_TEMPLATE = Input(
    key="liquidTemplate",
    label="Liquid Template",
    required=True,
    description="The template. A name that the data do not have is empty; besides the filters of "
    "Liquid there is `json`.",
    example="Dear {{ customer.name | upcase }}",
)


def _transform(inputs: Mapping[str, Any], context: Context, world: World) -> Outcome:
    if not isinstance(inputs["data"], dict):
        raise unfit(_DATA, "an object", inputs["data"])
    given = {**inputs, "now": to_iso(context.now)}
    return Outcome(result=compute(render, given, "The template", world))


def render(given: Value) -> Value:
    """The text; runs in a computing process. Raises StepError for what is wrong in a template."""
    import liquid
    from liquid.exceptions import LiquidError

    class Bounded(liquid.Environment):
        output_stream_limit = MAX_OUTPUT_BYTES
        loop_iteration_limit = _MAX_ITERATIONS

    environment = Bounded(extra=True)
    environment.filters["date"] = _dated(environment.filters["date"], given["now"])
    del environment.filters["datetime"]  # reads the clock
    try:
        return environment.from_string(given["liquidTemplate"]).render(given["data"])
    except LiquidError as error:
        raise StepError(_told(error)) from error


def _dated(date: Callable[..., str], now: str) -> Callable[..., str]:
    """The filter `date`, for which now and today are the time of the step."""

    def dated(value: object, form: str, *, environment: object) -> str:
        moment = now if value in ("now", "today") else value
        return date(moment, form, environment=environment)

    dated.with_environment = True  # type: ignore[attr-defined]  # how Liquid passes it
    return dated


def _told(error: "LiquidError") -> str:
    line = error.token.source.count("\n", 0, error.token.start_index) + 1 if error.token else 0
    return f"{error.message} (line {line})" if line else str(error.message)


ACTIONS = (
    Action(
        component="liquid-template",
        key="transform",
        label="Render Template",
        description="Gives the text that the template makes of the data.",
        perform=_transform,
        inputs=(_DATA, _TEMPLATE),
        runs=Runs.THREAD,
    ),
)
