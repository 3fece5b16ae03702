"""The walk of docs/python.md: a durable order that is killed while it waits, and goes on."""

import signal
from pathlib import Path

import httpx

from tests import servers
from tests.penstock import running

EXAMPLES = Path(__file__).parent.parent.parent / "examples"


def test_an_order_that_waits_survives_kill_9_and_goes_on_when_it_is_approved(
    tmp_path: Path,
) -> None:
    data = tmp_path / "data"
    with running.up(data, token="t0ken") as server:
        env = running.environment(url=server.url, token="t0ken")
        file = EXAMPLES / "order_approval.py"
        deployed = running.command("deploy", file, "--json", env=env)
        assert deployed.code == 0, deployed.err
        integration_id = deployed.json["integrationId"]
        exported = running.command("export", integration_id, env=env)
        assert exported.out == file.read_text()
        order = {"sku": "W-1", "total": 500, "card": "visa"}
        answer = httpx.post(deployed.json["flows"][0]["webhookUrl"], json=order)
        execution_id = answer.json()["executionId"]
        _wait_for_step("approved", execution_id, env)
        server.process.send_signal(signal.SIGKILL)
    with running.up(data, token="t0ken") as server:
        env = running.environment(url=server.url, token="t0ken")
        told = ("executions", "signal", execution_id, "approved", "--data")
        wrong = running.command(*told, "{", env=env)
        assert (wrong.code, "--data needs JSON" in wrong.err) == (2, True)
        sent = running.command(*told, '{"by": "ann"}', env=env)
        assert sent.code == 0, sent.err
        ended = running.execution_once_ended(execution_id, env)
        late = running.command(*told, '{"by": "bob"}', env=env)
        said = running.command("events", execution_id, "--json", env=env).json["events"]
    assert ended["status"] == "succeeded"
    steps = {step["name"]: step for step in ended["steps"]}
    assert list(steps) == ["trigger", "reserve stock", "approved", "charge", "increment orders"]
    assert steps["approved"]["result"] == {"by": "ann"}
    assert steps["reserve stock"]["attempt"] == 1
    assert (late.code, "has ended" in late.err) == (1, True)
    done = [one["content"]["step"] for one in said if one["type"] == "step.succeeded"]
    assert done == list(steps)


def _wait_for_step(name: str, execution_id: str, env: dict[str, str]) -> None:
    deadline = servers.Deadline(running.ANSWER_S)
    while True:
        done = running.command("executions", "show", execution_id, "--json", env=env)
        if done.code == 0 and name in [step["name"] for step in done.json["steps"]]:
            return
        assert not deadline.passed, done
        deadline.pause()
