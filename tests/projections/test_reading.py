"""What goes into the views together: no effect without its cause."""

from hypothesis import given
from hypothesis import strategies as st

from eventlog.log import Record
from projections import reading
from projections.reading import Reader
from projections.store import Partition, Stored
from projections.views import State
from schemas.instants import Instant
from schemas.topics import ADMISSIONS, DEFINITIONS, EXECUTIONS, Topic

CHAIN = (DEFINITIONS, ADMISSIONS, EXECUTIONS)


def reader(topic: Topic, *held: int, behind: bool = False, number: int = 0) -> Reader:
    """One that holds records of these instants."""
    records = [Record(topic.name, number, at, Instant(at), "", b"") for at in held]
    found = Reader(topic, Partition(topic.name, number), Stored(0, State()), 0, held=records)
    found.is_behind = behind
    return found


def taken(*readers: Reader) -> dict[str, list[int]]:
    return {
        part.partition.topic: [record.at for record in part.records]
        for part in reading.ready(readers)
    }


def test_all_is_taken_where_all_has_been_read() -> None:
    readers = (reader(DEFINITIONS), reader(ADMISSIONS, 1, 4), reader(EXECUTIONS, 2, 5))
    assert taken(*readers) == {"admissions": [1, 4], "executions": [2, 5]}
    assert taken(*readers) == {}


def test_what_came_after_the_last_cause_that_was_read_is_held_back() -> None:
    admissions = reader(ADMISSIONS, 1, 4, behind=True)
    executions = reader(EXECUTIONS, 2, 4, 5)
    assert taken(admissions, executions) == {"admissions": [1, 4], "executions": [2]}
    admissions.held, admissions.is_behind = [], False
    assert taken(admissions, executions) == {"executions": [4, 5]}


def test_one_partition_that_is_behind_holds_back_all_effects() -> None:
    readers = (
        reader(DEFINITIONS, 3, behind=True),
        reader(ADMISSIONS, 2, 3),
        reader(ADMISSIONS, 1, 9, number=1),
        reader(EXECUTIONS, 2, 4),
    )
    found = [(part.partition, [r.at for r in part.records]) for part in reading.ready(readers)]
    assert found == [
        (Partition("definitions", 0), [3]),
        (Partition("admissions", 0), [2]),
        (Partition("admissions", 1), [1]),
        (Partition("executions", 0), [2]),
    ]


@given(st.lists(st.integers(0, 2), max_size=60), st.lists(st.integers(1, 7), min_size=1))
def test_in_any_reading_order_no_effect_goes_before_its_cause(
    topics: list[int], sizes: list[int]
) -> None:
    """A record of any topic may be caused by all that were appended before it."""
    log = {topic: [at for at, n in enumerate(topics) if CHAIN[n] is topic] for topic in CHAIN}
    readers = [reader(topic) for topic in CHAIN]
    shown: set[int] = set()
    for turn in range(2 * len(topics) + 2):
        size = sizes[turn % len(sizes)]
        for one in readers:
            new = log[one.topic][one.next_offset : one.next_offset + size]
            one.held += [Record(one.topic.name, 0, at, Instant(at), "", b"") for at in new]
            one.next_offset += len(new)
            one.is_behind = one.next_offset < len(log[one.topic])
        for part in reading.ready(readers):
            shown |= {record.at for record in part.records}
        for at in shown:
            causes = {c for c in range(at) if topics[c] < topics[at]}
            assert causes <= shown
    assert shown == set(range(len(topics)))
