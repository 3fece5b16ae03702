"""Releases: a version of an integration is marked as fit for use."""

from typing import Any

import httpx

from schemas import events, ids
from schemas.ids import IntegrationId
from schemas.topics import DEFINITIONS
from tests.ingress.serving import ADMIN, Served, definition
from tests.processors.at_work import said_on


async def release(ingress: Served, integration: str, **body: Any) -> httpx.Response:
    path = f"/api/v1/integrations/{integration}/release"
    return await ingress.http.post(path, json=body, headers=ADMIN)


async def test_the_latest_version_is_released_unless_another_is_named(ingress: Served) -> None:
    first = await ingress.deploy(definition())
    await ingress.deploy(definition(extra="description: new"))
    integration = first["integrationId"]
    answer = await release(ingress, integration, comment="Better")
    assert answer.json() == {"integrationId": integration, "version": 2, "comment": "Better"}
    assert (await release(ingress, integration, version=1)).json()["version"] == 1
    integration_id = IntegrationId(ids.from_global(ids.INTEGRATION, integration))
    released = ingress.definitions.catalog.released
    assert released == {(integration_id, 2): "Better", (integration_id, 1): ""}


async def test_releasing_again_says_nothing_but_a_new_comment(ingress: Served) -> None:
    integration = (await ingress.deploy(definition()))["integrationId"]
    for comment in ("a", "a", "b"):
        assert (await release(ingress, integration, comment=comment)).status_code == 200
    said = await said_on(ingress.log, DEFINITIONS)
    comments = [event.comment for event in said if isinstance(event, events.VersionReleased)]
    assert comments == ["a", "b"]


async def test_what_is_not_there_is_not_released(ingress: Served) -> None:
    integration = (await ingress.deploy(definition()))["integrationId"]
    missing = await release(ingress, integration, version=7)
    assert (missing.status_code, missing.json()["reason"]) == (404, "unknown_version")
    other = ids.to_global(ids.INTEGRATION, ids.derived("other"))
    unknown = await release(ingress, other)
    assert (unknown.status_code, unknown.json()["reason"]) == (404, "unknown_integration")
    assert (await release(ingress, integration, comment="x" * 10_001)).status_code == 400
