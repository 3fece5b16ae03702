"""The machine that a result is from: what it computes with, never who or where it is."""

import os
import platform
from pathlib import Path
from typing import Any

_CPUINFO = Path("/proc/cpuinfo")
_MEMINFO = Path("/proc/meminfo")


def description() -> dict[str, Any]:
    return {
        "processor": _value(_CPUINFO, "model name") or platform.machine(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_mb": int(_value(_MEMINFO, "MemTotal").split()[0] or 0) // 1_000,
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
    }


def _value(file: Path, key: str) -> str:
    """The first value of `key` in a file of `key : value` lines; "0" where there is none."""
    for line in file.read_text().splitlines():
        name, _, value = line.partition(":")
        if name.strip() == key:
            return value.strip()
    return "0"
