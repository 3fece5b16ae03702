"""Rows over HTTP: durable accept and synchronous flows, beside the bare route of the same minute.

The clock stops when everything that was accepted has ended in the views; every answer is checked.
"""

import time
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from functools import cache

from bench import flows, journal, programs
from bench.load import Outcome, Spec
from bench.rows import Effort, Invalid, Row
from bench.server import Penstock, penstock
from tests.kafka_broker import Broker

CONNECTIONS = 32
JSON = {"content-type": "application/json"}
SYNCHRONOUS = {
    "prismatic-synchronous": "true",
    "prismatic-prefer-direct-sync-json-response": "true",
}
ASYNCHRONOUS = {"prismatic-synchronous": "false"}
ACCEPTED = (200, 202)


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """What is asked of which flow. `share` is the mark, as a share of the bare route's rate."""

    name: str
    what: str
    flow: str
    synchronous: bool
    connections: int = CONNECTIONS
    share: float | None = None
    p50_ms: float | None = None


ACCEPT = Case(
    name="accept", what="durable accept", flow="one", synchronous=False, share=0.15, p50_ms=12
)
ONE_STEP = Case(
    name="sync1",
    what="one-step synchronous flow",
    flow="one",
    synchronous=True,
    share=0.07,
    p50_ms=20,
)
ALONE = Case(
    name="alone",
    what="one-step synchronous flow, one caller",
    flow="one",
    synchronous=True,
    connections=1,
    p50_ms=5,
)
THREE_STEPS = Case(
    name="sync3", what="three-step synchronous flow", flow="three", synchronous=True, share=0.05
)
HTTP_STEPS = Case(name="http3", what="three HTTP steps", flow="http", synchronous=True, share=0.02)
CASES = (ACCEPT, ONE_STEP, ALONE, THREE_STEPS, HTTP_STEPS)
ON_KAFKA = (ACCEPT, ONE_STEP, THREE_STEPS)
KAFKA_SHARE = 0.5
REST_MB = 200.0
LOAD_MB = 500.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One case measured. `rate` is what was accepted, executed and projected, per second.

    `processor_us` is what one request took of the time of all of Penstock's processes, in user and
    kernel: unlike rates it depends little on what else the machine does.
    """

    rate: float
    bare_rate: float
    outcome: Outcome
    drained_s: float
    rest_mb: float
    peak_mb: float
    processor_us: float


def row(case: Case, effort: Effort) -> Row:
    """The row of a case on the embedded log."""
    found = figure(case, effort, on_kafka=False)
    ratio = found.rate / found.bare_rate
    fast = case.share is None or ratio >= case.share
    prompt = case.p50_ms is None or found.outcome.p50_ms <= case.p50_ms
    return Row(
        name=case.name,
        what=f"{case.what}, embedded, {_callers(case)}",
        mark=_mark(case),
        measured=_shown(found),
        ratio=None if case.share is None else ratio,
        reached=fast and prompt,
        details=asdict(found),
    )


def kafka_row(case: Case, effort: Effort) -> Row:
    """The row of a case on Kafka, beside the embedded figure of the same run."""
    embedded = figure(case, effort, on_kafka=False)
    found = figure(case, effort, on_kafka=True)
    ratio = found.rate / embedded.rate
    return Row(
        name=f"kafka-{case.name}",
        what=f"{case.what}, Kafka, {_callers(case)}",
        mark=f"≥ {KAFKA_SHARE:.0%} of embedded",
        measured=f"{_shown(found)}; embedded {embedded.rate:,.0f}/s",
        ratio=ratio,
        reached=ratio >= KAFKA_SHARE,
        details=asdict(found),
    )


def memory_rows(effort: Effort) -> list[Row]:
    """Memory of `penstock up`: when it is ready, and the most it held under two of the loads."""
    found = [figure(case, effort, on_kafka=False) for case in (ACCEPT, ONE_STEP)]
    at_rest = max(each.rest_mb for each in found)
    under_load = max(each.peak_mb for each in found)
    return [
        _memory("memory-rest", "memory at rest", at_rest, REST_MB),
        _memory("memory-load", "memory under load", under_load, LOAD_MB),
    ]


@cache
def figure(case: Case, effort: Effort, *, on_kafka: bool) -> Figure:
    """Measure a case, once per run. Raises Invalid, LoadFailed or Unobtainable."""
    bare = bare_rate(effort)
    with ExitStack() as stack:
        log = _broker(stack) if on_kafka else None
        stub = stack.enter_context(programs.listening("bench.stub")) if case.flow == "http" else ""
        up = stack.enter_context(penstock(log, PENSTOCK_ALLOW_PRIVATE_NETWORKS="1"))
        suffix = ".py" if case.flow.startswith("python") else ".yml"
        url = up.deploy(_definition(case, stub), suffix)
        return _measure(up, case, effort, url, bare)


def bare_rate(effort: Effort) -> float:
    """Requests per second of the bare route now."""
    with programs.listening("bench.bare_asgi") as url:
        programs.put_load(_spec(url, effort.warm_up_s))
        outcome = _checked(programs.put_load(_spec(url, effort.seconds / 2)), (200,))
    return outcome.rate


def _spec(url: str, seconds: float, connections: int = CONNECTIONS, **headers: str) -> Spec:
    sent = JSON | headers
    return Spec(url=url, connections=connections, seconds=seconds, headers=sent, body=journal.BODY)


def _measure(up: Penstock, case: Case, effort: Effort, url: str, bare: float) -> Figure:
    headers = SYNCHRONOUS if case.synchronous else ASYNCHRONOUS
    expected = (200,) if case.synchronous else ACCEPTED
    rest_mb, seen = up.resident_mb(), [0.0]

    def load_for(seconds: float) -> Outcome:
        spec = _spec(url, seconds, case.connections, **headers)
        return _checked(programs.put_load(spec, lambda: seen.append(up.resident_mb())), expected)

    warmed = load_for(effort.warm_up_s)
    up.wait_until_ended(warmed.answered)
    used_s = up.processor_s()
    outcome = load_for(effort.seconds)
    stopped_at = time.perf_counter()
    up.wait_until_ended(warmed.answered + outcome.answered)
    drained_s = time.perf_counter() - stopped_at
    used_s = up.processor_s() - used_s
    return Figure(
        rate=outcome.answered / (outcome.seconds + drained_s),
        bare_rate=bare,
        outcome=outcome,
        drained_s=drained_s,
        rest_mb=rest_mb,
        peak_mb=max(*seen, up.resident_mb()),
        processor_us=used_s / outcome.answered * 1e6,
    )


def _checked(outcome: Outcome, expected: tuple[int, ...]) -> Outcome:
    wrong = outcome.wrong(expected)
    if wrong or not outcome.answered:
        raise Invalid(f"answers: {outcome.statuses}, not expected: {wrong or 'none at all'}")
    return outcome


def _broker(stack: ExitStack) -> str:
    broker = Broker()
    stack.callback(broker.close)
    broker.start()
    return f"kafka://{broker.bootstrap}"


def _definition(case: Case, stub: str) -> str:
    match case.flow:
        case "one":
            return flows.one_step()
        case "three":
            return flows.three_saves()
        case "python":
            return flows.PYTHON_SAVES
        case "python-steps":
            return flows.PYTHON_STEPS
        case _:
            return flows.three_requests(stub)


def _callers(case: Case) -> str:
    return f"{case.connections} connection{'s' if case.connections > 1 else ''}"


def _mark(case: Case) -> str:
    marks = []
    if case.share is not None:
        marks.append(f"≥ {case.share:.0%} of the bare route")
    if case.p50_ms is not None:
        marks.append(f"p50 ≤ {case.p50_ms:g} ms")
    return ", ".join(marks)


def _shown(found: Figure) -> str:
    return (
        f"{found.rate:,.0f}/s, p50 {found.outcome.p50_ms:.1f} ms, "
        f"p99 {found.outcome.p99_ms:.1f} ms, {found.processor_us:.0f} µs of processor time each; "
        f"bare {found.bare_rate:,.0f}/s"
    )


def _memory(name: str, what: str, found_mb: float, most_mb: float) -> Row:
    return Row(
        name=name,
        what=f"`penstock up`, {what}",
        mark=f"< {most_mb:.0f} MB",
        measured=f"{found_mb:.0f} MB",
        reached=found_mb < most_mb,
        details={"mb": found_mb},
    )
