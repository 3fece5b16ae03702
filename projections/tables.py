"""The tables of the views, as SQLAlchemy Core metadata for SQLite and PostgreSQL.

Columns that end in `_at` are instants: microseconds since 1970-01-01 UTC. Ids are UUID texts.
`request`, `result`, `inputs` and `fold_state` are JSON texts. Nothing here is a source of truth: a
change of the tables raises VERSION, which drops and refolds them.
"""

from typing import Any

from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, MetaData, Table, Text

VERSION = 8

METADATA = MetaData()


def _text(name: str, **options: Any) -> Column[str]:
    return Column(name, Text, **options)


def _number(name: str, **options: Any) -> Column[int]:
    return Column(name, BigInteger, **options)


def _key_number(name: str) -> Column[int]:
    return _number(name, primary_key=True, autoincrement=False)


SCHEMA_VERSIONS = Table("schema_versions", METADATA, _key_number("version"))

POSITIONS = Table(
    "positions",
    METADATA,
    _text("reader", primary_key=True),
    _text("topic", primary_key=True),
    _key_number("partition"),
    _number("next_offset", nullable=False),
    _text("fold_state", nullable=False),
)

INTEGRATIONS = Table(
    "integrations",
    METADATA,
    _text("id", primary_key=True),
    _text("name", nullable=False),
    _number("version", nullable=False),
    _number("published_at", nullable=False),
)

# Compaction may leave a release before its version; then the latter fills its own columns.
INTEGRATION_VERSIONS = Table(
    "integration_versions",
    METADATA,
    _text("integration_id", primary_key=True),
    _key_number("version"),
    _text("definition"),
    _number("published_at"),
    _number("released_at"),
    _text("comment"),
)

CUSTOMERS = Table(
    "customers",
    METADATA,
    _text("id", primary_key=True),
    _text("external_id", nullable=False, index=True),
    _text("name", nullable=False),
)

# An instance of which compaction left only the status has no `deployed_at` yet and is not shown.
INSTANCES = Table(
    "instances",
    METADATA,
    _text("id", primary_key=True),
    _text("status", nullable=False),
    _text("name", index=True),
    _text("integration_id"),
    _number("version"),
    _text("customer_id", index=True),
    _number("rate_limit"),
    _number("deployed_at"),
)

# Flows of an instance, and instances of an integration, may have one endpoint together.
ENDPOINTS = Table(
    "endpoints",
    METADATA,
    _text("instance_id", primary_key=True),
    _text("flow", primary_key=True),
    _text("id", nullable=False),
)

# `received_at` to `replay_for` come from admissions, the rest from executions, in either order.
EXECUTIONS = Table(
    "executions",
    METADATA,
    _text("id", primary_key=True),
    _text("status", nullable=False),
    _text("flow"),
    _text("instance_id"),
    _number("received_at"),
    _text("endpoint_id"),
    _text("customer_id"),
    _text("integration_id"),
    _number("version"),
    _text("invoke_type"),
    _text("invoke_url"),
    _text("request"),
    Column("synchronous", Boolean),
    _text("replay_for"),
    _number("started_at"),
    _number("ended_at"),
    _text("error"),
    _text("error_step"),
    _number("ended_partition"),
    _number("ended_offset"),
    _text("preprocess_flow"),
    _number("preprocess_version"),
    _text("invoked_by"),
    _text("result_type"),
)

_EXECUTION = EXECUTIONS.c
_REPLAYED = _EXECUTION.replay_for.is_not(None)
Index("executions_by_time", _EXECUTION.received_at, _EXECUTION.id)
Index("executions_by_status", _EXECUTION.status, _EXECUTION.received_at, _EXECUTION.id)
Index("executions_by_flow", _EXECUTION.flow, _EXECUTION.received_at, _EXECUTION.id)
Index("executions_by_instance", _EXECUTION.instance_id, _EXECUTION.received_at, _EXECUTION.id)
Index("executions_by_customer", _EXECUTION.customer_id, _EXECUTION.received_at, _EXECUTION.id)
Index(
    "executions_by_replayed",
    _EXECUTION.replay_for,
    sqlite_where=_REPLAYED,
    postgresql_where=_REPLAYED,
)

