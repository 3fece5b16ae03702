"""Settings: from the environment, the command line on top, and errors that name the variable."""

from dataclasses import fields
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.errors import Unusable
from schemas.settings import Settings, from_environment


def test_an_empty_environment_gives_the_defaults() -> None:
    settings = from_environment({})
    assert settings == Settings()
    assert (settings.max_body_bytes, settings.result_ttl_s) == (104_857_600, 86_400)
    assert (settings.code_timeout_s, settings.allow_private_networks) == (10.0, False)


def test_log_views_and_blobs_stand_in_the_data_folder_unless_they_are_set() -> None:
    settings = from_environment({"PENSTOCK_DATA": "here"})
    assert settings.data_dir == Path("here")
    assert settings.log_url == "sqlite:///here/log.db"
    assert settings.views_url == "sqlite:///here/views.db"
    assert settings.blobs_url == "here/blobs"
    elsewhere = from_environment(
        {
            "PENSTOCK_LOG": "kafka://a:1",
            "PENSTOCK_VIEWS": "postgresql://b",
            "PENSTOCK_BLOBS": "s3://c/d",
        }
    )
    assert elsewhere.log_url == "kafka://a:1"
    assert elsewhere.views_url == "postgresql://b"
    assert elsewhere.blobs_url == "s3://c/d"


def test_each_variable_becomes_the_type_of_its_setting() -> None:
    settings = from_environment(
        {
            "PENSTOCK_MAX_BODY_BYTES": "7",
            "PENSTOCK_CODE_TIMEOUT_S": "0.5",
            "PENSTOCK_ALLOW_PRIVATE_NETWORKS": "yes",
            "UNRELATED": "x",
        }
    )
    assert settings == Settings(max_body_bytes=7, code_timeout_s=0.5, allow_private_networks=True)


@pytest.mark.parametrize(
    ("word", "on"),
    [("1", True), ("TRUE", True), ("On", True), ("0", False), ("no", False), ("off", False)],
)
def test_switches_know_the_usual_words(word: str, on: bool) -> None:
    settings = from_environment({"PENSTOCK_ALLOW_PRIVATE_NETWORKS": word})
    assert settings.allow_private_networks is on


def test_the_command_line_wins_over_the_environment() -> None:
    settings = from_environment({"PENSTOCK_DATA": "a", "PENSTOCK_LOG": "b"}, data="c", log=None)
    assert (settings.data, settings.log) == ("c", "b")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("PENSTOCK_MAX_BODY_BYTES", "many"),
        ("PENSTOCK_MAX_BODY_BYTES", "1.5"),
        ("PENSTOCK_RESULT_TTL_S", "0"),
        ("PENSTOCK_CODE_TIMEOUT_S", "-1"),
        ("PENSTOCK_ALLOW_PRIVATE_NETWORKS", "perhaps"),
        ("PENSTOCK_PUBLIC_URL", "hooks.example.com"),
        ("PENSTOCK_PUBLIC_URL", "https://hooks.exämple.com"),
    ],
)
def test_a_value_that_cannot_be_used_is_named_with_its_variable(key: str, value: str) -> None:
    with pytest.raises(Unusable) as raised:
        from_environment({key: value})
    assert f"{key}={value!r}" in str(raised.value)


def test_secrets_do_not_show_in_the_repr() -> None:
    settings = from_environment({"PENSTOCK_TOKEN": "hunter2", "PENSTOCK_MASTER_KEY": "swordfish"})
    assert (settings.token, settings.master_key) == ("hunter2", "swordfish")
    assert "hunter2" not in repr(settings)
    assert "swordfish" not in repr(settings)


@given(st.text(min_size=1), st.integers(1))
def test_what_is_set_is_what_is_read(text: str, number: int) -> None:
    settings = from_environment({"PENSTOCK_DATA": text, "PENSTOCK_RESULT_TTL_S": str(number)})
    assert (settings.data, settings.result_ttl_s) == (text, number)


def test_the_chapter_on_running_names_every_setting() -> None:
    chapter = (Path(__file__).parents[2] / "docs" / "running.md").read_text()
    for setting in fields(Settings):
        assert f"| `PENSTOCK_{setting.name.upper()}` |" in chapter
