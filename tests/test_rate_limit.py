"""The rate limit under load through HTTP: exact on each log, and over two nodes on Kafka.

Callers send as fast as they are answered until 130 requests were admitted, which takes a limit of
50 more than two seconds. What was admitted when is then read from the views.
"""

import asyncio
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import orjson
import pytest

from schemas import instants
from schemas.instants import SECOND, Instant
from tests import kafka_broker, servers
from tests.penstock import running
from tests.penstock.running import Running

MASTER_KEY = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="
TOKEN = "t0ken"
LIMIT = 50
ADMITTED = 130
CALLERS = 16
ENOUGH_S = 90.0

FLOW = """
definitionVersion: 7
name: Limited
flows:
  - name: Limit
    steps:
      - name: Trigger
        isTrigger: true
        action: {key: webhook, component: {key: webhook-triggers}}
        inputs: {}
      - name: Made
        action: {key: createObject, component: {key: collection-tools}}
        inputs:
          keyValueInput:
            type: complex
            value:
              - {name: number, type: reference, value: trigger.results.body.data.n}
"""


@dataclass(slots=True)
class Answers:
    """What the callers got. `executions`, `turned_away` and `undecided` hold the ids it named.

    Undecided were those for which no decision came within two seconds: they have a 202.
    """

    executions: list[str] = field(default_factory=list)
    turned_away: list[str] = field(default_factory=list)
    undecided: list[str] = field(default_factory=list)
    refusals: set[bytes] = field(default_factory=set)
    others: list[str] = field(default_factory=list)
    admitted_at: set[str] = field(default_factory=set)

    def are_enough(self, urls: Sequence[str]) -> bool:
        """So many admitted, and some through each node; or an answer that ends the test."""
        enough = len(self.executions) >= ADMITTED and self.admitted_at >= set(urls)
        return enough or bool(self.others)

    def collect(self, answer: httpx.Response) -> None:
        match answer.status_code:
            case 200:
                self.executions.append(answer.json()["executionId"])
                self.admitted_at.add(str(answer.url))
            case 202:
                self.undecided.append(answer.json()["executionId"])
            case 429:
                self.turned_away.append(answer.headers["prismatic-executionid"])
                self.refusals.add(answer.content)
            case _:
                self.others.append(f"{answer.status_code} {answer.text}")


def _deploy(node: Running, folder: Path) -> Any:
    file = folder / "limited.yml"
    file.write_text(FLOW)
    env = running.environment(url=node.url, token=TOKEN)
    done = running.command("deploy", file, "--json", env=env)
    assert done.code == 0, done.err
    return done.json


async def _flood(urls: Sequence[str]) -> Answers:
    """What the callers got, spread over `urls`, until enough was admitted."""
    answers = Answers()
    deadline = servers.Deadline(ENOUGH_S)

    async def send(url: str) -> None:
        async with httpx.AsyncClient(timeout=30) as client:
            while not answers.are_enough(urls):
                assert not deadline.passed, f"only {len(answers.executions)} were admitted"
                answers.collect(await client.post(url, json={"n": len(answers.executions)}))

    await asyncio.gather(*(send(urls[turn % len(urls)]) for turn in range(CALLERS)))
    return answers


async def _all(client: httpx.AsyncClient, what: str, **query: str) -> list[Any]:
    found: list[Any] = []
    after: dict[str, str] = {}
    while True:
        answer = await client.get(f"/api/v1/{what}", params=query | after)
        assert answer.status_code == 200, answer.text
        found += answer.json()[what]
        if answer.json()["next"] is None:
            return found
        after = {"after": answer.json()["next"]}


async def _are_projected(client: httpx.AsyncClient) -> bool:
    """Whether the views have all that is on the log."""
    answer = await client.get("/api/v1/projections")
    return not any(row["lag"] for row in answer.json()["projections"])


async def _once_ended(
    client: httpx.AsyncClient, instance: str, endpoint: str, answers: Answers
) -> tuple[list[Any], list[Any]]:
    """The executions and the refusals, once all that was answered is there and has ended."""
    deadline = servers.Deadline(ENOUGH_S)
    wanted = {*answers.executions, *answers.undecided}
    while True:
        # Asked first: what is projected later need not be in the lists.
        projected = await _are_projected(client)
        ran = await _all(client, "executions", instance=instance)
        refused = [row for row in await _all(client, "refusals") if row["endpoint"] == endpoint]
        missing = wanted - {row["id"] for row in ran if row["endedAt"]}
        missing -= {row["execution"] for row in refused} & set(answers.undecided)
        if projected and not missing and all(row["endedAt"] for row in ran):
            return ran, refused
        assert not deadline.passed, f"{len(missing)} of {len(wanted)} have not ended"
        await asyncio.to_thread(deadline.pause)


def _within_a_second(admitted: Sequence[Instant], until: Instant) -> int:
    return sum(until - SECOND <= at <= until for at in admitted)


def _received(rows: Sequence[Any]) -> list[Instant]:
    return sorted(instants.from_iso(row["receivedAt"]) for row in rows)


async def _prove(nodes: Sequence[Running], folder: Path) -> None:
    deployed = await asyncio.to_thread(_deploy, nodes[0], folder)
    path = urlsplit(deployed["flows"][0]["webhookUrl"]).path
    endpoint = path.removeprefix("/trigger/")
    urls = [node.url + path for node in nodes]
    answers = await _flood(urls)
    assert answers.others == []
    sentence = (
        f"Endpoint with id: {endpoint} has exceeded maximum allowed throughput of {LIMIT}"
        " requests/second. Please throttle your requests."
    )
    assert answers.refusals == {orjson.dumps({"error": sentence})}
    for node in nodes:
        await _check_views(node.url, deployed["instanceId"], endpoint, answers)


async def _check_views(url: str, instance: str, endpoint: str, answers: Answers) -> None:
    headers = {"authorization": f"Bearer {TOKEN}"}
    async with httpx.AsyncClient(base_url=url, headers=headers, timeout=30) as client:
        ran, refused = await _once_ended(client, instance, endpoint, answers)
    _check_outcomes(answers, [row["id"] for row in ran], [row["execution"] for row in refused])
    assert {row["status"] for row in ran} == {"succeeded"}
    admitted = _received(ran)
    assert max(_within_a_second(admitted, at) for at in admitted) <= LIMIT
    # Nor was anything refused that had room.
    assert {_within_a_second(admitted, at) for at in _received(refused)} == {LIMIT}


def _check_outcomes(answers: Answers, ran: list[str], refused: list[str]) -> None:
    """Each call came to one end, the one that its answer told; who got a 202, to either."""
    late = set(answers.undecided)
    assert len(ran) == len(set(ran))
    assert set(ran) - late == set(answers.executions)
    assert set(refused) - late <= set(answers.turned_away)
    assert not set(ran) & {*refused, *answers.turned_away}


def _up(stack: ExitStack, data: Path, log: str = "") -> Running:
    return stack.enter_context(running.up(data, log=log, master_key=MASTER_KEY, token=TOKEN))


async def test_the_limit_is_exact_under_load_on_the_embedded_log(tmp_path: Path) -> None:
    with ExitStack() as stack:
        await _prove([_up(stack, tmp_path / "data")], tmp_path)


@pytest.mark.kafka
async def test_two_nodes_share_one_exact_limit_on_kafka(
    tmp_path: Path, kafka_bootstrap: str
) -> None:
    log = kafka_broker.fresh_log_url(kafka_bootstrap)
    with ExitStack() as stack:
        nodes = [_up(stack, tmp_path / name, log) for name in ("first", "second")]
        await _prove(nodes, tmp_path)
