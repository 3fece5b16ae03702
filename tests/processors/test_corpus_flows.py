"""Flows that others wrote: those of built-in components run, and give what they should.

The files are read from the corpus; where a flow calls somebody, a server of the tests answers. Of
the other flows each says by name what it lacks.
"""

from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode

import msgpack
import orjson
import pytest

from eventlog.log import EventLog, NewRecord
from eventlog.sqlite import SqliteLog
from ingress import lifecycle
from processors import registry
from schemas import codec, events, ids
from schemas.catalog import Catalog, topic_key
from schemas.definitions import Definition, Flow, Step
from schemas.ids import EndpointId
from schemas.integration_file import read
from schemas.topics import DEFINITIONS, EXECUTIONS, TRIGGERS
from schemas.values import Value
from tests import http_stub
from tests.http_stub import Stub
from tests.processors import instances
from tests.processors.at_work import MASTER_KEY, processing, replies, said_on
from tests.schemas.test_integration_corpus import CORPUS

pytestmark = pytest.mark.corpus

JSON = "application/json"
FORM = "application/x-www-form-urlencoded"


def text_of(name: str) -> str:
    if not CORPUS.is_dir():
        pytest.skip(f"no folder of integration files at {CORPUS}: set PENSTOCK_CORPUS")
    return (CORPUS / name).read_text(encoding="utf-8")


@dataclass(slots=True)
class Deployed:
    """An instance at work: its flows can be called, one after another."""

    log: EventLog
    stub: Stub
    endpoints: Mapping[str, EndpointId]
    calls: int = 0

    async def call(self, flow: str, body: Value = None, content_type: str = JSON) -> "Ran":
        """Call a flow and wait for its end."""
        content = body if isinstance(body, str) else orjson.dumps(body).decode()
        before = len(await said_on(self.log, EXECUTIONS))
        await self.log.append([self._request(flow, content, content_type)])
        self.calls += 1
        reply = (await replies(self.log, self.calls))[-1]
        assert isinstance(reply, events.ResultReady)
        said = (await said_on(self.log, EXECUTIONS))[before:]
        return Ran(reply, [e for e in said if _of(e) == reply.execution_id], said)

    def _request(self, flow: str, content: str, content_type: str) -> NewRecord:
        endpoint_id = self.endpoints[flow]
        event = events.WebhookReceived(
            endpoint_id=endpoint_id,
            request=events.Request(
                method="POST",
                path="",
                headers=[["Content-Type", content_type]],
                query=[],
                body=content,
                encoding=events.BodyEncoding.TEXT,
                body_bytes=len(content.encode()),
                content_type=content_type,
            ),
            synchronous=True,
            reply_to="node",
            request_no=self.calls,
            invoke_url=f"{self.stub.url}/trigger/here",
        )
        return NewRecord(TRIGGERS.name, endpoint_id, codec.encode([event]))


@dataclass(slots=True)
class Ran:
    """What came of one call; `whole` is what the journal gained meanwhile."""

    reply: events.ResultReady
    said: list[events.Event]
    whole: list[events.Event]

    @property
    def results(self) -> dict[str, Value]:
        """The results of the steps behind the trigger, by key and loop path."""
        steps = [e for e in self.said if isinstance(e, events.StepSucceeded)]
        return {e.step + (f"@{e.loop_path}" if e.loop_path else ""): e.result for e in steps[1:]}

    @property
    def log_lines(self) -> list[str]:
        return [e.message for e in self.said if isinstance(e, events.LogWritten)]


def _of(event: events.Event) -> str:
    return str(getattr(event, "execution_id", ""))


@asynccontextmanager
async def at_work(
    folder: Path, text: str, stub: Stub, config: Mapping[str, str]
) -> AsyncIterator[Deployed]:
    """An instance of the integration in `text`; its URLs are at the stub's address."""
    definition = lifecycle.read_definition(text)
    wish = lifecycle.Wish(config=config)
    done = lifecycle.deploy(Catalog(), text, definition, wish, MASTER_KEY.seal, MASTER_KEY.unseal)
    log = await SqliteLog.open(folder / f"{definition.name}.db")
    await log.append(
        [NewRecord(DEFINITIONS.name, topic_key(e), codec.encode([e])) for e in done.said]
    )
    async with processing(log, folder):
        yield Deployed(log, stub, done.instance.endpoints)
    await log.close()


@asynccontextmanager
async def deployed(folder: Path, name: str, **config: str) -> AsyncIterator[Deployed]:
    """The corpus file `name`, deployed; in it `{stub}` of `config` values is the stub's address."""
    async with http_stub.running() as stub:
        text = text_of(name).replace("https://jsonplaceholder.typicode.com", stub.url)
        given = {key: value.replace("{stub}", stub.url) for key, value in config.items()}
        async with at_work(folder, text, stub, given) as instance:
            yield instance


