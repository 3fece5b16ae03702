"""Stored bytes among values: they survive JSON, stand where bytes stand, and are never made up."""

import base64
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas import values
from schemas.stored import InBase64, Stored, found_in, replaced, size_of
from tests.schemas.test_values import KEYS, SCALARS

STORED = st.builds(Stored, st.text(), st.integers(1, 2**40), st.integers(0, 2**40))
VALUES = st.recursive(
    SCALARS | st.binary() | STORED,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(KEYS | st.just("$stored"), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(VALUES)
def test_what_is_stored_comes_back_through_json(value: Any) -> None:
    content, tagged = values.to_json(value)
    assert values.from_json(orjson.loads(orjson.dumps(content)), tagged) == value


def test_a_dict_of_the_users_own_is_never_taken_for_stored_bytes() -> None:
    forged = {"$stored": ["bodies/of-another", 0, 10]}
    for value in (forged, [forged, b"x"], {"a": forged, "b": Stored("k", 1)}):
        content, tagged = values.to_json(value)
        assert values.from_json(content, tagged) == value
    old = values.from_json({"a": {"$stored": "what a user has said"}, "b": {"$bytes": ""}}, True)
    assert old == {"a": {"$stored": "what a user has said"}, "b": b""}


def _contents(value: Any) -> dict[Stored, bytes]:
    return {one: bytes(i + 1 for i in range(one.size % 50 + 1)) for one in found_in(value)}


def _joined(pieces: list[Any], loaded: dict[Stored, bytes]) -> bytes:
    return b"".join(
        base64.b64encode(loaded[piece.stored]) if isinstance(piece, InBase64) else piece
        for piece in pieces
    )


@given(VALUES)
def test_the_pieces_of_a_value_are_what_it_would_be_with_all_bytes_at_hand(value: Any) -> None:
    loaded = _contents(value)
    assert _joined(values.pieces(value), loaded) == values.dump(replaced(value, loaded))


@given(VALUES)
def test_all_that_is_stored_is_found_and_replaced(value: Any) -> None:
    assert found_in(replaced(value, _contents(value))) == []


def test_who_needs_the_bytes_is_told_which() -> None:
    stored = Stored("bodies/a", 5_000_000)
    for need in (values.dump, values.to_text):
        for value in (stored, {"a": [stored]}):
            with pytest.raises(values.NotLoaded) as raised:
                need(value)
            assert raised.value.needed == stored


def test_views_show_where_it_is_and_how_much() -> None:
    value = {"data": Stored("downloads/a", 7), "bytes": b"x"}
    assert values.described(value) == {"data": {"blob": "downloads/a", "bytes": 7}, "bytes": "eA=="}


@pytest.mark.parametrize("size", [1, 2, 3, 4, 1000])
def test_base64_has_the_size_that_is_announced(size: int) -> None:
    assert size_of(InBase64(Stored("k", size))) == len(base64.b64encode(bytes(size)))
