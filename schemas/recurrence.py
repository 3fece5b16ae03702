"""Recurrence: which instants a schedule expects, between two instants; pure.

Takes in an expression, an IANA zone and an instant; gives out instants, lazily. An expression is a
cron text of five fields, of six with seconds in front, or one ISO instant. croniter says which
local times a cron text names; what becomes of them when clocks change is decided here, as Debian's
cron(8) does:

    hour and minute     a local time that is skipped       a local time that comes twice
    without * ? /       fires at the first instant after   fires the first time
    with one of them    does not fire                      fires both times

So a fixed local time fires once a day, and `*/5 * * * *` every five minutes of elapsed time. Local
times that come to the same instant are one. The day fields follow Debian's crontab(5): where both
are given either may match, unless one of them begins with `*`, which takes both.
"""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import lru_cache
from heapq import merge
from zoneinfo import ZoneInfo

from croniter import CroniterBadDateError, croniter

from schemas.instants import SECOND, Instant, from_iso

ENGINE = "croniter"
ENGINE_VERSION = "5.0.1"
"""Later ones read some expressions otherwise; a test holds this to what is installed."""

UNUSABLE = (LookupError, ValueError, OSError)
"""What is raised for an expression or a zone that is none."""

LONGEST = 1_000
LAST_YEAR = 2400
_YEARS_APART = 12
"""29 February is at most eight years away; what does not come in twelve years never comes."""

_SOME_DAY_S = 1_704_067_200.0
_STEP_S = 43_200
"""Nowhere do clocks change twice in half a day."""

_FIELD = re.compile(
    r"(?:[0-9*,/?#-]|l|jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec"
    r"|mon|tue|wed|thu|fri|sat|sun)+",
    re.IGNORECASE,
)
_WHY = re.compile(r"^\[.*\] is not acceptable\W*")
"""What croniter says before it says why; it holds the text, which may be a config value."""

_ONE_VALUE = re.compile(r"\b(\w+)-\1/\w+", re.IGNORECASE)
"""`7-7/5` is 7; croniter 5 takes it for `*/5`."""


def problem(cron: str) -> str:
    """What is wrong with a cron text, without showing it; empty where nothing is."""
    fields = cron.split()
    if len(fields) not in (5, 6):
        found = f"{len(fields)} fields" if len(fields) != 1 else "one field"
        return f"has {found}, not 5 (or 6, with seconds in front)"
    if len(cron) > LONGEST or not all(_FIELD.fullmatch(field) for field in fields):
        return "is not a cron expression"
    try:
        if all(_is_void(text) for text in _alternatives(cron)):
            return "can never fire"
    except ValueError as error:
        why = _WHY.sub("", str(error).strip().splitlines()[-1])
        return "is not a cron expression" + (f": {why}" if why else "")
    return ""


def is_zone(name: str) -> bool:
    """Whether there is a time zone of this name."""
    try:
        ZoneInfo(name)
    except UNUSABLE:
        return False
    return True


def instants(expression: str, zone: str, after: Instant, until: Instant) -> Iterator[Instant]:
    """The instants later than `after` and not later than `until`, in order, each once.

    Raises what UNUSABLE names where `problem` or `is_zone` would have said so.
    """
    if len(expression.split()) == 1:
        found: Iterator[Instant] = iter((from_iso(expression),))
    else:
        found = _from_cron(expression, zone or "UTC", after)
    for at in found:
        if at > until:
            return
        if at > after:
            yield at


def next_after(expression: str, zone: str, after: Instant) -> Instant | None:
    """The first instant later than `after`; None where there is none."""
    return _next_after(expression, zone, Instant(after - after % SECOND))


def shortest_interval_s(expression: str) -> int:
    """Two instants of this expression are never closer than this."""
    return 1 if len(expression.split()) == 6 else 60


@lru_cache(maxsize=20_000)
def _next_after(expression: str, zone: str, after: Instant) -> Instant | None:
    end = Instant(_year_start_s(LAST_YEAR) * SECOND)
    return next(instants(expression, zone, after, end), None)


