"""Refused calls: what ingress turned away before it became a trigger, as people read it.

Takes in the views; gives out counts of about a second each, newest first, with one call as a
sample, and the route that shows them.
"""

from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Query
from sqlalchemy import Row, select
from typing_extensions import TypedDict

from projections import tables
from projections.paging import LARGEST_PAGE, page
from projections.store import Views
from schemas import ids
from schemas.instants import to_iso

_CALLS = tables.REFUSED_CALLS.c

Limit = Annotated[int, Query(ge=1, description="Rows to give; more than 100 are cut to 100.")]
After = Annotated[str | None, Query(description="The `next` of the page before.")]


class Sample(TypedDict):
    """One of the calls: the names of its headers, not their values."""

    method: str
    path: str
    headers: list[str]


class RefusedCalls(TypedDict):
    """`calls` of one endpoint for one reason; the endpoint is null where none was found."""

    endpoint: str | None
    reason: str
    calls: int
    firstAt: str
    lastAt: str
    sample: Sample


class Page(TypedDict):
    refusedCalls: list[RefusedCalls]
    next: str | None


def listed(views: Views, *, limit: int = LARGEST_PAGE, after: str | None = None) -> Page:
    key = (_CALLS.last_at, _CALLS.trigger_partition, _CALLS.trigger_offset)
    query = select(tables.REFUSED_CALLS)
    rows, following = page(views, query, key, limit, after, newest_first=True)
    return {"refusedCalls": [_shown(row) for row in rows], "next": following}


def add_route(api: APIRouter, views: Views) -> None:
    @api.get("/refused-calls", summary="Calls turned away at the door, counted, newest first")
    def list_refused_calls(limit: Limit = LARGEST_PAGE, after: After = None) -> Page:
        return listed(views, limit=limit, after=after)


def _shown(row: Row[Any]) -> RefusedCalls:
    return {
        "endpoint": ids.to_global(ids.ENDPOINT, row.endpoint_id) if row.endpoint_id else None,
        "reason": row.reason,
        "calls": row.calls,
        "firstAt": to_iso(row.first_at),
        "lastAt": to_iso(row.last_at),
        "sample": orjson.loads(row.sample),
    }
