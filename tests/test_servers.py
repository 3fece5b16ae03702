"""The servers behind the tests: they end with us, and say what is missing where there are none."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import sqlalchemy

from tests import kafka_broker, servers

_PARENT = """
import sys, time
from pathlib import Path
from tests.servers import Guarded
log, scratch, child_is_alive = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
Guarded(["sh", "-c", f"sleep 600 > {child_is_alive}"], log=log, scratch=scratch)
print("started", flush=True)
time.sleep(60)
"""


def test_a_guarded_process_ends_when_its_parent_is_killed(tmp_path: Path) -> None:
    scratch, child_is_alive = tmp_path / "scratch", tmp_path / "fifo"
    scratch.mkdir()
    os.mkfifo(child_is_alive)
    arguments = [str(tmp_path / "log"), str(scratch), str(child_is_alive)]
    with subprocess.Popen(
        [sys.executable, "-c", _PARENT, *arguments], stdout=subprocess.PIPE
    ) as parent:
        with child_is_alive.open("rb") as open_while_it_lives:
            assert parent.stdout is not None
            assert parent.stdout.readline() == b"started\n"
            parent.kill()
            assert open_while_it_lives.read() == b""
        assert parent.wait() == -signal.SIGKILL


def test_a_missing_tool_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(kafka_broker, "CACHE", tmp_path / "kafka")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(servers.Unobtainable, match="Maven"):
        kafka_broker.fetch_jars()


def test_a_command_that_fails_is_quoted() -> None:
    with pytest.raises(servers.Unobtainable, match="ended with 3: no such thing"):
        servers.output_of(["sh", "-c", "echo no such thing; exit 3"], timeout_s=10)


def test_without_a_socket_there_is_no_docker(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/docker.sock")
    assert not servers.docker_answers()


@pytest.mark.postgres
def test_each_test_has_an_empty_database(fresh_postgres_url: str) -> None:
    engine = sqlalchemy.create_engine(fresh_postgres_url)
    with engine.begin() as connection:
        assert sqlalchemy.inspect(connection).get_table_names() == []
        connection.execute(sqlalchemy.text("CREATE TABLE left_behind (id int)"))
    engine.dispose()


@pytest.mark.postgres
def test_the_next_one_too(fresh_postgres_url: str) -> None:
    test_each_test_has_an_empty_database(fresh_postgres_url)
