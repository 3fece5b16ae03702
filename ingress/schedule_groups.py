"""Which elapsed instants of a schedule are said alone, and which together. Pure.

Takes in a rule and a stretch of time; gives out groups, oldest first: the newest instants alone, as
many as the rule's `catchUp` may let run, and those before them together.
"""

from collections import deque
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import NamedTuple

from schemas import recurrence
from schemas.events import CatchUp, Scheduled
from schemas.instants import SECOND, Instant

LONGEST_RANGE = 2_000
"""So many instants at most are said together."""
_DAY = 86_400 * SECOND


class Group(NamedTuple):
    """`size` instants from `first` to `last`; `newer` ones have elapsed besides."""

    first: Instant
    last: Instant
    size: int
    newer: int


def groups(
    rule: Scheduled, after: Instant, until: Instant, *, is_paused: bool = False
) -> Iterable[Group]:
    """The instants later than `after` up to `until`; those older than may run alone, together."""
    if not rule.expression or until <= after:
        return ()
    alone = rule.max_catch_up if rule.catch_up == CatchUp.ALL else 1
    given = (rule.expression, rule.time_zone, after, until, 0 if is_paused else alone)
    return _few_groups(*given) if until - after <= _DAY else _groups(*given)


@lru_cache(maxsize=200)
def _few_groups(
    expression: str, zone: str, after: Instant, until: Instant, alone: int
) -> tuple[Group, ...]:
    """After an outage many schedules of one expression have the same to say."""
    return tuple(_groups(expression, zone, after, until, alone))


def _groups(
    expression: str, zone: str, after: Instant, until: Instant, alone: int
) -> Iterator[Group]:
    newest: deque[Instant] = deque()
    first, last, count = after, after, 0
    for at in recurrence.instants(expression, zone, after, until):
        newest.append(at)
        if len(newest) > alone:
            last = newest.popleft()
            first = first if count else last
            count += 1
            if count == LONGEST_RANGE:
                yield Group(first, last, count, max(alone, 1))
                count = 0
    if count:
        yield Group(first, last, count, len(newest))
    for index, at in enumerate(newest, 1):
        yield Group(at, at, 1, len(newest) - index)
