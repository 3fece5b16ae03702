"""Opening: from the one setting that names the log to the log itself.

`sqlite:///relative/path` and `sqlite:////absolute/path` are a file, `kafka://host:port[,host:port…]`
is a cluster.
"""

from pathlib import Path

from eventlog import folders
from eventlog.log import EventLog
from eventlog.sqlite import SqliteLog
from schemas.errors import Unusable

_SQLITE = "sqlite:///"
_KAFKA = "kafka://"


async def open_log(url: str) -> EventLog:
    """The log that `url` names. Raises Unusable, in one sentence with the value."""
    if url.startswith(_SQLITE) and len(url) > len(_SQLITE):
        path = Path(url.removeprefix(_SQLITE))
        folders.make_private(path.parent)
        return await SqliteLog.open(path)
    if url.startswith(_KAFKA):
        # Imported here: a first run does not owe aiokafka its start-up time and memory.
        from eventlog.kafka import KafkaLog

        return await KafkaLog.open(_servers(url))
    raise _not_a_log(url)


def _servers(url: str) -> str:
    servers = url.removeprefix(_KAFKA).rstrip("/")
    for server in servers.split(","):
        host, _, port = server.rpartition(":")
        if not host or not port.isascii() or not port.isdigit() or not 0 < int(port) < 65_536:
            raise _not_a_log(url)
    return servers


def _not_a_log(url: str) -> Unusable:
    return Unusable(f"log {url!r} is neither sqlite:///PATH nor kafka://HOST:PORT[,HOST:PORT…]")
