"""Rows: one line of the table each, with its mark and what was measured, and how hard to try."""

from dataclasses import dataclass, field
from typing import Any


class Invalid(Exception):
    """What was measured does not count: wrong answers, executions that failed or never ended."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """`ratio` is to what the mark names; `details` are for the result file."""

    name: str
    what: str
    mark: str
    measured: str = ""
    ratio: float | None = None
    reached: bool
    details: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Effort:
    """How long each load lasts, and how many records the bulk rows take."""

    seconds: float
    records: int
    executions: int
    grown_events: int

    @property
    def warm_up_s(self) -> float:
        return min(2.0, self.seconds / 3)


QUICK = Effort(seconds=2.0, records=40_000, executions=2_000, grown_events=200_000)
FULL = Effort(seconds=8.0, records=200_000, executions=20_000, grown_events=10_000_000)
