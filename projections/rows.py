"""Rows: what a batch of records does to the tables, as values. Pure.

A row's fields are the columns of its table, under the same names.
"""

from dataclasses import dataclass, field
from enum import StrEnum

from schemas import events
from schemas.instants import Instant

MOST_LINE_CHARACTERS = 4096
"""Longer lines of a log are cut (platform-behaviour, 3.1)."""


class Status(StrEnum):
    """The states of an execution. `refused` is not one of a row: refusals have their own table."""

    PENDING = "pending"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELED = "canceled"
    REFUSED = "refused"


class StepStatus(StrEnum):
    """The states of a step's run; `succeeded`, `failed` and `ignored` are final.

    `canceled` is not one of a row: so is shown what was open when its execution ended.
    """

    RUNNING = "running"
    WAITING = "waiting"
    RETRYING = "retrying"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    IGNORED = "ignored"
    CANCELED = "canceled"


OPEN_STEP = (StepStatus.RUNNING, StepStatus.WAITING, StepStatus.RETRYING)


@dataclass(slots=True)
class ExecutionRow:
    """What a batch says of one execution; fields are columns, None is what it does not say."""

    id: str
    status: str | None = None
    flow: str | None = None
    instance_id: str | None = None
    received_at: int | None = None
    endpoint_id: str | None = None
    customer_id: str | None = None
    integration_id: str | None = None
    version: int | None = None
    invoke_type: str | None = None
    invoke_url: str | None = None
    request: str | None = None
    synchronous: bool | None = None
    replay_for: str | None = None
    started_at: int | None = None
    ended_at: int | None = None
    error: str | None = None
    error_step: str | None = None
    ended_partition: int | None = None
    ended_offset: int | None = None
    preprocess_flow: str | None = None
    preprocess_version: int | None = None
    invoked_by: str | None = None
    result_type: str | None = None
    is_earlier: bool = False
    """No column: whether the batch tells of a preprocess flow, which may be read after the end."""


@dataclass(slots=True)
class StepRow:
    """The latest attempt of one run of a step; `started_at` None keeps what is known."""

    execution_id: str
    step: str
    loop_path: str
    position: int
    status: str
    attempt: int
    branch: str | None = None
    result: str | None = None
    tagged: bool = False
    blob: str | None = None
    error: str | None = None
    started_at: int | None = None
    ended_at: int | None = None
    inputs: str | None = None


@dataclass(slots=True)
class LogRow:
    execution_id: str
    position: int
    at: int
    level: str
    message: str
    step: str
    loop_path: str


@dataclass(slots=True)
class RefusalRow:
    trigger_partition: int
    trigger_offset: int
    execution_id: str
    endpoint_id: str
    instance_id: str | None
    flow: str
    reason: str
    rate_limit: int
    received_at: int
    customer: str
    repeats: str | None


@dataclass(slots=True)
class RefusedCallsRow:
    """`sample` is a JSON object: method, path and header names of one of the calls."""

    trigger_partition: int
    trigger_offset: int
    endpoint_id: str
    reason: str
    calls: int
    first_at: int
    last_at: int
    sample: str


@dataclass(slots=True)
class TickRow:
    """What a batch says of one decision on a schedule; None is what it does not say."""

    schedule_id: str
    due_at: int
    first_due_at: int | None = None
    instants: int | None = None
    reason: str | None = None
    recorded_at: int | None = None
    late_ms: int | None = None
    execution_id: str | None = None
    blocked_by: str | None = None


@dataclass(slots=True)
class Changes:
    """What a batch of records does to the tables, at most one row for each execution and step.

    `definitions` are events in log order: there are few of them.
    """

    executions: dict[str, ExecutionRow] = field(default_factory=dict)
    steps: dict[tuple[str, str, str], StepRow] = field(default_factory=dict)
    opened: dict[tuple[str, str, str], StepRow] = field(default_factory=dict)
    """Steps that have begun, as others' events tell: they count where nothing else is known."""
    log_lines: list[LogRow] = field(default_factory=list)
    refusals: list[RefusalRow] = field(default_factory=list)
    refused_calls: list[RefusedCallsRow] = field(default_factory=list)
    ticks: dict[tuple[str, int], TickRow] = field(default_factory=dict)
    definitions: list[tuple[events.Event, Instant]] = field(default_factory=list)
    events: int = 0

    def tick(self, schedule_id: str, due_at: int) -> TickRow:
        row = self.ticks.get((schedule_id, due_at))
        if row is None:
            row = self.ticks[schedule_id, due_at] = TickRow(schedule_id, due_at)
        return row

    def execution(self, execution_id: str) -> ExecutionRow:
        row = self.executions.get(execution_id)
        if row is None:
            row = self.executions[execution_id] = ExecutionRow(execution_id)
        return row
