"""Where idempotency keys are read from again: a bounded stretch, which has all that count."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from eventlog.log import EventLog, NewRecord
from eventlog.opening import open_log
from processors import idempotency, key_keeper
from processors.key_keeper import KeyKeeper
from schemas import codec, events
from schemas.ids import EndpointId, ExecutionId
from schemas.instants import Instant
from schemas.topics import ADMISSIONS
from tests.schemas.wire_samples import SAMPLES


@pytest.fixture
async def log(tmp_path: Path) -> AsyncIterator[EventLog]:
    opened = await open_log(f"sqlite:///{tmp_path / 'log.db'}")
    yield opened
    await opened.close()


def admitted(number: int, at: int, key: str = "") -> events.ExecutionAdmitted:
    sample = next(sample for name, sample in SAMPLES if name == "execution.admitted")
    [event] = codec.decode(sample).events
    assert isinstance(event, events.ExecutionAdmitted)
    fields = {name: getattr(event, name) for name in event.__slots__}
    return events.ExecutionAdmitted(
        **fields
        | {
            "execution_id": ExecutionId(f"x{number}"),
            "trigger_partition": 0,
            "trigger_offset": number,
            "received_at": Instant(at),
            "endpoint_id": EndpointId("e"),
            "idempotency_key": key,
        }
    )


class Decisions:
    """One partition of triggers, decided, and its keys kept."""

    def __init__(self, log: EventLog) -> None:
        self.log = log
        self.keeper = KeyKeeper(log, 0)
        self.number = 0

    async def admit(self, *keys: str) -> None:
        now = Instant((await self.log.marks(ADMISSIONS, 0)).high)
        decided = []
        for key in keys:
            event = admitted(self.number, now, key)
            idempotency.evolve(self.keeper.state, event)
            decided.append(event)
            self.number += 1
        await self.keeper.before(decided)
        await self.log.append([NewRecord(ADMISSIONS.name, "n", codec.encode([e])) for e in decided])
        await self.keeper.after(decided, now)


async def taken_over(log: EventLog) -> tuple[KeyKeeper, int | None]:
    """A keeper that has read again what it has to, and from where."""
    keeper = KeyKeeper(log, 0)
    begins = await keeper.begins(Instant(0))
    if begins is None:
        return keeper, None
    for record in await log.read(ADMISSIONS, 0, begins[0], max_records=100_000):
        for event in codec.decode(record.value).events:
            idempotency.evolve(keeper.state, event)
    return keeper, begins[0]


async def test_without_a_key_there_is_nothing_to_read(log: EventLog) -> None:
    decisions = Decisions(log)
    await decisions.admit(*[""] * 10)
    assert (await taken_over(log))[1] is None


async def test_all_keys_are_there_from_the_first_one_on(log: EventLog) -> None:
    decisions = Decisions(log)
    await decisions.admit(*[""] * 10)
    await decisions.admit("a", "", "b")
    keeper, begins = await taken_over(log)
    assert keeper.state == decisions.keeper.state
    assert begins == 10


async def test_what_is_read_again_does_not_grow_with_history(
    log: EventLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(key_keeper, "SAID_AGAIN_AFTER", 20)
    monkeypatch.setattr(idempotency, "MOST_KEYS", 15)
    decisions = Decisions(log)
    for number in range(100):
        await decisions.admit(f"a{number}", "", f"b{number}")
        keeper, begins = await taken_over(log)
        high = (await log.marks(ADMISSIONS, 0)).high
        assert begins is not None
        assert high - begins < 60
        assert keeper.state == decisions.keeper.state


async def test_a_keeper_that_took_over_goes_on_where_the_other_was(
    log: EventLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(key_keeper, "SAID_AGAIN_AFTER", 4)
    decisions = Decisions(log)
    for number in range(10):
        decisions.keeper, _ = await taken_over(log)
        await decisions.admit(f"{number}", "")
    keeper, _ = await taken_over(log)
    assert list(keeper.state.held[EndpointId("e")]) == [str(number) for number in range(10)]
