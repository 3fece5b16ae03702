"""Refused calls in the views: counted, with a sample, and once only."""

from typing import Any

from projections import refused_calls
from projections.store import Views
from schemas import events, ids
from schemas.instants import SECOND, Instant
from tests.projections import story


def turned_away(offset: int, **given: Any) -> events.CallsRefused:
    said: dict[str, Any] = {
        "endpoint_id": story.ENDPOINT,
        "reason": "wrong_signature",
        "count": 7,
        "first_at": Instant(story.START + offset * SECOND),
        "last_at": Instant(story.START + offset * SECOND + 900_000),
        "method": "POST",
        "path": "a\x00b",
        "header_names": ["Host", "X-Sig"],
        "trigger_offset": offset,
    }
    return events.CallsRefused(**said | given)


def test_calls_turned_away_are_shown_newest_first_with_a_sample(views: Views) -> None:
    unknown = turned_away(1, endpoint_id="", reason="unknown_endpoint")
    story.tell(views, story.record("admissions", 0, turned_away(0), unknown))
    newest, oldest = refused_calls.listed(views)["refusedCalls"]
    assert (newest["endpoint"], newest["reason"]) == (None, "unknown_endpoint")
    assert oldest == {
        "endpoint": ids.to_global(ids.ENDPOINT, story.ENDPOINT),
        "reason": "wrong_signature",
        "calls": 7,
        "firstAt": "2023-11-14T22:13:20.000000Z",
        "lastAt": "2023-11-14T22:13:20.900000Z",
        "sample": {"method": "POST", "path": "a\x00b", "headers": ["Host", "X-Sig"]},
    }


def test_a_repeat_of_them_counts_once(views: Views) -> None:
    story.tell(views, story.record("admissions", 0, turned_away(0)))
    story.tell(views, story.record("admissions", 1, turned_away(0), turned_away(1, count=2)))
    assert [row["calls"] for row in refused_calls.listed(views)["refusedCalls"]] == [2, 7]


def test_they_are_given_in_pages(views: Views) -> None:
    story.tell(views, story.record("admissions", 0, *map(turned_away, range(3))))
    first = refused_calls.listed(views, limit=2)
    rest = refused_calls.listed(views, limit=2, after=first["next"])
    assert (len(first["refusedCalls"]), len(rest["refusedCalls"]), rest["next"]) == (2, 1, None)
