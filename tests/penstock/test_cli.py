"""The command line without a server: what is wrong is one sentence and the right exit code."""

import socket
import subprocess
from pathlib import Path

import pytest

from tests.penstock import running

NOBODY = "http://127.0.0.1:9"


@pytest.fixture
def env(tmp_path: Path) -> dict[str, str]:
    return running.environment(data=str(tmp_path / "data"), url=NOBODY)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "orders.yml"
    path.write_text(running.flow())
    return path


def test_help_names_every_command(env: dict[str, str]) -> None:
    done = running.process("--help", env=env)
    assert done.code == 0
    for name in ("up", "deploy", "import", "validate", "instances", "executions", "rebuild"):
        assert f"  {name} " in done.out


def test_a_full_disk_is_one_sentence(env: dict[str, str]) -> None:
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [*running.PENSTOCK, "--help"], env=env, stdout=full, stderr=subprocess.PIPE, check=False
        )
    assert (done.returncode, done.stderr) == (1, b"penstock: the disk that is written to is full\n")


@pytest.mark.parametrize(
    "arguments",
    [
        ("deploy", "FILE"),
        ("import", "FILE"),
        ("instances", "list"),
        ("instances", "remove", "x", "--yes"),
        ("executions", "show", "x"),
    ],
)
def test_without_a_server_its_address_is_named(
    arguments: tuple[str, ...], env: dict[str, str], file: Path
) -> None:
    given = [str(file) if argument == "FILE" else argument for argument in arguments]
    done = running.command(*given, env=env)
    said = f"penstock: no server answers at {NOBODY}; start one with `penstock up`\n"
    assert (done.code, done.out, done.err) == (1, "", said)


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("deploy", "there-is-none.yml"), "there-is-none.yml"),
        (("deploy", "FILE", "--config", "no-equals-sign"), "--config"),
        (("deploy", "FILE", "--api-key", "=key"), "--api-key"),
        (("deploy", "FILE", "--rate-limit", "0"), "rate-limit"),
        (("validate", "."), "directory"),
        (("executions", "list", "--limit", "0"), "limit"),
        (("up", "--port", "70000"), "--port"),
        (("up", "--host", "no such host"), "no such host"),
        (("up", "--log", "mysql://x"), "mysql://x"),
        (("up", "--views", "nonsense"), "nonsense"),
        (("instances", "remove", "x"), "--yes"),
        (("rebuild",), "there is no log"),
        (("flows",), "flows"),
    ],
)
def test_what_cannot_be_used_is_named(
    arguments: tuple[str, ...], named: str, env: dict[str, str], file: Path
) -> None:
    given = [str(file) if argument == "FILE" else argument for argument in arguments]
    run = running.process if arguments[0] == "up" else running.command
    done = run(*given, env=env)
    assert done.code == 2
    assert named in done.err
    assert "Traceback" not in done.err


@pytest.mark.parametrize(
    ("setting", "value", "named"),
    [
        ("url", "nonsense", "PENSTOCK_URL='nonsense'"),
        ("max_body_bytes", "many", "PENSTOCK_MAX_BODY_BYTES='many'"),
        ("token", "ключ", "the token holds characters"),
    ],
)
def test_settings_that_cannot_be_used_are_named(
    setting: str, value: str, named: str, tmp_path: Path
) -> None:
    env = running.environment(data=str(tmp_path), **{setting: value})
    done = running.command("instances", "list", env=env)
    assert done.code == 2
    assert named in done.err
    assert done.err.count("\n") == 1


@pytest.mark.parametrize("key", ["short", "ключ"])
def test_a_master_key_that_is_none_is_refused_and_not_shown(key: str, tmp_path: Path) -> None:
    env = running.environment(data=str(tmp_path), master_key=key)
    done = running.process("worker", env=env)
    assert done.code == 2
    assert "PENSTOCK_MASTER_KEY" in done.err
    assert key not in done.err


def test_a_port_in_use_is_named(env: dict[str, str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = running.process("up", "--port", port, env=env)
    assert done.code == 2
    assert f"penstock: port {port} on 127.0.0.1 cannot be had: Address already in use" in done.err


def test_a_valid_file_is_valid_without_a_server(env: dict[str, str], file: Path) -> None:
    done = running.command("validate", file, "--json", env=env)
    assert done.code == 0
    assert done.json == {"valid": True, "problems": [], "unknownComponents": []}


def test_unknown_components_are_a_warning(env: dict[str, str], file: Path) -> None:
    file.write_text(running.flow().replace("key: log,", "key: telegraph,"))
    assert running.command("validate", file, "--json", env=env).json == {
        "valid": True,
        "problems": [],
        "unknownComponents": ["telegraph"],
    }
    done = running.command("validate", file, env=env)
    assert done.code == 0
    assert "telegraph" in done.err


def test_inputs_that_count_for_nothing_are_a_warning(env: dict[str, str], file: Path) -> None:
    file.write_text(running.flow().replace("message:", "massage:"))
    done = running.command("validate", file, "--json", env=env)
    assert done.code == 0
    assert done.json == {"valid": True, "problems": [], "unknownComponents": []}
    assert "gives log/writeLog what it does not have: massage" in done.err


def test_problems_of_a_file_are_told_with_their_lines(env: dict[str, str], file: Path) -> None:
    file.write_text("definitionVersion: 6\nname: Orders\nflows: []\n")
    done = running.command("validate", file, env=env)
    assert done.code == 1
    assert f"{file}:1: definitionVersion: definitionVersion is '6'" in done.err
    found = running.command("validate", file, "--json", env=env)
    assert found.code == 1
    assert found.json["valid"] is False
    assert {"path", "line", "message"} == set(found.json["problems"][0])


def test_a_file_that_is_no_text_is_a_problem_and_not_sent(env: dict[str, str], file: Path) -> None:
    file.write_bytes(b"\xff\xfe\x00")
    done = running.command("validate", file, env=env)
    assert done.code == 1
    assert f"{file}:1:" in done.err
    sent = running.command("deploy", file, env=env)
    assert sent.code == 2
    assert str(file) in sent.err
