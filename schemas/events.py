"""Every event that Penstock can say, one line each with who reacts.

    definitions   IntegrationPublished   a version of an integration exists        every process
                  VersionReleased        it is fit for use, people say             views
                  CustomerRegistered     a customer exists                         every process
                  InstanceDeployed       an instance runs that version             every process
                  InstancePaused/Resumed/Removed                                   every process
                  LifecycleFollowed      what that entails is on triggers          ingress
    triggers      WebhookReceived        a request arrived at an endpoint          admission
                  CallsRefused           calls were turned away, counted          admission
                  FlowInvoked            an execution starts a flow of its instance admission
                  LifecycleHappened      an instance was deployed or removed       admission
                  TickElapsed            instants of a schedule have elapsed       admission
                  SchedulesFollowed      up to when all of them have been said     admission, ticker
                  SignalReceived         an execution is sent something           admission
                  DispatchRequested      a preprocess flow has named an instance  admission
    admissions    ExecutionAdmitted      it may run: flow, version, request        execution, views
                  TriggerRefused         it may not, and why                       views
                  TickSkipped            instants of a schedule that do not run    execution, views
                  ScheduleFellBehind     its instants come late from here on       views
                  CallsRefused           as on triggers, passed on                 views
                  KeysRemembered         idempotency keys, said again             admission
                  LifecycleHappened      what hooks want kept, passed on           execution
                  SignalReceived         passed on, with its position on triggers  execution
                  StateRequested         a step asks for values of an integration  execution
                  StateAnswered          what that came to                         execution
    executions    PartitionClaimed       a worker owns the partition from here on  every reader
                  JournalCheckpointed    how far the inputs have been followed     execution
                  ExecutionStarted       first event of an execution               execution, views
                  FlowDispatched         what follows the preprocess flow          execution, views
                  ExecutionHandedOver    it goes on as another instance's          execution
                  StepScheduled          an effect on the world is about to happen execution, views
                  StepRetryScheduled     an attempt failed, another will follow    execution, views
                  StepSucceeded/Failed   what a step came to                       execution, views
                  ExecutionSuspended     a step waits for an instant or a signal   execution, views
                  SignalReceived         passed on to the execution it is for      execution
                  ExecutionResumed       a suspended execution goes on             execution
                  ExecutionCarried       heads a record that says all of an open   execution
                                         execution again; views skip that record
                  TickSkipped            a former run is still open                execution, views
                  ExecutionCanceled      its last event: a later tick took over    execution, views
                  StateChanged           a persisted value was written or removed  execution
                  StateAnswered          what a request for state came to          execution
                  FlowInvoked            noted before it goes to triggers          execution
                  FlowAnswered           what came of it, for who waits for that   execution
                  LogWritten             a line of an execution's log              views
                  ExecutionCompleted/Failed   its last event                       execution, views
    replies       AdmissionDecided       for a caller who waits for the decision   ingress
                  ResultReady            for a caller who waits for the result     ingress
                  TriggerAnswered        for a caller whom the trigger answers     ingress
    *.dead        RecordDeadLettered     a record that could not be handled        people

An event says what happened and is never changed: fields are only added, with defaults, and a wire
name is never used again. Instants are those of the record (eventlog.log.Record.at) unless a field
says otherwise.
"""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from schemas.construction import made_quickly
from schemas.ids import (
    CustomerId,
    EndpointId,
    ExecutionId,
    InstanceId,
    IntegrationId,
    ScheduleId,
)
from schemas.instants import Instant

PREPROCESS = "preprocess/"
"""Begins the names of the steps of a preprocess flow; no key of a step has a slash."""


class Reason(StrEnum):
    """Why a trigger was refused."""

    RATE_LIMITED = "rate_limited"
    UNKNOWN_ENDPOINT = "unknown_endpoint"
    INSTANCE_PAUSED = "instance_paused"
    INSTANCE_REMOVED = "instance_removed"
    MISSING_FLOW_NAME = "missing_flow_name"
    MISSING_CUSTOMER = "missing_customer"
    UNKNOWN_FLOW = "unknown_flow"
    UNKNOWN_CUSTOMER = "unknown_customer"
    NO_INSTANCE = "no_instance"
    BODY_TOO_LARGE = "body_too_large"
    MISSING_API_KEY = "missing_api_key"
    WRONG_API_KEY = "wrong_api_key"
    REPEATED = "repeated"
    IDEMPOTENCY_KEY_REUSED = "idempotency_key_reused"


