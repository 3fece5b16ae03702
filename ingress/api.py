"""The admin API: lifecycle commands over HTTP, on FastAPI, under `/api/v1`, and the health checks.

Takes in JSON; gives out events on `definitions` and what the caller is told. A command answers once
its events are durable and this process has read them back. The token is checked in `app.py`, for
everything under `/api` alike.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import replace
from http import HTTPStatus
from typing import Annotated, Any, Literal, Protocol

from fastapi import APIRouter, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException

from eventlog.definitions import Definitions
from eventlog.limits import MAX_VALUE_BYTES
from eventlog.log import EventLog, NewRecord
from ingress import lifecycle
from ingress.changes import Changes
from schemas import codec, events, ids
from schemas.catalog import Catalog, topic_key
from schemas.definitions import YAML, Definition
from schemas.errors import Refused, Retryable, Unusable
from schemas.events import Occasion
from schemas.hooks import About
from schemas.ids import InstanceId
from schemas.integration_file import Problem, unknown_components
from schemas.integration_inputs import CheckStep, anything
from schemas.secrets import MasterKey
from schemas.topics import DEFINITIONS

PREFIX = "/api/v1"

Known = Mapping[str, Collection[str]]
"""Component key → the keys of its actions."""


class PythonReading(Protocol):
    """What came of a Python file: a definition and its manifest, or problems."""

    @property
    def definition(self) -> Definition | None: ...
    @property
    def manifest(self) -> str: ...
    @property
    def problems(self) -> Sequence[Problem]: ...


ReadPython = Callable[[str], Awaitable[PythonReading]]

IsReady = Callable[[], Awaitable[bool]]

Name = Annotated[str, Field(min_length=1, max_length=500)]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class ImportBody(_Body):
    """`definition` is the text of an integration file, or of a Python file."""

    definition: str
    language: Literal["yaml", "python"] = "yaml"


class DeployBody(ImportBody):
    """`config` values are texts; a connection's may be an object of its fields."""

    customer: Name = lifecycle.DEFAULT_CUSTOMER
    instance: Name | None = None
    config: dict[str, Any] = Field(default_factory=dict)
    apiKeys: dict[str, list[str]] = Field(default_factory=dict)
    rateLimit: Annotated[int, Field(le=1_000_000)] | None = None


class ImportedBody(BaseModel):
    integrationId: str
    version: int
    flows: list[str]
    unknownComponents: list[str]


class DeployedFlow(BaseModel):
    name: str
    webhookUrl: str
    apiKeys: list[str]


class DeployedBody(BaseModel):
    integrationId: str
    instanceId: str
    version: int
    flows: list[DeployedFlow]
    unknownComponents: list[str]
    warnings: list[str] = Field(default_factory=list)


class StatusBody(BaseModel):
    instanceId: str
    status: str
    warnings: list[str] = Field(default_factory=list)


