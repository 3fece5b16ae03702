"""Up: all stages together, the only place where they know of one another."""

from collections.abc import Callable

from eventlog.sqlite import SqliteLog
from penstock import projecting, stages, startup
from penstock.stages import Stage
from schemas.settings import Settings


async def run(known: Settings, host: str, port: int, announce: Callable[[str], None]) -> None:
    """Serve until SIGINT or SIGTERM; `announce` is given the URL once it answers."""
    with startup.listening(host, port) as listener:
        async with startup.opened(known) as parts, startup.open_views(known) as views:
            url = startup.address_of(host, listener)
            together: list[Stage] = [
                stages.ingress(parts, views, listener),
                stages.worker(parts),
                projecting.beside(parts.log, known.log_url, known.views_url),
                stages.following(parts),
            ]
            if isinstance(parts.log, SqliteLog):
                together.append(stages.compaction(parts.log))
            await stages.run(together, lambda: announce(url))
