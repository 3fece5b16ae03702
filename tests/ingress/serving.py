"""A served ingress for tests: its log, a client, and the processors' part played by hand."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from eventlog.blobs import Blobs
from eventlog.definitions import Definitions
from eventlog.log import Appended, EventLog, NewRecord
from eventlog.opening import open_log
from ingress.app import Application, application
from ingress.waiting import Node
from penstock import python_files
from processors import effects, embedded_host
from schemas import codec, events, ids
from schemas.ids import ExecutionId
from schemas.secrets import MasterKey
from schemas.topics import EXECUTIONS, REPLIES, TRIGGERS

TOKEN = "token-of-tests"
PUBLIC_URL = "https://hooks.test"
ADMIN = {"authorization": f"Bearer {TOKEN}"}
KEY = MasterKey("MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=")
OTHER_KEY = MasterKey("OTg3NjU0MzIxMDk4NzY1NDMyMTA5ODc2NTQzMjEwOTg=")
SYNC = {"prismatic-synchronous": "true"}
DECISION_S = 30.0
"""Longer than the promised two seconds: who decides here may be held up by other processes."""

FLOW = """
  - name: {name}
    isSynchronous: {synchronous}
    endpointSecurityType: {security}
    steps:
      - name: Trigger
        isTrigger: true
        action: {{component: {{key: webhook-triggers, isPublic: true}}, key: webhook}}
        inputs: {{{inputs}}}
"""


def flow(
    name: str = "Main",
    *,
    synchronous: bool = False,
    security: str = "customer_optional",
    inputs: str = "",
) -> str:
    flag = str(synchronous).lower()
    return FLOW.format(name=name, synchronous=flag, security=security, inputs=inputs)


def definition(*flows: str, name: str = "Orders", extra: str = "") -> str:
    listed = "".join(flows or (flow(),))
    return f"definitionVersion: 7\nname: {name}\n{extra}\nflows:{listed}"


@dataclass(slots=True)
class Trigger:
    """One request as processors find it on the log."""

    received: events.WebhookReceived
    execution_id: ExecutionId


@dataclass(slots=True)
class Processors:
    """What admission and execution would do, by hand."""

    log: EventLog
    read: int = 0
    _said: list[Appended] = field(default_factory=list)

    async def next_trigger(self) -> Trigger:
        records = await self.log.read(TRIGGERS, 0, self.read, max_records=1, wait_s=30)
        self.read = records[0].offset + 1
        (event,) = codec.decode(records[0].value).events
        assert isinstance(event, events.WebhookReceived)
        return Trigger(event, ids.execution_of(0, records[0].offset))

    async def decide(
        self, trigger: Trigger, reason: events.Reason | None = None, limit: int = 0
    ) -> None:
        decided = events.AdmissionDecided(
            reply_to=trigger.received.reply_to,
            request_no=trigger.received.request_no,
            execution_id=trigger.execution_id,
            reason=reason,
            limit=limit,
        )
        await self.reply(decided)

    async def complete(self, trigger: Trigger, response: events.Response) -> None:
        completed = events.ExecutionCompleted(execution_id=trigger.execution_id, response=response)
        record = NewRecord(EXECUTIONS.name, "instance", codec.encode([completed]))
        (at,) = await self.log.append([record])
        await self.reply(_ready(trigger, at, response=response))

    async def fail(self, trigger: Trigger, error: str) -> None:
        failed = events.ExecutionFailed(execution_id=trigger.execution_id, error=error)
        record = NewRecord(EXECUTIONS.name, "instance", codec.encode([failed]))
        (at,) = await self.log.append([record])
        await self.reply(_ready(trigger, at, error=error))

    async def reply(
        self, event: events.AdmissionDecided | events.ResultReady | events.TriggerAnswered
    ) -> None:
        value = codec.encode([event])
        await self.log.append([NewRecord(REPLIES.name, event.reply_to, value)])


def _ready(
    trigger: Trigger,
    at: Appended,
    *,
    error: str | None = None,
    response: events.Response | None = None,
) -> events.ResultReady:
    return events.ResultReady(
        reply_to=trigger.received.reply_to,
        request_no=trigger.received.request_no,
        execution_id=trigger.execution_id,
        partition=at.partition,
        offset=at.offset,
        error=error,
        response=response,
    )


@dataclass(slots=True)
class Served:
    """A running ingress. `calls` are the requests under way."""

    app: Application
    log: EventLog
    blobs: Blobs
    definitions: Definitions
    node: Node
    http: httpx.AsyncClient
    processors: Processors
    folder: Path

    def stored_blobs(self) -> list[Path]:
        """The files of the blob store."""
        return [path for path in (self.folder / "blobs").rglob("*") if path.is_file()]

    async def deploy(self, text: str, **wish: Any) -> dict[str, Any]:
        body = {"definition": text, **wish}
        answer = await self.http.post("/api/v1/deployments", json=body, headers=ADMIN)
        assert answer.status_code == 200, answer.text
        deployed: dict[str, Any] = answer.json()
        return deployed

    async def url(self, text: str = "", **wish: Any) -> str:
        """The webhook URL of the first flow, deployed from `text`."""
        deployed = await self.deploy(text or definition(), **wish)
        url: str = deployed["flows"][0]["webhookUrl"]
        return url

    def call(self, url: str, method: str = "POST", **given: Any) -> asyncio.Task[httpx.Response]:
        return asyncio.create_task(self.http.request(method, url, **given))

    async def triggers_on_the_log(self) -> int:
        marks = await self.log.marks(TRIGGERS, 0)
        return marks.high - marks.low


@asynccontextmanager
async def served(folder: Path, **given: Any) -> AsyncIterator[Served]:
    """An ingress on the `log` that is given, else on an embedded one in `folder`."""
    log = given.pop("log", None) or await open_log(f"sqlite:///{folder / 'log.db'}")
    try:
        blobs = Blobs.open(str(folder / "blobs"))
        definitions = Definitions(log)
        node = Node(log, watch_after_s=given.pop("watch_after_s", 0.01))
        options = {
            "master_key": KEY,
            "token": TOKEN,
            "public_url": PUBLIC_URL,
            "max_body_bytes": 2_000_000,
            "decision_s": DECISION_S,
            "result_ttl_s": 3_600,
            "known": {"webhook-triggers": ["webhook"]},
            "read_python": python_files.read,
            **given,
        }
        app = application(log=log, blobs=blobs, definitions=definitions, node=node, **options)
        transport = httpx.ASGITransport(app)
        async with app, httpx.AsyncClient(transport=transport, base_url=PUBLIC_URL) as http:
            yield Served(app, log, blobs, definitions, node, http, Processors(log), folder)
    finally:
        await log.close()


@asynccontextmanager
async def processing(
    ingress: Served, run: Callable[..., Coroutine[Any, Any, None]] = embedded_host.run
) -> AsyncIterator[None]:
    """The processors at work on the log of `ingress`, instead of by hand."""
    ready = asyncio.Event()
    async with effects.world(code_timeout_s=30, allow_private=True) as world:
        host = asyncio.ensure_future(
            run(
                ingress.log,
                blobs=ingress.blobs,
                definitions=Definitions(ingress.log),
                master_key=KEY,
                world=world,
                ready=ready.set,
            )
        )
        waiting = asyncio.ensure_future(ready.wait())
        await asyncio.wait({host, waiting}, return_when=asyncio.FIRST_COMPLETED)
        try:
            yield
        finally:
            host.cancel()
            await asyncio.gather(host, return_exceptions=True)
