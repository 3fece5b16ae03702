from typing import Any

import pytest

from schemas import events, schedules
from schemas.catalog import Mark
from schemas.definitions import Definition, Flow, Queue, RequiredConfigVar, Schedule, Step
from schemas.errors import Refused
from schemas.ids import CustomerId, InstanceId, IntegrationId
from schemas.instants import Instant
from schemas.schedules import Setting

EVERY_5 = "*/5 * * * *"
EVERY_10 = "*/10 * * * *"
VARIABLE = RequiredConfigVar(key="When", data_type="schedule")


def flow(name: str = "Sync", queue: Queue | None = None, **schedule: Any) -> Flow:
    found = {"kind": "value", "value": EVERY_5, "schedule_type": "minute", "time_zone": ""}
    trigger = Step(
        name="Trigger",
        key="trigger",
        component="schedule-triggers",
        action="schedule",
        is_trigger=True,
        schedule=Schedule(**found | schedule),
    )
    return Flow(name=name, steps=(trigger,), queue=queue or Queue())


def integration(*flows: Flow, variable: RequiredConfigVar = VARIABLE) -> Definition:
    return Definition(name="Orders", flows=flows, config_vars=(variable,))


def deployed(said: list[events.Scheduled]) -> events.InstanceDeployed:
    return events.InstanceDeployed(
        instance_id=InstanceId("i"),
        name="Orders",
        integration_id=IntegrationId("n"),
        version=1,
        customer_id=CustomerId("c"),
        endpoints={},
        sealed="",
        schedules=said,
    )


def redeployed(
    former: list[events.Scheduled], mark: Mark, definition: Definition, **config: Any
) -> list[events.Scheduled]:
    formerly = schedules.placed(deployed(former), *mark)
    return schedules.resolved(definition, config, formerly)


@pytest.mark.parametrize(
    ("setting", "expected"),
    [
        (Setting(EVERY_5, "minute", "Europe/Berlin"), EVERY_5),
        (Setting("*/30 * * * * *", "custom", ""), "*/30 * * * * *"),
        (Setting(EVERY_5, "none", ""), ""),
        (Setting("", "none", ""), ""),
        (Setting("", "once", ""), ""),
        (Setting("2026-01-31T12:00:00Z", "once", ""), "2026-01-31T12:00:00.000000Z"),
        (Setting("2026-01-31T12:00:00", "once", "Europe/Berlin"), "2026-01-31T11:00:00.000000Z"),
    ],
)
def test_a_setting_is_an_expression_or_never_fires(setting: Setting, expected: str) -> None:
    assert schedules.expression(setting) == expected


@pytest.mark.parametrize(
    ("setting", "path", "message"),
    [
        (Setting("0 0 30 2 *", "custom", ""), ".value", "can never fire"),
        (Setting("* * * * * * *", "custom", ""), ".value", "has 7 fields"),
        (Setting("", "minute", ""), ".value", "needs a cron text"),
        (Setting(EVERY_5, "once", ""), ".value", "not an instant"),
        (Setting(EVERY_5, "custom", "Europe/Atlantis"), ".timeZone", "no such time zone"),
        (Setting(EVERY_5, "yearly", ""), ".scheduleType", "must be one of"),
    ],
)
def test_what_is_no_setting_is_said_with_its_path(
    setting: Setting, path: str, message: str
) -> None:
    with pytest.raises(schedules.Unfit, match=message) as raised:
        schedules.expression(setting)
    assert raised.value.path == path


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (EVERY_5, Setting(EVERY_5, "custom", "UTC")),
        ('{"value": "0 8 * * *"}', Setting("0 8 * * *", "custom", "UTC")),
        (
            {"value": "0 8 * * *", "scheduleType": "day", "timeZone": "Asia/Tokyo"},
            Setting("0 8 * * *", "day", "Asia/Tokyo"),
        ),
        ({"scheduleType": "none", "value": None}, Setting("", "none", "UTC")),
    ],
)
def test_a_config_variable_holds_a_text_or_an_object(given: Any, expected: Setting) -> None:
    variable = RequiredConfigVar(key="When", data_type="schedule", time_zone="UTC")
    assert schedules.setting_of(variable, given) == expected


