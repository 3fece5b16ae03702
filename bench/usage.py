"""What a process and those that it started use of the machine, as /proc tells it."""

import os
from pathlib import Path

_PROC = Path("/proc")
MB = 1_000_000


def resident_mb(pid: int) -> float:
    """What `pid` and its descendants hold resident; shared pages count for each of them."""
    return sum(_resident_bytes(each) for each in _family(pid)) / MB


def processor_s(pid: int) -> float:
    """The processor time of `pid` and its living descendants so far, in user and kernel."""
    return sum(_ticks(each) for each in _family(pid)) / os.sysconf("SC_CLK_TCK")


def _family(pid: int) -> set[int]:
    parents = _parents()
    family = {pid}
    while more := {child for child, parent in parents.items() if parent in family} - family:
        family |= more
    return family


def _parents() -> dict[int, int]:
    found = {}
    for entry in _PROC.iterdir():
        if entry.name.isdigit():
            value = _status(int(entry.name), "PPid")
            if value:
                found[int(entry.name)] = int(value)
    return found


def _resident_bytes(pid: int) -> int:
    kilobytes = _status(pid, "VmRSS").removesuffix("kB").strip()
    return int(kilobytes or 0) * 1024


def _ticks(pid: int) -> int:
    """utime and stime of proc(5), which stand behind the name in brackets."""
    try:
        text = (_PROC / str(pid) / "stat").read_text()
    except OSError:
        return 0
    fields = text.rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


def _status(pid: int, key: str) -> str:
    """One line of a process's status; empty where the process or the line is not there."""
    try:
        text = (_PROC / str(pid) / "status").read_text()
    except OSError:
        return ""
    for line in text.splitlines():
        name, _, value = line.partition(":")
        if name == key:
            return value.strip()
    return ""
