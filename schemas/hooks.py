"""Hooks: what triggers do when their instance is deployed or removed; the words for it.

Hooks are functions of components, and deployments are made at the ingress: here stands what both
have to know (platform-behaviour, 2.5 and 5.1).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from schemas import events
from schemas.definitions import Definition
from schemas.errors import Refused


class Phase(StrEnum):
    """When hooks run, by the names under which authors know them."""

    ON_DEPLOY = "onInstanceDeploy"
    ON_DELETE = "onInstanceDelete"
    WEBHOOK_CREATE = "webhookLifecycleHandlers.create"
    WEBHOOK_DELETE = "webhookLifecycleHandlers.delete"


class HookFailed(Refused):
    """A deploy hook has failed: the instance stays as it was."""

    def __init__(self, message: str) -> None:
        super().__init__(message, status=422, reason="deploy_hook_failed")


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """The instance that hooks run for, as it is to be or as it was."""

    definition: Definition
    published: events.IntegrationPublished
    customer: events.CustomerRegistered
    deployed: events.InstanceDeployed


@dataclass(frozen=True, slots=True, kw_only=True)
class Returned:
    """What the hooks of one phase want kept, a null taking the key away, and what went wrong."""

    cross_flow_state: Mapping[str, Any] = field(default_factory=dict)
    problems: tuple[str, ...] = ()
