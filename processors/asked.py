"""Asked: what a Run asks for next, and what that came to. Pure; the host does it.

An action to perform, bytes to load, time to pass, others to run or to end; of a run in Python also
an Exchange with its process, and of one that waits for long to Suspend it (processors.flow_frames).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from processors.actions import Action, Context, Outcome
from processors.flow_frames import Exchange, Suspend
from schemas.instants import Instant
from schemas.stored import Stored
from schemas.values import Value


@dataclass(frozen=True, slots=True)
class Perform:
    """Perform `action` with `inputs`; answer with a Performed."""

    action: Action
    inputs: dict[str, Value]
    context: Context


@dataclass(frozen=True, slots=True)
class Load:
    """Load what is in the blob store; answer with a Loaded."""

    wanted: Sequence[Stored]


@dataclass(frozen=True, slots=True)
class Wait:
    """Let `delay_s` pass; answer with None."""

    delay_s: float


@dataclass(frozen=True, slots=True)
class Pause:
    """Take the events so far and let others run; answer with None."""


@dataclass(frozen=True, slots=True)
class Gather:
    """Wait until at most so many of the executions that this one has invoked have not ended.

    With `unstarted`: until so many have not begun. Answer with None.
    """

    at_most: int
    unstarted: bool = False


Effect = Perform | Load | Wait | Pause | Gather | Exchange | Suspend


@dataclass(frozen=True, slots=True)
class Performed:
    """What an effect came to: an outcome, or the error of a step that could not do its work."""

    outcome: Outcome | None
    error: str
    started_at: Instant
    ended_at: Instant


@dataclass(frozen=True, slots=True)
class Loaded:
    """The bytes that were asked for, or why they cannot be had."""

    found: Mapping[Stored, bytes]
    error: str = ""