class Lifecycle:
    """Carries lifecycle commands out, one at a time in this process."""

    def __init__(
        self,
        *,
        log: EventLog,
        definitions: Definitions,
        master_key: MasterKey,
        known: Known,
        public_url: str,
        changes: Changes,
        read_python: ReadPython,
        check: CheckStep = anything,
    ) -> None:
        self._log = log
        self._definitions = definitions
        self._key = master_key
        self._known = known
        self._check = check
        self._public_url = public_url
        self._changes = changes
        self._read_python = read_python
        self._one_at_a_time = asyncio.Lock()

    @property
    def _catalog(self) -> Catalog:
        return self._definitions.catalog

    async def publish(self, body: ImportBody) -> ImportedBody:
        definition, manifest = await self._read(body)
        async with self._one_at_a_time:
            await self._definitions.read_to_end()
            imported = lifecycle.publish(
                self._catalog, body.definition, definition, manifest=manifest
            )
            await self._say(imported.said)
        return ImportedBody(
            integrationId=ids.to_global(ids.INTEGRATION, imported.integration_id),
            version=imported.version,
            flows=[flow.name for flow in definition.flows],
            unknownComponents=unknown_components(definition, self._known),
        )

    async def deploy(self, body: DeployBody, base_url: str) -> DeployedBody:
        definition, manifest = await self._read(body)
        published = lifecycle.version_of(
            self._catalog, body.definition, definition, manifest=manifest
        )
        self._changes.check(published, definition)
        wish = lifecycle.Wish(
            customer=body.customer,
            instance=body.instance or "",
            config=body.config,
            api_keys=body.apiKeys,
            rate_limit=body.rateLimit,
            base_url=(self._public_url or base_url).rstrip("/"),
            entails_more=self._changes.entails(published, definition, Occasion.DEPLOY),
        )

        def plan() -> lifecycle.Deployed:
            return lifecycle.deploy(
                self._catalog,
                body.definition,
                definition,
                wish,
                self._key.seal,
                self._key.unseal,
                manifest=manifest,
            )

        problems: Sequence[str] = ()
        if wish.entails_more:
            done, problems = await self._deploy_with_hooks(plan, definition)
        else:
            done, _ = await self._deploy(plan)
        deployed = done.instance
        # Parsed here and kept, so that the first request need not wait for it.
        await asyncio.to_thread(self._catalog.definition, deployed.integration_id, deployed.version)
        return self._shown(done, definition, wish.base_url, problems)

    async def _deploy(
        self, plan: Callable[[], lifecycle.Deployed]
    ) -> tuple[lifecycle.Deployed, int]:
        """Say what is planned now; gives the offset of the deployment too."""
        async with self._one_at_a_time:
            await self._definitions.read_to_end()
            done = plan()
            return done, await self._say(done.said)

    async def _deploy_with_hooks(
        self, plan: Callable[[], lifecycle.Deployed], definition: Definition
    ) -> tuple[lifecycle.Deployed, Sequence[str]]:
        async with self._one_at_a_time:
            await self._definitions.read_to_end()
            planned = plan()
        async with self._changes.alone(planned.instance.instance_id):
            kept = await self._changes.before_deployment(self._about(planned, definition))
            done, offset = await self._deploy(plan)
            about = self._about(done, definition)
            return done, await self._changes.follow(about, Occasion.DEPLOY, offset, kept)

    def _about(self, done: lifecycle.Deployed, definition: Definition) -> About:
        deployed = done.instance
        # Of these three, the catalog has what the deployment does not say.
        around = Catalog()
        version = (deployed.integration_id, deployed.version)
        known = (
            self._catalog.versions.get(version),
            self._catalog.customers.get(deployed.customer_id),
        )
        around.apply([event for event in (*known, *done.said) if event is not None])
        return About(
            definition=definition,
            published=around.versions[version],
            customer=around.customers[deployed.customer_id],
            deployed=deployed,
        )

    async def remove(self, instance: str) -> StatusBody:
        """Remove an instance, with what that entails; saying it twice changes nothing."""
        instance_id = InstanceId(ids.from_global(ids.INSTANCE, instance))
        await self._definitions.read_to_end()
        if not lifecycle.remove(self._catalog, instance_id):
            return await self.change(instance, lifecycle.remove)
        about = await asyncio.to_thread(self._changes.about, instance_id)
        if not self._changes.entails(about.published, about.definition, Occasion.REMOVE):
            return await self.change(instance, lifecycle.remove)
        async with self._changes.alone(instance_id):
            problems = await self._changes.before_removal(about)
            async with self._one_at_a_time:
                await self._definitions.read_to_end()
                removed = lifecycle.remove(self._catalog, instance_id)
                offset = await self._say([replace(event, entails_more=True) for event in removed])
            if removed:
                await self._changes.follow(about, Occasion.REMOVE, offset, {})
        status = self._catalog.instances[instance_id].status
        shown = ids.to_global(ids.INSTANCE, instance_id)
        return StatusBody(instanceId=shown, status=status.value, warnings=problems)

    async def _read(self, body: ImportBody) -> tuple[Definition, str]:
        """The definition, and the manifest of a Python file. Raises InvalidDefinition."""
        if body.language == YAML:
            # In a thread: a long definition takes seconds.
            return await asyncio.to_thread(
                lifecycle.read_definition, body.definition, self._check
            ), ""
        lifecycle.check_size(body.definition)
        reading = await self._read_python(body.definition)
        if reading.definition is None:
            raise lifecycle.InvalidDefinition(reading.problems)
        return reading.definition, reading.manifest

    async def change(
        self,
        instance: str,
        said: Callable[[Catalog, InstanceId], Sequence[events.Event]],
    ) -> StatusBody:
        """Pause or resume; saying it twice changes nothing."""
        instance_id = InstanceId(ids.from_global(ids.INSTANCE, instance))
        async with self._one_at_a_time:
            await self._definitions.read_to_end()
            await self._say(said(self._catalog, instance_id))
            status = self._catalog.instances[instance_id].status
        return StatusBody(instanceId=ids.to_global(ids.INSTANCE, instance_id), status=status.value)

    async def say(self, said: Callable[[Catalog], Sequence[events.Event]]) -> Catalog:
        """Say what follows from the catalog as it is now; gives the catalog afterwards."""
        async with self._one_at_a_time:
            await self._definitions.read_to_end()
            await self._say(said(self._catalog))
        return self._catalog

    async def _say(self, said: Sequence[events.Event]) -> int:
        """Gives the offset of the last one."""
        records = [_record(event) for event in said]
        if not records:
            return -1
        appended = await self._log.append(records)
        await self._definitions.read_to_end()
        return appended[-1].offset

    def _shown(
        self,
        done: lifecycle.Deployed,
        definition: Definition,
        base: str,
        problems: Sequence[str],
    ) -> DeployedBody:
        deployed = done.instance
        return DeployedBody(
            integrationId=ids.to_global(ids.INTEGRATION, deployed.integration_id),
            instanceId=ids.to_global(ids.INSTANCE, deployed.instance_id),
            version=deployed.version,
            flows=[
                DeployedFlow(
                    name=flow,
                    webhookUrl=f"{base}/trigger/{ids.to_global(ids.ENDPOINT, endpoint_id)}",
                    apiKeys=list(done.api_keys.get(flow, ())),
                )
                for flow, endpoint_id in deployed.endpoints.items()
            ],
            unknownComponents=unknown_components(definition, self._known),
            warnings=list(problems),
        )


