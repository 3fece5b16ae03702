"""Date/Time: instants are read, shifted and written as documented."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processors.actions import StepError
from processors.components import date_formats
from schemas.instants import Instant
from schemas.values import Value
from tests.processors.components.test_kit import context, run

EARLIEST = datetime(1900, 1, 1, tzinfo=UTC).replace(tzinfo=None)
LATEST = datetime(2100, 1, 1, tzinfo=UTC).replace(tzinfo=None)
NOON = "2026-01-31T12:00:00Z"


def result(key: str, /, **inputs: Any) -> Value:
    return run("datetime", key, inputs).result


@pytest.mark.parametrize(
    ("key", "inputs", "expected"),
    [
        ("adjustDateTime", {"dateTimeInput": NOON, "daysInput": "1"}, "2026-02-01T12:00:00.000Z"),
        (
            "adjustDateTime",
            {
                "dateTimeInput": "2026-01-31",
                "hoursInput": -1,
                "minutesInput": 2,
                "secondsInput": "0.5",
            },
            "2026-01-30T23:02:00.500Z",
        ),
        ("adjustDateTime", {"dateTimeInput": NOON}, "2026-01-31T12:00:00.000Z"),
        ("convertToISOString", {"dateTimeInput": 1700000000123}, "2023-11-14T22:13:20.123Z"),
        ("convertToISOString", {"dateTimeInput": "2026"}, "2026-01-01T00:00:00.000Z"),
        (
            "convertToISOString",
            {"dateTimeInput": "Tue, 14 Nov 2023 22:13:20 GMT"},
            "2023-11-14T22:13:20.000Z",
        ),
        (
            "convertToISOString",
            {"dateTimeInput": "1 Jul 2026 08:00 +0200"},
            "2026-07-01T06:00:00.000Z",
        ),
        (
            "convertToISOString",
            {"dateTimeInput": "2026-07-01T12:00", "timeZoneInput": "Europe/Berlin"},
            "2026-07-01T10:00:00.000Z",
        ),
        (
            "convertToLocalISOString",
            {"dateTimeInput": NOON, "timeZoneInput": "america/new_york"},
            "2026-01-31T07:00:00.000-05:00",
        ),
        ("convertToLocalISOString", {"dateTimeInput": NOON}, "2026-01-31T12:00:00.000+00:00"),
        ("convertToEpoch", {"dateTimeInput": "1970-01-01T00:00:01.5Z"}, 1500),
        (
            "convertToEpoch",
            {"dateTimeInput": NOON, "displayEpochInSecondsInput": "true"},
            1769860800,
        ),
        ("convertFromEpoch", {"epochTimestampInput": "1500"}, "1970-01-01T00:00:01.500Z"),
        (
            "convertFromEpoch",
            {"epochTimestampInput": "1769860800", "epochTimestampInSecondsInput": "true"},
            "2026-01-31T12:00:00.000Z",
        ),
        ("formatDateTime", {"dateTimeInput": NOON}, "2026-01-31T12:00:00.000+00:00"),
        (
            "formatDateTime",
            {
                "dateTimeInput": NOON,
                "timeZoneInput": "Asia/Kolkata",
                "formatInput": "D.M.YY, H:mm [h] Z",
            },
            "31.1.26, 17:30 h +05:30",
        ),
    ],
)
def test_each_action_does_what_it_documents(
    key: str, inputs: dict[str, Value], expected: Value
) -> None:
    assert result(key, **inputs) == expected


@pytest.mark.parametrize(
    ("key", "inputs", "message"),
    [
        (
            "adjustDateTime",
            {"dateTimeInput": "soon"},
            r"\(dateTimeInput\) must be a date.*\"soon\"",
        ),
        ("adjustDateTime", {"dateTimeInput": NOON, "daysInput": "1e9"}, "years 1 to 9999"),
        (
            "adjustDateTime",
            {"dateTimeInput": NOON, "daysInput": "x"},
            r"daysInput\) must be a number",
        ),
        ("convertToISOString", {"dateTimeInput": [1]}, "must be a date and time"),
        ("convertToISOString", {"dateTimeInput": "99 Nov 2023 22:13 GMT"}, "must be a date"),
        (
            "convertToISOString",
            {"dateTimeInput": NOON, "timeZoneInput": "Mars"},
            'zone, found "Mars"',
        ),
        ("convertToISOString", {"dateTimeInput": NOON, "timeZoneInput": "../x"}, "of a time zone"),
        ("convertToLocalISOString", {"dateTimeInput": "2026-13-01"}, "must be a date and time"),
        (
            "convertToLocalISOString",
            {"dateTimeInput": "0001-01-01", "timeZoneInput": "Pacific/Apia"},
            "date|years 1 to 9999",
        ),
        ("convertToEpoch", {}, "is required"),
        ("convertFromEpoch", {"epochTimestampInput": "1e20"}, "years 1 to 9999"),
        ("convertFromEpoch", {"epochTimestampInput": "now"}, "must be a number"),
        ("formatDateTime", {"dateTimeInput": True}, "must be a date and time"),
        ("getCurrentDateTime", {"displayEpochInSecondsInput": "x"}, "true or false"),
    ],
)
def test_what_is_no_date_is_refused_by_name(
    key: str, inputs: dict[str, Value], message: str
) -> None:
    with pytest.raises(StepError, match=message):
        result(key, **inputs)


def test_the_current_time_is_that_of_the_step() -> None:
    within = context(now=Instant(1_700_000_000_123_456))
    assert run("datetime", "getCurrentDateTime", {}, within).result == "2023-11-14T22:13:20.123Z"
    seconds = {"displayEpochInSecondsInput": "true"}
    assert run("datetime", "getCurrentDateTime", seconds, within).result == 1_700_000_000


MOMENT = datetime(2026, 3, 1, 0, 5, 9, 78_000, UTC)


@pytest.mark.parametrize(
    ("form", "expected"),
    [
        ("YYYY YY Q Qo", "2026 26 1 1st"),
        ("MMMM MMM MM M Mo", "March Mar 03 3 3rd"),
        ("DDDD DDD DDDo DD D Do", "060 60 60th 01 1 1st"),
        ("dddd ddd dd d do e E", "Sunday Sun Su 0 0th 0 7"),
        ("WW W Wo GGGG GG", "09 9 9th 2026 26"),
        ("ww w wo gggg gg", "10 10 10th 2026 26"),
        ("HH H hh h kk k A a", "00 0 12 12 24 24 AM am"),
        ("mm m ss s S SS SSS SSSS", "05 5 09 9 0 07 078 0780"),
        ("Z ZZ z X x", "+00:00 +0000 UTC 1772323509 1772323509078"),
        ("LT|LTS|L|LL", "12:05 AM|12:05:09 AM|03/01/2026|March 1, 2026"),
        ("LLLL", "Sunday, March 1, 2026 12:05 AM"),
        ("[Today is] dddd [at] T", "Today is Sunday at T"),
        ("", ""),
    ],
)
def test_each_token_is_written_as_moment_does(form: str, expected: str) -> None:
    assert date_formats.write(MOMENT, form) == expected


def test_an_instant_before_1970_counts_down() -> None:
    before = datetime(1969, 12, 31, 23, 59, 59, 500_000, UTC)
    assert date_formats.write(before, "X x") == "-1 -500"


@pytest.mark.parametrize(
    ("day", "week"),
    [((2025, 12, 28), "01 2026"), ((2025, 12, 27), "52 2025"), ((2023, 1, 1), "01 2023")],
)
def test_weeks_of_the_united_states_begin_on_sunday(day: tuple[int, int, int], week: str) -> None:
    assert date_formats.write(datetime(*day, tzinfo=UTC), "ww gggg") == week


@given(st.integers(-62_135_596_800_000, 253_402_300_799_999))
def test_an_epoch_is_read_back_as_it_was(milliseconds: int) -> None:
    moment = result("convertFromEpoch", epochTimestampInput=milliseconds)
    assert result("convertToEpoch", dateTimeInput=moment) == milliseconds


@given(
    st.datetimes(min_value=EARLIEST, max_value=LATEST),
    st.sampled_from(["Europe/Berlin", "Asia/Kathmandu", "America/St_Johns", "Etc/UTC"]),
)
def test_a_local_time_with_its_offset_is_the_same_instant(moment: datetime, zone: str) -> None:
    iso = moment.replace(tzinfo=UTC).isoformat(timespec="milliseconds")
    local = result("convertToLocalISOString", dateTimeInput=iso, timeZoneInput=zone)
    again = result("convertToISOString", dateTimeInput=local)
    assert again == result("convertToISOString", dateTimeInput=iso)
