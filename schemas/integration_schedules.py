"""Schedules of an integration file: when a trigger fires, checked as far as the file can tell.

Takes in the `schedule` of a trigger step; gives out `definitions.Schedule`. Cron texts are those of
schemas.recurrence: without croniter's extensions (years, `@daily`, random and hashed fields), which
would fire at other times on another machine or version.
"""

from schemas import recurrence
from schemas.definitions import Schedule
from schemas.integration_inputs import Names
from schemas.yaml_places import Place, shown

KINDS = ("value", "configVar")
TYPES = ("none", "once", "custom", "minute", "hour", "day", "week")


def read(place: Place, names: Names) -> Schedule | None:
    """The schedule at `place`; None, and a problem, where it is not a mapping."""
    if not place.is_mapping():
        return None
    kind = place.choice("type", KINDS, "value")
    value = place.text("value")
    if kind == "configVar":
        _check_config_var(place.at("value"), value, names)
    elif value and kind == "value":
        check_cron(place.at("value"), value)
    meta = place.get("meta")
    if meta is None or not meta.is_mapping():
        meta = None
    schedule_type = meta.choice("scheduleType", TYPES, "") if meta else ""
    time_zone = meta.text("timeZone") if meta else ""
    if meta and time_zone:
        check_zone(meta.at("timeZone"), time_zone)
    default_type = "custom" if value else "none"
    return Schedule(
        kind=kind, value=value, schedule_type=schedule_type or default_type, time_zone=time_zone
    )


def _check_config_var(place: Place, key: str, names: Names) -> None:
    found = names.config_vars.get(key)
    if found is None:
        place.wrong(f"there is no config variable {shown(key)}")
    elif found != "schedule":
        place.wrong(f"the config variable {shown(key)} is of type {found}, not schedule")


def check_cron(place: Place, cron: str) -> None:
    if problem := cron_problem(cron):
        place.wrong(problem)


def cron_problem(cron: str) -> str:
    """What is wrong with a cron text; empty where nothing is."""
    problem = recurrence.problem(cron)
    return f"the cron expression {shown(cron)} {problem}" if problem else ""


def check_zone(place: Place, name: str) -> None:
    if not recurrence.is_zone(name):
        place.wrong(f"there is no time zone {shown(name)}")
