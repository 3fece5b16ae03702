"""`penstock schedules`: when flows fire, and what became of each instant of a schedule."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any

import typer

from penstock import show

app = typer.Typer(help="When flows fire, and what became of it.", no_args_is_help=True)

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command("list")
def list_schedules(as_json: AsJson = False) -> None:
    """List the schedules of all instances, with their last and next instants."""
    from penstock import client

    found = client.server().pages("/schedules", "schedules", None)
    if as_json:
        return show.as_json({"schedules": found})
    show.table(
        ("id", "flow", "instance", "customer", "schedule", "zone", "status", "last", "next"),
        [
            (
                known["id"],
                known["flow"],
                known["instance"]["name"],
                known["customer"],
                known["expression"] or "never",
                known["timeZone"],
                "behind" if known["behind"] else known["status"],
                _last(known["last"]),
                known["nextDueAt"],
            )
            for known in found
        ],
    )


@app.command()
def ticks(
    schedule_id: Annotated[str, typer.Argument(metavar="ID", help="As `schedules list` shows it.")],
    limit: Annotated[int, typer.Option(min=1, help="At most so many past ones.")] = 20,
    coming: Annotated[int, typer.Option(min=0, max=100, help="So many coming ones.")] = 5,
    as_json: AsJson = False,
) -> None:
    """Show the coming and past instants of a schedule, the latest first."""
    from penstock import client

    server, path = client.server(), f"/schedules/{client.segment(schedule_id)}/ticks"
    found = server.get(path, limit=1, coming=coming)
    found["ticks"] = server.pages(path, "ticks", limit, coming="0")
    del found["next"]
    if as_json:
        return show.as_json(found)
    show.table(("due", "count", "status", "late", "execution"), [*_rows(found)])


def _rows(found: Mapping[str, Any]) -> Iterator[tuple[object, ...]]:
    for due_at in reversed(found["coming"]):
        yield due_at, 1, "coming", None, None
    for tick in found["ticks"]:
        status = f"{tick['status']}: {tick['reason']}" if tick["reason"] else tick["status"]
        late = None if tick["lateMs"] is None else f"{tick['lateMs'] / 1_000:.3f} s"
        yield tick["dueAt"], tick["count"], status, late, tick["executionId"]


def _last(tick: Mapping[str, Any] | None) -> str | None:
    return None if tick is None else f"{tick['dueAt']} {tick['status']}"
