"""The views under test: each test of them runs on SQLite and on PostgreSQL."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from projections.store import Views
from tests import postgres_server


@pytest.fixture(scope="session")
def shared_postgres_url(postgres_url: str) -> Iterator[str]:
    """The URL of one database for all tests of this folder: making one takes longer than most."""
    with postgres_server.fresh_database(postgres_url) as url:
        yield url


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def views_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/views.db"
    url: str = request.getfixturevalue("shared_postgres_url")
    return url


@pytest.fixture
def views(views_url: str) -> Iterator[Views]:
    opened = Views.open(views_url)
    opened.clear()
    yield opened
    opened.close()
