"""Flow frames: what a Run asks of the process in which a Python flow runs, and what it hears. Pure.

A Run gives out an Exchange, and is advanced with the next thing that is Heard:

    Exchange    send these frames, then give what comes first: a frame, a signal, or the time
    Suspend     forget the Run; make it anew from the log when it is due or a signal comes

The frames themselves are in penstock.python_jobs.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from processors.actions import Action, Context, Outcome
from schemas import events
from schemas.ids import ExecutionId
from schemas.instants import Instant
from schemas.values import Value

Frame = Mapping[str, Any]

_BEGINNING = Instant(0)


@dataclass(frozen=True, slots=True)
class ActionStep:
    """An action to be performed as step `number`; a StepEnded follows."""

    number: int
    action: Action
    inputs: dict[str, Value]
    context: Context


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """`starts`: in a new process, the former one is ended.
    `durable`: what the Run has said is on the log before this is done; `holds`: it may wait for
    what is said next, which saves an append. At `until` the time is up. `rests`: nothing is under
    way until then, so that its process may serve another execution where there are too few.
    """

    send: tuple[Frame, ...] = ()
    performs: tuple[ActionStep, ...] = ()
    starts: bool = False
    durable: bool = False
    holds: bool = False
    rests: bool = False
    until: Instant | None = None


@dataclass(frozen=True, slots=True)
class Suspend:
    """Nothing is to be done before `wake_at`, or before a signal comes where that is None.

    `hears` is the execution whose answer is waited for until then.
    """

    wake_at: Instant | None
    hears: ExecutionId | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Turned:
    """The flow has nothing left to do but wait, or has ended."""

    asks: tuple[Frame, ...] = ()
    logs: tuple[tuple[str, str], ...] = ()
    end: Frame | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StepEnded:
    """An attempt at step `number` came to `outcome`, or to `error`; `permanent` ones stay so."""

    number: int
    outcome: Outcome | None
    error: str = ""
    permanent: bool = False
    logs: tuple[tuple[str, str], ...] = ()
    started_at: Instant = _BEGINNING


@dataclass(frozen=True, slots=True)
class Died:
    """The process of the flow has ended."""

    reason: str


@dataclass(frozen=True, slots=True)
class TimeUp:
    """`until` has come before anything else."""


@dataclass(frozen=True, slots=True)
class Signalled:
    """A signal that is on the journal."""

    signal: events.SignalReceived


Heard = Turned | StepEnded | Died | TimeUp | Signalled
