"""Log: lines that a flow's author writes into the log of the execution; pure."""

from collections.abc import Mapping
from typing import Any

import orjson

from processors.actions import Action, Context, Input, Kind, LogLine, Outcome, StepError
from processors.components.numbers import number_of

MAX_CHARS = 4096
LEVELS = ("trace", "debug", "info", "warn", "error", "fatal")


def _write(inputs: Mapping[str, Any], _context: Context) -> Outcome:
    level = inputs["level"].strip().lower()
    if level not in LEVELS:
        raise StepError(f"Level (level) is one of {', '.join(LEVELS)}, found {level[:100]!r}")
    return Outcome(logs=(LogLine(level, inputs["message"][:MAX_CHARS]),))


def _write_metrics(inputs: Mapping[str, Any], _context: Context) -> Outcome:
    metrics = {pair.name: number_of(_METRICS, pair.value) for pair in inputs["metrics"]}
    line = orjson.dumps(metrics).decode()[:MAX_CHARS]
    return Outcome(logs=(LogLine("metric", line),) if metrics else ())


_METRICS = Input(
    key="metrics",
    label="Metrics",
    kind=Kind.PAIRS,
    description="Names, and a number for each.",
    example="orders: 17",
)

ACTIONS = (
    Action(
        component="log",
        key="writeLog",
        label="Write Log Message",
        description="Writes a line to the execution's log.",
        perform=_write,
        inputs=(
            Input(
                key="level",
                label="Level",
                default="info",
                description=f"One of {', '.join(LEVELS)}.",
                example="warn",
            ),
            Input(
                key="message",
                label="Message",
                description=f"What the line says; cut after {MAX_CHARS} characters.",
                example="Order 17 has no lines",
            ),
        ),
    ),
    Action(
        component="log",
        key="writeMetrics",
        label="Write Metric(s)",
        description="Writes a line of the level metric to the execution's log, with the numbers "
        "as JSON.",
        perform=_write_metrics,
        inputs=(_METRICS,),
    ),
)