_INVOKED = _EXECUTION.invoked_by.is_not(None)
Index(
    "executions_by_invoker",
    _EXECUTION.invoked_by,
    sqlite_where=_INVOKED,
    postgresql_where=_INVOKED,
)

# One row per run of a step: the latest attempt of it. `position` orders the rows of an execution.
# Without a `started_at` it began when it ended, as far as is known: it took no time.
STEP_RESULTS = Table(
    "step_results",
    METADATA,
    _text("execution_id", primary_key=True),
    _text("step", primary_key=True),
    _text("loop_path", primary_key=True),
    _number("position", nullable=False),
    _text("status", nullable=False),
    Column("attempt", Integer, nullable=False),
    _text("branch"),
    _text("result"),
    Column("tagged", Boolean, nullable=False),
    _text("blob"),
    _text("error"),
    _number("started_at"),
    _number("ended_at"),
    _text("inputs"),
)

# A loop may have a million: those of one execution in their order, without a sort. Flows without
# loops have few steps and pay nothing.
_IN_LOOP = STEP_RESULTS.c.loop_path != ""
Index(
    "step_results_in_loops",
    STEP_RESULTS.c.execution_id,
    STEP_RESULTS.c.position,
    sqlite_where=_IN_LOOP,
    postgresql_where=_IN_LOOP,
)

# Lines that flows write, and the errors of steps; the other lines follow from what stands elsewhere
# (log_lines).
LOG_LINES = Table(
    "log_lines",
    METADATA,
    _text("execution_id", primary_key=True),
    _key_number("position"),
    _number("at", nullable=False),
    _text("level", nullable=False),
    _text("message", nullable=False),
    _text("step", nullable=False),
    _text("loop_path", nullable=False),
)

REFUSALS = Table(
    "refusals",
    METADATA,
    _key_number("trigger_partition"),
    _key_number("trigger_offset"),
    _text("execution_id", nullable=False, index=True),
    _text("endpoint_id", nullable=False),
    _text("instance_id"),
    _text("flow", nullable=False),
    _text("reason", nullable=False),
    _number("rate_limit", nullable=False),
    _number("received_at", nullable=False),
    _text("customer", nullable=False),
    _text("repeats"),
)
Index("refusals_by_time", REFUSALS.c.received_at)

# Calls that never became triggers: how many in about a second, and one of them as a sample.
REFUSED_CALLS = Table(
    "refused_calls",
    METADATA,
    _key_number("trigger_partition"),
    _key_number("trigger_offset"),
    _text("endpoint_id", nullable=False),
    _text("reason", nullable=False),
    _number("calls", nullable=False),
    _number("first_at", nullable=False),
    _number("last_at", nullable=False),
    _text("sample", nullable=False),
)
Index("refused_calls_by_time", REFUSED_CALLS.c.last_at)

# What holds now for each scheduled flow; `expression` is empty where it never fires.
SCHEDULES = Table(
    "schedules",
    METADATA,
    _text("id", primary_key=True),
    _text("instance_id", nullable=False, index=True),
    _text("flow", nullable=False),
    _text("expression", nullable=False),
    _text("time_zone", nullable=False),
    _text("schedule_type", nullable=False),
    _text("catch_up", nullable=False),
    _number("max_catch_up", nullable=False),
    _text("overlap", nullable=False),
    _number("jitter_s", nullable=False),
    _number("since", nullable=False),
)

# One row per decision. `blocked_by` comes from executions, all else from admissions.
SCHEDULE_TICKS = Table(
    "schedule_ticks",
    METADATA,
    _text("schedule_id", primary_key=True),
    _key_number("due_at"),
    _number("first_due_at"),
    _number("instants"),
    _text("reason"),
    _number("recorded_at"),
    _number("late_ms"),
    _text("execution_id"),
    _text("blocked_by"),
)
