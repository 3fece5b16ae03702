"""Startup: secrets are made once and stay private; settings are logged without them."""

import logging
import stat
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from penstock import startup
from schemas.errors import Unusable
from schemas.settings import Settings
from tests.processors import instances
from tests.processors.at_work import MASTER_KEY

OTHER_KEY = "b3RoZXJvdGhlcm90aGVyb3RoZXJvdGhlcm90aGVyb3Q="


def test_secrets_are_made_once_and_only_we_can_read_them(tmp_path: Path) -> None:
    known = Settings(data=str(tmp_path / "data"))
    token, key = startup.token_of(known), startup.master_key_of(known)
    assert (token, key) == (startup.token_of(known), startup.master_key_of(known))
    assert token != key.text
    assert stat.S_IMODE((tmp_path / "data").stat().st_mode) == 0o700
    found = sorted((tmp_path / "data").iterdir())
    assert [path.name for path in found] == ["admin-token", "master-key"]
    assert {stat.S_IMODE(path.stat().st_mode) for path in found} == {0o600}


def test_of_processes_that_start_at_once_all_read_one_token(tmp_path: Path) -> None:
    known = Settings(data=str(tmp_path))
    with ThreadPoolExecutor(16) as threads:
        tokens = set(threads.map(lambda _: startup.token_of(known), range(64)))
    assert len(tokens) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["admin-token"]


def test_a_token_that_is_given_is_not_written_down(tmp_path: Path) -> None:
    assert startup.token_of(Settings(data=str(tmp_path), token="given")) == "given"
    assert not [*tmp_path.iterdir()]


def test_an_empty_secret_is_refused(tmp_path: Path) -> None:
    (tmp_path / "admin-token").touch()
    with pytest.raises(Unusable, match="admin-token is empty"):
        startup.token_of(Settings(data=str(tmp_path)))


def test_settings_are_logged_without_secrets(caplog: pytest.LogCaptureFixture) -> None:
    known = Settings(
        token="t0ken", master_key="k3y", views="postgresql+psycopg://me:pa55@host/views"
    )
    with caplog.at_level(logging.INFO):
        startup.log_settings(known)
    assert "views=postgresql+psycopg://me:***@host/views" in caplog.text
    assert "log=sqlite:///data/log.db" in caplog.text
    assert "result_ttl_s=86400" in caplog.text
    for secret in ("t0ken", "k3y", "pa55"):
        assert secret not in caplog.text


async def test_a_log_with_deployments_of_another_master_key_is_refused(tmp_path: Path) -> None:
    known = Settings(data=str(tmp_path), master_key=MASTER_KEY.text)
    async with startup.open_log(known) as log:
        await instances.deploy(
            log, instances.definition(instances.flow("Main", "webhook-triggers/webhook"))
        )
    async with startup.opened(known):
        pass
    with pytest.raises(Unusable, match="another master key"):
        async with startup.opened(replace(known, master_key=OTHER_KEY)):
            pass


def test_a_listener_takes_its_port_at_once() -> None:
    with startup.listening("127.0.0.1", 0) as first:
        port = first.getsockname()[1]
        assert startup.address_of("127.0.0.1", first) == f"http://127.0.0.1:{port}"
        with (
            pytest.raises(Unusable, match=f"port {port} on 127.0.0.1"),
            startup.listening("127.0.0.1", port),
        ):
            pass
