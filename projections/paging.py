"""Paging: one page of a query in the order of a key, and the cursor behind it.

A cursor holds the key of the last row given, so that pages stay right while rows are added.
"""

import base64
import binascii
from collections.abc import Sequence
from typing import Any

import orjson
from sqlalchemy import Column, Row, Select, tuple_

from projections.store import Views
from schemas.errors import Refused

LARGEST_PAGE = 100

Key = tuple[Column[Any], ...]


def page(
    views: Views,
    query: Select[Any],
    key: Key,
    limit: int,
    after: str | None,
    *,
    newest_first: bool = False,
    largest: int = LARGEST_PAGE,
) -> tuple[Sequence[Row[Any]], str | None]:
    """The rows behind the cursor `after`, and the cursor of the next page, None at the end.

    A `limit` above `largest` is cut. Raises Refused for a cursor that is not one of this list.
    """
    limit = max(1, min(limit, largest))
    if after is not None:
        position = read_cursor(after, [column.type.python_type for column in key])
        last = tuple_(*position, types=[column.type for column in key])
        query = query.where(tuple_(*key) < last if newest_first else tuple_(*key) > last)
    order = [column.desc() if newest_first else column.asc() for column in key]
    rows = views.rows(query.order_by(*order).limit(limit + 1))
    if len(rows) <= limit:
        return rows, None
    return rows[:limit], _cursor(rows[limit - 1], key)


def _cursor(row: Row[Any], key: Key) -> str:
    return cursor([getattr(row, column.name) for column in key])


def cursor(position: Sequence[Any]) -> str:
    """The cursor behind the row with this key."""
    return base64.urlsafe_b64encode(orjson.dumps(position)).decode().rstrip("=")


def read_cursor(text: str, expected: Sequence[type]) -> list[Any]:
    """The key in a cursor, of values of these types. Raises Refused for anything else."""
    refused = Refused(f"{text!r} is not a cursor of this list", reason="bad_cursor")
    try:
        position = orjson.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    except (binascii.Error, ValueError):
        raise refused from None
    if not isinstance(position, list) or [type(part) for part in position] != list(expected):
        raise refused
    return position
