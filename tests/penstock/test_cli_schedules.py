"""`penstock schedules`, and a schedule that fires in a process of its own."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests import servers
from tests.penstock import running

SCHEDULED = """
definitionVersion: 7
name: Every Second
requiredConfigVars:
  - {key: When, dataType: schedule, defaultValue: "0 8 * * *"}
flows:
  - name: Tick
    steps:
      - name: Schedule Trigger
        isTrigger: true
        action: {key: schedule, component: {key: schedule-triggers}}
        inputs: {}
        schedule: {type: value, value: "* * * * * *", meta: {scheduleType: custom}}
  - name: Daily
    steps:
      - name: Schedule Trigger
        isTrigger: true
        action: {key: schedule, component: {key: schedule-triggers}}
        inputs: {}
        schedule: {type: configVar, value: When}
"""

Env = dict[str, str]


@pytest.fixture(scope="module")
def env(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Env]:
    data = tmp_path_factory.mktemp("schedules") / "data"
    with running.up(data) as server:
        yield running.environment(data=str(data), url=server.url)


@pytest.fixture(scope="module")
def deployed(env: Env, tmp_path_factory: pytest.TempPathFactory) -> Any:
    path = tmp_path_factory.mktemp("flow") / "flow.yml"
    path.write_text(SCHEDULED)
    zone = '{"value": "30 2 * * *", "scheduleType": "day", "timeZone": "Europe/Berlin"}'
    done = running.command("deploy", path, "--json", "--config", f"When={zone}", env=env)
    assert done.code == 0, done.err
    return done.json


def listed(env: Env) -> dict[str, Any]:
    """The schedules by flow, once the views have both."""
    deadline = servers.Deadline(running.ANSWER_S)
    while True:
        done = running.command("schedules", "list", "--json", env=env)
        found = {known["flow"]: known for known in done.json["schedules"]}
        if len(found) == 2:
            return found
        assert not deadline.passed, done
        deadline.pause()


def ledger_of_ran(env: Env, schedule_id: str) -> Any:
    """The ledger, once two instants in it have run."""
    deadline = servers.Deadline(running.ANSWER_S)
    while True:
        done = running.command("schedules", "ticks", schedule_id, "--json", env=env)
        assert done.code == 0, done.err
        if len([tick for tick in done.json["ticks"] if tick["executionId"]]) >= 2:
            return done.json
        assert not deadline.passed, done
        deadline.pause()


def test_a_schedule_fires_and_its_ledger_has_every_second(env: Env, deployed: Any) -> None:
    assert deployed["flows"]
    ledger = ledger_of_ran(env, listed(env)["Tick"]["id"])
    ran = [tick for tick in ledger["ticks"] if tick["executionId"]]
    shown = running.execution_once_ended(ran[-1]["executionId"], env)
    assert (shown["status"], shown["invokeType"]) == ("succeeded", "SCHEDULED")
    said = running.command("events", ran[-1]["executionId"], "--json", env=env).json["events"]
    assert said[0]["type"] == "tick.elapsed"
    assert said[0]["content"]["engine"] == "croniter"
    assert len(ledger["coming"]) == 5
    assert ledger["coming"][0] > ran[0]["dueAt"]
    dues = [tick["dueAt"] for tick in ledger["ticks"]]
    assert dues == sorted(dues, reverse=True)


def test_the_list_shows_expression_zone_and_the_next_instant(env: Env, deployed: Any) -> None:
    daily = listed(env)["Daily"]
    assert daily["instance"]["id"] == deployed["instanceId"]
    assert (daily["expression"], daily["timeZone"], daily["type"]) == (
        "30 2 * * *",
        "Europe/Berlin",
        "day",
    )
    assert daily["nextDueAt"]
    table = running.command("schedules", "list", env=env).out
    assert "30 2 * * *" in table
    ticks = running.command("schedules", "ticks", daily["id"], "--coming", "1", env=env).out
    assert "coming" in ticks


def test_a_schedule_that_is_not_there_is_a_failure_in_one_sentence(env: Env) -> None:
    done = running.command("schedules", "ticks", "0" * 32, env=env)
    assert (done.code, done.out) == (1, "")
    assert "no schedule" in done.err


def test_a_deployment_with_a_schedule_that_is_none_names_the_path(env: Env, tmp_path: Path) -> None:
    path = tmp_path / "flow.yml"
    path.write_text(SCHEDULED)
    done = running.command("deploy", path, "--config", "When=0 0 30 2 *", env=env)
    assert done.code == 1
    assert "When.value" in done.err
    assert "can never fire" in done.err
