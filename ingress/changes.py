"""Changes: what the deployment or the removal of an instance entails, in order, and never lost.

Takes in the hooks of components (given at composition, for they are processors' affair); gives out
LifecycleHappened on `triggers` and LifecycleFollowed on `definitions`.

    deployment   onInstanceDeploy hooks · InstanceDeployed · flows that it starts · webhook creation
    removal      onInstanceDelete hooks · webhook deletion · InstanceRemoved · flows that it starts

(platform-behaviour, 5.1). A process that ends between the second and the last leaves the instance
among `Catalog.unfollowed`; whoever starts next does the rest. A flow may then be named twice, and
counts once; a hook for webhooks may run twice.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Protocol
from weakref import WeakValueDictionary

from eventlog.definitions import Definitions
from eventlog.log import EventLog, NewRecord
from schemas import codec, events
from schemas.catalog import Status, topic_key
from schemas.definitions import Definition
from schemas.errors import PenstockError
from schemas.events import Occasion
from schemas.hooks import About, Phase, Returned
from schemas.ids import InstanceId
from schemas.topics import DEFINITIONS, TRIGGERS

EVERY_S = 60.0
LEFT_AFTER_S = 900.0
"""A change that is not followed after this time has been left by the process that made it."""

State = Mapping[str, Any]

_logger = logging.getLogger(__name__)


class Hooks(Protocol):
    """What components do on a deployment or removal."""

    def check(self, published: events.IntegrationPublished, definition: Definition) -> None:
        """Raises Refused for a flow whose trigger does not take what the flow sets."""

    def entails(
        self, published: events.IntegrationPublished, definition: Definition, occasion: Occasion
    ) -> bool:
        """Whether there may be anything to do."""

    def flows_started(self, about: About, occasion: Occasion) -> list[str]:
        """The flows that start by themselves."""

    async def run(self, phase: Phase, about: About, kept: State) -> Returned:
        """Run the hooks of a phase, one after another. Of ON_DEPLOY a failure raises Refused.

        `kept` is what hooks of the same change have returned before.
        """


class Changes:
    """Carries out what changes of instances entail; of one instance one at a time."""

    def __init__(
        self,
        log: EventLog,
        definitions: Definitions,
        hooks: Hooks | None,
        *,
        every_s: float = EVERY_S,
        left_after_s: float = LEFT_AFTER_S,
    ) -> None:
        self._log = log
        self._definitions = definitions
        self._hooks = hooks
        self._every_s = every_s
        self._left_after_s = left_after_s
        self._locks: WeakValueDictionary[InstanceId, asyncio.Lock] = WeakValueDictionary()

    def check(self, published: events.IntegrationPublished, definition: Definition) -> None:
        """Raises Refused for what is not to be deployed."""
        if self._hooks is not None:
            self._hooks.check(published, definition)

    def entails(
        self, published: events.IntegrationPublished, definition: Definition, occasion: Occasion
    ) -> bool:
        return self._hooks is not None and self._hooks.entails(published, definition, occasion)

    @asynccontextmanager
    async def alone(self, instance_id: InstanceId) -> AsyncIterator[None]:
        """Hooks take seconds: only changes of the same instance wait for them."""
        lock = self._locks.setdefault(instance_id, asyncio.Lock())
        async with lock:
            yield

    async def before_deployment(self, about: About) -> State:
        """Gives the state that hooks return. Raises Refused where one fails: nothing was said."""
        returned = await self._run(Phase.ON_DEPLOY, about, Occasion.DEPLOY, {})
        return returned.cross_flow_state

    async def before_removal(self, about: About) -> list[str]:
        """Gives what went wrong, which does not keep an instance from being removed."""
        first = await self._run(Phase.ON_DELETE, about, Occasion.REMOVE, {})
        kept = first.cross_flow_state
        second = await self._run(Phase.WEBHOOK_DELETE, about, Occasion.REMOVE, kept)
        return [*first.problems, *second.problems]

    async def follow(
        self, about: About, occasion: Occasion, change: int, kept: State
    ) -> Sequence[str]:
        """Start the flows, create webhooks, and say that it is done; gives what went wrong."""
        if self._hooks is None:
            return ()
        instance_id = about.deployed.instance_id
        flows = self._hooks.flows_started(about, occasion)
        await self._tell([_started(about, occasion, change, flow) for flow in flows])
        returned = Returned()
        if occasion is Occasion.DEPLOY:
            returned = await self._run(Phase.WEBHOOK_CREATE, about, occasion, kept)
        followed = events.LifecycleFollowed(instance_id=instance_id, change=change)
        value = codec.encode([followed])
        await self._log.append([NewRecord(DEFINITIONS.name, topic_key(followed), value)])
        return returned.problems

    async def run(self) -> None:
        """Do for ever what others have left undone: at the start at once, later what stays undone.

        Another process may be at it, so later ones get their time.
        """
        loop = asyncio.get_running_loop()
        unfollowed = self._definitions.catalog.unfollowed
        for instance_id, change in list(unfollowed.items()):
            await self._catch_up(instance_id, change)
        seen_at: dict[tuple[InstanceId, int], float] = {}
        while True:
            await asyncio.sleep(self._every_s)
            seen_at = {one: seen_at.get(one, loop.time()) for one in unfollowed.items()}
            for (instance_id, change), since in list(seen_at.items()):
                if loop.time() - since >= self._left_after_s:
                    await self._catch_up(instance_id, change)

    async def _catch_up(self, instance_id: InstanceId, change: int) -> None:
        async with self.alone(instance_id):
            try:
                await self._do_the_rest(instance_id, change)
            except PenstockError as error:
                _logger.error("instance %s: its change is not followed: %s", instance_id, error)

    async def _do_the_rest(self, instance_id: InstanceId, change: int) -> None:
        catalog = self._definitions.catalog
        if catalog.unfollowed.get(instance_id) != change:
            return
        removed = catalog.instances[instance_id].status is Status.REMOVED
        about = await asyncio.to_thread(self.about, instance_id)
        occasion = Occasion.REMOVE if removed else Occasion.DEPLOY
        for problem in await self.follow(about, occasion, change, {}):
            _logger.warning(problem, extra={"action": "hook_failed"})

    def about(self, instance_id: InstanceId) -> About:
        """An instance as the catalog has it."""
        catalog = self._definitions.catalog
        deployed = catalog.instances[instance_id].deployed
        return About(
            definition=catalog.definition(deployed.integration_id, deployed.version),
            published=catalog.versions[(deployed.integration_id, deployed.version)],
            customer=catalog.customers[deployed.customer_id],
            deployed=deployed,
        )

    async def _run(self, phase: Phase, about: About, occasion: Occasion, kept: State) -> Returned:
        if self._hooks is None:
            return Returned()
        returned = await self._hooks.run(phase, about, kept)
        if returned.cross_flow_state:
            happened = events.LifecycleHappened(
                instance_id=about.deployed.instance_id,
                occasion=occasion,
                change=-1,
                part=phase.value,
                cross_flow_state=dict(returned.cross_flow_state),
            )
            await self._tell([happened])
        return returned

    async def _tell(self, said: Sequence[events.LifecycleHappened]) -> None:
        if said:
            await self._log.append(
                [NewRecord(TRIGGERS.name, e.instance_id, codec.encode([e])) for e in said]
            )


def _started(about: About, occasion: Occasion, change: int, flow: str) -> events.LifecycleHappened:
    return events.LifecycleHappened(
        instance_id=about.deployed.instance_id,
        occasion=occasion,
        change=change,
        part="flow",
        flow=flow,
        base_url=about.deployed.base_url,
    )
