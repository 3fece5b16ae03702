"""Schedules: when the flows of an instance fire, resolved at deployment; pure.

Takes in a definition, the texts of an instance's config variables and what the former deployment
said; gives out `events.Scheduled`, whose expressions schemas.recurrence takes. A setting is a cron
text, or of type `once` an ISO instant (without an offset: a local time of the zone); of type
`none`, and of type `once` without an instant, it never fires. A config variable of dataType
schedule holds that text, or `{"value": …, "scheduleType": …, "timeZone": …}` as JSON.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import orjson

from schemas import events, recurrence
from schemas.definitions import Definition, Flow, RequiredConfigVar, Schedule
from schemas.errors import Refused
from schemas.instants import Instant, from_iso, to_iso

TYPES = ("none", "once", "custom", "minute", "hour", "day", "week")
KEPT = 10
"""So many former schedules of a flow stay in its deployment: more changes than that while nothing
follows the schedules, and the instants of the oldest are not accounted for."""

_KEYS = ("value", "scheduleType", "timeZone")


class Unfit(ValueError):
    """A setting that is none. `path` leads to what is wrong in it: `.value`, or empty.

    No message shows what was given: it may come from a config variable.
    """

    def __init__(self, message: str, path: str = "") -> None:
        super().__init__(message)
        self.path = path


class Setting(NamedTuple):
    """When something fires, as people write it."""

    value: str
    schedule_type: str
    time_zone: str


def expression(setting: Setting) -> str:
    """What schemas.recurrence takes; empty where it never fires. Raises Unfit."""
    if setting.schedule_type not in TYPES:
        raise Unfit(f"must be one of {', '.join(TYPES)}", ".scheduleType")
    if setting.time_zone and not recurrence.is_zone(setting.time_zone):
        raise Unfit("there is no such time zone", ".timeZone")
    if setting.schedule_type == "none":
        return ""
    if setting.schedule_type == "once":
        return _instant(setting)
    if not setting.value:
        raise Unfit(f"a schedule of type {setting.schedule_type} needs a cron text", ".value")
    if problem := recurrence.problem(setting.value):
        raise Unfit(f"the text {problem}", ".value")
    return setting.value


def setting_of(variable: RequiredConfigVar, given: Any) -> Setting:
    """What a config variable of dataType schedule holds. Raises Unfit."""
    default = Setting("", variable.schedule_type, variable.time_zone)
    if isinstance(given, str) and given.lstrip().startswith("{"):
        try:
            given = orjson.loads(given)
        except orjson.JSONDecodeError as error:
            raise Unfit("neither a cron text nor JSON") from error
    if isinstance(given, dict):
        return _from_object(given, default)
    if not isinstance(given, str):
        raise Unfit("neither a cron text nor an object of value, scheduleType and timeZone")
    return Setting(given.strip(), default.schedule_type or "custom", default.time_zone)


def _from_object(given: Mapping[str, Any], default: Setting) -> Setting:
    for key, value in given.items():
        if key not in _KEYS:
            raise Unfit(f"a schedule has only {', '.join(_KEYS)}")
        if not isinstance(value, str | None):
            raise Unfit("must be a text", f".{key}")
    value = (given.get("value") or "").strip()
    usual = default.schedule_type or ("custom" if value else "none")
    zone = given.get("timeZone")
    return Setting(
        value, given.get("scheduleType") or usual, default.time_zone if zone is None else zone
    )


def _instant(setting: Setting) -> str:
    if not setting.value:
        return ""
    try:
        moment = datetime.fromisoformat(setting.value)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=ZoneInfo(setting.time_zone or "UTC"))
        return to_iso(from_iso(moment.isoformat()))
    except (ValueError, OverflowError) as error:
        raise Unfit("not an instant such as 2026-01-31T12:00:00Z", ".value") from error


def resolved(
    definition: Definition,
    config: Mapping[str, Any],
    formerly: Sequence[events.Scheduled] = (),
) -> list[events.Scheduled]:
    """What a deployment says of its schedules. A schedule that is as it was goes on; of one that
    changed, what held formerly stays before it. Raises Refused with the path of what is wrong."""
    held: dict[str, list[events.Scheduled]] = {}
    for known in formerly:
        held.setdefault(known.flow, []).append(known)
    said: list[events.Scheduled] = []
    for index, flow in enumerate(definition.flows):
        schedule = flow.steps[0].schedule if flow.steps else None
        if schedule is not None:
            now = _of_flow(definition, index, flow, schedule, config)
            said += _followed_by(held.pop(flow.name, []), now)
    for name, gone in held.items():
        said += _followed_by(gone, events.Scheduled(flow=name, expression=""))
    return said


def placed(deployed: events.InstanceDeployed, change: int, at: Instant) -> list[events.Scheduled]:
    """Its schedules, each with its `since` and `change`; the deployment stands at `change`."""
    return [
        replace(
            known,
            since=at if known.since is None else known.since,
            change=change if known.change is None else known.change,
        )
        for known in deployed.schedules
    ]


def _followed_by(held: Sequence[events.Scheduled], now: events.Scheduled) -> list[events.Scheduled]:
    if held and _recurs_alike(held[-1], now):
        return [*held[:-1], replace(now, since=held[-1].since, change=held[-1].change)]
    return [*held, now][-KEPT:]


def _recurs_alike(one: events.Scheduled, other: events.Scheduled) -> bool:
    mine = (one.expression, one.time_zone, one.jitter_s)
    return mine == (other.expression, other.time_zone, other.jitter_s)


def _of_flow(
    definition: Definition,
    index: int,
    flow: Flow,
    schedule: Schedule,
    config: Mapping[str, Any],
) -> events.Scheduled:
    place = f"flows[{index}].steps[0].schedule"
    setting = Setting(schedule.value, schedule.schedule_type, schedule.time_zone)
    if schedule.kind == "configVar":
        setting = _configured(definition, flow, schedule, config, place)
        place = f"the config variable {schedule.value!r}"
    try:
        text = expression(setting)
    except Unfit as error:
        message = f"Flow {flow.name!r} cannot be scheduled: {place}{error.path}: {error}."
        raise Refused(message, reason="bad_schedule") from error
    overlap = schedule.overlap
    if flow.queue.singleton and overlap == events.Overlap.ALLOW:
        overlap = events.Overlap.SKIP
    return events.Scheduled(
        flow=flow.name,
        expression=text,
        time_zone=setting.time_zone,
        schedule_type=setting.schedule_type,
        catch_up=schedule.catch_up,
        max_catch_up=schedule.max_catch_up,
        overlap=overlap,
        jitter_s=schedule.jitter_s,
    )


def _configured(
    definition: Definition, flow: Flow, schedule: Schedule, config: Mapping[str, Any], place: str
) -> Setting:
    variable = next(var for var in definition.config_vars if var.key == schedule.value)
    given = config.get(variable.key, variable.default)
    if given is None or given == "":
        message = (
            f"Flow {flow.name!r} cannot be scheduled: {place}.value names the config variable"
            f" {variable.key!r}, which has no value."
        )
        raise Refused(message, reason="bad_schedule")
    found = setting_of(variable, given)
    return found._replace(time_zone=found.time_zone or schedule.time_zone)
