"""GraphQL: queries and mutations, posted as JSON (GraphQL over HTTP)."""

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from processors import cleaning
from processors.actions import Action, Context, Input, Kind, Outcome, Runs, StepError, World
from processors.components import http, http_inputs
from processors.components.refusals import shown, unfit
from schemas.values import Value

_POST = next(action for action in http.ACTIONS if action.key == "httpPost")
_URL = replace(http_inputs.URL, label="GraphQL Endpoint", example="https://api.example.com/graphql")
QUERY = Input(
    key="query",
    label="Query or Mutation",
    required=True,
    description="The document.",
    example="query ($id: ID!) { order(id: $id) { total } }",
)
VARIABLES = Input(
    key="variables",
    label="Variables",
    kind=Kind.PAIRS,
    description="The variables of the document. A text becomes a number or a boolean where the "
    "document declares one.",
    example="id: 17",
)


async def request(inputs: Mapping[str, Any], context: Context, world: World) -> Outcome:
    """The answer of the API. Raises StepError."""
    variables = _typed(inputs["query"], {pair.name: pair.value for pair in inputs["variables"]})
    asked = {
        "url": inputs["url"],
        "connection": inputs["connection"],
        "headers": inputs["headers"],
        "data": {"query": inputs["query"], "variables": variables},
    }
    outcome: Outcome = await _POST.perform(cleaning.clean(_POST, asked), context, world)
    answer = outcome.result
    if not isinstance(answer, dict):
        raise unfit(_URL, "that of a GraphQL API, and it answered with something else", answer)
    if answer.get("errors") and answer.get("data") is None:
        raise StepError(f"The GraphQL API answers with errors: {_told(answer['errors'])}")
    return outcome


def _typed(document: str, variables: dict[str, Value]) -> dict[str, Value]:
    """Texts become numbers and booleans where the document declares such variables.

    In a definition all values are texts, and a GraphQL API takes none for an Int.
    """
    for name, kind in _DECLARED.findall(document[:_MAX_DECLARING]):
        value = variables.get(name)
        if not isinstance(value, str):
            continue
        try:
            variables[name] = _READ[kind](value)
        except ValueError:
            continue  # the API says what is wrong with it
    return variables


_MAX_DECLARING = 100_000
_DECLARED = re.compile(r"\$(\w+)[\s,]*:[\s,]*(Int|Float|Boolean)\b")


def _boolean(text: str) -> Value:
    return {"true": True, "false": False}.get(text, text)


def _float(text: str) -> Value:
    number = float(text)
    return number if math.isfinite(number) else text


_READ: Mapping[str, Callable[[str], Value]] = {"Int": int, "Float": _float, "Boolean": _boolean}


def _told(errors: Value) -> str:
    if not isinstance(errors, list):
        return shown(errors)
    messages = [error.get("message") if isinstance(error, dict) else error for error in errors[:5]]
    return "; ".join(str(message)[:300] for message in messages)


ACTIONS = (
    Action(
        component="graphql",
        key="graphqlRequest",
        label="GraphQL Request",
        description="Gives the answer, with `data` and, where parts of it failed, `errors`. Fails "
        "where there are errors and no data.",
        perform=request,
        inputs=(http_inputs.CONNECTION, _URL, QUERY, VARIABLES, http_inputs.HEADERS),
        runs=Runs.ASYNC,
        touches_world=True,
    ),
)
