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
        "load": round(os.getloadavg()[0], 2),
    }


def load_at_start(described: dict[str, Any]) -> str:
    """What else the machine was doing, in a sentence."""
    load, cores = described["load"], described["cores"]
    said = f"the machine's load is {load:g} on {cores} cores before anything is measured"
    busy = "; rates will be too low, processor time is the better measure"
    return said + (busy if load > cores / 4 else "")


def _value(file: Path, key: str) -> str:
    """The first value of `key` in a file of `key : value` lines; "0" where there is none."""
    for line in file.read_text().splitlines():
        name, _, value = line.partition(":")
        if name.strip() == key:
            return value.strip()
    return "0"
