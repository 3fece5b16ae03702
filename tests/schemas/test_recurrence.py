from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from importlib.metadata import version
from itertools import islice, pairwise
from zoneinfo import ZoneInfo, available_timezones

import pytest
from cronsim import CronSim
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas import recurrence
from schemas.instants import SECOND, Instant, from_iso, to_iso

DAY_S = 86_400
YEARS = (2026, 2027)
MINUTES = [f"{hour:02}:{minute:02}" for hour in range(24) for minute in range(60)]


def changes(zone: str) -> tuple[tuple[int, int, int], ...]:
    """The changes of a clock in YEARS: (when, offset before, offset after), in seconds."""
    found = []
    for year in YEARS:
        offsets = recurrence._offsets(zone, year)
        found += [(at, before, after) for (_, before), (at, after) in pairwise(offsets)]
    return tuple(found)


def zones_with_changes() -> list[str]:
    """One of all the zones whose clocks change alike; 201 zones come to some thirty."""
    alike = {changes(zone): zone for zone in sorted(available_timezones())}
    return sorted(zone for known, zone in alike.items() if known)


ZONES = zones_with_changes()

# Text, and the local times of day that it names.
FIXED = {
    "30 2 * * *": ["02:30"],
    "0 2 * * *": ["02:00"],
    "0 0 * * *": ["00:00"],
    "15,45 1,2,3 * * *": [f"0{hour}:{minute}" for hour in (1, 2, 3) for minute in (15, 45)],
    "59 23 * * *": ["23:59"],
    "10 0-4 * * *": [f"0{hour}:10" for hour in range(5)],
}
ELAPSED = {
    "*/5 * * * *": MINUTES[::5],
    "0 * * * *": [text for text in MINUTES if text.endswith(":00")],
    "0 */2 * * *": [text for text in MINUTES[::2] if text.endswith(":00")][::2],
    "*/30 1-3 * * *": ["01:00", "01:30", "02:00", "02:30", "03:00", "03:30"],
    "7/20 * * * *": [text for text in MINUTES if text[3:] in ("07", "27", "47")],
}


