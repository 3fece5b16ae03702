"""Instants: microseconds to ISO 8601 and back."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.instants import MILLISECOND, SECOND, Instant, from_iso, to_iso

END_OF_9999 = 253_402_300_799 * SECOND + 999_999
INSTANTS = st.integers(0, END_OF_9999).map(Instant)


@given(INSTANTS)
def test_an_instant_comes_back_from_its_text(instant: Instant) -> None:
    assert from_iso(to_iso(instant)) == instant


@given(INSTANTS, INSTANTS)
def test_texts_sort_as_instants_do(one: Instant, other: Instant) -> None:
    assert (to_iso(one) < to_iso(other)) == (one < other)


@given(st.datetimes(timezones=st.timezones()))
def test_offsets_are_taken_into_account(moment: datetime) -> None:
    elapsed = moment - datetime(1970, 1, 1, tzinfo=UTC)
    offset = moment.utcoffset() or timedelta()
    if offset.total_seconds() % 60 == 0:
        assert from_iso(moment.isoformat()) == elapsed // timedelta(microseconds=1)


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("2023-11-14T22:13:20.123456Z", 1_700_000_000_123_456),
        ("2023-11-14T23:13:20.123456+01:00", 1_700_000_000_123_456),
        ("2023-11-14T22:13:20", 1_700_000_000 * SECOND),
        ("2023-11-14T22:13:20.5Z", 1_700_000_000 * SECOND + 500 * MILLISECOND),
        ("1969-12-31T23:59:59.999999Z", -1),
    ],
)
def test_texts_are_read_as_utc_unless_they_say_otherwise(text: str, instant: int) -> None:
    assert from_iso(text) == instant


@pytest.mark.parametrize(
    ("instant", "text"),
    [
        (0, "1970-01-01T00:00:00.000000Z"),
        (1_700_000_000_123_456, "2023-11-14T22:13:20.123456Z"),
        (-1, "1969-12-31T23:59:59.999999Z"),
    ],
)
def test_texts_always_have_six_decimals(instant: int, text: str) -> None:
    assert to_iso(Instant(instant)) == text


@pytest.mark.parametrize("text", ["", "yesterday", "2023-13-01T00:00:00Z", "1700000000"])
def test_what_is_no_instant_is_a_value_error(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        from_iso(text)
