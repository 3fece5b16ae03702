"""Ticks: which instants of a schedule run, and why others do not. Pure.

Reads TickElapsed of `triggers`, as far as it has not been said before (schemas.followed); one tick
comes to one decision:

    the instance was paused, or was removed                       skipped: paused, removed
    its flow is no longer scheduled; a former rule, noticed late  skipped: superseded
    older than what the schedule's catchUp lets run               skipped: caught_up
    anything else                                                 runs, late or not

`catchUp` is `last` where nothing else is said: of the instants that an outage hid the newest runs,
late; with `none` a late instant does not run, with `all` the newest `maxCatchUp` run.
"""

from processors.invocations import url_of
from processors.lifecycle_triggers import EMPTY
from schemas import events, ids
from schemas.catalog import Catalog, Instance, Status
from schemas.events import CatchUp, InvokeType, Skip
from schemas.followed import LATE_S, fires_at
from schemas.ids import EndpointId, ScheduleId
from schemas.instants import SECOND, Instant


def decide(
    tick: events.TickElapsed, now: Instant, *, catalog: Catalog, partition: int, offset: int
) -> events.ExecutionAdmitted | events.TickSkipped:
    """What becomes of the tick at `partition` and `offset`, appended at `now`."""
    instance = catalog.instances.get(tick.instance_id)
    reason = _objection(tick, now, instance)
    if reason is None and instance is not None:
        return _admitted(tick, now, instance, partition, offset)
    return events.TickSkipped(
        schedule_id=tick.schedule_id,
        instance_id=tick.instance_id,
        flow=tick.flow,
        due_at=tick.due_at,
        first_due_at=tick.first_due_at,
        count=tick.count,
        reason=reason or Skip.REMOVED,
        trigger_partition=partition,
        trigger_offset=offset,
        received_at=now,
    )


def late_s(tick: events.TickElapsed, now: Instant) -> float:
    """How long after it was to fire its last instant was noticed, in seconds; 0 within bounds."""
    passed = (now - fires_at(tick)) / SECOND
    return passed if passed > LATE_S else 0.0


def fell_behind(
    tick: events.TickElapsed,
    now: Instant,
    behind: set[ScheduleId],
    partition: int,
    offset: int,
) -> events.ScheduleFellBehind | None:
    """The event that an episode begins with; `behind` are the schedules that are in one."""
    late = late_s(tick, now)
    if tick.is_paused or tick.newer:
        return None
    if not late:
        behind.discard(tick.schedule_id)
        return None
    if tick.schedule_id in behind:
        return None
    behind.add(tick.schedule_id)
    return events.ScheduleFellBehind(
        schedule_id=tick.schedule_id,
        instance_id=tick.instance_id,
        flow=tick.flow,
        due_at=tick.due_at,
        late_s=late,
        trigger_partition=partition,
        trigger_offset=offset,
    )


def _objection(tick: events.TickElapsed, now: Instant, instance: Instance | None) -> Skip | None:
    if tick.is_paused:
        return Skip.PAUSED
    if instance is None or instance.status is Status.REMOVED:
        return Skip.REMOVED
    if instance.status is Status.PAUSED:
        return Skip.PAUSED
    rule = _rule(instance, tick.flow)
    if rule is None or not rule.expression:
        return Skip.SUPERSEDED
    is_late = late_s(tick, now) > 0
    is_former = (rule.expression, rule.time_zone) != (tick.expression, tick.time_zone)
    if is_former and (is_late or tick.due_at > (rule.since or instance.deployed_at.at)):
        return Skip.SUPERSEDED
    may_run = tick.count == 1 and _may_catch_up(rule, tick, is_late=is_late)
    return None if may_run else Skip.CAUGHT_UP


def _may_catch_up(rule: events.Scheduled, tick: events.TickElapsed, *, is_late: bool) -> bool:
    match CatchUp(rule.catch_up):
        case CatchUp.NONE:
            return tick.newer == 0 and not is_late
        case CatchUp.LAST:
            return tick.newer == 0
        case CatchUp.ALL:
            return tick.newer < rule.max_catch_up


def _rule(instance: Instance, flow: str) -> events.Scheduled | None:
    """What holds now for the flow: the last one of it."""
    found = [rule for rule in instance.deployed.schedules if rule.flow == flow]
    return found[-1] if found else None


def _admitted(
    tick: events.TickElapsed, now: Instant, instance: Instance, partition: int, offset: int
) -> events.ExecutionAdmitted:
    deployed = instance.deployed
    rule = _rule(instance, tick.flow)
    endpoint_id = deployed.endpoints.get(tick.flow, EndpointId(""))
    return events.ExecutionAdmitted(
        execution_id=ids.execution_of_tick(tick.schedule_id, tick.due_at),
        trigger_partition=partition,
        trigger_offset=offset,
        received_at=now,
        endpoint_id=endpoint_id,
        instance_id=tick.instance_id,
        customer_id=deployed.customer_id,
        integration_id=deployed.integration_id,
        version=deployed.version,
        flow=tick.flow,
        request=EMPTY,
        synchronous=False,
        reply_to="",
        request_no=0,
        revision=deployed.revision,
        invoke_type=InvokeType.SCHEDULED,
        invoke_url=url_of(deployed.base_url, endpoint_id),
        schedule_id=tick.schedule_id,
        due_at=tick.due_at,
        overlap=rule.overlap if rule else events.Overlap.ALLOW,
        jitter_s=tick.jitter_s,
    )
