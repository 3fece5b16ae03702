"""`penstock executions signal`: tell an execution that waits what it waits for."""

from typing import Annotated

import orjson
import typer

from penstock import show
from schemas.errors import Unusable


def signal(
    execution_id: Annotated[str, typer.Argument(metavar="ID", help="Of the execution.")],
    name: Annotated[str, typer.Argument(metavar="NAME", help="What it waits for.")],
    data: Annotated[str | None, typer.Option(metavar="JSON", help="What it is given.")] = None,
    idempotency_key: Annotated[
        str | None, typer.Option(metavar="KEY", help="Of several with one key the first counts.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Tell a waiting execution something; one that does not wait yet keeps it."""
    from penstock import client

    path = f"/executions/{client.segment(execution_id)}/signals/{client.segment(name)}"
    headers = {"Idempotency-Key": idempotency_key} if idempotency_key else {}
    answer = client.server().post(path, _parsed(data), headers)
    show.as_json(answer) if as_json else show.write(f"{name} sent to {execution_id}")


def _parsed(data: str | None) -> object:
    if data is None:
        return None
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise Unusable(f'--data needs JSON, as in \'{{"by": "ann"}}\': {error}') from None
