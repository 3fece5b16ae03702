"""Penstock: the command line, the processes, and what authors of flows and components import.

Authors import from `penstock.sdk`; the names that flows are written with are found here too.
"""

import importlib
from typing import Any

_OF_FLOWS = frozenset(
    [
        "ConfigVar",
        "Flow",
        "Input",
        "Integration",
        "Permanent",
        "Response",
        "Retry",
        "Start",
        "StepFailed",
        "TimedOut",
        "TriggerResult",
        "action",
        "component",
        "connection",
        "current",
        "flow",
        "on_deploy",
        "on_remove",
        "schedule",
        "starts",
        "trigger",
        "webhook",
    ]
)


def __getattr__(name: str) -> Any:
    """Looked up when it is used, so that importing this package imports nothing else."""
    if name not in _OF_FLOWS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module("penstock.sdk"), name)