@pytest.mark.parametrize("given", ["{", {"cron": EVERY_5}, {"value": 5}, 5, ["x"]])
def test_what_a_config_variable_cannot_hold_is_unfit(given: Any) -> None:
    with pytest.raises(schedules.Unfit):
        schedules.setting_of(VARIABLE, given)


def test_a_deployment_says_expression_zone_and_policies() -> None:
    policies: dict[str, Any] = {
        "catch_up": events.CatchUp.ALL,
        "max_catch_up": 3,
        "overlap": events.Overlap.QUEUE,
        "jitter_s": 30,
    }
    said = schedules.resolved(integration(flow(time_zone="Asia/Tokyo", **policies)), {})
    assert said == [
        events.Scheduled(
            flow="Sync",
            expression=EVERY_5,
            time_zone="Asia/Tokyo",
            schedule_type="minute",
            **policies,
        )
    ]


def test_each_customer_has_the_schedule_of_its_config_variable() -> None:
    by_variable = integration(flow(kind="configVar", value="When", time_zone="Asia/Tokyo"))
    (said,) = schedules.resolved(by_variable, {"When": "0 8 * * *"})
    assert (said.expression, said.time_zone) == ("0 8 * * *", "Asia/Tokyo")
    own_zone = '{"value": "0 8 * * *", "timeZone": "Europe/Berlin"}'
    (said,) = schedules.resolved(by_variable, {"When": own_zone})
    assert said.time_zone == "Europe/Berlin"


@pytest.mark.parametrize("config", [{}, {"When": ""}])
def test_a_config_variable_without_a_value_is_refused_with_the_path(config: Any) -> None:
    other = flow("First")
    by_variable = integration(other, flow(kind="configVar", value="When"))
    with pytest.raises(Refused, match=r"flows\[1\]\.steps\[0\]\.schedule\.value .* no value"):
        schedules.resolved(by_variable, config)


def test_a_default_that_can_never_fire_is_refused_with_the_path() -> None:
    void = RequiredConfigVar(key="When", data_type="schedule", default="0 0 30 2 *")
    by_variable = integration(flow(kind="configVar", value="When"), variable=void)
    with pytest.raises(Refused, match=r"config variable 'When'\.value: .* can never fire"):
        schedules.resolved(by_variable, {})


def test_singleton_executions_skip_a_tick_while_a_run_is_open() -> None:
    (said,) = schedules.resolved(integration(flow(queue=Queue(singleton=True))), {})
    assert said.overlap == events.Overlap.SKIP


def test_a_schedule_that_stays_as_it_was_goes_on() -> None:
    first = schedules.resolved(integration(flow()), {})
    again = redeployed(first, Mark(4, Instant(100)), integration(flow(max_catch_up=7)))
    assert [(s.since, s.change, s.max_catch_up) for s in again] == [(100, 4, 7)]
    third = redeployed(again, Mark(9, Instant(900)), integration(flow()))
    assert [(s.since, s.change) for s in third] == [(100, 4)]


def test_of_a_changed_schedule_what_held_before_stays() -> None:
    first = schedules.resolved(integration(flow()), {})
    changed = redeployed(first, Mark(4, Instant(100)), integration(flow(value=EVERY_10)))
    assert [(s.expression, s.since, s.change) for s in changed] == [
        (EVERY_5, 100, 4),
        (EVERY_10, None, None),
    ]


def test_a_flow_that_is_gone_never_fires_again() -> None:
    first = schedules.resolved(integration(flow("Old")), {})
    changed = redeployed(first, Mark(4, Instant(100)), integration(flow("New")))
    assert [(s.flow, s.expression) for s in changed] == [
        ("New", EVERY_5),
        ("Old", EVERY_5),
        ("Old", ""),
    ]
    again = redeployed(changed, Mark(5, Instant(200)), integration(flow("New")))
    assert [(s.flow, s.since) for s in again] == [("New", 200), ("Old", 100), ("Old", 200)]


def test_what_is_kept_of_former_schedules_is_bounded() -> None:
    said = schedules.resolved(integration(flow()), {})
    for minute in range(1, 60):
        definition = integration(flow(value=f"{minute} * * * *"))
        said = redeployed(said, Mark(minute, Instant(minute)), definition)
    assert len(said) == schedules.KEPT
