"""A polling trigger from the tick of its schedule to the cursor that it keeps, over all stages."""

from pathlib import Path

from eventlog.definitions import Definitions
from eventlog.sqlite import SqliteLog
from ingress.schedule import Following
from processors import effects
from schemas import events
from schemas.events import InvokeType, ResultType, Scheduled, Scope
from schemas.ids import CustomerId
from schemas.instants import SECOND, Instant
from tests.processors.at_work import MASTER_KEY, processing
from tests.processors.instances import (
    INSTANCE,
    INTEGRATION,
    admitted,
    definition,
    ended,
    endpoint_of,
    flow,
    of,
    tell,
)
from tests.processors.test_triggers import FAILS_ON_3, Adds, Polling, adds, trigger

__all__ = ["adds"]

MINUTE = 60 * SECOND


async def deploy(log: SqliteLog, since: Instant) -> None:
    rule = Scheduled(flow="Poll", expression="* * * * *", since=since, change=0)
    text = definition(flow("Poll", "tests/poll", *FAILS_ON_3))
    await tell(
        log,
        events.IntegrationPublished(
            integration_id=INTEGRATION, name="Test", version=1, definition=text
        ),
        events.CustomerRegistered(customer_id=CustomerId("c"), external_id="acme", name="acme"),
        events.InstanceDeployed(
            instance_id=INSTANCE,
            name="Test",
            integration_id=INTEGRATION,
            version=1,
            customer_id=CustomerId("c"),
            endpoints={"Poll": endpoint_of("Poll")},
            sealed=MASTER_KEY.seal({"config": {}, "api_keys": {}}),
            schedules=[rule],
        ),
    )


async def test_each_tick_polls_and_the_cursor_moves_only_with_success(
    tmp_path: Path, adds: Adds
) -> None:
    polling = Polling()
    adds("poll", trigger("poll", polling.perform, is_polling=True))
    log = await SqliteLog.open(tmp_path / "log.db")
    began = Instant(effects.clock() // MINUTE * MINUTE)
    await deploy(log, began)
    following = await Following.begin(log, Definitions(log), 0)
    async with processing(log, tmp_path):
        for minute, items in enumerate(([], [1], [1, 3], [1, 3], [1, 2, 4]), 1):
            polling.items = items
            await following.step(Instant(began + minute * MINUTE))
            said = await ended(log, minute)
    following.end()
    runs = await admitted(log)
    assert {run.invoke_type for run in runs.values()} == {InvokeType.SCHEDULED}
    due = [run.due_at for run in runs.values()]
    assert due == [began + minute * MINUTE for minute in range(1, 6)]
    assert polling.polls == 5
    given = [e.result["body"]["data"] for e in of(events.StepSucceeded, said) if e.step == "step0"]
    assert given == [[], [1], [3], [3], [2, 4]]
    ends = [
        getattr(e, "result_type", None)
        for e in said
        if isinstance(e, events.ExecutionCompleted | events.ExecutionFailed)
    ]
    assert ends == [
        ResultType.POLLED_NO_CHANGES,
        ResultType.COMPLETED,
        None,
        None,
        ResultType.COMPLETED,
    ]
    kept = [e.value for e in of(events.StateChanged, said) if e.scope == Scope.FLOW]
    assert kept == [{"seen": 0}, {"seen": 1}, {"seen": 3}]
    await log.close()
