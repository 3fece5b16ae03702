"""Versions of an integration, as people read them: when each came to be, and was released.

Takes in the views; gives out the versions newest first, and the route that shows them.
"""

from fastapi import APIRouter
from sqlalchemy import select
from typing_extensions import TypedDict

from projections import tables
from projections.store import Views
from schemas import ids
from schemas.errors import Refused
from schemas.instants import Instant, to_iso

_VERSION = tables.INTEGRATION_VERSIONS.c


class Version(TypedDict):
    """`releasedAt` and `comment` are null where nobody has released it."""

    version: int
    importedAt: str
    releasedAt: str | None
    comment: str | None


class Versions(TypedDict):
    versions: list[Version]


def add_routes(api: APIRouter, views: Views) -> None:
    @api.get("/integrations/{integration}/versions", summary="The versions of an integration")
    def list_versions(integration: str) -> Versions:
        return show_versions(views, integration)


def show_versions(views: Views, integration: str) -> Versions:
    """All versions. Raises Refused (404) for an integration that is not there."""
    query = (
        select(_VERSION.version, _VERSION.published_at, _VERSION.released_at, _VERSION.comment)
        .where(
            _VERSION.integration_id == ids.from_global(ids.INTEGRATION, integration),
            _VERSION.published_at.is_not(None),
        )
        .order_by(_VERSION.version.desc())
    )
    found: list[Version] = [
        {
            "version": row.version,
            "importedAt": to_iso(Instant(row.published_at)),
            "releasedAt": None if row.released_at is None else to_iso(Instant(row.released_at)),
            "comment": row.comment,
        }
        for row in views.rows(query)
    ]
    if not found:
        message = f"There is no integration with id: {integration}"
        raise Refused(message, status=404, reason="unknown_integration")
    return {"versions": found}
