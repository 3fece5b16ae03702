"""Ids: the same everywhere, and readable from outside only as what they are."""

import base64
from uuid import UUID, uuid5

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas import ids
from schemas.errors import Refused

UUIDS = st.uuids().map(str)
TYPES = st.sampled_from([ids.EXECUTION, ids.ENDPOINT, ids.INSTANCE, ids.INTEGRATION, ids.CUSTOMER])


def test_derived_ids_are_the_same_for_ever() -> None:
    assert ids.derived("triggers", 3, 14) == "3ecf4acd-c4c3-5066-8232-57d613b65ea7"


def test_the_execution_of_a_trigger_has_the_same_id_for_ever() -> None:
    assert ids.execution_of(3, 14) == ids.derived("triggers", 3, 14)


@given(
    st.lists(
        st.integers() | st.text(st.characters(codec="utf-8", exclude_characters="\x1f")), min_size=1
    )
)
def test_derived_ids_differ_where_a_part_does(parts: list[str | int]) -> None:
    assert ids.derived(*parts) == ids.derived(*parts)
    assert ids.derived(*parts) != ids.derived(*parts, "more")
    assert ids.derived(*parts) != ids.derived(f"{parts[0]}x", *parts[1:])
    assert str(UUID(ids.derived(*parts))) == ids.derived(*parts)


@given(st.lists(st.text(st.characters(codec="utf-8"))))
def test_derived_ids_are_version_5_uuids(parts: list[str]) -> None:
    namespace = UUID("6d2b5c0e-6a3f-5f0a-9a51-2c1d8c1f7e01")
    assert ids.derived(*parts) == str(uuid5(namespace, "\x1f".join(parts)))


@given(TYPES, UUIDS)
def test_a_global_id_gives_its_uuid_back(type_name: str, uuid: str) -> None:
    text = ids.to_global(type_name, uuid)
    assert base64.b64decode(text).decode() == f"{type_name}:{uuid}"
    assert ids.from_global(type_name, text) == uuid
    assert ids.from_global(type_name, text.rstrip("=")) == uuid


@given(TYPES, UUIDS)
def test_a_bare_uuid_is_taken_as_it_is(type_name: str, uuid: str) -> None:
    assert ids.from_global(type_name, uuid) == uuid
    assert ids.from_global(type_name, uuid.upper()) == uuid


@given(TYPES, TYPES, UUIDS)
def test_the_global_id_of_another_type_is_unknown(asked: str, given_: str, uuid: str) -> None:
    if asked == given_:
        return
    with pytest.raises(Refused, match=f"is not an id of the type {asked}") as raised:
        ids.from_global(asked, ids.to_global(given_, uuid))
    assert (raised.value.status, raised.value.reason) == (404, "unknown_id")


@given(TYPES, st.text())
def test_any_text_is_an_id_or_refused(type_name: str, text: str) -> None:
    try:
        uuid = ids.from_global(type_name, text)
    except Refused:
        return
    assert str(UUID(uuid)) == uuid
