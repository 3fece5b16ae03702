"""The rows of the flow engine: a three-step flow in YAML, and the same one in Python.

Both save three values. A third row has Python steps of which each is durable before it begins.
"""

from dataclasses import asdict

from bench.measures import http
from bench.measures.http import Case
from bench.rows import Effort, Row

CASES = (
    http.THREE_STEPS,
    Case(name="python3", what="the same flow in Python", flow="python", synchronous=True),
    Case(
        name="python-steps",
        what="three durable steps in Python",
        flow="python-steps",
        synchronous=True,
    ),
)


def rows(effort: Effort) -> list[Row]:
    """Raises Invalid or LoadFailed."""
    found = {case: http.figure(case, effort, on_kafka=False) for case in CASES}
    yaml = found[http.THREE_STEPS]
    return [
        Row(
            name=f"flow-{case.name}",
            what=f"{case.what}, embedded, {case.connections} connections",
            mark="shown beside the YAML flow",
            measured=f"{figure.rate:,.0f} executions/s, p50 {figure.outcome.p50_ms:.1f} ms",
            ratio=figure.rate / yaml.rate,
            reached=True,
            details=asdict(figure),
        )
        for case, figure in found.items()
    ]
