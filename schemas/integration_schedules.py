"""Schedules of an integration file: when a trigger fires, checked as far as the file can tell.

Takes in the `schedule` of a trigger step; gives out `definitions.Schedule`. Cron texts are those of
schemas.recurrence: without croniter's extensions (years, `@daily`, random and hashed fields), which
would fire at other times on another machine or version.
"""

from schemas import recurrence, schedules
from schemas.definitions import Schedule
from schemas.events import CatchUp, Overlap
from schemas.integration_inputs import Names
from schemas.yaml_places import Place, shown

KINDS = ("value", "configVar")
TYPES = schedules.TYPES
MAX_CATCH_UP = 1_000
MAX_JITTER_S = 3_600

_CATCH_UPS = {known.value: known for known in CatchUp}
_OVERLAPS = {known.value: known for known in Overlap}


def read(place: Place, names: Names) -> Schedule | None:
    """The schedule at `place`; None, and a problem, where it is not a mapping."""
    if not place.is_mapping():
        return None
    kind = place.choice("type", KINDS, "value")
    value = place.text("value")
    if kind == "configVar":
        _check_config_var(place.at("value"), value, names)
    default_type = "custom" if value else "none"
    meta = place.mapping("meta")
    if meta is None:
        found = Schedule(kind=kind, value=value, schedule_type=default_type, time_zone="")
    else:
        found = Schedule(
            kind=kind,
            value=value,
            schedule_type=meta.choice("scheduleType", TYPES, "") or default_type,
            time_zone=meta.text("timeZone"),
            catch_up=_CATCH_UPS.get(meta.choice("catchUp", _CATCH_UPS, ""), CatchUp.LAST),
            max_catch_up=meta.count("maxCatchUp", 1, MAX_CATCH_UP, 100),
            overlap=_OVERLAPS.get(meta.choice("overlap", _OVERLAPS, ""), Overlap.ALLOW),
            jitter_s=meta.count("jitterSeconds", 0, MAX_JITTER_S),
        )
        if found.time_zone:
            check_zone(meta.at("timeZone"), found.time_zone)
    if kind == "value":
        _check_value(place, found)
    return found


def _check_value(place: Place, found: Schedule) -> None:
    if found.time_zone and not recurrence.is_zone(found.time_zone):
        return
    setting = schedules.Setting(found.value, found.schedule_type, found.time_zone)
    try:
        schedules.expression(setting)
    except schedules.Unfit as error:
        given = f"{shown(found.value)}: " if found.value else ""
        place.at("value").wrong(f"{given}{error}")


def _check_config_var(place: Place, key: str, names: Names) -> None:
    found = names.config_vars.get(key)
    if found is None:
        place.wrong(f"there is no config variable {shown(key)}")
    elif found != "schedule":
        place.wrong(f"the config variable {shown(key)} is of type {found}, not schedule")


def check_zone(place: Place, name: str) -> None:
    if not recurrence.is_zone(name):
        place.wrong(f"there is no time zone {shown(name)}")
