"""API keys that change: none is refused that is in force, and no callers while they change over."""

from pathlib import Path
from typing import Any

import httpx
import pytest

from eventlog.log import NewRecord
from ingress import api_keys, lifecycle
from schemas import codec, events
from schemas.catalog import topic_key
from schemas.errors import Refused
from schemas.topics import DEFINITIONS
from tests.ingress.serving import ADMIN, KEY, Served, definition, flow, served
from tests.ingress.test_webhook import accepted


async def keys_of(ingress: Served, instance: str, **change: Any) -> httpx.Response:
    path = f"/api/v1/instances/{instance}/keys"
    if change:
        return await ingress.http.post(path, json=change, headers=ADMIN)
    return await ingress.http.get(path, headers=ADMIN)


async def lets_in(ingress: Served, url: str, key: str) -> bool:
    headers = {"api-key": key}
    if (await ingress.http.head(url, headers=headers)).status_code == 401:
        return False
    _, answer = await accepted(ingress, url, headers=headers)
    return answer.status_code == 200


async def test_old_and_new_key_are_both_taken_while_callers_change_over(ingress: Served) -> None:
    deployed = await ingress.deploy(definition(), apiKeys={"Main": ["old"]})
    instance, url = deployed["instanceId"], deployed["flows"][0]["webhookUrl"]
    added = await keys_of(ingress, instance, add={"Main": ["new"]})
    assert added.json()["flows"] == [
        {"name": "Main", "security": "customer_optional", "apiKeys": ["old", "new"]}
    ]
    assert await lets_in(ingress, url, "old")
    assert await lets_in(ingress, url, "new")
    await keys_of(ingress, instance, remove={"Main": ["old"]})
    assert not await lets_in(ingress, url, "old")
    assert await lets_in(ingress, url, "new")
    assert (await keys_of(ingress, instance)).json()["flows"][0]["apiKeys"] == ["new"]


async def test_a_key_that_another_node_took_a_moment_ago_is_taken(ingress: Served) -> None:
    deployed = await ingress.deploy(definition(), apiKeys={"Main": ["old"]})
    url = deployed["flows"][0]["webhookUrl"]
    [instance] = ingress.definitions.catalog.instances
    said = api_keys.changed(
        ingress.definitions.catalog,
        instance,
        add={"Main": ["new"]},
        remove={},
        seal=KEY.seal,
        unseal=KEY.unseal,
    )
    await ingress.log.append(
        [NewRecord(DEFINITIONS.name, topic_key(event), codec.encode([event])) for event in said]
    )
    assert await lets_in(ingress, url, "new")


async def test_keys_are_on_the_log_as_hashes_and_sealed_only(ingress: Served) -> None:
    deployed = await ingress.deploy(definition(), apiKeys={"Main": ["old-secret"]})
    await keys_of(ingress, deployed["instanceId"], add={"Main": ["new-secret"]})
    records = await ingress.log.read(DEFINITIONS, 0, 0)
    assert not any(b"-secret" in record.value for record in records)
    last = codec.decode(records[-1].value).events[-1]
    assert isinstance(last, events.InstanceDeployed)
    assert len(last.api_key_hashes["Main"]) == 2
    assert not last.entails_more


async def test_what_changes_nothing_says_nothing(ingress: Served) -> None:
    deployed = await ingress.deploy(definition(), apiKeys={"Main": ["old"]})
    before = await ingress.log.marks(DEFINITIONS, 0)
    answer = await keys_of(ingress, deployed["instanceId"], add={"Main": ["old"]})
    assert answer.status_code == 200
    assert await ingress.log.marks(DEFINITIONS, 0) == before


@pytest.mark.parametrize(
    ("security", "change", "status", "reason"),
    [
        ("customer_optional", {"add": {"Gone": ["k"]}}, 400, "unknown_flow"),
        ("customer_optional", {"add": {"Main": [""]}}, 400, "bad_api_key"),
        ("customer_optional", {"add": {"Main": [f"k{n}" for n in range(21)]}}, 400, None),
        ("customer_optional", {"remove": {"Main": ["other"]}}, 404, "unknown_api_key"),
        ("customer_required", {"remove": {"Main": ["old"]}}, 400, "api_key_required"),
    ],
)
async def test_a_change_that_does_not_fit_is_refused(
    ingress: Served, security: str, change: dict[str, Any], status: int, reason: str | None
) -> None:
    text = definition(flow(security=security))
    deployed = await ingress.deploy(text, apiKeys={"Main": ["old"]})
    answer = await keys_of(ingress, deployed["instanceId"], **change)
    assert answer.status_code == status
    assert reason is None or answer.json()["reason"] == reason
    assert "other" not in answer.text
    assert (await keys_of(ingress, deployed["instanceId"])).json()["flows"][0]["apiKeys"] == ["old"]


async def test_an_instance_that_is_not_there_or_was_removed_has_no_keys(tmp_path: Path) -> None:
    async with served(tmp_path) as ingress:
        deployed = await ingress.deploy(definition())
        path = f"/api/v1/instances/{deployed['instanceId']}"
        await ingress.http.delete(path, headers=ADMIN)
        assert (await keys_of(ingress, deployed["instanceId"])).status_code == 409
        assert (await keys_of(ingress, "nothing")).status_code == 404


def test_a_flow_that_requires_a_key_is_not_deployed_without() -> None:
    text = definition(flow(security="customer_required"))
    with pytest.raises(Refused, match="'Main' needs an API key") as refused:
        api_keys.in_force(lifecycle.read_definition(text), {}, {})
    assert refused.value.reason == "api_key_required"
    assert api_keys.in_force(lifecycle.read_definition(text), {}, {"Main": ["old"]})


@pytest.mark.parametrize("keys", ["", "    organizationApiKeys: ['']\n"])
def test_a_flow_of_its_organization_is_not_published_without_a_key(keys: str) -> None:
    text = definition(flow(security="organization") + keys)
    with pytest.raises(Refused, match="'Main' is secured as organization") as refused:
        api_keys.check_publishable(lifecycle.read_definition(text))
    assert refused.value.reason == "api_key_required"
