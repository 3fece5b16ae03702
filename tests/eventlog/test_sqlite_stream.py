"""The tail of a partition stays within its bounds and loses nothing that it claims to have."""

from hypothesis import given
from hypothesis import strategies as st

from eventlog.log import Record
from eventlog.sqlite_stream import TAIL_BYTES, TAIL_RECORDS, Tail
from schemas.instants import Instant


def records(first: int, sizes: list[int]) -> list[Record]:
    return [
        Record("triggers", 0, first + index, Instant(0), "key", bytes(size))
        for index, size in enumerate(sizes)
    ]


def held(tail: Tail) -> list[Record]:
    return tail.read(tail.first, 1_000_000)


def test_the_oldest_records_go_when_there_are_too_many() -> None:
    tail = Tail(0)

    tail.extend(records(0, [0] * (TAIL_RECORDS + 10)))

    assert tail.first == 10
    assert [record.offset for record in held(tail)] == list(range(10, TAIL_RECORDS + 10))


@given(st.lists(st.lists(st.integers(0, TAIL_BYTES // 3), min_size=1, max_size=5), max_size=12))
def test_the_tail_is_the_newest_records_without_gaps_and_within_bounds(
    batches: list[list[int]],
) -> None:
    tail, end = Tail(7), 7
    for sizes in batches:
        tail.extend(records(end, sizes))
        end += len(sizes)

    kept = held(tail)
    assert [record.offset for record in kept] == list(range(tail.first, end))
    assert sum(len(record.value) for record in kept) <= TAIL_BYTES
    if tail.first > 7:
        sizes = [size for batch in batches for size in batch]
        assert sum(sizes[tail.first - 8 :]) > TAIL_BYTES


def test_a_record_beyond_the_bound_is_not_held_and_the_next_ones_are() -> None:
    tail = Tail(0)

    tail.extend(records(0, [TAIL_BYTES + 1]))
    tail.extend(records(1, [1]))

    assert [record.offset for record in held(tail)] == [1]
