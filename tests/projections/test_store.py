"""The store: all or nothing, guarded positions, and databases that cannot be used."""

import os
import stat
from pathlib import Path

import pytest
from sqlalchemy import update

from projections import queries, tables
from projections.rows import Changes
from projections.store import Move, Partition, PositionMoved, Views
from projections.views import State
from schemas.errors import Unusable
from tests.projections import story

ADMISSIONS = Partition("admissions", 0)


def test_a_move_from_elsewhere_than_stored_changes_nothing(views: Views) -> None:
    story.tell(views, story.record("admissions", 0, story.admitted(0)))
    before = story.contents(views)
    changes = Changes()
    changes.execution(story.execution_id(1)).status = "running"
    for start in (0, 5):
        with pytest.raises(PositionMoved):
            views.apply(changes, [Move(ADMISSIONS, start, 9, State())])
    assert story.contents(views) == before


def test_rebuilding_gives_equal_tables(views: Views) -> None:
    read = [
        story.record("definitions", 0, *story.deployments()),
        story.record("admissions", 0, story.admitted(0), story.refused(1)),
        story.record(
            "executions", 0, story.started(0), story.succeeded(0, "a"), story.completed(0)
        ),
    ]
    story.tell(views, *read)
    before = story.contents(views)
    views.clear()
    assert not any(
        rows for name, rows in story.contents(views).items() if name != "schema_versions"
    )
    story.tell(views, *read)
    assert story.contents(views) == before


def test_the_rows_are_there_when_opened_again(views: Views, views_url: str) -> None:
    story.tell(views, story.record("admissions", 0, story.admitted(0)))
    again = Views.open(views_url)
    try:
        assert story.contents(again) == story.contents(views)
    finally:
        again.close()


def set_version(views: Views, version: int) -> None:
    with views._transaction() as connection:
        connection.execute(update(tables.SCHEMA_VERSIONS).values(version=version))


def test_tables_of_an_older_version_are_made_anew(views: Views, views_url: str) -> None:
    story.tell(views, story.record("admissions", 0, story.admitted(0)))
    set_version(views, 0)
    again = Views.open(views_url)
    try:
        assert again.positions() == {}
        assert queries.list_executions(again, queries.Filter())["executions"] == []
    finally:
        again.close()


def test_tables_of_a_newer_version_are_refused(views: Views, views_url: str) -> None:
    set_version(views, 99)
    try:
        with pytest.raises(Unusable, match="version 99, newer than"):
            Views.open(views_url)
    finally:
        set_version(views, tables.VERSION)


def test_a_new_file_is_readable_by_its_owner_alone(tmp_path: Path) -> None:
    views = Views.open(f"sqlite:///{tmp_path}/new/views.db")
    story.tell(views, story.record("admissions", 0, story.admitted(0)))
    modes = {stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "new").iterdir()}
    views.close()
    assert modes == {0o600}


@pytest.mark.parametrize(
    "url",
    [
        "nonsense",
        "mysql://localhost/x",
        "sqlite://",
        "postgresql://user:hunter2@127.0.0.1:1/nowhere",
        "postgresql://user:hunter2@127.0.0.1:notaport/nowhere",
    ],
)
def test_what_cannot_be_opened_is_said_in_one_sentence(url: str) -> None:
    with pytest.raises(Unusable) as refused:
        Views.open(url)
    assert "hunter2" not in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "views.db"
    path.write_text("this is no database, but a text that is long enough to be looked at" * 20)
    with pytest.raises(Unusable, match=r"views\.db"):
        Views.open(f"sqlite:///{path}")


def test_a_folder_in_place_of_the_file_is_refused(tmp_path: Path) -> None:
    os.mkdir(tmp_path / "views.db")
    with pytest.raises(Unusable, match=r"views\.db"):
        Views.open(f"sqlite:///{tmp_path}/views.db")
