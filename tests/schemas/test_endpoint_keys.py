"""Endpoint keys: who may call a flow, by its security type and the keys that there are."""

import pytest

from schemas import endpoint_keys
from schemas.definitions import Flow
from schemas.events import Reason
from schemas.secrets import hash_of

HASHES = [hash_of("old"), hash_of("new")]
MISSING, WRONG = Reason.MISSING_API_KEY, Reason.WRONG_API_KEY


@pytest.mark.parametrize(
    ("security", "hashes", "expected"),
    [
        ("customer_optional", [], {"": None, "any": None}),
        ("customer_optional", HASHES, {"": MISSING, "any": WRONG, "old": None, "new": None}),
        ("customer_required", [], {"": MISSING, "any": WRONG}),
        ("customer_required", HASHES, {"": MISSING, "any": WRONG, "old": None, "new": None}),
        ("organization", [], {"": MISSING, "any": WRONG}),
        ("organization", HASHES, {"": MISSING, "any": WRONG, "old": None, "new": None}),
        ("unsecured", HASHES, {"": None, "any": None}),
    ],
)
def test_any_of_the_keys_lets_a_caller_in_where_one_is_needed(
    security: str, hashes: list[str], expected: dict[str, Reason | None]
) -> None:
    flow = Flow(name="Main", steps=(), security=security)
    found = {
        key: endpoint_keys.objection(flow, hashes, hash_of(key) if key else "") for key in expected
    }
    assert found == expected
