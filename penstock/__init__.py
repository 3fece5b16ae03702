"""Penstock: the command line, the processes, and what authors of flows and components import.

Authors import from `penstock.sdk`; what stands there under these names is found here too.
"""

import importlib
from typing import Any

_OF_THE_SDK = frozenset(
    [
        "Action",
        "Component",
        "ConfigVar",
        "Connection",
        "Flow",
        "Input",
        "Integration",
        "Permanent",
        "Response",
        "Retry",
        "Start",
        "StepContext",
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
    if name not in _OF_THE_SDK:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module("penstock.sdk"), name)
