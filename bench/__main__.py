"""The benchmarks: `python -m bench [--only NAME…] [--seconds S] [--quick]` prints the table.

How far it has come is told on stderr. The result is kept under `results/`, unless the run was quick
or only a part. The exit code is 1 where a row could not be measured, or its answers were wrong; a
mark not reached is only said.
"""

import argparse
import logging
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime

from bench import machine, report
from bench.load import LoadFailed
from bench.measures import (
    backlog,
    bad_input,
    faust,
    fold,
    growth,
    http,
    projection,
    python_flows,
    schedules,
)
from bench.rows import FULL, QUICK, Effort, Invalid, Row
from tests.servers import Unobtainable

_LINE = "\n"

Measure = Callable[[Effort], list[Row]]


def _http(case: http.Case) -> Measure:
    return lambda effort: [http.row(case, effort)]


def _kafka(case: http.Case) -> Measure:
    return lambda effort: [http.kafka_row(case, effort)]


MEASURES: dict[str, Measure] = {
    **{case.name: _http(case) for case in http.CASES},
    **{f"kafka-{case.name}": _kafka(case) for case in http.ON_KAFKA},
    "faust": faust.rows,
    "backlog": lambda effort: [backlog.row(effort)],
    "fold": lambda effort: [fold.row(effort)],
    "projection": lambda effort: [projection.row(effort)],
    "growth": growth.rows,
    "memory": http.memory_rows,
    "python-flows": python_flows.rows,
    "bad-input": bad_input.rows,
    "schedules": schedules.rows,
}


def measured(name: str, effort: Effort) -> tuple[list[Row], bool]:
    """The rows of one measure, and whether they count."""
    try:
        return MEASURES[name](effort), True
    except (Invalid, LoadFailed, Unobtainable) as error:
        print(f"{name}: {error}", file=sys.stderr)
        # The further lines are a program's output, which may name folders of this machine.
        why = f"not valid: {str(error).partition(_LINE)[0]}"
        return [Row(name=name, what=name, mark="", measured=why, reached=False)], False


def main(arguments: Sequence[str] | None = None) -> int:
    given = _parser().parse_args(arguments)
    effort = QUICK if given.quick else FULL
    if given.seconds:
        effort = replace(effort, seconds=given.seconds)
    names = given.only or list(MEASURES)
    # aiokafka tells at length of leaders that fresh topics do not have yet, and tries again.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    began_at = datetime.now(UTC)
    described = machine.description()
    _say(machine.load_at_start(described))
    rows, all_valid = [], True
    for number, name in enumerate(names, start=1):
        _say(f"[{number}/{len(names)}] {name} …")
        begun_s = time.monotonic()
        found, is_valid = measured(name, effort)
        rows += found
        all_valid = all_valid and is_valid
        for row in found:
            _say(f"    {report.outcome(row)} ({time.monotonic() - begun_s:.0f} s)")
    print(report.table(rows))
    if not given.quick and not given.only:
        kept = report.keep(rows, described, asdict(effort), began_at)
        print(f"\nkept as {kept.name} under bench/results", file=sys.stderr)
    return 0 if all_valid else 1


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--only", nargs="+", choices=MEASURES, metavar="NAME", help=_NAMES)
    parser.add_argument("--seconds", type=float, help="how long each load lasts")
    parser.add_argument("--quick", action="store_true", help="short loads; nothing is kept")
    return parser


_NAMES = f"measure only these: {', '.join(MEASURES)}"


if __name__ == "__main__":
    sys.exit(main())