class InvokeType(StrEnum):
    """What made an execution happen (platform-behaviour, section 6.1)."""

    WEBHOOK = "WEBHOOK"
    SCHEDULED = "SCHEDULED"
    CROSS_FLOW = "CROSS_FLOW"
    DEPLOY_FLOW = "DEPLOY_FLOW"
    TEAR_DOWN_FLOW = "TEAR_DOWN_FLOW"


class CatchUp(StrEnum):
    """Which of the instants that were missed run late: none, the last one, all up to a bound."""

    NONE = "none"
    LAST = "last"
    ALL = "all"


class Overlap(StrEnum):
    """What becomes of a tick while a former run of its schedule is open."""

    ALLOW = "allow"
    SKIP = "skip"
    QUEUE = "queue"
    CANCEL = "cancel"


class Skip(StrEnum):
    """Why an expected instant of a schedule did not run."""

    PAUSED = "paused"
    REMOVED = "removed"
    CAUGHT_UP = "caught_up"
    OVERLAP = "overlap"
    SUPERSEDED = "superseded"


class Occasion(StrEnum):
    """What happens to an instance and may start its flows (platform-behaviour, section 5)."""

    DEPLOY = "deploy"
    REMOVE = "remove"


class ResultType(StrEnum):
    """How an execution that did not fail came to its end (platform-behaviour, section 6.1)."""

    COMPLETED = "COMPLETED"
    POLLED_NO_CHANGES = "POLLED_NO_CHANGES"


class BodyEncoding(StrEnum):
    """How `Request.body` stands: as text, as base64 of bytes, or as the key of a blob."""

    TEXT = "text"
    BASE64 = "base64"
    BLOB = "blob"


