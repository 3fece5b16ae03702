"""The report: rows as a table in Markdown, and as one JSON file per run."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

import orjson

from bench.rows import Row

RESULTS = Path(__file__).parent / "results"
_HEADINGS = ("what", "mark", "measured", "ratio", "reached")


def table(rows: Sequence[Row]) -> str:
    """The rows as a table in Markdown."""
    lines = [_line(_HEADINGS), _line(["---"] * len(_HEADINGS))]
    return "\n".join([*lines, *(_line(_cells(row)) for row in rows)])


def keep(
    rows: Sequence[Row], machine: Mapping[str, Any], effort: Mapping[str, Any], at: datetime
) -> Path:
    """Write the run to `results/<instant>.json`; gives the file."""
    RESULTS.mkdir(exist_ok=True)
    file = RESULTS / f"{at:%Y-%m-%dT%H%M%SZ}.json"
    run = {
        "at": f"{at:%Y-%m-%dT%H:%M:%SZ}",
        "machine": machine,
        "effort": effort,
        "rows": [asdict(row) for row in rows],
    }
    file.write_bytes(orjson.dumps(run, option=orjson.OPT_INDENT_2) + b"\n")
    return file


def outcome(row: Row) -> str:
    """A row in one line, for those who watch."""
    what, _, found, ratio, reached = _cells(row)
    verdict = "reached" if reached == "yes" else "not reached"
    return ", ".join(part for part in (f"{what}: {found}", ratio, verdict) if part)


def _cells(row: Row) -> list[str]:
    ratio = "" if row.ratio is None else f"{row.ratio:.1%}"
    return [row.what, row.mark, row.measured, ratio, "yes" if row.reached else "no"]


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "/").replace("\n", " ") for cell in cells) + " |"
