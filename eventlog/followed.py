"""What has been said of the schedules of a partition, read back from `triggers`.

Takes in the log; gives out the fold of schemas.followed as it stands at an offset. How far back to
read is what admission commits here once its decisions are durable. Where retention has removed
that record, the instant through which all had been said is still known.
"""

from eventlog.log import EventLog, OffsetOutOfRange
from schemas import codec
from schemas.errors import Undecodable
from schemas.followed import State
from schemas.instants import Instant
from schemas.topics import TRIGGERS

READER = "schedules.followed"
"""Its position is the offset of the SchedulesFollowed record to read from."""
THROUGH = "schedules.through"
"""Its position is no offset, but the `through` of that record, in microseconds."""


async def commit(log: EventLog, partition: int, state: State) -> None:
    """Remember what `state` rests on. Everything before it has been decided, durably."""
    if state.base is not None:
        await log.commit(READER, TRIGGERS, partition, state.base)
        await log.commit(THROUGH, TRIGGERS, partition, max(state.through, 0))


async def read_back(log: EventLog, partition: int, *, change: int, end: int | None = None) -> State:
    """The fold up to `end`, the high mark if that is not given.

    `change` is how far `definitions` reaches: where the record to read from is gone, all that
    stands there counts as followed up to the instant that is still known.
    """
    base = await log.committed(READER, TRIGGERS, partition)
    if base is None:
        return State()
    end = (await log.marks(TRIGGERS, partition)).high if end is None else end
    state, offset = State(), base
    while offset < end:
        try:
            records = await log.read(TRIGGERS, partition, offset, wait_s=1.0)
        except OffsetOutOfRange as gone:
            state = State(through=await _through(log, partition), change=change)
            offset = gone.low
            continue
        if not records:
            break
        for record in records:
            if record.offset < end:
                _note(state, record.offset, record.value)
        offset = records[-1].offset + 1
    return state


async def _through(log: EventLog, partition: int) -> Instant:
    return Instant(await log.committed(THROUGH, TRIGGERS, partition) or 0)


def _note(state: State, offset: int, value: bytes) -> None:
    try:
        said = codec.decode(value).events
    except Undecodable:
        return  # admission writes its dead letter
    for event in said:
        state.note(offset, event)