class Scope(StrEnum):
    """How far a persisted value reaches: one run, one flow of an instance, all its flows, all
    instances of an integration.

    What stands in scope platform is Penstock's own, of an instance; flows do not see it.
    """

    EXECUTION = "execution"
    FLOW = "flow"
    CROSS_FLOW = "cross_flow"
    INTEGRATION = "integration"
    PLATFORM = "platform"


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A request as received. `headers` and `query` are pairs in the order sent, names as sent."""

    method: str
    path: str
    headers: list[list[str]]
    query: list[list[str]]
    body: str
    encoding: BodyEncoding
    body_bytes: int
    content_type: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class IntegrationPublished:
    """`definition` is the text of the file, in `language` (yaml or python).

    Of a Python file, `manifest` says in YAML what the integration is: its flows with their triggers
    and its config variables, so that nobody has to run the file to know them.
    """

    integration_id: IntegrationId
    name: str
    version: int
    definition: str
    language: str = "yaml"
    manifest: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionReleased:
    """`comment` says what is new."""

    integration_id: IntegrationId
    version: int
    comment: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomerRegistered:
    customer_id: CustomerId
    external_id: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Scheduled:
    """When a flow of an instance fires: what schemas.recurrence takes, and what becomes of a tick.

    `expression` is empty where it never fires. It holds from `since` on, and came with the
    deployment at offset `change` of `definitions`; null for both means that of its own record.
    """

    flow: str
    expression: str
    time_zone: str = ""
    schedule_type: str = "custom"
    catch_up: CatchUp = CatchUp.LAST
    max_catch_up: int = 100
    overlap: Overlap = Overlap.ALLOW
    jitter_s: int = 0
    since: Instant | None = None
    change: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class InstanceDeployed:
    """`endpoints` maps flow names to endpoint ids; `api_key_hashes` flow names to SHA-256 hex.

    `sealed` holds the configuration and the API keys, encrypted (schemas.secrets); `rate_limit` is
    how many requests each endpoint admits in any second. Where `endpoint_type` is not
    flow_specific, all flows have the one endpoint of the instance or of the integration.
    `key_fields` says by flow where requests hold their idempotency key.
    `revision` counts the configurations of the instance from 1: a deployment that changes nothing
    in `sealed` has that of the former one.
    `schedules`: for each flow that has one, what held formerly and then what holds now.
    `base_url` is where URLs of the instance begin, as far as the deployment knew. With
    `entails_more`, LifecycleFollowed comes once hooks and flows of the deployment have had theirs.
    `is_first`: there was no such instance, or it had been removed.
    """

    instance_id: InstanceId
    name: str
    integration_id: IntegrationId
    version: int
    customer_id: CustomerId
    endpoints: dict[str, EndpointId]
    sealed: str
    api_key_hashes: dict[str, list[str]] = field(default_factory=dict)
    rate_limit: int = 50
    endpoint_type: str = "flow_specific"
    key_fields: dict[str, list[str]] = field(default_factory=dict)
    revision: int = 0
    schedules: list[Scheduled] = field(default_factory=list)
    base_url: str = ""
    entails_more: bool = False
    is_first: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class InstancePaused:
    instance_id: InstanceId


@dataclass(frozen=True, slots=True, kw_only=True)
class InstanceResumed:
    """`paused_at` is when the pause began, null where that is not known."""

    instance_id: InstanceId
    paused_at: Instant | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class InstanceRemoved:
    """With `entails_more`, LifecycleFollowed comes when all of it is done."""

    instance_id: InstanceId
    entails_more: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class LifecycleFollowed:
    """Flows that the deployment or removal at `change` starts are on `triggers`, hooks have run.

    `change` is an offset of `definitions`.
    """

    instance_id: InstanceId
    change: int


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookReceived:
    """The waiting caller is number `request_no` of the node `reply_to`, if that is given.

    `by_flow`: whether that caller waits for the result is for the flow to say, which ingress does
    not know. `api_key_hash` is that of the key sent where the flow's keys have to be checked later;
    `idempotency_key` a hash of the caller's, and `fingerprint` one of the request. What stands on
    `definitions` below `change` was known when it came, and counts for it.
    """

    endpoint_id: EndpointId
    request: Request
    synchronous: bool
    reply_to: str
    request_no: int
    invoke_url: str = ""
    by_flow: bool = False
    api_key_hash: str = ""
    idempotency_key: str = ""
    fingerprint: str = ""
    change: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Preprocess:
    """What a request is still to be led by, once the preprocess flow has run (platform, 1.3)."""

    by_flow: bool = False
    api_key_hash: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowInvoked:
    """Step `step` of `invoked_by` starts `flow` of its own instance as `execution_id`.

    It stands on the journal, and then on `triggers`, there perhaps more than once. `is_batch`:
    `request` holds items that the trigger has given already. `waits`: the step goes on with its
    FlowAnswered; so many as `depth` wait for one another then.
    """

    execution_id: ExecutionId
    instance_id: InstanceId
    flow: str
    request: Request
    invoked_by: ExecutionId
    step: str
    loop_path: str = ""
    invoke_type: InvokeType = InvokeType.CROSS_FLOW
    invoke_url: str = ""
    is_batch: bool = False
    waits: bool = False
    depth: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class LifecycleHappened:
    """`change` is the offset on `definitions` of the deployment or removal.

    Either `flow` starts, or what hooks of the instance returned is kept: `cross_flow_state`, of
    which null removes a key. `part` tells such records of one change apart. All may be said again:
    of each part of a change the first counts, and none that is older than what has counted. The
    position of the trigger is there where admission passes it on.
    """

    instance_id: InstanceId
    occasion: Occasion
    change: int
    part: str
    flow: str = ""
    base_url: str = ""
    cross_flow_state: dict[str, Any] = field(default_factory=dict)
    trigger_partition: int = -1
    trigger_offset: int = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class SignalReceived:
    """`data` is for the step of the execution that waits for `name`, now or later.

    Of several with one `idempotency_key` the first counts; an empty one is none. The position is
    that on `triggers`, known from the admission on.
    """

    instance_id: InstanceId
    execution_id: ExecutionId
    name: str
    data: Any = None
    idempotency_key: str = ""
    trigger_partition: int = 0
    trigger_offset: int = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class TickElapsed:
    """`count` instants of a schedule have elapsed, from `first_due_at` to `due_at`.

    `newer` instants of it had elapsed besides when this was noticed. It may be said again, also cut
    otherwise: what is not later than what has been said changes nothing (schemas.followed).
    `change` is the offset on `definitions` of what it follows from; `is_paused` of a resumption.
    """

    schedule_id: ScheduleId
    instance_id: InstanceId
    flow: str
    due_at: Instant
    first_due_at: Instant
    change: int
    expression: str
    time_zone: str
    engine: str
    engine_version: str
    jitter_s: int = 0
    count: int = 1
    newer: int = 0
    is_paused: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SchedulesFollowed:
    """What had to fire in this partition by `through` has been said before this record, as far as
    it follows from what stands on `definitions` below `change`. True whoever says it."""

    through: Instant
    change: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TickSkipped:
    """`count` expected instants, from `first_due_at` to `due_at`, do not run.

    Where the reason is overlap it stands on `executions`, and follows from the admission of
    `execution_id` at this position; `open_execution_id` is the run in the way.
    """

    schedule_id: ScheduleId
    instance_id: InstanceId
    flow: str
    due_at: Instant
    first_due_at: Instant
    reason: Skip
    trigger_partition: int
    trigger_offset: int
    received_at: Instant
    count: int = 1
    execution_id: ExecutionId | None = None
    open_execution_id: ExecutionId | None = None
    admission_partition: int = -1
    admission_offset: int = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleFellBehind:
    """The instant `due_at` came `late_s` late, and the one before it did not."""

    schedule_id: ScheduleId
    instance_id: InstanceId
    flow: str
    due_at: Instant
    late_s: float
    trigger_partition: int
    trigger_offset: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutionAdmitted:
    """`trigger_partition` and `trigger_offset` are the position of the cause on `triggers`.

    `received_at` is the append time of the trigger, which the rate limit counts. `invoked_by` is
    the execution that started this one; `change` the deployment or removal that did. `revision` is
    that of the instance's configuration then, 0 where an earlier release did not count.

    With `preprocess`, `flow` is the preprocess flow, and FlowDispatched says what follows. Of a
    shared endpoint that flow belongs to no customer: `instance_id` is then the integration's own
    (schemas.ids.system_instance). `continues`: the preprocess flow has run, on that instance.

    Of a tick, `schedule_id`, `due_at` and `overlap` say which one, and what if a run is open;
    it was to fire `jitter_s` after it was due.

    Of an invocation, `synchronous` says that its step waits, as one of `depth`.
    """

    execution_id: ExecutionId
    trigger_partition: int
    trigger_offset: int
    received_at: Instant
    endpoint_id: EndpointId
    instance_id: InstanceId
    customer_id: CustomerId
    integration_id: IntegrationId
    version: int
    flow: str
    request: Request
    synchronous: bool
    reply_to: str
    request_no: int
    invoke_type: InvokeType = InvokeType.WEBHOOK
    invoke_url: str = ""
    invoked_by: ExecutionId | None = None
    is_batch: bool = False
    change: int | None = None
    preprocess: Preprocess | None = None
    continues: bool = False
    idempotency_key: str = ""
    fingerprint: str = ""
    revision: int = 0
    schedule_id: ScheduleId | None = None
    due_at: Instant | None = None
    overlap: Overlap = Overlap.ALLOW
    jitter_s: int = 0
    depth: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class TriggerRefused:
    """`execution_id` is the id that the caller may have been given before the decision (202).

    `flow` and `customer` are as the request named them, perhaps in vain. `repeats` is the execution
    whose idempotency key the trigger repeats.
    """

    execution_id: ExecutionId
    trigger_partition: int
    trigger_offset: int
    received_at: Instant
    endpoint_id: EndpointId
    instance_id: InstanceId | None
    flow: str
    reason: Reason
    limit: int = 0
    repeats: ExecutionId | None = None
    customer: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DispatchRequested:
    """A preprocess flow has named the instance of `admission`; its execution goes on there.

    It may stand on `triggers` more than once; the first one counts.
    """

    admission: ExecutionAdmitted


@dataclass(frozen=True, slots=True, kw_only=True)
class KeysRemembered:
    """The idempotency keys that count for a partition of `triggers`, said again for recovery.

    Each is [endpoint, key, fingerprint, execution, instant of the request].
    """

    trigger_partition: int
    keys: list[list[Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class CallsRefused:
    """Calls that ingress turned away before they could become triggers: `count` since the last one.

    One of them is kept as a sample, by its header names only: what it sent may be anything. The
    endpoint is empty where there is none. `first_at` and `last_at` are of ingress's own clock.
    Admission fills in the position on `triggers` when it passes the event on.
    """

    endpoint_id: EndpointId
    reason: str
    count: int
    first_at: Instant
    last_at: Instant
    method: str = ""
    path: str = ""
    header_names: list[str] = field(default_factory=list)
    trigger_partition: int = 0
    trigger_offset: int = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class PartitionClaimed:
    """The offset of this record is the claim that its worker's further records carry.

    Readers ignore a record whose claim is not the latest: a worker that was paused and has lost
    its partition cannot say anything more.
    """

    owner: str


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalCheckpointed:
    """How far the inputs of this partition had been followed when it was written.

    `started_through` maps partitions of `admissions` to the last offset started, `decided_through`
    partitions of `triggers` to the last offset whose decision has been seen.
    """

    started_through: dict[str, int]
    decided_through: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutionStarted:
    """The cause stands on `admissions` and its own cause on `triggers`, at these positions.

    `preprocess`: `flow` is the preprocess flow. `continues`: it has run, on another instance.
    """

    execution_id: ExecutionId
    instance_id: InstanceId
    flow: str
    admission_partition: int
    admission_offset: int
    trigger_partition: int = 0
    trigger_offset: int = -1
    preprocess: bool = False
    continues: bool = False
    schedule_id: ScheduleId | None = None
    overlap: Overlap = Overlap.ALLOW


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowDispatched:
    """The preprocess flow has named what the execution goes on with: `flow`, of this instance.

    Steps said before are those of the preprocess flow; their names begin with `preprocess/`.
    """

    execution_id: ExecutionId
    flow: str
    instance_id: InstanceId
    customer_id: CustomerId
    integration_id: IntegrationId
    version: int
    synchronous: bool
    revision: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutionHandedOver:
    """DispatchRequested is durable: the execution is no longer this partition's."""

    execution_id: ExecutionId


