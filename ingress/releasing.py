"""Releases over HTTP: says of a version of an integration that it is fit for use, and why.

Takes in an integration, a version (the latest by default) and a comment; gives out the event that
says so. A version is there, and can be deployed, from its import on: a release tells people.
"""

from collections.abc import Awaitable, Callable, Sequence
from functools import partial

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from schemas import events, ids
from schemas.catalog import Catalog
from schemas.errors import Refused
from schemas.ids import IntegrationId

LONGEST_COMMENT = 10_000

Say = Callable[[Callable[[Catalog], Sequence[events.Event]]], Awaitable[Catalog]]
"""Says what follows from the catalog, one command at a time (commands.Lifecycle.say)."""


class ReleaseBody(BaseModel):
    model_config = ConfigDict(extra="forbid")

    version: int | None = Field(default=None, ge=1)
    comment: str = Field(default="", max_length=LONGEST_COMMENT)


class ReleasedBody(BaseModel):
    integrationId: str
    version: int
    comment: str


def released(
    catalog: Catalog, *, integration: str, version: int | None, comment: str
) -> tuple[events.VersionReleased, ...]:
    """Raises Refused (404) for what is not there. The same again says nothing."""
    integration_id = IntegrationId(ids.from_global(ids.INTEGRATION, integration))
    latest = catalog.latest.get(integration_id)
    if latest is None:
        message = f"There is no integration with id: {integration}"
        raise Refused(message, status=404, reason="unknown_integration")
    wanted = version or latest
    if (integration_id, wanted) not in catalog.versions:
        message = f"Integration {integration} has no version {version}; its latest is {latest}."
        raise Refused(message, status=404, reason="unknown_version")
    if catalog.released.get((integration_id, wanted)) == comment:
        return ()
    return (events.VersionReleased(integration_id=integration_id, version=wanted, comment=comment),)


def router(say: Say, prefix: str) -> APIRouter:
    api = APIRouter(prefix=prefix, tags=["integrations"])

    @api.post("/integrations/{integration}/release", summary="Release a version")
    async def release(integration: str, body: ReleaseBody) -> ReleasedBody:
        known = partial(
            released, integration=integration, version=body.version, comment=body.comment
        )
        catalog = await say(known)
        latest = catalog.latest[IntegrationId(ids.from_global(ids.INTEGRATION, integration))]
        version = body.version or latest
        return ReleasedBody(integrationId=integration, version=version, comment=body.comment)

    return api
