"""Store: the database of the views. Applies changes and the offsets they come from in one step.

`Views` is used from threads: every method blocks on the database. SQLite (WAL, `synchronous=
NORMAL`: a power cut may take the last transactions, whose offsets go with them) and PostgreSQL
through psycopg 3. A fault that may pass is ViewsUnavailable; rows that the database will not have
are Poison; a database that cannot be opened is Unusable.
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple, Self

from sqlalchemy import (
    Connection,
    Engine,
    Executable,
    Row,
    create_engine,
    delete,
    event,
    exc,
    insert,
    select,
    text,
    update,
)
from sqlalchemy.engine import URL, make_url
from sqlalchemy.pool import ConnectionPoolEntry

from projections import tables
from projections.rows import Changes
from projections.views import State, load_state
from projections.writes import insert_for, write
from schemas.errors import Poison, Retryable, Unusable

READER = "projections"
_PRAGMAS = {
    "journal_mode": "WAL",
    "synchronous": "NORMAL",
    "busy_timeout": 10_000,
    "cache_size": -16_384,
    "temp_store": "MEMORY",
    "wal_autocheckpoint": 8_000,
}
# A query stands alone: on PostgreSQL a transaction over several would hold up a TRUNCATE.
_READING: dict[str, dict[str, Any]] = {
    "sqlite": {"reads": True},
    "postgresql": {"isolation_level": "AUTOCOMMIT"},
}
_SETUP_LOCK = 0x50454E53
"""The key of the advisory lock under which tables are made on PostgreSQL."""


class ViewsUnavailable(Retryable):
    """The database does not answer now, or has no room."""


class PositionMoved(Retryable):
    """The stored position is not the one that the batch began at: read on from what is stored."""


class Partition(NamedTuple):
    topic: str
    number: int


class Move(NamedTuple):
    """How a batch moves the reader in one partition: from `start` to `end`, then in `state`."""

    partition: Partition
    start: int
    end: int
    state: State


class Stored(NamedTuple):
    """Where the reader stands in one partition."""

    offset: int
    state: State


class Views:
    """The tables of the views in one database."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._reading = engine.execution_options(**_READING[engine.dialect.name])

    @classmethod
    def open(cls, url: str) -> Self:
        """The views at `url`, with their tables. Raises Unusable. Tables of an older version are
        made anew and empty, to be folded again; those of a newer one are refused."""
        views = cls(_engine(url))
        try:
            with views._transaction() as connection:
                _make_tables(connection)
        except (ViewsUnavailable, Poison) as error:
            views.close()
            raise Unusable(f"the views at {_shown(url)} cannot be used: {error}") from error
        except Unusable:
            views.close()
            raise
        return views

    def close(self) -> None:
        self._engine.dispose()

    def positions(self) -> dict[Partition, Stored]:
        """Where the reader stands, by partition; partitions never read are not there."""
        known = tables.POSITIONS.c
        rows = self.rows(select(tables.POSITIONS).where(known.reader == READER))
        return {
            Partition(row.topic, row.partition): Stored(row.next_offset, load_state(row.fold_state))
            for row in rows
        }

    def apply(self, changes: Changes, moves: Sequence[Move]) -> None:
        """Write `changes` and move the positions, all or nothing.

        Raises PositionMoved where another reader or a rebuild has moved one of them, Poison where
        the database will not have a row, ViewsUnavailable where it does not answer.
        """
        with self._transaction() as connection:
            for move in sorted(moves, key=lambda move: move.partition):
                _advance(connection, move)
            write(connection, changes)

    def clear(self) -> None:
        """Drop all rows and positions at once; readers begin again at the beginning."""
        with self._transaction() as connection:
            _empty(connection)

    def rows(self, statement: Executable) -> Sequence[Row[Any]]:
        """What a query gives. Raises ViewsUnavailable."""
        with _faults(), self._reading.connect() as connection:
            return connection.execute(statement).all()

    @contextmanager
    def _transaction(self) -> Iterator[Connection]:
        with _faults(), self._engine.begin() as connection:
            yield connection


