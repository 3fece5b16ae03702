"""What all tests share: a Kafka broker and a PostgreSQL server for the whole run, where marked.

Where one cannot be had, its tests are skipped with a reason that names what is needed; with
CI=true in the environment they fail instead.
"""

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager

import pytest
from hypothesis import HealthCheck, settings

from tests import kafka_broker, postgres_server
from tests.servers import Unobtainable

# How long an example takes says more about what else runs here than about our code.
settings.register_profile("tests", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("tests")

SERVERS = {"kafka": "kafka_bootstrap", "postgres": "postgres_url"}
"""Marker → the fixture behind it; either brings the other along."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for marker, fixture in SERVERS.items():
        users = [item for item in items if _uses(item, marker, fixture)]
        for item in users:
            item.add_marker(marker)
            if fixture not in item.fixturenames:  # type: ignore[attr-defined]  # only functions get here
                # A new list: the parametrised variants of one test share the old one.
                item.fixturenames = [fixture, *item.fixturenames]  # type: ignore[attr-defined]
        for first in users[:1]:
            first.add_marker(pytest.mark.timeout(kafka_broker.DOWNLOAD_S))


def _uses(item: pytest.Item, marker: str, fixture: str) -> bool:
    marked = item.get_closest_marker(marker) is not None
    return marked or fixture in getattr(item, "fixturenames", ())


@pytest.fixture(scope="session")
def kafka_bootstrap() -> Iterator[str]:
    """HOST:PORT of the run's broker. It makes no topics by itself."""
    yield from _or_skip(kafka_broker.bootstrap_for_tests())


@pytest.fixture
def topic_prefix() -> str:
    """What a test puts before its topics and groups, so that tests share one broker in peace."""
    return kafka_broker.fresh_name() + "-"


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """The SQLAlchemy URL of the run's PostgreSQL server."""
    yield from _or_skip(postgres_server.url_for_tests())


@pytest.fixture
def fresh_postgres_url(postgres_url: str) -> Iterator[str]:
    """The SQLAlchemy URL of an empty database for one test."""
    with postgres_server.fresh_database(postgres_url) as url:
        yield url


def _or_skip(server: AbstractContextManager[str]) -> Iterator[str]:
    try:
        url = server.__enter__()
    except Unobtainable as missing:
        if os.environ.get("CI") == "true":
            pytest.fail(str(missing), pytrace=False)
        pytest.skip(str(missing))
    try:
        yield url
    finally:
        server.__exit__(None, None, None)
