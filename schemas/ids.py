"""Ids: what identifies each thing, how ids follow from records, and how they look from outside.

Inside they are UUID texts. Outside they are global ids, base64 of `TypeName:<uuid>`, as the
platform that we are compatible with writes them (platform-behaviour, section 0).
"""

import base64
import binascii
from functools import lru_cache
from hashlib import sha1
from typing import NewType
from uuid import UUID

from schemas.errors import Refused

IntegrationId = NewType("IntegrationId", str)
CustomerId = NewType("CustomerId", str)
InstanceId = NewType("InstanceId", str)
EndpointId = NewType("EndpointId", str)
ExecutionId = NewType("ExecutionId", str)
ScheduleId = NewType("ScheduleId", str)

_NAMESPACE = UUID("6d2b5c0e-6a3f-5f0a-9a51-2c1d8c1f7e01")
_VARIANT = {digit: "89ab"[int(digit, 16) & 3] for digit in "0123456789abcdef"}
"""The first digit of the fourth group: its two highest bits are 10 (RFC 9562, section 4.1)."""

EXECUTION = "InstanceExecutionResult"
ENDPOINT = "InstanceFlowConfig"
INSTANCE = "Instance"
INTEGRATION = "Integration"
CUSTOMER = "Customer"
SCHEDULE = "Schedule"


def derived(*parts: str | int) -> str:
    """The UUID text that follows from `parts`: equal parts give the equal id, on every machine.

    It is uuid5 of `parts` (RFC 9562, section 5.5), without the objects that uuid.uuid5 makes: one
    request derives several. Raises ValueError for a text that is not Unicode.
    """
    content = "\x1f".join([*map(str, parts)]).encode()
    hex_digits = sha1(_NAMESPACE.bytes + content, usedforsecurity=False).hexdigest()
    return (
        f"{hex_digits[:8]}-{hex_digits[8:12]}-5{hex_digits[13:16]}"
        f"-{_VARIANT[hex_digits[16]]}{hex_digits[17:20]}-{hex_digits[20:32]}"
    )


def to_global(type_name: str, uuid: str) -> str:
    """`("Instance", "97b5…")` becomes `SW5zdGFuY2U6OTdiNS…`."""
    return base64.b64encode(f"{type_name}:{uuid}".encode()).decode()


def from_global(type_name: str, text: str) -> str:
    """The UUID inside a global id; a bare UUID is taken as it is. Raises Refused (404)."""
    return _cached_uuid(type_name, text) if len(text) <= _CACHED_LENGTH else _uuid(type_name, text)


def _uuid(type_name: str, text: str) -> str:
    candidate = text
    try:
        decoded = base64.b64decode(text + "=" * (-len(text) % 4), validate=True).decode()
        prefix, _, candidate = decoded.partition(":")
        if prefix != type_name:
            candidate = text
    except (binascii.Error, UnicodeDecodeError, ValueError):
        candidate = text
    try:
        return str(UUID(candidate))
    except ValueError:
        message = f"{text!r} is not an id of the type {type_name}"
        raise Refused(message, status=404, reason="unknown_id") from None


_CACHED_LENGTH = 100
_cached_uuid = lru_cache(maxsize=4096)(_uuid)


@lru_cache(maxsize=4096)
def execution_of(trigger_partition: int, trigger_offset: int) -> ExecutionId:
    """The id of the execution that the trigger at this position of `triggers` causes.

    Ingress asks for it, and admission soon after.
    """
    return ExecutionId(derived("triggers", trigger_partition, trigger_offset))


def system_instance(integration_id: IntegrationId) -> InstanceId:
    """Whose executions are those that belong to no customer: one for each integration."""
    return InstanceId(derived("system instance", integration_id))


def invocation_of(idempotency_key: str, index: int) -> ExecutionId:
    """The id of the execution that a step invokes, as number `index` of those that it invokes."""
    return ExecutionId(derived("invocation", idempotency_key, index))


def schedule_of(instance_id: InstanceId, flow: str) -> ScheduleId:
    """The id of the schedule by which a flow of an instance fires."""
    return ScheduleId(derived("schedule", instance_id, flow))


def execution_of_tick(schedule_id: ScheduleId, due_at: int) -> ExecutionId:
    """The id of the execution that this instant of a schedule causes, whoever notices it."""
    return ExecutionId(derived("tick", schedule_id, due_at))