def _engine(url: str) -> Engine:
    try:
        parsed = make_url(url)
    except (exc.ArgumentError, ValueError) as error:
        raise Unusable(
            "the URL of the views is not like sqlite:///FILE or postgresql://…"
        ) from error
    if parsed.get_backend_name() == "sqlite":
        return _sqlite_engine(parsed)
    if parsed.get_backend_name() == "postgresql":
        url_of_driver = parsed.set(drivername="postgresql+psycopg")
        return create_engine(url_of_driver, pool_pre_ping=True, max_overflow=35)
    raise Unusable(f"the views cannot live in {parsed.get_backend_name()}: sqlite or postgresql")


def _sqlite_engine(url: URL) -> Engine:
    if not url.database or url.database == ":memory:":
        raise Unusable(f"the views at {url} need a file, as in sqlite:///data/views.db")
    _create_private(Path(url.database))
    engine = create_engine(url.set(drivername="sqlite+pysqlite"), max_overflow=35)
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _create_private(path: Path) -> None:
    """Make a new file readable by its owner alone; the -wal and -shm beside it follow its mode."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    except OSError as error:
        raise Unusable(f"the views at {path} cannot be used: {error.strerror}") from error


def _prepare_sqlite(connection: Any, _entry: ConnectionPoolEntry) -> None:
    connection.isolation_level = None  # we say BEGIN ourselves: the driver's comes too late
    cursor = connection.cursor()
    for name, value in _PRAGMAS.items():
        cursor.execute(f"PRAGMA {name}={value}")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    if not connection.get_execution_options().get("reads"):
        connection.exec_driver_sql("BEGIN IMMEDIATE")


def _shown(url: str) -> str:
    return make_url(url).render_as_string(hide_password=True)


@contextmanager
def _faults() -> Iterator[None]:
    """Wrap the errors of SQLAlchemy and the drivers below it."""
    try:
        yield
    except (exc.DataError, exc.IntegrityError, OverflowError) as error:
        raise Poison(f"a row that the views cannot hold: {_reason(error)}") from error
    except exc.SQLAlchemyError as error:
        if _reason(error).startswith("Error binding parameter"):  # SQLite: not a type that it has
            raise Poison(f"a row that the views cannot hold: {_reason(error)}") from error
        raise ViewsUnavailable(_reason(error)) from error


def _reason(error: Exception) -> str:
    """The first line of what the driver says, without the statement and its values."""
    cause = getattr(error, "orig", None) or error
    first, *_ = str(cause).splitlines() or [""]
    return first or type(cause).__name__


def _make_tables(connection: Connection) -> None:
    if connection.dialect.name == "postgresql":
        connection.execute(text(f"SELECT pg_advisory_xact_lock({_SETUP_LOCK})"))
    tables.SCHEMA_VERSIONS.create(connection, checkfirst=True)
    found = connection.execute(select(tables.SCHEMA_VERSIONS.c.version)).scalar()
    if found is not None and found > tables.VERSION:
        raise Unusable(
            f"the views have tables of version {found}, newer than {tables.VERSION}: "
            "use a newer Penstock or another database"
        )
    if found != tables.VERSION:
        tables.METADATA.drop_all(connection)
        tables.METADATA.create_all(connection)
        connection.execute(insert(tables.SCHEMA_VERSIONS).values(version=tables.VERSION))


def _advance(connection: Connection, move: Move) -> None:
    known = tables.POSITIONS.c
    values = {"next_offset": move.end, "fold_state": move.state.dump()}
    key = {"reader": READER, "topic": move.partition.topic, "partition": move.partition.number}
    here = [known[name] == value for name, value in key.items()]
    begun = update(tables.POSITIONS).where(*here, known.next_offset == move.start).values(values)
    if connection.execute(begun).rowcount == 1:
        return
    if move.start == 0:
        first = insert_for(connection, tables.POSITIONS).values(key | values)
        inserted = first.on_conflict_do_nothing().returning(known.partition)
        if connection.execute(inserted).first() is not None:
            return
    raise PositionMoved(
        f"{move.partition.topic}/{move.partition.number} is no longer at {move.start}"
    )


def _empty(connection: Connection) -> None:
    """All tables but that of the version, positions first: a writer holds those before others."""
    emptied = [tables.POSITIONS]
    emptied += [
        table
        for table in tables.METADATA.sorted_tables
        if table not in (tables.POSITIONS, tables.SCHEMA_VERSIONS)
    ]
    if connection.dialect.name == "postgresql":
        names = ", ".join(table.name for table in emptied)
        connection.execute(text(f"TRUNCATE {names}"))
        return
    for table in emptied:
        connection.execute(delete(table))