@dataclass(frozen=True, slots=True, kw_only=True)
class StepScheduled:
    """`idempotency_key` is the same for every attempt to run this step of this execution.

    `sequence` numbers the steps of a Python flow from 1 in the order in which it reached them.
    """

    execution_id: ExecutionId
    step: str
    loop_path: str = ""
    attempt: int = 1
    idempotency_key: str = ""
    sequence: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class StepRetryScheduled:
    """Attempt `attempt` failed with `error`; the next one comes after `delay_s`."""

    execution_id: ExecutionId
    step: str
    loop_path: str
    attempt: int
    error: str
    delay_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class StepSucceeded:
    """`result` is the value, tagged where `tagged` (schemas.values), or null where `blob` has it.

    `loop_path` is `loop[3].inner[0]` for a step in loops, empty at the root; `branch` the branch
    that the step chose; `status` the HTTP status that it chose for a synchronous answer. The
    instants are those of the effect; null means the record's own. `inputs` are those that
    the definition does not spell out (processors.recorded_inputs); `kept` is what a trigger said
    that is acted on later (processors.trigger_results), of other steps with a status the content
    type and headers of their answer.
    """

    execution_id: ExecutionId
    step: str
    result: Any = None
    loop_path: str = ""
    attempt: int = 1
    branch: str | None = None
    status: int | None = None
    tagged: bool = False
    blob: str | None = None
    started_at: Instant | None = None
    ended_at: Instant | None = None
    inputs: Any = None
    kept: Any = None
    sequence: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class StepFailed:
    """`ignored` where the flow goes on nevertheless."""

    execution_id: ExecutionId
    step: str
    error: str
    loop_path: str = ""
    attempt: int = 1
    ignored: bool = False
    started_at: Instant | None = None
    ended_at: Instant | None = None
    inputs: Any = None
    sequence: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutionSuspended:
    """Step `step` waits until `until`, or for the signal `waits_for`, whichever is first.

    `until` is None where only the signal ends the wait, `waits_for` empty where only time does.
    """

    execution_id: ExecutionId
    step: str
    loop_path: str = ""
    until: Instant | None = None
    waits_for: str = ""
    sequence: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutionResumed:
    """A suspended execution is in memory again and goes on."""

    execution_id: ExecutionId


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutionCarried:
    """The rest of this record says again what recovery needs of a suspended execution.

    `wake_at` is when it is due, None where only a signal wakes it.
    """

    execution_id: ExecutionId
    wake_at: Instant | None = None
    invoked_by: ExecutionId | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StateChanged:
    """`owner` is the execution, instance or integration; in scope flow with `/flow` behind it.

    `removed` takes the key away. `execution_id` is empty where a checkpoint carries a value on.
    """

    execution_id: ExecutionId
    scope: Scope
    owner: str
    key: str
    value: Any = None
    tagged: bool = False
    removed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class StateRequested:
    """A step asks for `action` of persist-data, on the values that instances share.

    `request_id` is the same however often it is asked; `inputs` are tagged where `tagged`; `at` is
    the step's time; `asked_by` the partition of `admissions` to which the answer goes.
    """

    request_id: str
    integration_id: IntegrationId
    execution_id: ExecutionId
    action: str
    inputs: dict[str, Any]
    at: Instant
    asked_by: int
    tagged: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class StateAnswered:
    """What a request for state came to. `is_long`: the result is too long to be remembered."""

    request_id: str
    result: Any = None
    tagged: bool = False
    error: str = ""
    is_long: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class LogWritten:
    """`level` is one of trace, debug, info, warn, error, fatal, metric."""

    execution_id: ExecutionId
    level: str
    message: str
    step: str = ""
    loop_path: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """What a synchronous caller gets. `status` is None where the flow did not choose one.

    The body is `result` (tagged where `tagged`), or the blob of that key.
    """

    status: int | None = None
    content_type: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    result: Any = None
    tagged: bool = False
    blob: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutionCompleted:
    """`response` is there where a caller waits for it."""

    execution_id: ExecutionId
    response: Response | None = None
    result_type: ResultType = ResultType.COMPLETED


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowAnswered:
    """What `invoked` came to, for a step of `execution_id` that waits for it.

    It stands before the last event of `invoked`; `error` is there where that failed or was refused.
    """

    execution_id: ExecutionId
    invoked: ExecutionId
    response: Response | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutionFailed:
    """`step` is the key of the step that failed, empty where none was reached.

    `reason` is for programs: why a preprocess flow could not be followed by another.
    """

    execution_id: ExecutionId
    error: str
    step: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutionCanceled:
    """`by` is the execution that took its place."""

    execution_id: ExecutionId
    reason: str
    by: ExecutionId | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AdmissionDecided:
    """`reason` is None where the trigger was admitted; `limit` is the endpoint's, in requests/s.

    `flow` and `instance_id` are what it was led to, where the endpoint does not say, or with
    `customer` what it named in vain; `synchronous` says that its caller waits for the result, where
    that was left to the flow. With reason repeated `execution_id` is the first execution's.
    """

    reply_to: str
    request_no: int
    execution_id: ExecutionId
    reason: Reason | None = None
    limit: int = 0
    instance_id: InstanceId | None = None
    flow: str = ""
    customer: str = ""
    synchronous: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultReady:
    """`error` is None where the execution completed; then its response is in `response`.

    `reason` is that of ExecutionFailed.

    `partition` and `offset` are where the terminal event stands on `executions`.
    """

    reply_to: str
    request_no: int
    execution_id: ExecutionId
    partition: int
    offset: int
    error: str | None = None
    response: Response | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TriggerAnswered:
    """What the trigger of a flow has to say to its caller; `status` is None where it is nothing.

    `error` is there where the trigger failed.
    """

    reply_to: str
    request_no: int
    execution_id: ExecutionId
    status: int | None = None
    content_type: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    body: str = ""
    error: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordDeadLettered:
    """`value` is the base64 of the record's bytes."""

    topic: str
    partition: int
    offset: int
    appended_at: Instant
    key: str
    value: str
    cause: str


