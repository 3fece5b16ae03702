"""Commands: imports, deployments, pauses and removals, carried out one at a time.

Takes in what was asked for over HTTP; gives out events on `definitions`, what a deployment entails
(ingress.changes), and what the caller is told. A command answers once its events are durable and
this process has read them back.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import replace
from typing import Protocol

from eventlog.definitions import Definitions
from eventlog.limits import MAX_VALUE_BYTES
from eventlog.log import EventLog, NewRecord
from ingress import lifecycle
from ingress.changes import Changes
from ingress.command_bodies import (
    DeployBody,
    DeployedBody,
    DeployedFlow,
    ImportBody,
    ImportedBody,
    StatusBody,
)
from schemas import codec, events, ids
from schemas.catalog import Catalog, topic_key
from schemas.definitions import YAML, Definition
from schemas.errors import Refused
from schemas.events import Occasion
from schemas.hooks import About
from schemas.ids import InstanceId
from schemas.integration_file import Problem, unknown_components
from schemas.integration_inputs import CheckStep, anything
from schemas.secrets import MasterKey
from schemas.topics import DEFINITIONS
from schemas.unknown_inputs import InputsOf, nothing, unknown_inputs

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
        inputs_of: InputsOf = nothing,
    ) -> None:
        self._log = log
        self._definitions = definitions
        self._key = master_key
        self._known = known
        self._check = check
        self._inputs_of = inputs_of
        self._public_url = public_url
        self._changes = changes
        self._read_python = read_python
        self._one_at_a_time = asyncio.Lock()

    @property
    def _catalog(self) -> Catalog:
        return self._definitions.catalog

    async def publish(self, body: ImportBody) -> ImportedBody:
        definition, manifest = await self._read(body)

        def plan() -> lifecycle.Imported:
            return lifecycle.publish(self._catalog, body.definition, definition, manifest=manifest)

        async with self._one_at_a_time:
            await self._definitions.read_to_end()
            imported = plan()
            while not await self._publish(imported.said):
                imported = plan()
        return ImportedBody(
            integrationId=ids.to_global(ids.INTEGRATION, imported.integration_id),
            version=imported.version,
            flows=[flow.name for flow in definition.flows],
            unknownComponents=unknown_components(definition, self._known),
            warnings=self._warnings(definition),
        )

    def _warnings(self, definition: Definition) -> list[str]:
        return [step.sentence for step in unknown_inputs(definition, self._inputs_of)]

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
            while not await self._publish(done.said):
                done = plan()
            return done, await self._say([e for e in done.said if not _is_publication(e)])

    async def _publish(self, said: Sequence[events.Event]) -> bool:
        """Say the publication among `said`, before what rests on it; whether it stands.

        Of two nodes that publish one version at once, the first on the log wins.
        """
        for event in said:
            if isinstance(event, events.IntegrationPublished):
                await self._say([event])
                return self._catalog.versions[(event.integration_id, event.version)] == event
        return True

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
            warnings=[*self._warnings(definition), *problems],
        )


def _is_publication(event: events.Event) -> bool:
    return isinstance(event, events.IntegrationPublished)


def _record(event: events.Event) -> NewRecord:
    value = codec.encode([event])
    if len(value) > MAX_VALUE_BYTES:
        message = f"What is to be kept is {len(value)} bytes long, more than {MAX_VALUE_BYTES}."
        raise Refused(message, status=413, reason="too_large")
    return NewRecord(DEFINITIONS.name, topic_key(event), value)
