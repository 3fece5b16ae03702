"""Rows of the Faust worker: consuming, and the round trip, beside a bare aiokafka loop."""

import asyncio
import secrets
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from aiokafka.errors import KafkaError

from bench import callers, kafka_work
from bench.callers import Trips
from bench.rows import Effort, Invalid, Row
from tests import servers
from tests.kafka_broker import Broker

BARE = "bench.bare_kafka"
FAUST = "bench.faust_kafka"
CONSUME_SHARE = 0.9
ROUND_TRIP_SHARE = 0.6
CALLERS = 32
TURNS = 2
"""Each loop is measured this often, by turns; the better figure of each counts."""


def rows(effort: Effort) -> list[Row]:
    """Both rows, on one broker. Raises Unobtainable or Invalid."""
    broker = Broker()
    try:
        broker.start()
        return [_consume_row(broker.bootstrap, effort), _round_trip_row(broker.bootstrap, effort)]
    except KafkaError as error:
        raise Invalid(f"Kafka at {broker.bootstrap}: {error!r}") from error
    finally:
        broker.close()


def _consume_row(bootstrap: str, effort: Effort) -> Row:
    topic = f"bulk-{secrets.token_hex(4)}"
    asyncio.run(_prepare(bootstrap, topic, effort.records))
    rates: dict[str, list[float]] = {BARE: [], FAUST: []}
    for _ in range(TURNS):
        for module, found in rates.items():
            found.append(_consume(module, bootstrap, topic, effort.records))
    bare, faust = max(rates[BARE]), max(rates[FAUST])
    return Row(
        name="faust-consume",
        what="Faust worker, consuming",
        mark=f"≥ {CONSUME_SHARE:.0%} of bare aiokafka",
        measured=f"{faust:,.0f}/s; bare {bare:,.0f}/s",
        ratio=faust / bare,
        reached=faust / bare >= CONSUME_SHARE,
        details={"records": effort.records, "bare": rates[BARE], "faust": rates[FAUST]},
    )


def _round_trip_row(bootstrap: str, effort: Effort) -> Row:
    trips: dict[str, list[Trips]] = {BARE: [], FAUST: []}
    alone: dict[str, float] = {}
    for _ in range(TURNS):
        for module, found in trips.items():
            one, many = _round_trips(module, bootstrap, effort.seconds / 2)
            alone[module] = min(one.p50_ms, alone.get(module, one.p50_ms))
            found.append(many)
    bare = max(trips[BARE], key=lambda trip: trip.rate)
    faust = max(trips[FAUST], key=lambda trip: trip.rate)
    return Row(
        name="faust-round-trip",
        what=f"Faust worker, round trip, {CALLERS} callers",
        mark=f"≥ {ROUND_TRIP_SHARE:.0%} of bare aiokafka",
        measured=f"{faust.rate:,.0f}/s, alone {alone[FAUST]:.1f} ms; "
        f"bare {bare.rate:,.0f}/s, alone {alone[BARE]:.1f} ms",
        ratio=faust.rate / bare.rate,
        reached=faust.rate / bare.rate >= ROUND_TRIP_SHARE,
        details={
            "bare": [trip.rate for trip in trips[BARE]],
            "faust": [trip.rate for trip in trips[FAUST]],
            "alone_ms": {"bare": alone[BARE], "faust": alone[FAUST]},
        },
    )


async def _prepare(bootstrap: str, topic: str, records: int) -> None:
    await kafka_work.make_topics(bootstrap, topic)
    await kafka_work.fill(bootstrap, topic, records)


def _consume(module: str, bootstrap: str, topic: str, records: int) -> float:
    command = _command(module, "consume", bootstrap, topic)
    try:
        done = subprocess.run(
            [*command, "--count", str(records)],
            capture_output=True,
            text=True,
            check=True,
            timeout=2 * kafka_work.CONSUME_S,
        )
    except subprocess.SubprocessError as error:
        said = str(getattr(error, "stderr", "") or error)
        raise Invalid(f"{module} did not consume {records} records:\n{said[-300:]}") from error
    return float(done.stdout.split()[-1])


def _round_trips(module: str, bootstrap: str, seconds: float) -> tuple[Trips, Trips]:
    """One caller alone, then all of them."""
    name = secrets.token_hex(4)
    topic, replies = f"requests-{name}", f"replies-{name}"
    asyncio.run(kafka_work.make_topics(bootstrap, topic, replies))

    def trips(count: int, for_s: float) -> Trips:
        return asyncio.run(
            callers.round_trips(bootstrap, topic, replies, callers=count, seconds=for_s)
        )

    with _answering(module, bootstrap, topic, replies):
        return trips(1, seconds / 2), trips(CALLERS, seconds)


@contextmanager
def _answering(module: str, bootstrap: str, topic: str, replies: str) -> Iterator[None]:
    command = _command(module, "answer", bootstrap, topic)
    with tempfile.TemporaryDirectory(prefix="penstock-bench-") as folder:
        program = servers.Guarded([*command, "--replies", replies], log=Path(folder) / "output")
        try:
            yield
        except Invalid as error:
            raise Invalid(f"{module}: {error}\n{program.tail()}") from error
        finally:
            program.end(signal.SIGTERM)


def _command(module: str, work: str, bootstrap: str, topic: str) -> list[str]:
    command = [sys.executable, "-m", module, work, "--bootstrap", bootstrap, "--topic", topic]
    return [*command, "--group", f"bench-{secrets.token_hex(4)}"]
