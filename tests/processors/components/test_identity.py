"""Identity: equal values share it, and others do not."""

from hypothesis import given
from hypothesis import strategies as st

from processors.components.identity import identity
from schemas.values import Value

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-3, 3)
    | st.sampled_from([1.0, -2.0, 1e20, 0.5, b"x", "1", "1.0", "1e5", "$bytes"])
    | st.text(max_size=2),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(st.sampled_from(["a", "b", "$bytes", "1.0"]), inner)
    ),
    max_leaves=6,
)


def same(one: Value, two: Value) -> bool:
    """As Python compares, but that True is not 1."""
    if isinstance(one, bool) or isinstance(two, bool):
        return one is two
    if isinstance(one, list) and isinstance(two, list):
        return len(one) == len(two) and all(map(same, one, two))
    if isinstance(one, dict) and isinstance(two, dict):
        return one.keys() == two.keys() and all(same(one[key], two[key]) for key in one)
    return bool(one == two)


@given(VALUES, VALUES)
def test_only_equal_values_share_an_identity(one: Value, two: Value) -> None:
    assert (identity(one) == identity(two)) is same(one, two)


@given(VALUES)
def test_the_order_of_keys_does_not_count(value: Value) -> None:
    turned = dict(reversed(value.items())) if isinstance(value, dict) else value
    assert identity(turned) == identity(value)