async def test_a_router_registers_routes_and_forgets(tmp_path: Path) -> None:
    async with deployed(tmp_path, "slack-interactivity-router.yml") as at:
        target = f"{at.stub.url}/echo"
        registration = {
            "event": "register",
            "channelId": "C1",
            "instanceInteractivityWebhookUrl": target,
        }
        registered = await at.call("Registration Endpoint", registration)
        assert registered.results["crossFlowSaveValue"] == {"value": target}
        assert registered.log_lines == [
            f'Registering Slack Channel "C1" to send requests to "{target}"'
        ]
        assert (await at.call("Print Persisted Data")).results == {
            "returnPersistedData": {"C1": target}
        }
        clicked = {"channel": {"id": "C1"}, "actions": [{"value": "yes & no"}]}
        payload = urlencode({"payload": orjson.dumps(clicked).decode()})
        routed = await at.call("Route Request", payload, FORM)
        assert routed.results["deserializeJson"] == clicked
        [sent] = at.stub.received
        assert (sent.method, sent.path) == ("POST", "/echo")
        assert (sent.body.decode(), sent.headers["content-type"]) == (payload, FORM)
        gone = await at.call("Registration Endpoint", {"event": "deregister", "channelId": "C1"})
        assert gone.log_lines == ['Deregistering Slack Channel "C1"']
        assert (await at.call("Print Persisted Data")).results == {"returnPersistedData": {}}
        other = await at.call("Registration Endpoint", {"event": "rename"})
        assert other.results == {"branchOnValue": None}


RECURSIVE = "recursive-flow-examples.yml"
PAGED = "JSON Placeholder Example"


async def test_a_flow_fetches_pages_until_there_are_none(tmp_path: Path) -> None:
    config = {"Where to send values": "{stub}/sink", "JSONPlaceholder Page Size": "2"}
    async with deployed(tmp_path, RECURSIVE, **config) as at:
        at.stub.say("/comments", [{"id": 1}], [{"id": 2}], [])
        at.stub.say("/sink", {"ok": True})
        ran = await at.call(PAGED)
    assert ran.reply.error is None
    asked = [sent.path for sent in at.stub.received if sent.method == "GET"]
    assert asked == [f"/comments?_limit=2&_page={page}" for page in (1, 2, 3)]
    sent = [orjson.loads(sent.body) for sent in at.stub.received if sent.method == "POST"]
    assert sent == [[{"id": 1}], [{"id": 2}]]
    assert "stopExecution@loopOver5Pages[2]" in ran.results
    assert not any(isinstance(event, events.FlowInvoked) for event in ran.whole)


async def test_a_flow_calls_itself_for_the_pages_that_are_left(tmp_path: Path) -> None:
    config = {"Where to send values": "{stub}/sink", "JSONPlaceholder Page Size": "1"}
    async with deployed(tmp_path, RECURSIVE, **config) as at:
        at.stub.say("/comments", *[[{"id": number}] for number in range(6)], [])
        at.stub.say("/sink", {"ok": True})
        await at.call(PAGED)
        await instances.ended(at.log, 2)
    sent = [orjson.loads(sent.body) for sent in at.stub.received if sent.method == "POST"]
    assert sent == [[{"id": number}] for number in range(6)]
    asked = [sent.path for sent in at.stub.received if sent.method == "GET"]
    assert asked == [f"/comments?_limit=1&_page={page}" for page in range(1, 8)]


async def test_a_flow_calls_the_address_of_another(tmp_path: Path) -> None:
    async with deployed(tmp_path, "google-drive-webhooks.yml") as at:
        path = f"/trigger/{ids.to_global(ids.ENDPOINT, at.endpoints['Create Webhook'])}"
        at.stub.say(path, {"executionId": "e"})
        ran = await at.call("Renew Webhook Hourly")
    assert ran.results == {"getRequest": {"executionId": "e"}}
    assert [(sent.method, sent.path) for sent in at.stub.received] == [("GET", path)]


async def test_a_flow_works_on_each_record_it_is_sent(tmp_path: Path) -> None:
    async with deployed(tmp_path, "split-payload-example.yml") as at:
        ran = await at.call("Process Records", [{"body": "one"}, {"body": "zwölf"}])
    assert ran.results == {
        "upperCase@loopOverItems[0]": "ONE",
        "upperCase@loopOverItems[1]": "ZWÖLF",
        "loopOverItems": ["ONE", "ZWÖLF"],
    }