def _record(event: events.Event) -> NewRecord:
    value = codec.encode([event])
    if len(value) > MAX_VALUE_BYTES:
        message = f"What is to be kept is {len(value)} bytes long, more than {MAX_VALUE_BYTES}."
        raise Refused(message, status=413, reason="too_large")
    return NewRecord(DEFINITIONS.name, topic_key(event), value)


def build(commands: Lifecycle, routers: Sequence[APIRouter], is_ready: IsReady) -> FastAPI:
    """The FastAPI application of everything that is not a bare route."""
    app = FastAPI(
        title="Penstock", openapi_url=f"{PREFIX}/openapi.json", docs_url=None, redoc_url=None
    )
    app.include_router(_commands(commands))
    app.include_router(_health(is_ready))
    for router in routers:
        app.include_router(router)
    _add_handlers(app)
    return app


def _commands(commands: Lifecycle) -> APIRouter:
    api = APIRouter(prefix=PREFIX, tags=["lifecycle"])

    @api.post("/integrations")
    async def publish(body: ImportBody) -> ImportedBody:
        return await commands.publish(body)

    @api.post("/deployments")
    async def deploy(body: DeployBody, request: Request) -> DeployedBody:
        return await commands.deploy(body, str(request.base_url))

    @api.post("/instances/{instance}/pause")
    async def pause(instance: str) -> StatusBody:
        return await commands.change(instance, lifecycle.pause)

    @api.post("/instances/{instance}/resume")
    async def resume(instance: str) -> StatusBody:
        return await commands.change(instance, lifecycle.resume)

    @api.delete("/instances/{instance}")
    async def remove(instance: str) -> StatusBody:
        return await commands.remove(instance)

    return api


def _health(is_ready: IsReady) -> APIRouter:
    health = APIRouter(tags=["health"])

    @health.get("/healthz")
    async def healthz() -> dict[str, str]:
        return {"status": "ok"}

    @health.get("/readyz")
    async def readyz() -> JSONResponse:
        if await is_ready():
            return JSONResponse({"status": "ready"})
        return _refusal(503, "The log does not answer, or is not read yet.", "not_ready")

    return health


def _add_handlers(app: FastAPI) -> None:
    handlers: dict[type[Exception], Callable[[Request, Any], JSONResponse]] = {
        lifecycle.InvalidDefinition: _on_invalid_definition,
        Refused: _on_refused,
        Retryable: _on_retryable,
        Unusable: _on_unusable,
        RequestValidationError: _on_validation_error,
        HTTPException: _on_http_exception,
    }
    for error, handler in handlers.items():
        app.add_exception_handler(error, handler)


def _refusal(status: int, error: str, reason: str, **more: Any) -> JSONResponse:
    return JSONResponse({"error": error, "reason": reason, **more}, status)


def _on_invalid_definition(_: Request, error: lifecycle.InvalidDefinition) -> JSONResponse:
    problems = [
        {"path": found.path, "line": found.line, "message": found.message}
        for found in error.problems
    ]
    return _refusal(error.status, str(error), error.reason, problems=problems)


def _on_refused(_: Request, error: Refused) -> JSONResponse:
    return _refusal(error.status, str(error), error.reason)


def _on_retryable(_: Request, error: Retryable) -> JSONResponse:
    answer = _refusal(503, str(error), "unavailable")
    answer.headers["retry-after"] = "1"
    return answer


def _on_unusable(_: Request, error: Unusable) -> JSONResponse:
    return _refusal(500, str(error), "unusable")


def _on_validation_error(_: Request, error: RequestValidationError) -> JSONResponse:
    """Names the place only: what stands there may be a secret."""
    first = error.errors()[0]
    place = ".".join(str(part) for part in first["loc"])
    return _refusal(400, f"{place}: {first['msg']}", "bad_request")


def _on_http_exception(request: Request, error: HTTPException) -> JSONResponse:
    if error.status_code == 404:
        answer = _refusal(404, f"There is nothing at {request.url.path}.", "not_found")
    else:
        reason = HTTPStatus(error.status_code).name.lower()
        answer = _refusal(error.status_code, str(error.detail), reason)
    answer.headers.update(error.headers or {})
    return answer
