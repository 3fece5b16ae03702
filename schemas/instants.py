"""Instants: points in time as microseconds since 1970-01-01 UTC, so that they sort and subtract.

Records carry them as integers; people see ISO 8601 in UTC. Kafka's own timestamps have only
milliseconds, so instants read from Kafka are multiples of 1,000.
"""

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import NewType

Instant = NewType("Instant", int)

SECOND = 1_000_000
MILLISECOND = 1_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def to_iso(instant: Instant) -> str:
    """`1700000000123456` becomes `2023-11-14T22:13:20.123456Z`, always with six decimals."""
    second, microseconds = divmod(instant, SECOND)
    return f"{_iso_second(second)}.{microseconds:06d}Z"


@lru_cache(maxsize=64)
def _iso_second(second: int) -> str:
    """Of the instants of a busy system many are in the same second."""
    return (_EPOCH + timedelta(seconds=second)).isoformat().removesuffix("+00:00")


def from_iso(text: str) -> Instant:
    """The inverse of `to_iso`; a text without an offset is read as UTC. Raises ValueError."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return Instant((moment - _EPOCH) // timedelta(microseconds=1))
