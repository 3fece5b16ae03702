"""Versions in the views, in whatever order compaction has left them."""

import pytest

from projections import versions
from projections.store import Views
from schemas import events, ids
from schemas.errors import Refused
from tests.projections import story

INTEGRATION = ids.to_global(ids.INTEGRATION, story.INTEGRATION)


def published(version: int) -> events.IntegrationPublished:
    return events.IntegrationPublished(
        integration_id=story.INTEGRATION, name="Orders", version=version, definition="x"
    )


def released(version: int, comment: str) -> events.VersionReleased:
    return events.VersionReleased(
        integration_id=story.INTEGRATION, version=version, comment=comment
    )


def test_versions_are_listed_with_their_releases(views: Views) -> None:
    said: list[events.Event] = [published(1), published(2), released(2, "Better")]
    records = [story.record("definitions", offset, event) for offset, event in enumerate(said)]
    story.tell(views, *records)
    second, first = versions.show_versions(views, INTEGRATION)["versions"]
    assert first == {
        "version": 1,
        "importedAt": "2023-11-14T22:13:20.000000Z",
        "releasedAt": None,
        "comment": None,
    }
    assert (second["version"], second["comment"]) == (2, "Better")
    assert second["releasedAt"] == "2023-11-14T22:13:20.002000Z"


def test_a_release_that_stands_before_its_version_counts(views: Views) -> None:
    story.tell(views, story.record("definitions", 0, released(1, "a"), published(1)))
    story.tell(views, story.record("definitions", 1, published(1), released(1, "b")))
    [only] = versions.show_versions(views, INTEGRATION)["versions"]
    assert (only["comment"], only["importedAt"]) == ("b", "2023-11-14T22:13:20.000000Z")


def test_an_integration_that_is_not_there_is_not_found(views: Views) -> None:
    story.tell(views, story.record("definitions", 0, released(1, "a")))
    with pytest.raises(Refused, match="There is no integration") as refused:
        versions.show_versions(views, INTEGRATION)
    assert refused.value.status == 404
