"""Opening: from the one setting that names the log to the log itself.

`sqlite:///relative/path` and `sqlite:////absolute/path` are a file, `kafka://host:port[,host:port…]`
is a cluster. `kafka://…/name` puts `name.` before all topics and groups there, so that several
installations share a cluster.
"""

import re
from pathlib import Path

from eventlog import folders
from eventlog.log import EventLog
from eventlog.sqlite import SqliteLog
from schemas.errors import Unusable

_SQLITE = "sqlite:///"
_KAFKA = "kafka://"
_NAME = re.compile(r"[A-Za-z0-9._-]{1,100}")
"""What Kafka allows in a topic, with room left for the topic's own name (249 characters in all)."""


async def open_log(url: str) -> EventLog:
    """The log that `url` names. Raises Unusable, in one sentence with the value."""
    path = path_in(url)
    if path is not None:
        folders.make_private(path.parent)
        return await SqliteLog.open(path)
    if url.startswith(_KAFKA):
        # Imported here: a first run does not owe aiokafka its start-up time and memory.
        from eventlog.kafka import KafkaLog

        servers, prefix = _cluster(url)
        return await KafkaLog.open(servers, prefix=prefix)
    raise _not_a_log(url)


def path_in(url: str) -> Path | None:
    """The file that `url` names, if it names one."""
    name = url.removeprefix(_SQLITE)
    return Path(name) if name and name != url else None


def _cluster(url: str) -> tuple[str, str]:
    """The servers, and what stands before topics and groups."""
    servers, _, name = url.removeprefix(_KAFKA).partition("/")
    for server in servers.split(","):
        host, _, port = server.rpartition(":")
        if not host or not port.isascii() or not port.isdigit() or not 0 < int(port) < 65_536:
            raise _not_a_log(url)
    if not name:
        return servers, ""
    if not _NAME.fullmatch(name):
        raise Unusable(
            f"log {url!r}: Kafka has no topics named {name!r}: letters, digits, . _ - only"
        )
    return servers, f"{name}."


def _not_a_log(url: str) -> Unusable:
    return Unusable(
        f"log {url!r} is neither sqlite:///PATH nor kafka://HOST:PORT[,HOST:PORT…][/NAME]"
    )
