"""`penstock refusals`: which requests were turned away, and why.

`list` shows those that admission decided on, one by one; `calls` those that ingress turned away
before they came to the log, counted.
"""

from typing import Annotated

import typer

from penstock import show

app = typer.Typer(help="What was turned away, and why.", no_args_is_help=True)


@app.command("list")
def list_refusals(
    since: Annotated[str | None, typer.Option(help="Received since this instant.")] = None,
    reason: Annotated[str | None, typer.Option(help="For this reason only.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="At most so many.")] = 100,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List refused requests, newest first, also those of shared endpoints."""
    from penstock import client

    found = client.server().pages("/refusals", "refusals", limit, since=since, reason=reason)
    if as_json:
        return show.as_json({"refusals": found})
    show.table(
        ("received", "reason", "flow", "customer", "endpoint", "execution"),
        [
            (
                row["receivedAt"],
                row["reason"],
                row["flow"] or None,
                row["customer"] or None,
                row["endpoint"],
                row["execution"],
            )
            for row in found
        ],
    )


@app.command("calls")
def list_calls(
    limit: Annotated[int, typer.Option(min=1, help="At most so many.")] = 100,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List calls turned away at the door, counted by endpoint and reason, newest first."""
    from penstock import client

    found = client.server().pages("/refused-calls", "refusedCalls", limit)
    if as_json:
        return show.as_json({"refusedCalls": found})
    show.table(
        ("last", "calls", "reason", "one of them", "endpoint"),
        [
            (
                row["lastAt"],
                row["calls"],
                row["reason"],
                f"{row['sample']['method']} {row['sample']['path']}".strip(),
                row["endpoint"],
            )
            for row in found
        ],
    )
