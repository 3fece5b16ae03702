"""A journal: one partition of `executions` as the process sees it that has claimed it.

Holds the folded state (processors.execution) and what goes on in memory beside it. Of one process
only; nothing here reads or writes the log.
"""

import asyncio
from dataclasses import dataclass, field

from processors import execution, suspensions
from processors.actions import Change
from processors.asked import Loaded, Performed
from processors.flow_frames import Heard
from processors.python.sessions import Session
from processors.shared_state_host import Gaps
from schemas import events
from schemas.ids import ExecutionId


@dataclass(slots=True)
class Journal:
    """One partition of `executions`, owned by this process since its claim."""

    partition: int
    state: execution.State
    claim: int
    head: int
    since_checkpoint: int = 0
    tasks: set["asyncio.Task[None]"] = field(default_factory=set)
    news: dict[ExecutionId, asyncio.Event] = field(default_factory=dict)
    """Of executions that wait for what they have invoked: set when one of it has ended."""

    gaps: Gaps = field(default_factory=Gaps)
    alarm: suspensions.Alarm = field(default_factory=suspensions.Alarm)
    live: dict[ExecutionId, Session] = field(default_factory=dict)
    """The sessions of Python flows that are in memory."""
    suspending: dict[ExecutionId, "asyncio.Future[int]"] = field(default_factory=dict)
    """What will tell where those executions are carried whose record is under way."""
    performing: dict[ExecutionId, "asyncio.Future[Performed | Loaded | Heard | None]"] = field(
        default_factory=dict
    )
    """What is done now for runs of schedules: these may be canceled."""
    background: list["asyncio.Task[None]"] = field(default_factory=list)
    """What goes on until the partition is lost, beside the executions."""

    def note(self, offset: int, records: int) -> None:
        """Note what this process has appended: so many records, the last one at `offset`."""
        self.gaps.add(self.head, offset - records + 1)
        self.head = max(self.head, offset + 1)
        self.since_checkpoint += records

    def cancel(self, execution_id: ExecutionId) -> None:
        """Stop what is done for an execution that has been canceled."""
        performing = self.performing.get(execution_id)
        if performing is not None:
            performing.cancel()
        self.tell(execution_id)

    def tell(self, invoked_by: ExecutionId | None) -> None:
        waits = self.news.get(invoked_by) if invoked_by is not None else None
        if waits is not None:
            waits.set()


def write(journal: Journal, admitted: events.ExecutionAdmitted, change: Change) -> None:
    owner = (change.scope.value, execution.owner_of(change.scope, admitted))
    held = journal.state.values.setdefault(owner, {})
    if change.removed:
        held.pop(change.key, None)
    else:
        held[change.key] = execution.Stored(change.value, journal.head)