WIRE_NAMES = {
    IntegrationPublished: "integration.published",
    VersionReleased: "version.released",
    CustomerRegistered: "customer.registered",
    InstanceDeployed: "instance.deployed",
    InstancePaused: "instance.paused",
    InstanceResumed: "instance.resumed",
    InstanceRemoved: "instance.removed",
    LifecycleFollowed: "lifecycle.followed",
    WebhookReceived: "webhook.received",
    FlowInvoked: "flow.invoked",
    LifecycleHappened: "lifecycle.happened",
    TickElapsed: "tick.elapsed",
    SchedulesFollowed: "schedules.followed",
    SignalReceived: "signal.received",
    ExecutionAdmitted: "execution.admitted",
    TriggerRefused: "trigger.refused",
    TickSkipped: "tick.skipped",
    ScheduleFellBehind: "schedule.fell_behind",
    DispatchRequested: "dispatch.requested",
    KeysRemembered: "keys.remembered",
    CallsRefused: "calls.refused",
    PartitionClaimed: "partition.claimed",
    JournalCheckpointed: "journal.checkpointed",
    ExecutionStarted: "execution.started",
    FlowDispatched: "flow.dispatched",
    ExecutionHandedOver: "execution.handed_over",
    StepScheduled: "step.scheduled",
    StepRetryScheduled: "step.retry_scheduled",
    StepSucceeded: "step.succeeded",
    StepFailed: "step.failed",
    ExecutionSuspended: "execution.suspended",
    ExecutionResumed: "execution.resumed",
    ExecutionCarried: "execution.carried",
    StateChanged: "state.changed",
    StateRequested: "state.requested",
    StateAnswered: "state.answered",
    FlowAnswered: "flow.answered",
    LogWritten: "log.written",
    ExecutionCompleted: "execution.completed",
    ExecutionFailed: "execution.failed",
    ExecutionCanceled: "execution.canceled",
    AdmissionDecided: "admission.decided",
    ResultReady: "result.ready",
    TriggerAnswered: "trigger.answered",
    RecordDeadLettered: "record.dead_lettered",
}

Event = (
    IntegrationPublished
    | VersionReleased
    | CustomerRegistered
    | InstanceDeployed
    | InstancePaused
    | InstanceResumed
    | InstanceRemoved
    | LifecycleFollowed
    | WebhookReceived
    | FlowInvoked
    | LifecycleHappened
    | TickElapsed
    | SchedulesFollowed
    | SignalReceived
    | ExecutionAdmitted
    | TriggerRefused
    | TickSkipped
    | ScheduleFellBehind
    | DispatchRequested
    | KeysRemembered
    | CallsRefused
    | PartitionClaimed
    | JournalCheckpointed
    | ExecutionStarted
    | FlowDispatched
    | ExecutionHandedOver
    | StepScheduled
    | StepRetryScheduled
    | StepSucceeded
    | StepFailed
    | ExecutionSuspended
    | ExecutionResumed
    | ExecutionCarried
    | StateChanged
    | StateRequested
    | StateAnswered
    | FlowAnswered
    | LogWritten
    | ExecutionCompleted
    | ExecutionFailed
    | ExecutionCanceled
    | AdmissionDecided
    | ResultReady
    | TriggerAnswered
    | RecordDeadLettered
)

made_quickly(*WIRE_NAMES, Request, Response)
