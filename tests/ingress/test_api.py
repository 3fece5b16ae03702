"""The admin API: who may, what it says on the log, and what it answers."""

import asyncio
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import APIRouter

from eventlog.opening import open_log
from schemas import ids
from schemas.catalog import Status
from schemas.errors import Refused, Retryable
from schemas.ids import IntegrationId
from schemas.topics import DEFINITIONS
from tests.ingress.serving import ADMIN, OTHER_KEY, PUBLIC_URL, Served, definition, flow, served


async def post(ingress: Served, path: str, body: Any = None) -> httpx.Response:
    return await ingress.http.post(f"/api/v1{path}", json=body, headers=ADMIN)


@pytest.mark.parametrize(
    "headers",
    [{}, {"authorization": "Bearer wrong"}, {"authorization": "Basic token-of-tests"}],
)
@pytest.mark.parametrize("path", ["/integrations", "/nothing-here", "/openapi.json"])
async def test_the_api_needs_the_token(ingress: Served, headers: dict[str, str], path: str) -> None:
    answer = await ingress.http.post(f"/api/v1{path}", headers=headers)
    assert (answer.status_code, answer.json()["reason"]) == (401, "unauthorized")
    assert answer.headers["www-authenticate"] == "Bearer"


async def test_an_import_tells_version_flows_and_unknown_components(ingress: Served) -> None:
    text = definition(flow("A"), flow("B").replace("webhook-triggers", "slack"))
    answer = await post(ingress, "/integrations", {"definition": text})
    assert answer.status_code == 200
    assert answer.json() == {
        "integrationId": ids.to_global(ids.INTEGRATION, ids.derived("integration", "Orders")),
        "version": 1,
        "flows": ["A", "B"],
        "unknownComponents": ["slack"],
    }


async def test_an_integration_is_exported_as_it_was_imported(ingress: Served) -> None:
    first, second = (definition(flow(name)) + f"# {name}\r\n" for name in ("A", "B"))
    for text in (first, second):
        imported = (await post(ingress, "/integrations", {"definition": text})).json()
    url = f"/api/v1/integrations/{imported['integrationId']}/definition"
    latest = await ingress.http.get(url, headers=ADMIN)
    assert latest.json() == {
        "integrationId": imported["integrationId"],
        "name": "Orders",
        "version": 2,
        "definition": second,
        "language": "yaml",
    }
    former = await ingress.http.get(url, params={"version": 1}, headers=ADMIN)
    assert former.json()["definition"] == first


async def test_what_cannot_be_exported_is_named(ingress: Served) -> None:
    imported = (await post(ingress, "/integrations", {"definition": definition()})).json()
    known = imported["integrationId"]
    unknown = ids.to_global(ids.INTEGRATION, ids.derived("integration", "There Is None"))
    for shown, version, reason in (
        (known, 2, "unknown_version"),
        (unknown, 1, "unknown_integration"),
        ("nonsense", 1, "unknown_id"),
    ):
        url = f"/api/v1/integrations/{shown}/definition"
        answer = await ingress.http.get(url, params={"version": version}, headers=ADMIN)
        assert (answer.status_code, answer.json()["reason"]) == (404, reason)
        assert shown in answer.json()["error"]


async def test_a_deployment_tells_ids_urls_and_keys(ingress: Served) -> None:
    deployed = await ingress.deploy(definition(), customer="acme", apiKeys={"Main": ["k1"]})
    (main,) = deployed["flows"]
    assert (main["name"], main["apiKeys"]) == ("Main", ["k1"])
    assert main["webhookUrl"].startswith(f"{PUBLIC_URL}/trigger/SW5zdGFuY2VGbG93Q29uZmln")
    assert (deployed["version"], deployed["unknownComponents"]) == (1, [])
    instance_id = ids.from_global(ids.INSTANCE, deployed["instanceId"])
    assert instance_id in ingress.definitions.catalog.instances


async def test_what_was_deployed_is_there_after_a_restart(tmp_path: Path) -> None:
    async with served(tmp_path) as first:
        url = await first.url()
    async with served(tmp_path, decision_s=0.001) as second:
        assert (await second.http.post(url)).status_code == 202


async def test_nodes_that_deploy_one_integration_at_once_each_run_their_own_text(
    tmp_path: Path,
) -> None:
    log = await open_log(f"sqlite:///{tmp_path / 'log.db'}")
    async with served(tmp_path, log=log) as one, served(tmp_path, log=log) as other:
        for number in range(10):
            texts = {name: definition(flow(f"{name} {number}")) for name in ("one", "other")}
            made = await asyncio.gather(
                one.deploy(texts["one"], instance="one"),
                other.deploy(texts["other"], instance="other"),
            )
            await one.definitions.read_to_end()
            catalog = one.definitions.catalog
            for deployed, text in zip(made, texts.values(), strict=True):
                id_ = IntegrationId(ids.from_global(ids.INTEGRATION, deployed["integrationId"]))
                assert catalog.versions[(id_, deployed["version"])].definition == text


async def test_deploying_again_on_another_node_is_the_next_version(tmp_path: Path) -> None:
    async with served(tmp_path) as ingress:
        await ingress.deploy(definition())
        ingress.definitions.catalog.__init__()  # type: ignore[misc]  # back to an empty fold
        ingress.definitions._next = 0
        again = await ingress.deploy(definition(extra="description: new"))
        assert again["version"] == 2


