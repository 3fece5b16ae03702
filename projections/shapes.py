"""Shapes: what reads give, as JSON objects. The API documents itself from them.

Ids are global ids (schemas.ids); names that end in `At` are instants in ISO 8601, UTC.
"""

from typing import Any

from typing_extensions import TypedDict  # pydantic does not take typing's before Python 3.12


class Named(TypedDict):
    id: str
    name: str | None


class Customer(TypedDict):
    id: str
    externalId: str | None
    name: str | None


class Summary(TypedDict):
    """One execution in a list."""

    id: str
    status: str
    flow: str | None
    instance: Named | None
    customer: Customer | None
    integration: Named | None
    version: int | None
    invokeType: str | None
    receivedAt: str | None
    startedAt: str | None
    endedAt: str | None
    error: str | None
    replayForExecution: str | None
    resultType: str | None
    invokedBy: str | None


class Step(TypedDict):
    """One run of a step, at its latest attempt. `result` is `{"blob": key}` where a blob has it.

    `inputs` are those that the definition does not spell out, by name: values, bytes in base64;
    `{"$configVar": key}`; for what is long `{"$reference": [step, kind, segment…]}` or
    `{"$omitted": {"bytes", "sha256"}}`. Of an execution that holds very much, later results and
    inputs are `{"$omitted": {"characters"}}`.
    """

    key: str
    name: str
    fromPreprocessFlow: bool
    status: str
    loopPath: str
    attempt: int
    branch: str | None
    inputs: dict[str, Any] | None
    result: Any
    error: str | None
    startedAt: str | None
    endedAt: str | None


class Trigger(TypedDict):
    """The request behind an execution. A header or query name sent more than once has a list.

    `body` is a text, base64 where `bodyEncoding` says so, or `{"blob": key}`.
    """

    method: str
    path: str
    headers: dict[str, str | list[str]]
    query: dict[str, str | list[str]]
    body: Any
    bodyEncoding: str
    bodyBytes: int
    contentType: str
    endpoint: str | None
    invokeUrl: str | None
    synchronous: bool | None


class Execution(Summary):
    """One execution as a whole."""

    preprocessFlow: str | None
    trigger: Trigger | None
    steps: list[Step]
    replays: list[str]
    invoked: list[str]


class Executions(TypedDict):
    executions: list[Summary]
    next: str | None


class LogLine(TypedDict):
    """`step` is a step's key and `stepName` its name; the loop is the innermost around it.

    Both are empty in lines that are of no step.
    """

    timestamp: str
    level: str
    message: str
    step: str
    stepName: str
    loopPath: str
    loopStepName: str | None
    loopStepIndex: int | None
    fromPreprocessFlow: bool


class LogLines(TypedDict):
    logs: list[LogLine]
    next: str | None


class LoggedEvent(TypedDict):
    """One event where it stands on the log; `content` is its fields as written there."""

    topic: str
    partition: int
    offset: int
    time: str
    type: str
    content: dict[str, Any]


class History(TypedDict):
    """`truncated` where there was more to look through than is looked through."""

    events: list[LoggedEvent]
    truncated: bool


class Flow(TypedDict):
    """A flow of an instance; its URL is `/trigger/{endpoint}`."""

    name: str
    endpoint: str


class Instance(TypedDict):
    id: str
    name: str
    status: str
    integration: Named | None
    version: int
    customer: Customer | None
    rateLimit: int
    deployedAt: str
    flows: list[Flow]


class Instances(TypedDict):
    instances: list[Instance]
    next: str | None


class Integration(TypedDict):
    id: str
    name: str
    version: int
    publishedAt: str


class Integrations(TypedDict):
    integrations: list[Integration]
    next: str | None


class Refusal(TypedDict):
    """A trigger that was refused; `execution` is the id that its caller may have been given.

    `flow` and `customer` are as the request named them; `repeats` is the execution it repeats.
    """

    execution: str
    endpoint: str
    instance: str | None
    flow: str
    customer: str
    reason: str
    error: str
    repeats: str | None
    receivedAt: str


class Refusals(TypedDict):
    refusals: list[Refusal]
    next: str | None


class Counts(TypedDict):
    """How many executions there are, by status, and how many refused triggers."""

    executions: dict[str, int]
    refusals: int


class Position(TypedDict):
    """How far the views are in one partition; `lag` counts offsets."""

    topic: str
    partition: int
    offset: int
    high: int
    lag: int


class Positions(TypedDict):
    projections: list[Position]
