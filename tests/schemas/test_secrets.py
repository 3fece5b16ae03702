"""Secrets: sealed configuration opens only with its key, and secrets do not show in texts."""

import base64
import hashlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.errors import Unusable
from schemas.secrets import HIDDEN, SHORTEST_HIDDEN, MasterKey, hash_of, hide

KEY = MasterKey(base64.urlsafe_b64encode(bytes(range(32))).decode())
OTHER = MasterKey(base64.urlsafe_b64encode(bytes(32)).decode())
CONFIGURATIONS = st.dictionaries(
    st.text(), st.none() | st.booleans() | st.text() | st.lists(st.text(), max_size=3), max_size=4
)
SECRETS = st.lists(st.text(st.characters(exclude_characters="*"), min_size=1), max_size=4)


@given(CONFIGURATIONS)
def test_what_was_sealed_comes_back_unsealed(content: dict[str, Any]) -> None:
    assert KEY.unseal(KEY.seal(content)) == content


def test_a_seal_hides_what_it_holds_and_differs_each_time() -> None:
    one, other = KEY.seal("hunter2"), KEY.seal("hunter2")
    assert "hunter2" not in one
    assert one != other


def test_another_key_cannot_unseal_and_the_message_says_what_to_do() -> None:
    with pytest.raises(Unusable, match="PENSTOCK_MASTER_KEY"):
        OTHER.unseal(KEY.seal("hunter2"))


def test_a_seal_that_was_changed_is_refused() -> None:
    sealed = KEY.seal("hunter2")
    swapped = "A" if sealed[20] != "A" else "B"
    with pytest.raises(Unusable):
        KEY.unseal(sealed[:20] + swapped + sealed[21:])


@pytest.mark.parametrize("text", ["", "short", "é" * 44, "!" * 44, "A" * 60])
def test_a_text_that_is_no_key_is_refused_without_showing_it(text: str) -> None:
    with pytest.raises(Unusable) as raised:
        MasterKey(text)
    assert "PENSTOCK_MASTER_KEY" in str(raised.value)
    assert not text or text not in str(raised.value)


def test_a_key_does_not_show_in_its_repr() -> None:
    assert KEY.text not in repr(KEY)


@given(st.binary())
def test_signatures_depend_on_key_and_message(message: bytes) -> None:
    assert KEY.sign(message) == KEY.sign(message)
    assert len(KEY.sign(message)) == 32
    assert KEY.sign(message) != OTHER.sign(message)
    assert KEY.sign(message) != KEY.sign(message + b"\0")


def test_signatures_are_the_same_for_ever() -> None:
    assert (
        KEY.sign(b"results/1").hex()
        == "9ca59ed6eef0e80538d4d956f956833035c5088f5a603300999e6c196c5beee5"
    )


def test_an_api_key_is_kept_as_its_sha_256() -> None:
    assert hash_of("key") == hashlib.sha256(b"key").hexdigest()


@given(st.lists(st.integers(0, 3) | st.text(max_size=3)), SECRETS)
def test_no_secret_is_left_in_a_text(pieces: list[int | str], secrets: list[str]) -> None:
    text = "".join(
        piece if isinstance(piece, str) else secrets[piece % len(secrets)] if secrets else ""
        for piece in pieces
    )
    hidden = hide(text, secrets)
    assert not [one for one in secrets if len(one) >= SHORTEST_HIDDEN and one in hidden]


@given(st.text(), st.lists(st.text(max_size=SHORTEST_HIDDEN - 1)))
def test_short_secrets_do_not_blot_out_a_text(text: str, secrets: list[str]) -> None:
    assert hide(text, secrets) == text


def test_the_longest_secret_is_hidden_first() -> None:
    assert hide("a token1234 b token c", ["token", "token1234"]) == f"a {HIDDEN} b {HIDDEN} c"
