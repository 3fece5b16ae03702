"""`penstock instances keys`: show, add, make and remove the API keys of an instance."""

import secrets
from typing import Annotated, Any

import typer

from penstock import show
from schemas.errors import Unusable

Pairs = list[str] | None


def keys(
    instance_id: Annotated[str, typer.Argument(metavar="ID", help="As `instances list` shows it.")],
    add: Annotated[Pairs, typer.Option(metavar="FLOW=KEY", help="A key to take too.")] = None,
    generate: Annotated[
        Pairs, typer.Option(metavar="FLOW", help="Make a key for this flow.")
    ] = None,
    remove: Annotated[
        Pairs, typer.Option(metavar="FLOW=KEY", help="A key not to take any more.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show the API keys of an instance, after adding and removing some.

    To rotate a key, add the new one, let callers use it, then remove the old one.
    """
    from penstock import client

    path = f"/instances/{client.segment(instance_id)}/keys"
    added = _by_flow("--add", add)
    for flow in generate or []:
        added.setdefault(flow, []).append(secrets.token_urlsafe(32))
    change = {"add": added, "remove": _by_flow("--remove", remove)}
    server = client.server()
    answer = server.post(path, change) if any(change.values()) else server.get(path)
    show.as_json(answer) if as_json else _show(answer)


def _show(answer: dict[str, Any]) -> None:
    rows = [
        (flow["name"], flow["security"], ", ".join(flow["apiKeys"]) or None)
        for flow in answer["flows"]
    ]
    show.table(("flow", "security", "api keys"), rows)


def _by_flow(option: str, given: Pairs) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for text in given or []:
        flow, equals, key = text.partition("=")
        if not flow or not equals:
            # The text may be a secret and is not shown.
            raise Unusable(f"{option} needs FLOW=KEY, with a flow and an equals sign")
        found.setdefault(flow, []).append(key)
    return found