def _from_cron(cron: str, zone: str, after: Instant) -> Iterator[Instant]:
    """Walks the stretches between changes of the clock. `reached` is the latest local time so far:
    what lies before it comes again, what lies between it and the next stretch is skipped."""
    texts, fixed = _alternatives(cron), is_fixed(cron)
    after_s = after // SECOND
    reached: int | None = None
    latest = after_s
    for start_s, end_s, offset_s in _stretches(zone, after_s):
        begin = start_s + offset_s
        if fixed and reached is not None:
            skipped = begin > reached and start_s > latest
            if skipped and next(_local_times(texts, reached, begin), None) is not None:
                latest = start_s
                yield Instant(start_s * SECOND)
            begin = max(begin, reached)
        end = end_s + offset_s
        reached = end if reached is None else max(reached, end)
        for local in _local_times(texts, max(begin, latest + offset_s + 1), end):
            latest = local - offset_s
            yield Instant(latest * SECOND)


def is_fixed(cron: str) -> bool:
    """Whether hour and minute name local times, with no wildcard and no step."""
    minute, hour = cron.split()[-5:-3]
    return not any(sign in minute + hour for sign in "*?/")


def _local_times(texts: tuple[str, ...], first: int, end: int) -> Iterator[int]:
    """The matching local times from `first` on and before `end`, as seconds of a clock in UTC."""
    if len(texts) == 1:
        yield from _matches(texts[0], first - 1, end)
        return
    latest = first - 1
    for local in merge(*(_matches(text, first - 1, end) for text in texts)):
        if local > latest:
            latest = local
            yield local


def _matches(text: str, after: int, end: int) -> Iterator[int]:
    following = _match_after(text, after)
    while following is not None and following < end:
        yield following
        following = _match_after(text, following)


@lru_cache(maxsize=50_000)
def _match_after(text: str, after: int) -> int | None:
    """Kept, because each match leads to the same next one, in every zone and for every schedule."""
    try:
        return int(_matcher(text).get_next(float, start_time=float(after)))
    except CroniterBadDateError:
        return None


@lru_cache(maxsize=5_000)
def _matcher(text: str) -> croniter:
    """One for all who ask: each call says where it starts from."""
    return croniter(
        text,
        _SOME_DAY_S,
        max_years_between_matches=_YEARS_APART,
        implement_cron_bug=True,
        second_at_beginning=True,
    )


def _is_void(text: str) -> bool:
    try:
        _matcher(text).get_next(float, start_time=_SOME_DAY_S)
    except CroniterBadDateError:
        return True
    return False


@lru_cache(maxsize=5_000)
def _alternatives(cron: str) -> tuple[str, ...]:
    """Texts of which any may match. croniter gives up on `0 0 30 2 1` where no day is a 30th."""
    fields = [_ONE_VALUE.sub(r"\1", field.lower()) for field in cron.split()]
    *clock, day, month, weekday = fields
    if day[0] in "*?" or weekday[0] in "*?":
        return (" ".join(fields),)
    return (" ".join([*clock, day, month, "*"]), " ".join([*clock, "*", month, weekday]))


def _stretches(zone: str, after_s: int) -> Iterator[tuple[int, int, int]]:
    """(start, end, offset from UTC) in seconds, from some days before `after_s` on."""
    year = datetime.fromtimestamp(after_s - 3 * 86_400, UTC).year
    while year < LAST_YEAR:
        starts = _offsets(zone, year)
        ends = [start_s for start_s, _ in starts[1:]] + [_year_start_s(year + 1)]
        for (start_s, offset_s), end_s in zip(starts, ends, strict=True):
            if end_s > after_s - 3 * 86_400:
                yield start_s, end_s, offset_s
        year += 1


@lru_cache(maxsize=4_000)
def _offsets(zone: str, year: int) -> tuple[tuple[int, int], ...]:
    """From when on which offset holds in `zone` in one year, the first from its begin in UTC."""
    tz = ZoneInfo(zone)
    at = _year_start_s(year)
    found = [(at, _offset_s(tz, at))]
    for probe in range(at + _STEP_S, _year_start_s(year + 1), _STEP_S):
        offset_s = _offset_s(tz, probe)
        if offset_s != found[-1][1]:
            found.append((_change(tz, probe - _STEP_S, probe), offset_s))
    return tuple(found)


def _change(tz: ZoneInfo, before: int, after: int) -> int:
    """The first second of the new offset; it changes between `before` and `after`."""
    new = _offset_s(tz, after)
    while after - before > 1:
        middle = (before + after) // 2
        if _offset_s(tz, middle) == new:
            after = middle
        else:
            before = middle
    return after


def _offset_s(tz: ZoneInfo, at: int) -> int:
    offset = datetime.fromtimestamp(at, tz).utcoffset()
    assert offset is not None
    return int(offset.total_seconds())


def _year_start_s(year: int) -> int:
    return int(datetime(year, 1, 1, tzinfo=UTC).timestamp())