def ours(cron: str, zone: str, after_s: int, until_s: int) -> list[int]:
    found = recurrence.instants(cron, zone, Instant(after_s * SECOND), Instant(until_s * SECOND))
    return [at // SECOND for at in found]


def local_times(cron: str, zone: str, after: str, count: int) -> list[str]:
    end = from_iso("2100-01-01")
    found = recurrence.instants(cron, zone, from_iso(after), end)
    tz = ZoneInfo(zone)
    return [
        datetime.fromtimestamp(at // SECOND, tz).strftime("%m-%d %H:%M%z")
        for at in islice(found, count)
    ]


def by_the_policy_for_fixed_times(
    times: list[str], zone: str, after_s: int, until_s: int
) -> list[int]:
    """Each local time of each day once: the first time it comes, or the end of the gap it is in."""
    tz = ZoneInfo(zone)
    found = set()
    for days in range(after_s // DAY_S - 2, until_s // DAY_S + 3):
        day = date(1970, 1, 1) + timedelta(days=days)
        for text in times:
            naive = datetime.fromisoformat(f"{day} {text}")
            at = int(naive.replace(tzinfo=tz, fold=0).timestamp())
            if datetime.fromtimestamp(at, tz).replace(tzinfo=None) != naive:
                at = next(when for when, *_ in changes(zone) if abs(when - at) < DAY_S // 2)
            found.add(at)
    return sorted(at for at in found if after_s < at <= until_s)


def by_the_policy_for_elapsed_time(
    times: list[str], zone: str, after_s: int, until_s: int
) -> list[int]:
    """Every minute that passes whose local time is one of these."""
    tz, wanted = ZoneInfo(zone), set(times)
    first = after_s - after_s % 60 + 60
    minutes = range(first, until_s + 1, 60)
    return [at for at in minutes if datetime.fromtimestamp(at, tz).strftime("%H:%M") in wanted]


@pytest.mark.parametrize("cron", FIXED)
def test_a_fixed_local_time_fires_once_a_day_whatever_clocks_do(cron: str) -> None:
    for zone in ZONES:
        for at, *_ in changes(zone):
            around = (at - 2 * DAY_S, at + 2 * DAY_S)
            expected = by_the_policy_for_fixed_times(FIXED[cron], zone, *around)
            assert ours(cron, zone, *around) == expected, (zone, at)


def test_two_years_of_a_fixed_time_are_730_days_in_every_zone() -> None:
    start = int(datetime(2026, 1, 1, tzinfo=UTC).timestamp())
    end = start + 730 * DAY_S
    for zone in ZONES:
        expected = by_the_policy_for_fixed_times(["02:30"], zone, start, end)
        assert ours("30 2 * * *", zone, start, end) == expected
        assert len(expected) == 730, zone


@pytest.mark.parametrize("cron", ELAPSED)
def test_wildcards_and_steps_follow_elapsed_time_when_clocks_change(cron: str) -> None:
    for zone in ZONES:
        for at, *_ in changes(zone):
            around = (at - 5 * 3600, at + 5 * 3600)
            expected = by_the_policy_for_elapsed_time(ELAPSED[cron], zone, *around)
            assert ours(cron, zone, *around) == expected, (zone, at)


def test_an_interval_keeps_its_length_over_both_changes_of_the_clock() -> None:
    for cron, step in {"*/5 * * * *": 300, "0 * * * *": 3600, "* * * * *": 60}.items():
        for change in ("2026-03-29T01:00:00", "2026-10-25T01:00:00"):
            at = from_iso(change) // SECOND
            found = ours(cron, "Europe/Berlin", at - DAY_S, at + DAY_S)
            assert {later - earlier for earlier, later in pairwise(found)} == {step}


def test_a_skipped_time_fires_at_the_first_instant_after_the_gap_and_a_repeated_one_first() -> None:
    assert local_times("30 2 * * *", "Europe/Berlin", "2026-03-27T12:00:00", 3) == [
        "03-28 02:30+0100",
        "03-29 03:00+0200",
        "03-30 02:30+0200",
    ]
    assert local_times("30 2 * * *", "Europe/Berlin", "2026-10-24T12:00:00", 2) == [
        "10-25 02:30+0200",
        "10-26 02:30+0100",
    ]


def test_local_times_that_come_to_one_instant_are_one() -> None:
    assert local_times("0,30 2,3 * * *", "Europe/Berlin", "2026-03-28T12:00:00", 3) == [
        "03-29 03:00+0200",
        "03-29 03:30+0200",
        "03-30 02:00+0200",
    ]


# What cronsim 2.7 says otherwise, and why.
LORD_HOWE = "Australia/Lord_Howe"


def explained(cron: str, zone: str, at: int, offsets: tuple[int, int]) -> bool:
    """cronsim moves a whole hour on at a time where the hour does not match. When the clock of Lord
    Howe goes back by half an hour it so passes over a full hour that comes."""
    return zone == LORD_HOWE and cron == "0 */2 * * *" and offsets[1] - offsets[0] == -1_800


def test_cronsim_agrees_over_all_zones_but_where_it_loses_ticks() -> None:
    differing = set()
    for cron in (*FIXED, *ELAPSED):
        if cron == "7/20 * * * *":
            continue  # cronsim has no such step
        for zone in ZONES:
            for at, before, after in changes(zone):
                begin, end = at - DAY_S, at + DAY_S
                theirs = list(
                    until(end, CronSim(cron, datetime.fromtimestamp(begin, ZoneInfo(zone))))
                )
                if ours(cron, zone, begin, end) != theirs:
                    assert explained(cron, zone, at, (before, after)), (
                        cron,
                        zone,
                        to_iso(Instant(at * SECOND)),
                    )
                    assert set(theirs) < set(ours(cron, zone, begin, end))
                    differing.add(zone)
    assert differing == {LORD_HOWE}


def until(end: int, found: Iterator[datetime]) -> Iterator[int]:
    for moment in found:
        if moment.timestamp() > end:
            return
        yield int(moment.timestamp())


def fields(low: int, high: int) -> st.SearchStrategy[str]:
    value = st.integers(low, high)
    pair = st.tuples(value, value).map(sorted).filter(lambda two: two[0] < two[1])
    step = st.integers(1, 9)
    part = st.one_of(
        value.map(str),
        pair.map(lambda two: f"{two[0]}-{two[1]}"),
        st.tuples(pair, step).map(lambda both: f"{both[0][0]}-{both[0][1]}/{both[1]}"),
        step.map(lambda by: f"*/{by}"),
    )
    return st.one_of(st.just("*"), st.lists(part, min_size=1, max_size=3).map(",".join))


CRONS = st.tuples(fields(0, 59), fields(0, 23), fields(1, 31), fields(1, 12), fields(0, 6)).map(
    " ".join
)


@settings(max_examples=150)
@given(CRONS)
def test_cronsim_reads_every_text_of_numbers_alike(cron: str) -> None:
    begin = datetime(2026, 1, 31, 13, 59, tzinfo=UTC)
    theirs = [int(at.timestamp()) for at in islice(CronSim(cron, begin), 4)]
    if not theirs:
        assert recurrence.problem(cron).endswith("can never fire")
        return
    assert ours(cron, "UTC", int(begin.timestamp()), theirs[-1]) == theirs


def test_a_range_of_one_value_is_that_value_which_cronsim_and_croniter_read_otherwise() -> None:
    begin = datetime(2026, 1, 1, tzinfo=UTC)
    assert [at.minute for at in islice(CronSim("7-7/5 * * * *", begin), 3)] == [7, 12, 17]
    assert local_times("7-7/5 * * * *", "UTC", "2026-01-01", 2) == [
        "01-01 00:07+0000",
        "01-01 01:07+0000",
    ]


@pytest.mark.parametrize(
    ("cron", "days"),
    [
        ("0 0 13 * 5", ["02-06", "02-13", "02-20"]),
        ("0 0 */2 * 1", ["02-09", "02-23", "03-09"]),
        ("0 0 30 2 1", ["02-02", "02-09", "02-16"]),
        ("0 0 l * *", ["02-28", "03-31", "04-30"]),
        ("0 0 * * 5#2", ["02-13", "03-13", "04-10"]),
        ("0 0 ? * mon", ["02-02", "02-09", "02-16"]),
    ],
)
def test_days_are_those_of_debian(cron: str, days: list[str]) -> None:
    found = local_times(cron, "UTC", "2026-02-01T00:00:00", 3)
    assert [text[:5] for text in found] == days


def test_six_fields_have_the_seconds_in_front() -> None:
    found = ours("*/20 0 12 * * *", "UTC", 0, DAY_S)
    assert found == [43_200, 43_220, 43_240]
    assert recurrence.shortest_interval_s("*/20 0 12 * * *") == 1


def test_an_instant_is_a_recurrence_of_one() -> None:
    at = "2026-05-01T10:00:00.000000Z"
    assert recurrence.next_after(at, "", Instant(from_iso(at) - 1)) == from_iso(at)
    assert recurrence.next_after(at, "", from_iso(at)) is None


def test_a_year_of_minutes_is_walked_lazily() -> None:
    found = recurrence.instants("* * * * *", "", Instant(0), from_iso("2300-01-01"))
    assert [at // SECOND for at in islice(found, 2)] == [60, 120]


@pytest.mark.parametrize(
    ("cron", "problem"),
    [
        ("0 0 30 2 *", "can never fire"),
        ("0 0 31 4,6,9,11 *", "can never fire"),
        ("* * * *", "has 4 fields"),
        ("* * * * * * 2026", "has 7 fields"),
        ("", "has 0 fields"),
        ("61 * * * *", "is not a cron expression"),
        ("*/0 * * * *", "is not a cron expression"),
        ("@daily x x x x", "is not a cron expression"),
        ("0 0 * * 1#6", "is not a cron expression"),
        ("r * * * *", "is not a cron expression"),
        ("1," * 600 + "1 * * * *", "is not a cron expression"),
    ],
)
def test_what_is_no_cron_text_or_never_comes_is_a_problem(cron: str, problem: str) -> None:
    assert recurrence.problem(cron).startswith(problem)


@pytest.mark.parametrize("cron", ["0 0 29 2 *", "* * * * * *", "0 0 30 2 1", "0 22-2 * * *"])
def test_rare_and_frequent_texts_are_none(cron: str) -> None:
    assert recurrence.problem(cron) == ""


def test_zones_are_those_of_iana() -> None:
    assert recurrence.is_zone("Europe/Berlin")
    assert not recurrence.is_zone("Europe/Atlantis")
    assert not recurrence.is_zone("../etc/passwd")


def test_the_version_written_into_ticks_is_the_one_installed() -> None:
    assert version(recurrence.ENGINE) == recurrence.ENGINE_VERSION
