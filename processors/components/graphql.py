"""GraphQL: queries and mutations, posted as JSON (GraphQL over HTTP)."""

from collections.abc import Mapping
from typing import Any

from processors import cleaning
from processors.actions import Action, Context, Input, Kind, Outcome, Runs, StepError, World
from processors.components import http
from processors.components.refusals import shown, unfit
from schemas.values import Value

_POST = next(action for action in http.ACTIONS if action.key == "httpPost")
_CONNECTION = next(declared for declared in _POST.inputs if declared.key == "connection")
_HEADERS = next(declared for declared in _POST.inputs if declared.key == "headers")
_URL = Input(
    key="url",
    label="GraphQL Endpoint",
    required=True,
    description="Where requests go: an absolute http:// or https:// URL.",
    example="https://api.example.com/graphql",
)
_QUERY = Input(
    key="query",
    label="Query or Mutation",
    required=True,
    description="The document.",
    example="query ($id: ID!) { order(id: $id) { total } }",
)
_VARIABLES = Input(
    key="variables",
    label="Variables",
    kind=Kind.PAIRS,
    description="The variables of the document.",
    example="id: 17",
)


async def _request(inputs: Mapping[str, Any], context: Context, world: World) -> Outcome:
    variables = {pair.name: pair.value for pair in inputs["variables"]}
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
        perform=_request,
        inputs=(_CONNECTION, _URL, _QUERY, _VARIABLES, _HEADERS),
        runs=Runs.ASYNC,
        touches_world=True,
    ),
)