@pytest.mark.parametrize("shown", [True, False])
async def test_an_instance_is_paused_resumed_and_removed(ingress: Served, shown: bool) -> None:
    deployed = await ingress.deploy(definition())
    instance = deployed["instanceId"]
    bare = ids.from_global(ids.INSTANCE, instance)
    name = instance if shown else bare
    catalog = ingress.definitions.catalog
    for method, path, status in (
        ("POST", f"{name}/pause", Status.PAUSED),
        ("POST", f"{name}/resume", Status.ACTIVE),
        ("DELETE", name, Status.REMOVED),
        ("DELETE", name, Status.REMOVED),
    ):
        answer = await ingress.http.request(method, f"/api/v1/instances/{path}", headers=ADMIN)
        told = {"instanceId": instance, "status": status.value, "warnings": []}
        assert answer.json() == told
        assert catalog.instances[ids.InstanceId(bare)].status is status


async def test_an_unknown_instance_is_not_found(ingress: Served) -> None:
    answer = await post(ingress, "/instances/nonsense/pause")
    assert (answer.status_code, answer.json()["reason"]) == (404, "unknown_id")


async def test_a_definition_with_problems_is_answered_with_them(ingress: Served) -> None:
    answer = await post(ingress, "/deployments", {"definition": "definitionVersion: 6"})
    assert (answer.status_code, answer.json()["reason"]) == (400, "invalid_definition")
    problems = answer.json()["problems"]
    assert {"path", "line", "message"} == problems[0].keys()
    assert (await ingress.log.marks(DEFINITIONS, 0)).high == 0


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"definition": 5},
        {"definition": "a", "rate_limit": 5},
        {"definition": "a", "rateLimit": "s3cret"},
        {"definition": "a", "customer": ""},
        {"definition": "a", "customer": " "},
        {"definition": "a", "instance": "a\0b"},
        [],
    ],
)
async def test_a_body_of_another_shape_is_refused_by_place(ingress: Served, body: Any) -> None:
    answer = await post(ingress, "/deployments", body)
    assert (answer.status_code, answer.json()["reason"]) == (400, "bad_request")
    assert answer.json()["error"].startswith("body")
    assert "s3cret" not in answer.text


async def test_a_body_without_bound_is_refused(ingress: Served) -> None:
    content = b"x" * (17 * 1024 * 1024)
    answer = await ingress.http.post("/api/v1/integrations", content=content, headers=ADMIN)
    assert answer.status_code == 413
    assert "error" in answer.json()


@pytest.mark.parametrize(
    ("method", "path", "status", "reason"),
    [("GET", "/nothing", 404, "not_found"), ("POST", "/healthz", 405, "method_not_allowed")],
)
async def test_what_is_not_there_is_said_in_json(
    ingress: Served, method: str, path: str, status: int, reason: str
) -> None:
    answer = await ingress.http.request(method, path)
    assert (answer.status_code, answer.json()["reason"]) == (status, reason)


async def test_health_and_readiness_need_no_token(ingress: Served) -> None:
    health = await ingress.http.get("/healthz")
    ready = await ingress.http.get("/readyz")
    assert (health.status_code, health.json()) == (200, {"status": "ok"})
    assert ready.status_code == 200


async def test_without_its_log_a_node_is_alive_but_not_ready(ingress: Served) -> None:
    await ingress.log.close()
    assert (await ingress.http.get("/healthz")).status_code == 200
    answer = await ingress.http.get("/readyz")
    assert (answer.status_code, answer.json()["reason"]) == (503, "not_ready")
    command = await post(ingress, "/integrations", {"definition": definition()})
    assert (command.status_code, command.json()["reason"]) == (503, "unavailable")


async def test_mounted_routers_answer_errors_alike_and_need_the_token(tmp_path: Path) -> None:
    router = APIRouter(prefix="/api/v1")

    @router.get("/refused")
    async def refused() -> None:
        raise Refused("no such row", status=404, reason="unknown_row")

    @router.get("/away")
    async def away() -> None:
        raise Retryable("views are away")

    async with served(tmp_path, routers=(router,)) as ingress:
        assert (await ingress.http.get("/api/v1/refused")).status_code == 401
        answer = await ingress.http.get("/api/v1/refused", headers=ADMIN)
        assert (answer.status_code, answer.json()) == (
            404,
            {"error": "no such row", "reason": "unknown_row"},
        )
        assert (await ingress.http.get("/api/v1/away", headers=ADMIN)).status_code == 503


async def test_a_configuration_of_another_master_key_is_an_error_of_ours(tmp_path: Path) -> None:
    async with served(tmp_path) as first:
        await first.deploy(definition())
    async with served(tmp_path, master_key=OTHER_KEY) as second:
        answer = await post(second, "/deployments", {"definition": definition()})
    assert (answer.status_code, answer.json()["reason"]) == (500, "unusable")


async def test_secrets_do_not_stand_on_the_log(tmp_path: Path) -> None:
    async with served(tmp_path) as ingress:
        await ingress.deploy(definition(), apiKeys={"Main": ["very-secret-key"]})
    log = await open_log(f"sqlite:///{tmp_path / 'log.db'}")
    records = await log.read(DEFINITIONS, 0, 0)
    await log.close()
    assert len(records) == 3
    assert not any(b"very-secret-key" in record.value for record in records)
