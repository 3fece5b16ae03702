"""API keys that results hand on: hidden for the log, put back from it."""

import pytest

from processors import hidden_keys
from schemas.values import NotSerializable, Value

PAYLOAD: dict[str, Value] = {"webhookApiKeys": {"Main": ["a-key"]}, "webhookUrls": {}}


def test_keys_are_hidden_at_any_depth_and_come_back() -> None:
    result: Value = {"all": [PAYLOAD], "n": 1}
    kept = hidden_keys.hidden(result, PAYLOAD)
    assert "a-key" not in repr(kept)
    assert hidden_keys.shown(kept, PAYLOAD) == result


def test_what_a_step_put_in_the_place_of_keys_stays() -> None:
    own: Value = {"webhookApiKeys": {"Main": []}}
    assert hidden_keys.hidden(own, PAYLOAD) == own


def test_without_keys_nothing_is_looked_through() -> None:
    result: Value = {"webhookApiKeys": {"Main": []}}
    assert hidden_keys.hidden(result, result) is result


def test_a_result_nested_too_deep_is_refused_as_such() -> None:
    deep: Value = []
    for _ in range(100_000):
        deep = [deep]
    with pytest.raises(NotSerializable, match="too deep"):
        hidden_keys.hidden(deep, PAYLOAD)
