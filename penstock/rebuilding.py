"""Rebuild: drop the views and fold the log again, through the server or, where none runs, here.

Gives out how many records were folded. Progress goes to stderr.
"""

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from penstock import client, show, startup
from penstock.client import Server
from schemas.errors import PenstockError, Unusable
from schemas.settings import Settings

LOOK_EVERY_S = 0.2
STILL_S = 30.0
"""After how long without a record folded nobody is taken to fold."""
_SQLITE = "sqlite:///"


class NobodyFolds(PenstockError):
    """The views were dropped, and no projector fills them."""


Place = tuple[str, int]
Progress = Callable[[int, int], None]


def rebuild(**overrides: str | None) -> int:
    """Rebuild where `overrides` or the environment say. What was given here is meant for here."""
    known = startup.read_settings(**overrides)
    if any(overrides.values()):
        return _rebuild_here(known)
    server = client.server()
    try:
        targets = _highs(server)
    except client.ServerAway:
        views = startup.less_password(known.views_url)
        show.say(f"no server answers at {server.url}; rebuilding {views} here")
        return _rebuild_here(known)
    return _rebuild_there(server, targets)


def _rebuild_there(server: Server, targets: dict[Place, int]) -> int:
    server.post("/rebuild")
    total = sum(targets.values())
    most, moved_at = -1, time.monotonic()
    with _progress() as progress:
        while (done := _done(server, targets)) < total:
            progress(done, total)
            if done > most:
                most, moved_at = done, time.monotonic()
            elif time.monotonic() - moved_at >= STILL_S:
                raise NobodyFolds(
                    f"the views stand still at {done} of {total} records: is a projector running?"
                    " One that is started goes on from there"
                )
            time.sleep(LOOK_EVERY_S)
        progress(done, total)
    return total


def _highs(server: Server) -> dict[Place, int]:
    return {_place(position): position["high"] for position in _positions(server)}


def _done(server: Server, targets: dict[Place, int]) -> int:
    """How much of `targets` is in the views; what came since then is left out."""
    positions = _positions(server)
    return sum(min(found["offset"], targets.get(_place(found), 0)) for found in positions)


def _positions(server: Server) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = server.get("/projections")["projections"]
    return found


def _place(position: dict[str, Any]) -> Place:
    return position["topic"], position["partition"]


def _rebuild_here(known: Settings) -> int:
    url = known.log_url
    if url.startswith(_SQLITE) and not Path(url.removeprefix(_SQLITE)).exists():
        raise Unusable(f"there is no log at {url}")
    return asyncio.run(_fold(known))


async def _fold(known: Settings) -> int:
    from projections import projector

    folded = 0
    with _progress() as progress:

        def note(done: int, total: int) -> None:
            nonlocal folded
            folded = done
            progress(done, total)

        async with startup.open_log(known) as log, startup.open_views(known) as views:
            await projector.rebuild_here(log, views, note)
    return folded


@contextmanager
def _progress() -> Iterator[Progress]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    columns = (TextColumn("rebuilding"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=Console(stderr=True)) as shown:
        task = shown.add_task("rebuilding", total=None)
        yield lambda done, total: shown.update(task, completed=done, total=total)
