"""Date/Time: instants read, shifted and written; pure. The current time is that of the step.

A date/time is a text in ISO 8601 or as mail has it, a year, or milliseconds since 1970. What a step
gives is a text in UTC such as `2026-01-31T08:00:00.000Z`, as JavaScript writes dates.
"""

import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, tzinfo
from email.utils import parsedate_to_datetime
from functools import partial
from typing import Any

from processors import conditions
from processors.actions import Action, Context, Input, Kind, Outcome
from processors.components import computed, date_formats
from processors.components.refusals import unfit
from schemas.instants import MILLISECOND, SECOND
from schemas.values import Value

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DEFAULT_FORMAT = "YYYY-MM-DDTHH:mm:ss.SSSZ"
_MAIL = re.compile(r"([A-Za-z]{3}, )?\d{1,2} [A-Za-z]{3} \d{4} [\d:]{5,8} ([+-]\d{4}|[A-Z]{1,5})")
_Given = Mapping[str, Any]

_MOMENT = Input(
    key="dateTimeInput",
    label="Date/Time",
    kind=Kind.ANY,
    required=True,
    description="A text in ISO 8601 or as headers of mail and HTTP have it, a year, or "
    "milliseconds since 1970.",
    example="2026-01-31T09:00:00+01:00",
)
_ZONE = Input(
    key="timeZoneInput",
    label="Time Zone",
    default="etc/UTC",
    description="A name of the IANA time zone database, in any case. A date/time without an "
    "offset is read in this zone.",
    example="Europe/Berlin",
)
_FORMAT = Input(
    key="formatInput",
    label="Format",
    default=_DEFAULT_FORMAT,
    description="Tokens as Moment has them, such as YYYY, MM, DD, HH, hh, mm, ss, SSS, A, dddd, "
    "MMMM, Z; text in brackets stays as it is.",
    example="DD.MM.YYYY HH:mm [Uhr]",
)
_IN_SECONDS = Input(
    key="displayEpochInSecondsInput",
    label="Display Epoch In Seconds",
    kind=Kind.BOOLEAN,
    default=False,
    description="Gives seconds since 1970.",
    example="true",
)
_EPOCH_TIMESTAMP = Input(
    key="epochTimestampInput",
    label="Epoch Timestamp",
    kind=Kind.NUMBER,
    required=True,
    description="Milliseconds since 1970, or seconds.",
    example="1769846400000",
)
_FROM_SECONDS = Input(
    key="epochTimestampInSecondsInput",
    label="Epoch Timestamp in Seconds",
    kind=Kind.BOOLEAN,
    default=False,
    description="Whether the timestamp counts seconds.",
    example="true",
)


def _shift(unit: str) -> Input:
    return Input(
        key=f"{unit}Input",
        label=unit.capitalize(),
        kind=Kind.NUMBER,
        default=0,
        description=f"How many {unit} to add; negative to go back.",
        example="-1",
    )


_SHIFTS = tuple(_shift(unit) for unit in ("seconds", "minutes", "hours", "days"))


def _moment(given: _Given, zone: tzinfo = UTC) -> datetime:
    value = given["dateTimeInput"]
    try:
        read = _of_mail(value) or conditions.moment(value, zone)
        return read.astimezone(UTC)
    except (ValueError, OverflowError, TypeError, OSError) as error:
        raise unfit(_MOMENT, "a date and time in ISO 8601", value) from error


def _of_mail(value: Value) -> datetime | None:
    """As headers of mail and HTTP have it (RFC 5322, 3.3): `Tue, 14 Nov 2023 22:13:20 GMT`."""
    if not isinstance(value, str) or not _MAIL.fullmatch(value.strip()):
        return None
    return parsedate_to_datetime(value.strip())


def _zone(given: _Given) -> tzinfo:
    zone = date_formats.zone(given["timeZoneInput"])
    if zone is None:
        raise unfit(_ZONE, "the name of a time zone", given["timeZoneInput"])
    return zone


def _iso(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _adjust(given: _Given) -> Value:
    moment = _moment(given)
    try:
        shift = timedelta(**{unit.key.removesuffix("Input"): given[unit.key] for unit in _SHIFTS})
        return _iso(moment + shift)
    except OverflowError as error:
        raise unfit(_MOMENT, "within the years 1 to 9999 then", given["dateTimeInput"]) from error


def _to_iso(given: _Given) -> Value:
    return _iso(_moment(given, _zone(given)))


def _to_local_iso(given: _Given) -> Value:
    zone = _zone(given)
    return _local(given, _moment(given, zone), zone).isoformat(timespec="milliseconds")


def _local(given: _Given, moment: datetime, zone: tzinfo) -> datetime:
    try:
        return moment.astimezone(zone)
    except OverflowError as error:
        raise unfit(_MOMENT, "within the years 1 to 9999", given["dateTimeInput"]) from error


def _to_epoch(given: _Given) -> Value:
    milliseconds = (_moment(given) - _EPOCH) // timedelta(milliseconds=1)
    return milliseconds // 1000 if given["displayEpochInSecondsInput"] else milliseconds


def _from_epoch(given: _Given) -> Value:
    number = given["epochTimestampInput"]
    scale = 1000 if given["epochTimestampInSecondsInput"] else 1
    try:
        return _iso(_EPOCH + timedelta(milliseconds=math.floor(number * scale)))
    except OverflowError as error:
        raise unfit(_EPOCH_TIMESTAMP, "within the years 1 to 9999", number) from error


def _format(given: _Given) -> Value:
    zone = _zone(given)
    moment = _local(given, _moment(given, zone), zone)
    return date_formats.write(moment, given["formatInput"])


def _now(inputs: _Given, context: Context) -> Outcome:
    if inputs["displayEpochInSecondsInput"]:
        return Outcome(result=context.now // SECOND)
    milliseconds = context.now // MILLISECOND
    return Outcome(result=_iso(_EPOCH + timedelta(milliseconds=milliseconds)))


_tool = partial(computed.action, "datetime")

ACTIONS = (
    _tool(
        "adjustDateTime",
        "Adjust Date/Time",
        "Gives the date/time so much later or earlier.",
        _adjust,
        _MOMENT,
        *_SHIFTS,
    ),
    _tool(
        "convertToISOString",
        "Convert Date/Time To ISO String",
        "Gives the date/time in UTC.",
        _to_iso,
        _MOMENT,
        _ZONE,
    ),
    _tool(
        "convertToLocalISOString",
        "Convert Date/Time To Local ISO String",
        "Gives the date/time as clocks of the zone show it, with their offset.",
        _to_local_iso,
        _MOMENT,
        _ZONE,
    ),
    _tool(
        "convertToEpoch",
        "Convert Date To Epoch",
        "Gives milliseconds since 1970, or seconds.",
        _to_epoch,
        _MOMENT,
        _IN_SECONDS,
    ),
    _tool(
        "convertFromEpoch",
        "Convert Epoch Timestamp To Date",
        "Gives the date/time of a timestamp.",
        _from_epoch,
        _EPOCH_TIMESTAMP,
        _FROM_SECONDS,
    ),
    _tool(
        "formatDateTime",
        "Format Date/Time",
        "Gives the date/time as clocks of the zone show it, in a format.",
        _format,
        _MOMENT,
        _ZONE,
        _FORMAT,
    ),
    Action(
        component="datetime",
        key="getCurrentDateTime",
        label="Get Current Date/Time",
        description="Gives the time at which the step runs, as its events have it.",
        perform=_now,
        inputs=(_IN_SECONDS,),
    ),
)
