"""`penstock up` and the commands that talk to it, as people use them."""

import json
import os
import signal
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from penstock import rebuilding
from tests import kafka_broker, servers
from tests.penstock import running
from tests.penstock.running import Running

Env = dict[str, str]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("up") / "data"


@pytest.fixture(scope="module")
def server(data: Path) -> Iterator[Running]:
    with running.up(data) as found:
        yield found


@pytest.fixture(scope="module")
def env(server: Running, data: Path) -> Env:
    return running.environment(data=str(data), url=server.url)


@pytest.fixture
def file(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """An integration named after the test, so that tests share one server in peace."""
    path = tmp_path / "flow.yml"
    path.write_text(running.flow(request.node.name))
    return path


def _deploy(file: Path, env: Env, *more: str) -> Any:
    done = running.command("deploy", file, "--json", *more, env=env)
    assert done.code == 0, done.err
    return done.json


def _list(env: Env, *more: str) -> list[Any]:
    done = running.command("executions", "list", "--json", *more, env=env)
    assert done.code == 0, done.err
    found: list[Any] = done.json["executions"]
    return found


def test_it_says_where_it_answers_and_does(server: Running) -> None:
    assert server.ready == f"penstock ready on {server.url}"
    assert httpx.get(f"{server.url}/readyz").status_code == 200
    assert "server" not in httpx.get(f"{server.url}/healthz").headers


def test_the_token_of_the_first_start_is_for_us_alone(server: Running, data: Path) -> None:
    assert server.ready
    assert stat.S_IMODE(data.stat().st_mode) == 0o700
    for name in ("admin-token", "master-key"):
        assert stat.S_IMODE((data / name).stat().st_mode) == 0o600
        assert (data / name).read_text().strip() not in server.said()
    assert f"data={data}" in server.said()


def test_a_deployed_flow_runs_and_can_be_shown(env: Env, file: Path) -> None:
    deployed = _deploy(file, env)
    assert {"integrationId", "instanceId", "flows"} <= set(deployed)
    [flow] = deployed["flows"]
    assert flow["name"] == "Receive"
    answer = running.call(flow["webhookUrl"])
    assert answer.status_code == 200, answer.text
    shown = running.execution_once_ended(running.id_in(answer), env)
    assert shown["status"] == "succeeded"
    assert [step["name"] for step in shown["steps"]] == ["Hook Trigger", "Note It"]
    table = running.command("executions", "show", shown["id"], env=env)
    assert "Note It" in table.out
    assert max(len(line) for line in table.out.splitlines()) < 400
    assert not any(line.endswith(" ") for line in table.out.splitlines())
    assert shown["id"] in [found["id"] for found in _list(env, "--status", "succeeded")]
    assert _list(env, "--flow", "There Is None") == []
    assert len(_list(env, "--limit", "1")) == 1


def test_the_events_and_log_lines_of_an_execution_are_printed(env: Env, file: Path) -> None:
    [flow] = _deploy(file, env)["flows"]
    shown = running.execution_once_ended(running.id_in(running.call(flow["webhookUrl"])), env)
    found = running.command("events", shown["id"], "--json", env=env).json["events"]
    assert [(event["topic"], event["type"]) for event in found][:3] == [
        ("triggers", "webhook.received"),
        ("admissions", "execution.admitted"),
        ("executions", "execution.started"),
    ]
    assert found[-1]["type"] == "execution.completed"
    assert found[0]["time"] == shown["receivedAt"]
    assert "execution.completed" in running.command("events", shown["id"], env=env).out
    logs = running.command("logs", shown["id"], "--json", env=env).json["logs"]
    assert [line["message"] for line in logs] == [
        f"Starting Instance '{shown['instance']['name']}'",
        *[step["name"] for step in shown["steps"]],
        "hello",
        f"Ending Instance '{shown['instance']['name']}'",
    ]
    assert "hello" in running.command("logs", shown["id"], env=env).out
    assert running.command("events", "0" * 32, env=env).code == 1


def test_the_same_deployment_keeps_its_urls(env: Env, file: Path) -> None:
    first = _deploy(file, env, "--customer", "acme", "--instance", "Main")
    assert _deploy(file, env, "--customer", "acme", "--instance", "Main")["flows"] == first["flows"]
    assert _deploy(file, env, "--customer", "other")["instanceId"] != first["instanceId"]


def test_keys_config_and_limit_reach_the_server(env: Env, file: Path) -> None:
    more = ("--api-key", "Receive=first", "--api-key", "Receive=second=2", "--rate-limit", "7")
    [flow] = _deploy(file, env, "--config", "Greeting=a=b", *more)["flows"]
    refused = running.call(flow["webhookUrl"])
    assert refused.status_code == 401
    for key in ("first", "second=2"):
        answer = running.call(flow["webhookUrl"], **{"api-key": key})
        assert answer.status_code == 200, answer.text
    unknown = running.command("deploy", file, "--config", "Nonsense=1", env=env)
    assert unknown.code == 1
    assert "Nonsense" in unknown.err


def test_keys_change_over_while_both_are_taken(env: Env, file: Path) -> None:
    deployed = _deploy(file, env, "--api-key", "Receive=first")
    url, keys = deployed["flows"][0]["webhookUrl"], ("instances", "keys", deployed["instanceId"])
    done = running.command(*keys, "--add", "Receive=second", "--generate", "Receive", env=env)
    assert done.code == 0, done.err
    made = running.command(*keys, "--json", env=env).json["flows"][0]["apiKeys"]
    assert made[:2] == ["first", "second"]
    for key in made:
        assert key in done.out
        assert running.call(url, **{"api-key": key}).status_code == 200
    running.command(*keys, "--remove", "Receive=first", env=env)
    assert running.call(url, **{"api-key": "first"}).status_code == 401
    assert running.call(url, **{"api-key": "second"}).status_code == 200
    assert running.command(*keys, "--add", "s3cret", env=env).code == 2


def test_a_repeat_that_waits_gets_the_result_of_the_first(env: Env, file: Path) -> None:
    [flow] = _deploy(file, env)["flows"]
    key = {"idempotency-key": "7d0c", "prismatic-synchronous": "true"}
    first = running.call(flow["webhookUrl"], **key)
    assert first.status_code == 200, first.text
    deadline, again = servers.Deadline(running.ANSWER_S), running.call(flow["webhookUrl"], **key)
    while again.status_code == 409 and not deadline.passed:
        deadline.pause()
        again = running.call(flow["webhookUrl"], **key)
    assert (again.status_code, again.content) == (200, first.content)
    assert running.id_in(again) == running.id_in(first)
    assert len(_list(env, "--flow", "Receive", "--limit", "1")) == 1


def test_what_leads_nowhere_is_listed(env: Env, file: Path) -> None:
    shared = """endpointType: shared_instance
externalCustomerIdField: {type: reference, value: payload.results.headers.customer}
"""
    file.write_text(file.read_text() + shared)
    [flow] = _deploy(file, env, "--customer", "acme")["flows"]
    assert running.call(flow["webhookUrl"], customer="acme").status_code == 200
    answer = running.call(flow["webhookUrl"], customer="initech")
    assert (answer.status_code, answer.json()["reason"]) == (404, "unknown_customer")
    deadline, found = servers.Deadline(running.ANSWER_S), list[Any]()
    while not found and not deadline.passed:
        deadline.pause()
        listed = ("refusals", "list", "--reason", "unknown_customer")
        found = running.command(*listed, "--json", env=env).json["refusals"]
    assert [(row["customer"], row["execution"]) for row in found] == [
        ("initech", running.id_in(answer))
    ]
    assert "initech" in running.command(*listed, env=env).out
    assert running.command("refusals", "list", "--reason", "nothing", env=env).code == 2


def test_problems_of_a_file_are_told_with_their_lines(env: Env, file: Path) -> None:
    file.write_text("definitionVersion: 6\nname: Orders\nflows: []\n")
    for name in ("deploy", "import"):
        done = running.command(name, file, env=env)
        assert (done.code, done.out) == (1, "")
        assert f"{file}:1: definitionVersion: definitionVersion is '6'" in done.err


@pytest.mark.parametrize("name", ["import", "deploy"])
def test_inputs_that_count_for_nothing_are_named(env: Env, file: Path, name: str) -> None:
    file.write_text(file.read_text().replace("message:", "massage:"))
    done = running.command(name, file, "--json", env=env)
    assert done.code == 0, done.err
    [warning] = done.json["warnings"]
    assert "gives log/writeLog what it does not have: massage" in warning
    assert f"warning: {warning}" in done.err


def test_an_import_warns_of_unknown_components(env: Env, file: Path) -> None:
    file.write_text(file.read_text().replace("key: log,", "key: telegraph,"))
    done = running.command("import", file, "--json", env=env)
    assert done.code == 0, done.err
    assert {"integrationId", "version", "flows", "unknownComponents"} <= set(done.json)
    assert done.json["unknownComponents"] == ["telegraph"]
    assert "telegraph" in done.err


def test_versions_are_published_and_listed(env: Env, file: Path) -> None:
    imported = running.command("import", file, "--json", env=env).json
    integration = imported["integrationId"]
    done = running.command("publish", integration, "--comment", "First", "--json", env=env)
    assert done.json == {"integrationId": integration, "version": 1, "comment": "First"}

    deadline = servers.Deadline(running.ANSWER_S)
    while True:  # the views follow the log
        found = running.command("versions", integration, "--json", env=env)
        if found.code == 0 and found.json["versions"][0]["releasedAt"]:
            break
        assert not deadline.passed, found
        deadline.pause()
    only = found.json["versions"][0]
    assert (only["version"], only["comment"]) == (1, "First")
    shown = running.command("versions", integration, env=env).out
    assert "First" in shown
    missing = running.command("publish", integration, "--version", "9", env=env)
    assert (missing.code, "has no version 9" in missing.err) == (1, True)


def test_instances_are_paused_resumed_and_removed(env: Env, file: Path) -> None:
    deployed = _deploy(file, env, "--instance", "Goes")
    instance, url = deployed["instanceId"], deployed["flows"][0]["webhookUrl"]
    for verb, status in (("pause", 409), ("resume", 200)):
        assert running.command("instances", verb, instance, env=env).code == 0
        answer = running.call(url)
        assert answer.status_code == status, answer.text
    asked = running.command("instances", "remove", instance, env=env)
    assert asked.code == 2
    assert "--yes" in asked.err
    assert running.command("instances", "remove", instance, "--yes", env=env).code == 0
    assert running.call(url).status_code == 409


def test_instances_are_listed(env: Env, file: Path) -> None:
    wanted = _deploy(file, env, "--instance", "Listed")["instanceId"]
    deadline = servers.Deadline(running.ANSWER_S)
    while True:
        found = running.command("instances", "list", "--json", env=env).json["instances"]
        if wanted in [instance["id"] for instance in found]:
            break
        assert not deadline.passed
        deadline.pause()
    assert "Listed" in running.command("instances", "list", env=env).out


def test_an_unknown_id_is_one_sentence(env: Env) -> None:
    for arguments in (("executions", "show", "no/such"), ("instances", "pause", "no/such")):
        done = running.command(*arguments, env=env)
        assert (done.code, done.out) == (1, "")
        assert "no/such" in done.err
        assert done.err.count("\n") == 1


@pytest.mark.parametrize(("option", "value"), [("--status", "odd"), ("--since", "yesterday")])
def test_an_option_that_only_the_server_can_judge_is_misuse_too(
    env: Env, option: str, value: str
) -> None:
    done = running.command("executions", "list", option, value, env=env)
    assert done.code == 2
    assert value in done.err


def test_a_wrong_token_is_one_sentence(server: Running, tmp_path: Path) -> None:
    for given in ({"token": "wrong"}, {}):
        env = running.environment(data=str(tmp_path), url=server.url, **given)
        done = running.command("instances", "list", env=env)
        assert (done.code, done.out) == (2, "")
        assert "token" in done.err
        assert done.err.count("\n") == 1


def test_a_second_server_on_the_same_data_is_refused(server: Running, data: Path) -> None:
    assert server.ready
    done = running.process("up", "--port", "0", env=running.environment(data=str(data)))
    assert done.code == 2
    assert "log.db" in done.err
    assert "Traceback" not in done.err


def test_a_rebuild_through_the_server_gives_the_same_views(env: Env, file: Path) -> None:
    [flow] = _deploy(file, env)["flows"]
    answer = running.call(flow["webhookUrl"])
    before = running.execution_once_ended(running.id_in(answer), env)
    done = running.command("rebuild", "--json", env=env)
    assert done.code == 0, done.err
    assert done.json["rebuilt"] > 0
    after = running.command("executions", "show", before["id"], "--json", env=env)
    assert after.json == before


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_asked_to_end_it_ends_in_good_order_and_goes_on_where_it_was(
    how: signal.Signals, tmp_path: Path, file: Path
) -> None:
    data = tmp_path / "data"
    with running.up(data) as server:
        env = running.environment(data=str(data), url=server.url)
        [flow] = _deploy(file, env)["flows"]
        answer = running.call(flow["webhookUrl"])
        shown = running.execution_once_ended(running.id_in(answer), env)
        assert server.end(how) == 0
        assert "Traceback" not in server.said()
    here = running.command("rebuild", "--json", env=env)
    assert here.code == 0, here.err
    assert "rebuilding" in here.err
    with running.up(data) as server:
        env = running.environment(data=str(data), url=server.url)
        again = running.command("executions", "show", shown["id"], "--json", env=env)
        assert again.json == shown
        assert running.call(_at(server, flow["webhookUrl"])).status_code == 200


def _at(server: Running, url: str) -> str:
    """`url` on the port that a second start has come to."""
    return server.url + httpx.URL(url).path


def test_a_connection_is_sent_as_an_object(env: Env, file: Path) -> None:
    connection = {"key": "basic", "component": {"key": "http", "version": "LATEST"}}
    variables = [
        {
            "key": "Shop",
            "dataType": "connection",
            "connection": connection,
            "inputs": {"username": {"type": "value", "value": ""}},
        }
    ]
    text = file.read_text()
    start = text.index("requiredConfigVars:")
    end = text.index("flows:")
    lines = f"requiredConfigVars: {json.dumps(variables)}\n"
    body = text[end:].replace("{type: configVar, value: Greeting}", "{type: value, value: hello}")
    file.write_text(text[:start] + lines + body)
    assert _deploy(file, env, "--config", 'Shop={"username": "me"}')["flows"]
    wrong = running.command("deploy", file, "--config", "Shop=me", env=env)
    assert wrong.code == 1
    assert "Shop" in wrong.err


def test_what_was_acknowledged_survives_kill_9(tmp_path: Path, file: Path) -> None:
    data = tmp_path / "data"
    file.write_text(running.flow("Killed", synchronous=False))
    with running.up(data) as server:
        env = running.environment(data=str(data), url=server.url)
        [flow] = _deploy(file, env, "--rate-limit", "1000")["flows"]
        answers = [running.call(flow["webhookUrl"]) for _ in range(20)]
        server.end(signal.SIGKILL)
    assert {answer.status_code for answer in answers} == {200}
    with running.up(data) as server:
        env = running.environment(data=str(data), url=server.url)
        for answer in answers:
            shown = running.execution_once_ended(running.id_in(answer), env)
            assert shown["status"] == "succeeded"


def test_a_projector_that_was_killed_is_started_again(tmp_path: Path, file: Path) -> None:
    with running.up(tmp_path / "data") as server:
        env = running.environment(data=str(tmp_path / "data"), url=server.url)
        [flow] = _deploy(file, env)["flows"]
        [before] = server.children()
        os.kill(before, signal.SIGKILL)
        answer = running.call(flow["webhookUrl"])
        assert running.execution_once_ended(running.id_in(answer), env)["status"] == "succeeded"
        assert server.children() != [before]
        assert "the projector's process has ended with -9" in server.said()


def test_a_rebuild_that_nobody_folds_says_so(
    tmp_path: Path, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with running.up(tmp_path / "data") as server:
        env = running.environment(data=str(tmp_path / "data"), url=server.url)
        [flow] = _deploy(file, env)["flows"]
        running.execution_once_ended(running.id_in(running.call(flow["webhookUrl"])), env)
        [projector] = server.children()
        os.kill(projector, signal.SIGSTOP)
        with monkeypatch.context() as impatient:
            impatient.setattr(rebuilding, "STILL_S", 0.5)
            done = running.command("rebuild", env=env)
        assert (done.code, done.out) == (1, "")
        assert "the views stand still at 0 of" in done.err
        os.kill(projector, signal.SIGCONT)
        assert running.command("rebuild", env=env).code == 0


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_no_process_outlives_it(how: signal.Signals, tmp_path: Path) -> None:
    with running.up(tmp_path / "data") as server:
        [child] = server.children()
        server.end(how)
        deadline = servers.Deadline(running.ANSWER_S)
        while running.is_at_work(child):
            assert not deadline.passed, f"process {child} is still there"
            deadline.pause()


def test_all_stages_run_in_one_process_on_kafka(
    kafka_bootstrap: str, tmp_path: Path, file: Path
) -> None:
    data = tmp_path / "data"
    with running.up(data, log=kafka_broker.fresh_log_url(kafka_bootstrap)) as server:
        env = running.environment(data=str(data), url=server.url)
        [flow] = _deploy(file, env)["flows"]
        answer = running.call(flow["webhookUrl"])
        assert answer.status_code == 200, answer.text
        assert running.execution_once_ended(running.id_in(answer), env)["status"] == "succeeded"
        assert server.end() == 0