ASKING = "Prismatic API Example"


def components(*keys: str, cursor: str | None) -> dict[str, Value]:
    """A page of components, as the GraphQL API of the platform gives it."""
    nodes: Value = [{"key": key} for key in keys]
    return {"data": {"components": {"nodes": nodes, "pageInfo": {"endCursor": cursor}}}}


async def test_a_flow_asks_the_own_api_for_pages_until_there_are_none(tmp_path: Path) -> None:
    config = {
        "Where to send values": "{stub}/sink",
        "Prismatic Page Size": "2",
        "Prismatic Connection": '{"url": "{stub}", "apiKey": "token"}',
    }
    async with deployed(tmp_path, RECURSIVE, **config) as at:
        at.stub.say("/api", components("a", "b", cursor="c1"), components(cursor=None))
        at.stub.say("/sink", {"ok": True})
        ran = await at.call(ASKING)
    assert ran.reply.error is None
    asked = [sent for sent in at.stub.received if sent.path == "/api"]
    assert [orjson.loads(sent.body)["variables"] for sent in asked] == [
        {"cursor": "0", "limit": 2},
        {"cursor": "c1", "limit": 2},
    ]
    assert {sent.headers["authorization"] for sent in asked} == {"Bearer token"}
    [sent] = [orjson.loads(sent.body) for sent in at.stub.received if sent.path == "/sink"]
    assert sent == [{"key": "a"}, {"key": "b"}]


async def test_a_flow_collects_what_the_executions_that_it_starts_give(tmp_path: Path) -> None:
    connection = '{"url": "{stub}/graphql", "apiKey": "token"}'
    config = {"Prismatic Connection": connection}
    async with deployed(tmp_path, "split-payload-example.yml", **config) as at:
        at.stub.say("/comments", [{"body": f"comment {number}"} for number in range(51)])
        results = {"nodes": [{"resultsUrl": f"{at.stub.url}/results"}]}
        ended = {"id": "e", "endedAt": "2026-11-26T00:00:00Z", "stepResults": results}
        at.stub.say("/graphql", {"data": {"executionResult": ended}})
        packed = [msgpack.packb({"data": names}) for names in (["ONE", "TWO"], ["THREE"])]
        at.stub.replies["/results"] = [http_stub.Reply(content) for content in packed]
        ran = await at.call("Main Flow")
        await instances.ended(at.log, 3)
    assert ran.reply.error is None
    assert ran.results["flatten"] == ["ONE", "TWO", "THREE"]
    asked = [orjson.loads(one.body) for one in at.stub.received if one.path == "/graphql"]
    invoked = [ran.results[f"invokeFlow@loopOverItems[{index}]"] for index in (0, 1)]
    assert [one["variables"] for one in asked] == [
        {"stepName": "Loop Over Items", "executionId": one["executionId"]}
        for one in invoked
        if isinstance(one, dict)
    ]


def all_steps(steps: tuple[Step, ...]) -> Iterator[Step]:
    for step in steps:
        yield step
        yield from all_steps(step.steps)
        for branch in step.branches:
            yield from all_steps(branch.steps)


def lacking(flow: Flow) -> list[str]:
    """The components of a flow that are not there."""
    unknown = [s for s in all_steps(flow.steps) if registry.find(s.component, s.action) is None]
    return [step.component for step in unknown]


RUN_HERE = {
    "Registration Endpoint",
    "Route Request",
    "Print Persisted Data",
    PAGED,
    "Renew Webhook Hourly",
    "Process Records",
    ASKING,
    "Main Flow",
}


def definitions() -> dict[str, Definition]:
    found = {path.name: read(path.read_bytes()).definition for path in CORPUS.glob("*.yml")}
    return {name: definition for name, definition in found.items() if definition is not None}


def test_every_flow_of_built_in_components_is_run_here() -> None:
    text_of("split-payload-example.yml")
    flows = [flow for definition in definitions().values() for flow in definition.flows]
    assert {flow.name for flow in flows if not lacking(flow)} == RUN_HERE


async def test_a_flow_that_lacks_a_component_says_so_when_it_gets_there(tmp_path: Path) -> None:
    text_of("split-payload-example.yml")
    reached = 0
    for name, definition in definitions().items():
        async with deployed(tmp_path, name) as at:
            for flow in definition.flows:
                first = next((s for s in flow.steps if s.component in lacking(flow)), None)
                if first is None or flow.steps.index(first) > 1:
                    continue
                ran = await at.call(flow.name)
                assert ran.reply.error == (
                    f"component {first.component!r} has no action {first.action!r} here, "
                    f"which step {first.name!r} needs"
                )
                reached += 1
    assert reached >= 15
