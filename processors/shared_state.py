"""Shared state: the values of an integration, which its instances share over partitions. Pure.

The values of one integration stand on one partition of the journal, its owner's; only that
partition reads and changes them, one request after another. So no two runs lose one another's
writes, and two that add to a number both count.

    StateRequested   on `admissions`, to the owner's partition: do this action of persist-data
    StateAnswered    on `executions`, beside the changes if any: what it came to, for a repeat
                     on `admissions`, to the asker's partition: the same, for who waits

The id of a request is the idempotency key of its step. A step that runs again after a crash asks
with the same id and is answered from the record, as long as fewer than MAX_ANSWERED later requests
have been answered by the owner's partition (processors.execution).
"""

from collections.abc import Callable, Mapping
from typing import Any

from processors import execution
from processors.actions import Change, Outcome, StepError
from processors.state_limits import problem_of
from schemas import events
from schemas.definitions import Pair
from schemas.events import Scope
from schemas.ids import ExecutionId, IntegrationId
from schemas.instants import Instant
from schemas.values import NotSerializable, Value, dump, from_json, to_json

LONGEST_KEPT_BYTES = 64 * 1024

Perform = Callable[[str, Mapping[str, Value], Mapping[str, Value], Instant], Outcome]
"""Action key, inputs, values now, time of the request → outcome. Raises StepError."""


def requested(
    *,
    request_id: str,
    integration_id: str,
    execution_id: str,
    action: str,
    inputs: Mapping[str, Value],
    now: Instant,
    asked_by: int,
) -> events.StateRequested:
    """The request of a step. Raises StepError for inputs that the log cannot hold."""
    named = {key: _as_objects(value) for key, value in inputs.items()}
    try:
        given, tagged = to_json(named)
        dump([[[[[[[[given]]]]]]]])
    except NotSerializable as error:
        raise StepError(f"what is to be kept cannot be written as JSON: {error}") from error
    return events.StateRequested(
        request_id=request_id,
        integration_id=IntegrationId(integration_id),
        execution_id=ExecutionId(execution_id),
        action=action,
        inputs=given,
        tagged=tagged,
        at=now,
        asked_by=asked_by,
    )


def decide(
    state: execution.State, asked: events.StateRequested, perform: Perform
) -> list[events.Event]:
    """The changes and, last, the answer; nothing where the request has been answered.

    Without changes there is nothing to remember: a repeat reads again.
    """
    if asked.request_id in state.answered:
        return []
    inputs = from_json(asked.inputs, asked.tagged)
    values = execution.read_values(state, Scope.INTEGRATION, asked.integration_id)
    try:
        outcome = perform(asked.action, inputs, values, asked.at)
        problem = next(filter(None, map(problem_of, outcome.changes)), "")
        result, tagged = to_json(outcome.result)
    except (StepError, NotSerializable) as error:
        return [events.StateAnswered(request_id=asked.request_id, error=str(error))]
    if problem:
        return [events.StateAnswered(request_id=asked.request_id, error=problem)]
    answer = events.StateAnswered(request_id=asked.request_id, result=result, tagged=tagged)
    return [*(_changed(asked, change) for change in outcome.changes), answer]


def repeated(state: execution.State, asked: events.StateRequested) -> events.StateAnswered:
    """The answer to a request that was answered before.

    A result too long to be remembered is given as the value that its key has now.
    """
    answer = state.answered[asked.request_id].event
    if not answer.is_long:
        return answer
    inputs = from_json(asked.inputs, asked.tagged)
    values = execution.read_values(state, Scope.INTEGRATION, asked.integration_id)
    value = values.get(inputs.get("keyInput", ""))
    result, tagged = to_json({"value": value} if asked.action.startswith("save") else value)
    return events.StateAnswered(request_id=asked.request_id, result=result, tagged=tagged)


def remembered(answer: events.StateAnswered) -> events.StateAnswered:
    """The answer as the journal keeps it."""
    if len(dump(answer.result)) <= LONGEST_KEPT_BYTES:
        return answer
    return events.StateAnswered(request_id=answer.request_id, is_long=True)


def result_of(answer: events.StateAnswered) -> Value:
    """What the step is given. Raises StepError where the owner could not do it."""
    if answer.error:
        raise StepError(answer.error)
    return from_json(answer.result, answer.tagged)


def _changed(asked: events.StateRequested, change: Change) -> events.StateChanged:
    value, tagged = to_json(change.value)
    return events.StateChanged(
        execution_id=asked.execution_id,
        scope=Scope.INTEGRATION,
        owner=asked.integration_id,
        key=change.key,
        value=value,
        tagged=tagged,
        removed=change.removed,
    )


def _as_objects(value: Value) -> Any:
    """Named values as `{key, value}`, which cleaning reads as such again."""
    if isinstance(value, list) and value and all(isinstance(entry, Pair) for entry in value):
        return [{"key": pair.name, "value": pair.value} for pair in value]
    return value
