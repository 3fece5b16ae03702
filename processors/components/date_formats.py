"""Date formats: a date and time written by the tokens of Moment 2 (its documented list); pure.

English names. In: an aware datetime, a format. Out: the text. `[text]` stays as it is.
"""

import re
from collections.abc import Callable, Mapping
from datetime import datetime, tzinfo
from functools import cache, lru_cache
from importlib import resources
from zoneinfo import ZoneInfo

_MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September",
    "October", "November", "December",
)  # fmt: skip
_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_LOCALISED = {
    "LT": "h:mm A",
    "LTS": "h:mm:ss A",
    "L": "MM/DD/YYYY",
    "LL": "MMMM D, YYYY",
    "LLL": "MMMM D, YYYY h:mm A",
    "LLLL": "dddd, MMMM D, YYYY h:mm A",
}


def _hour(moment: datetime) -> int:
    return moment.hour % 12 or 12


def _sunday_first(moment: datetime) -> int:
    return moment.isoweekday() % 7


def _day_of_year(moment: datetime) -> int:
    return moment.timetuple().tm_yday


def _week(moment: datetime) -> int:
    """As in the United States: weeks begin on Sunday, the first one holds the first of January."""
    january_first = moment.replace(month=1, day=1)
    if moment.month == 12 and moment.day - _sunday_first(moment) + 6 > 31:
        return 1
    return (_day_of_year(moment) - 1 + _sunday_first(january_first)) // 7 + 1


def _week_year(moment: datetime) -> int:
    return moment.year + (1 if moment.month == 12 and _week(moment) == 1 else 0)


def _ordinal(number: int) -> str:
    if number % 100 in (11, 12, 13):
        return f"{number}th"
    return f"{number}{ {1: 'st', 2: 'nd', 3: 'rd'}.get(number % 10, 'th') }"


def _offset(moment: datetime, joint: str) -> str:
    shift = moment.utcoffset()
    minutes = 0 if shift is None else round(shift.total_seconds() / 60)
    hours, rest = divmod(abs(minutes), 60)
    return f"{'-' if minutes < 0 else '+'}{hours:02}{joint}{rest:02}"


_TOKENS: Mapping[str, Callable[[datetime], str]] = {
    "YYYY": lambda m: f"{m.year:04}",
    "YY": lambda m: f"{m.year % 100:02}",
    "Y": lambda m: str(m.year),
    "Q": lambda m: str((m.month + 2) // 3),
    "Qo": lambda m: _ordinal((m.month + 2) // 3),
    "MMMM": lambda m: _MONTHS[m.month - 1],
    "MMM": lambda m: _MONTHS[m.month - 1][:3],
    "MM": lambda m: f"{m.month:02}",
    "Mo": lambda m: _ordinal(m.month),
    "M": lambda m: str(m.month),
    "DDDD": lambda m: f"{_day_of_year(m):03}",
    "DDDo": lambda m: _ordinal(_day_of_year(m)),
    "DDD": lambda m: str(_day_of_year(m)),
    "DD": lambda m: f"{m.day:02}",
    "Do": lambda m: _ordinal(m.day),
    "D": lambda m: str(m.day),
    "dddd": lambda m: _DAYS[m.weekday()],
    "ddd": lambda m: _DAYS[m.weekday()][:3],
    "dd": lambda m: _DAYS[m.weekday()][:2],
    "do": lambda m: _ordinal(_sunday_first(m)),
    "d": lambda m: str(_sunday_first(m)),
    "e": lambda m: str(_sunday_first(m)),
    "E": lambda m: str(m.isoweekday()),
    "WW": lambda m: f"{m.isocalendar().week:02}",
    "Wo": lambda m: _ordinal(m.isocalendar().week),
    "W": lambda m: str(m.isocalendar().week),
    "ww": lambda m: f"{_week(m):02}",
    "wo": lambda m: _ordinal(_week(m)),
    "w": lambda m: str(_week(m)),
    "GGGG": lambda m: f"{m.isocalendar().year:04}",
    "GG": lambda m: f"{m.isocalendar().year % 100:02}",
    "gggg": lambda m: f"{_week_year(m):04}",
    "gg": lambda m: f"{_week_year(m) % 100:02}",
    "HH": lambda m: f"{m.hour:02}",
    "H": lambda m: str(m.hour),
    "hh": lambda m: f"{_hour(m):02}",
    "h": lambda m: str(_hour(m)),
    "kk": lambda m: f"{m.hour or 24:02}",
    "k": lambda m: str(m.hour or 24),
    "mm": lambda m: f"{m.minute:02}",
    "m": lambda m: str(m.minute),
    "ss": lambda m: f"{m.second:02}",
    "s": lambda m: str(m.second),
    "A": lambda m: "AM" if m.hour < 12 else "PM",
    "a": lambda m: "am" if m.hour < 12 else "pm",
    "ZZ": lambda m: _offset(m, ""),
    "Z": lambda m: _offset(m, ":"),
    "zz": lambda m: m.tzname() or "",
    "z": lambda m: m.tzname() or "",
    "X": lambda m: str(int(m.timestamp() // 1)),
    "x": lambda m: str(int(m.timestamp() // 1) * 1000 + m.microsecond // 1000),
}
_LONGEST_FIRST = sorted([*_TOKENS, *_LOCALISED], key=len, reverse=True)
_PIECE = re.compile(r"\[([^\[\]]*)\]|(S{1,9})|(" + "|".join(_LONGEST_FIRST) + ")")


def write(moment: datetime, form: str) -> str:
    """`moment`, with the offset that it has, in the format `form`."""

    def piece(found: re.Match[str]) -> str:
        literal, fraction, token = found.groups()
        if literal is not None:
            return str(literal)
        if fraction:
            return f"{moment.microsecond:06}000"[: len(fraction)]
        if token in _LOCALISED:
            return write(moment, _LOCALISED[token])
        return _TOKENS[token](moment)

    return _PIECE.sub(piece, form)


@lru_cache(maxsize=1024)
def zone(name: str) -> tzinfo | None:
    """The time zone of that name, in any case; None where there is none."""
    known = _zones().get(name.strip().lower())
    return ZoneInfo(known) if known else None


@cache
def _zones() -> Mapping[str, str]:
    listed = resources.files("tzdata").joinpath("zones").read_text().split()
    return {name.lower(): name for name in listed}
