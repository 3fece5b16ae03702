"""Exporting: the text of a published integration, as it was imported.

Takes in the catalog; gives out JSON under `/api/v1/integrations`. A round trip loses nothing,
comments included, because the log keeps the file's text.
"""

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel

from eventlog.definitions import Definitions
from schemas import events, ids
from schemas.errors import Refused
from schemas.ids import IntegrationId


class ExportedBody(BaseModel):
    integrationId: str
    name: str
    version: int
    definition: str
    language: str


def router(definitions: Definitions, prefix: str) -> APIRouter:
    api = APIRouter(prefix=prefix, tags=["integrations"])

    @api.get("/integrations/{integration}/definition", summary="The file that was imported")
    async def export(
        integration: str, version: Annotated[int | None, Query(ge=1)] = None
    ) -> ExportedBody:
        await definitions.read_to_end()
        found = _published(definitions, integration, version)
        return ExportedBody(
            integrationId=ids.to_global(ids.INTEGRATION, found.integration_id),
            name=found.name,
            version=found.version,
            definition=found.definition,
            language=found.language,
        )

    return api


def _published(
    definitions: Definitions, shown: str, version: int | None
) -> events.IntegrationPublished:
    """The version asked for, else the latest. Raises Refused (404)."""
    catalog = definitions.catalog
    integration_id = IntegrationId(ids.from_global(ids.INTEGRATION, shown))
    latest = catalog.latest.get(integration_id)
    if latest is None:
        message = f"There is no integration with id: {shown}"
        raise Refused(message, status=404, reason="unknown_integration")
    found = catalog.versions.get((integration_id, version or latest))
    if found is None:
        message = f"Integration {shown} has no version {version}; its latest is {latest}."
        raise Refused(message, status=404, reason="unknown_version")
    return found
