"""The cluster of compose.yaml: its shape, and its stages as processes on a real broker."""

import re
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests import kafka_broker, servers
from tests.penstock import running
from tests.penstock.running import Running

ROOT = Path(__file__).parent.parent
STAGES = ("ingress", "worker", "projector")


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]
    return found


def test_the_cluster_has_every_stage_a_log_and_views(services: dict[str, Any]) -> None:
    assert set(services) == {*STAGES, "kafka", "postgres"}
    assert [services[name]["command"][0] for name in STAGES] == [*STAGES]
    assert services["kafka"]["image"].startswith("apache/kafka:")
    for name in ("ingress", "kafka", "postgres"):
        assert services[name]["healthcheck"]["test"]


def test_stages_wait_for_what_they_stand_on(services: dict[str, Any]) -> None:
    for name in STAGES:
        awaited = services[name]["depends_on"]
        assert awaited["kafka"] == awaited["postgres"] == {"condition": "service_healthy"}


def test_stages_share_one_environment_and_one_folder(services: dict[str, Any]) -> None:
    first = services["ingress"]
    for name in STAGES:
        assert services[name]["environment"] == first["environment"]
        assert services[name]["volumes"] == ["penstock:/data"]
    assert first["environment"]["PENSTOCK_DATA"] == "/data"


def test_only_ingress_is_reached_from_outside_and_only_from_here(services: dict[str, Any]) -> None:
    assert [name for name, service in services.items() if "ports" in service] == ["ingress"]
    assert services["ingress"]["ports"] == ["127.0.0.1:8080:8080"]


def test_the_image_runs_no_stage_as_root() -> None:
    lines = (ROOT / "Dockerfile").read_text().splitlines()
    last_stage = lines[max(i for i, line in enumerate(lines) if line.startswith("FROM ")) :]
    assert [line for line in last_stage if line.startswith("USER ")] == ["USER penstock"]
    assert 'ENTRYPOINT ["penstock"]' in last_stage


def test_the_image_holds_every_package_of_ours() -> None:
    copied = set(re.findall(r"^COPY (\w+) \1$", (ROOT / "Dockerfile").read_text(), re.MULTILINE))
    ours = {path.parent.name for path in ROOT.glob("*/__init__.py")}
    assert copied == ours - {"tests", "bench"}


@pytest.fixture
def cluster(
    services: dict[str, Any], kafka_bootstrap: str, fresh_postgres_url: str, tmp_path: Path
) -> Iterator[tuple[dict[str, Running], dict[str, str]]]:
    """The stages by name, as compose.yaml starts them, and the environment for commands."""
    here = {
        "kafka://kafka:9092": kafka_broker.fresh_log_url(kafka_bootstrap),
        services["worker"]["environment"]["PENSTOCK_VIEWS"]: fresh_postgres_url,
        "/data": str(tmp_path / "data"),
        "8080": str(servers.free_port()),
        "0.0.0.0": "127.0.0.1",
    }
    env = running.environment()
    for key, value in services["worker"]["environment"].items():
        env[key] = here.get(value, value).replace(":8080", f":{here['8080']}")
    env["PENSTOCK_URL"] = env["PENSTOCK_PUBLIC_URL"]
    with ExitStack() as stack:
        stages = {}
        for name in STAGES:
            arguments = [here.get(argument, argument) for argument in services[name]["command"]]
            stages[name] = stack.enter_context(running.started(*arguments, env=env))
        yield stages, env


def test_the_stages_of_the_cluster_run_a_flow_together(
    cluster: tuple[dict[str, Running], dict[str, str]], tmp_path: Path
) -> None:
    stages, env = cluster
    for name, stage in stages.items():
        assert stage.wait_until_ready() == f"penstock {name} ready"
    file = tmp_path / "flow.yml"
    file.write_text(running.flow("Cluster"))
    deployed = running.command("deploy", file, "--json", env=env)
    assert deployed.code == 0, deployed.err
    url = deployed.json["flows"][0]["webhookUrl"]
    answer = running.call(url)
    assert answer.status_code == 200, answer.text
    shown = running.execution_once_ended(running.id_in(answer), env)
    assert shown["status"] == "succeeded"
    for name, stage in stages.items():
        assert stage.end() == 0, f"{name}: {stage.said()}"
