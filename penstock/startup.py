"""Startup: from the environment to what the stages stand on: settings, secrets, log, blobs, views.

Takes in the environment and what the command line says; gives out open parts, closed again at the
end. What cannot be used as given is raised as Unusable, in one sentence.
"""

import asyncio
import logging
import os
import secrets
import socket
import sys
from base64 import urlsafe_b64encode
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING

from schemas import settings
from schemas.errors import Unusable
from schemas.settings import Settings

if TYPE_CHECKING:
    from eventlog.blobs import Blobs
    from eventlog.definitions import Definitions
    from eventlog.log import EventLog
    from projections.store import Views
    from schemas.catalog import Catalog
    from schemas.secrets import MasterKey

TOKEN_FILE = "admin-token"
MASTER_KEY_FILE = "master-key"
BACKLOG = 4_096
PYTHON_PROGRAM = "penstock.python_child"
"""The module that runs the code of authors, in processes of its own."""
_NOT_SHOWN = ("token", "master_key")

_log = logging.getLogger(__name__)


def read_settings(**overrides: str | None) -> Settings:
    """The settings in force: the command line's, else the environment's, else the defaults."""
    return settings.from_environment(os.environ, **overrides)


def begin_logging() -> None:
    logging.basicConfig(
        stream=sys.stderr,
        level=logging.INFO,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
    )
    # Clients of Kafka report each lost connection as an error; what comes of it we log ourselves.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    # What is wrong with a form is told to who sent it.
    logging.getLogger("python_multipart").setLevel(logging.CRITICAL)


def log_settings(known: Settings) -> None:
    """One line with the settings in force, without secrets and without passwords in URLs."""
    shown = {field.name: getattr(known, field.name) for field in fields(known)}
    shown |= {"log": known.log_url, "views": known.views_url, "blobs": known.blobs_url}
    said = " ".join(f"{k}={less_password(str(v))}" for k, v in shown.items() if k not in _NOT_SHOWN)
    _log.info("settings: %s", said, extra={"action": "start"})


def less_password(text: str) -> str:
    """`text`, if it is a URL with a password, without that."""
    scheme, mark, rest = text.partition("://")
    credentials, at, place = rest.rpartition("@")
    user, colon, _ = credentials.partition(":")
    return f"{scheme}{mark}{user}:***{at}{place}" if mark and at and colon else text


def token_of(known: Settings) -> str:
    """The server's admin token, made at the first start."""
    return known.token or _kept(known.data_dir / TOKEN_FILE, lambda: secrets.token_urlsafe(32))


def master_key_of(known: Settings) -> "MasterKey":
    """The master key, made at the first start. Raises Unusable if it is none."""
    from schemas.secrets import MasterKey

    return MasterKey(known.master_key or _kept(known.data_dir / MASTER_KEY_FILE, _new_key))


def _new_key() -> str:
    return urlsafe_b64encode(secrets.token_bytes(32)).decode()


def _kept(path: Path, make: Callable[[], str]) -> str:
    """The text in `path`. Of processes that start at once, one makes it and all read the same."""
    from eventlog import folders

    folders.make_private(path.parent)
    try:
        if not path.exists():
            _make(path, make())
            folders.sync(path.parent)
            _log.info("made %s; every node needs the same", path, extra={"action": "make_secret"})
        found = path.read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise Unusable(f"{path} cannot be read or made: {error}") from error
    if not found:
        raise Unusable(f"{path} is empty; remove it to have a new one made")
    return found


def _make(path: Path, text: str) -> None:
    draft = path.with_name(f".{path.name}-{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(text + "\n")
            file.flush()
            os.fsync(file.fileno())
        # A link, unlike a rename, does not replace what another process has made meanwhile.
        os.link(draft, path)
    except FileExistsError:
        pass
    finally:
        draft.unlink()


@contextmanager
def listening(host: str, port: int) -> Iterator[socket.socket]:
    """A socket that listens: whoever connects from now on waits for us. Raises Unusable."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, kind, protocol, _, address = found[0]
        listener = socket.socket(family, kind, protocol)
    except (OSError, OverflowError, UnicodeError) as error:
        raise Unusable(f"host {host!r} cannot be listened on: {error}") from error
    with listener:
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
            listener.listen(BACKLOG)
        except OSError as error:
            reason = error.strerror or str(error)
            raise Unusable(f"port {port} on {host} cannot be had: {reason}") from error
        yield listener


def address_of(host: str, listener: socket.socket) -> str:
    """`http://HOST:PORT` with the port that the listener has come to."""
    shown = f"[{host}]" if ":" in host else host
    return f"http://{shown}:{listener.getsockname()[1]}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What the stages of one process stand on."""

    settings: Settings
    log: "EventLog"
    blobs: "Blobs"
    definitions: "Definitions"
    master_key: "MasterKey" = field(repr=False)


@asynccontextmanager
async def opened(known: Settings) -> AsyncIterator[Parts]:
    """The open parts, with `definitions` read to its end and the components of packages known.

    Raises Unusable and LogUnavailable.
    """
    from eventlog.blobs import Blobs
    from eventlog.definitions import Definitions
    from penstock import python_files

    master_key = master_key_of(known)
    async with open_log(known) as log:
        definitions = Definitions(log)
        await definitions.read_to_end()
        _check_key(master_key, definitions.catalog)
        await python_files.install_components()
        yield Parts(
            settings=known,
            log=log,
            blobs=Blobs.open(known.blobs_url),
            definitions=definitions,
            master_key=master_key,
        )


def _check_key(master_key: "MasterKey", catalog: "Catalog") -> None:
    """Raises Unusable where what is deployed was sealed with another key: nothing could run."""
    for instance in catalog.instances.values():
        if instance.deployed.sealed:
            master_key.unseal(instance.deployed.sealed)
            return


@asynccontextmanager
async def open_log(known: Settings) -> AsyncIterator["EventLog"]:
    from eventlog import opening

    log = await opening.open_log(known.log_url)
    try:
        yield log
    finally:
        await log.close()


@asynccontextmanager
async def open_views(known: Settings) -> AsyncIterator["Views"]:
    from eventlog import folders
    from projections.store import Views

    if not known.views:
        folders.make_private(known.data_dir)
    views = await asyncio.to_thread(Views.open, known.views_url)
    try:
        yield views
    finally:
        await asyncio.to_thread(views.close)
