"""Prismatic: requests to the platform's own GraphQL API, wherever its connection points."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import httpx

from processors.actions import Action, Context, Input, Kind, Outcome, Runs, StepError, World
from processors.components import graphql
from schemas.values import Value

_API_PATH = "/api"

_CONNECTION = Input(
    key="connection",
    label="Connection",
    kind=Kind.CONNECTION,
    description="Where the API is and who asks: `url`, to whose host /api is added where it has no "
    "path, and a `token` or `apiKey` that is sent as Bearer.",
    example='{"url": "https://penstock.example.com", "token": "…"}',
)
_QUERY = replace(graphql.QUERY, example="query ($id: ID!) { customer(id: $id) { name } }")


async def _request(inputs: Mapping[str, Any], context: Context, world: World) -> Outcome:
    connection = inputs["connection"]
    asked = {
        "url": _url(connection),
        "connection": {key: value for key, value in connection.items() if key != "url"},
        "query": inputs["query"],
        "variables": inputs["variables"],
        "headers": [],
    }
    outcome = await graphql.request(asked, context, world)
    return Outcome(result={"data": outcome.result}, logs=outcome.logs)


def _url(connection: Mapping[str, Value]) -> str:
    """Raises StepError where the connection does not say."""
    given = str(connection.get("url") or "").strip()
    if not given:
        raise StepError(
            "Connection (connection) names no url: it is the URL of the GraphQL API to be asked"
        )
    try:
        url = httpx.URL(given)
    except httpx.InvalidURL as error:
        raise StepError(f"The url of Connection (connection) is none: {error}") from error
    return str(url.copy_with(path=_API_PATH)) if url.path == "/" else given


ACTIONS = (
    Action(
        component="prismatic",
        key="rawRequest",
        label="Raw GraphQL Request",
        description="Gives the answer as `data`, so that a field of it is `data.data.field`. Fails "
        "where there are errors and no data.",
        perform=_request,
        inputs=(_CONNECTION, _QUERY, graphql.VARIABLES),
        runs=Runs.ASYNC,
        touches_world=True,
    ),
)
