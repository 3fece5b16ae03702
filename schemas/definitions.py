"""Definitions: what an integration is once its file has been read (schemas.integration_file).

The shapes follow the YAML format, definition version 7 (platform-behaviour, section 8). Texts are
parsed into references and templates once, here, and not again in each execution.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from schemas.events import CatchUp, Overlap

YAML = "yaml"
PYTHON = "python"
"""The languages that an integration is written in."""

OWN = "this-file"
"""The component whose triggers a Python file declares itself."""

_SEPARATORS = re.compile(r"[^0-9a-zA-Z]+")


def reference_key(name: str) -> str:
    """The key by which references name a step: `Get "Thread's" SNS` → `getThreadSSns`.

    Each run of other characters than ASCII letters and digits parts words; the first word is
    lower-cased, later ones capitalised and otherwise lower-cased (platform-behaviour, 8.7).
    """
    words = _SEPARATORS.sub(" ", name).split()
    return "".join(words[:1]).lower() + "".join(word.capitalize() for word in words[1:])


@dataclass(frozen=True, slots=True)
class Literal:
    """`type: value`: a text as written; each action coerces it."""

    text: str


@dataclass(frozen=True, slots=True)
class Reference:
    """`type: reference`: `step.results.a.0`, or `loop.currentItem.a`, or `loop.index`.

    `kind` is the second segment (`results`, `currentItem`, `index`); `path` the segments after it,
    numerals as texts, bracketed segments without brackets and quotes.
    """

    step: str
    kind: str
    path: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ConfigVar:
    """`type: configVar`: the value of a config variable of the instance; empty key for none."""

    key: str


@dataclass(frozen=True, slots=True)
class Template:
    """`type: template`: `{{$step.results.a}}` and `{{#Config Var}}` within text."""

    parts: tuple["str | Reference | ConfigVar", ...]


@dataclass(frozen=True, slots=True)
class Complex:
    """`type: complex`: a value list, a key-value list, or a tree of conditions."""

    items: tuple["Item", ...]


Input = Literal | Reference | ConfigVar | Template | Complex


class Entry(NamedTuple):
    """One input of a complex one; `name` is None where the file gives none or an empty one."""

    name: Input | None
    value: Input


Item = str | Entry | tuple["Item", ...]
"""Conditions nest: `["and", ["equal", left, right]]` is texts and entries in tuples."""


class Pair(NamedTuple):
    """A named entry of a complex input, resolved, as actions see it; unnamed ones are bare."""

    name: str
    value: object


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorConfig:
    """What happens when a step fails (platform-behaviour, 6.4): fail, ignore or retry."""

    handler: str = "fail"
    max_attempts: int = 0
    delay_s: float = 0.0
    exponential: bool = False
    ignore_final_error: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Branch:
    name: str
    steps: tuple["Step", ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """When a schedule trigger fires: `value` is a cron text, or a config variable's key.

    What follows is ours: what becomes of missed instants, of a tick while a former run is open,
    and by how much at most a schedule is put off, so that not all fire at once.
    """

    kind: str
    value: str
    schedule_type: str
    time_zone: str
    catch_up: CatchUp = CatchUp.LAST
    max_catch_up: int = 100
    overlap: Overlap = Overlap.ALLOW
    jitter_s: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step. `steps` is the body of a loop; `branches` what follows a branching action."""

    key: str
    name: str
    component: str
    action: str
    inputs: dict[str, Input] = field(default_factory=dict)
    is_trigger: bool = False
    steps: tuple["Step", ...] = ()
    branches: tuple[Branch, ...] = ()
    error_config: ErrorConfig = field(default_factory=ErrorConfig)
    schedule: Schedule | None = None
    answers: bool = False
    """Of a trigger that a Python file declares itself: it may answer its caller."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowRetry:
    """How a failed execution is run again (platform-behaviour, 6.5)."""

    max_attempts: int = 0
    delay_minutes: float = 0.0
    exponential: bool = False
    unique_request_id: Reference | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Queue:
    """How many executions run at once (platform-behaviour, 6.7); `fifo` with no limit means one."""

    fifo: bool = False
    concurrency_limit: int | None = None
    singleton: bool = False
    dedupe_id: Reference | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TriggerResolver:
    """How what a batch trigger fetches is handed to executions (platform-behaviour, 2.7).

    A `concurrent_batch_limit` of 0 is none.
    """

    enabled: bool = True
    batch_size: int = 1
    concurrent_batch_limit: int = 0
    initial_sync_on_deploy: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Flow:
    """One flow; `steps[0]` is its trigger. `security` is the endpoint security type (1.7).

    `idempotency_key` is where a request holds what it is known by when it comes again (ours).
    `schemas` are JSON Schemas by purpose: `invoke` says what a call of the flow takes.
    `stable_key` is what the flow is known by over versions, also when its name changes.
    """

    name: str
    description: str = ""
    steps: tuple[Step, ...]
    is_synchronous: bool = False
    security: str = "customer_optional"
    organization_api_keys: tuple[str, ...] = ()
    idempotency_key: Reference | None = None
    retry: FlowRetry | None = None
    queue: Queue = field(default_factory=Queue)
    resolver: TriggerResolver | None = None
    schemas: Mapping[str, Any] = field(default_factory=dict)
    stable_key: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Routing:
    """How a request finds its flow where endpoints are shared (platform-behaviour, 1.2 and 1.3).

    The references lead into the payload of the request or, where there is a preprocess flow, into
    what that came to.
    """

    flow_name: Reference | None = None
    customer_id: Reference | None = None
    customer_user_id: Reference | None = None
    preprocess_flow: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RequiredConfigVar:
    """A config variable that an instance may set.

    `inputs` are the fields of a connection, or what a data source is given. `collection` is
    `valuelist` or `keyvaluelist` where the variable holds many values of its type; `user_level`
    whether it stands on a page that each user of a customer fills in.
    """

    key: str
    data_type: str
    default: str | None = None
    org_only: bool = False
    description: str = ""
    inputs: dict[str, Input] = field(default_factory=dict)
    connection: tuple[str, str] | None = None
    """For connections: component key and connection key."""
    data_source: tuple[str, str] | None = None
    """Component key and data source key of what offers values to choose from."""
    collection: str = ""
    pick_list: tuple[str, ...] = ()
    schedule_type: str = ""
    time_zone: str = ""
    user_level: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Element:
    """One part of a config page: `kind` is configVar, htmlElement or jsonForm."""

    kind: str
    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigPage:
    """What is asked together when an instance is configured, or by each user of a customer."""

    name: str
    tagline: str = ""
    user_level: bool = False
    elements: tuple[Element, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Definition:
    """An integration as written in one file. `external_version` is what its author calls it."""

    name: str
    description: str = ""
    category: str = ""
    endpoint_type: str = "flow_specific"
    routing: Routing = field(default_factory=Routing)
    flows: tuple[Flow, ...]
    config_vars: tuple[RequiredConfigVar, ...] = ()
    pages: tuple[ConfigPage, ...] = ()
    labels: tuple[str, ...] = ()
    documentation: str = ""
    components: frozenset[str] = frozenset()
    """Keys of all components that the steps name."""
    external_version: str = ""

    def flow(self, name: str) -> Flow | None:
        return next((flow for flow in self.flows if flow.name == name), None)

    def routed_flows(self) -> tuple[Flow, ...]:
        """The flows that a request can be led to: all but the preprocess flow."""
        return tuple(flow for flow in self.flows if flow.name != self.routing.preprocess_flow)
