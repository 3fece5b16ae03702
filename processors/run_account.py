"""The account of a run: what it knows so far, and how it says what became of a step. Pure.

The interpreter walks the steps; here is what it keeps of them: results that later steps refer to,
state, and events. Everything that is said has its secrets hidden.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from processors import batches, hidden_keys, invocations, responses, trigger_results
from processors.actions import Change, Context, Invocation, Outcome
from processors.asked import Performed
from processors.recorded_steps import KEPT
from processors.state_limits import problem_of
from schemas import events
from schemas.definitions import Flow, Step
from schemas.events import Scope
from schemas.instants import Instant
from schemas.secrets import hide
from schemas.values import NotSerializable, Value, from_json, to_json

MAX_LOG_CHARACTERS = 4096
"""Longer log lines are cut (platform-behaviour, 3.1)."""

MAX_PAST = 10_000
"""An execution with more recorded events than this waits in memory."""


class FlowFailed(Exception):
    def __init__(self, step: str, error: str, reason: str = "") -> None:
        super().__init__(error)
        self.step = step
        self.error = error
        self.reason = reason


@dataclass(slots=True, kw_only=True)
class Account:
    """What a run knows and has said. `said` gathers what is to be appended; the host empties it.

    `read_state` gives the values of a scope, `write_state` applies a change at once, so that the
    next step of any run sees it.
    """

    admitted: events.ExecutionAdmitted
    flow: Flow
    payload: Mapping[str, Value]
    config: Mapping[str, Value]
    secrets: frozenset[str]
    read_state: Callable[[Scope], Mapping[str, Value]]
    write_state: Callable[[Change], None]
    owner_of: Callable[[Scope], str]
    now: Instant
    said: list[events.Event] = field(default_factory=list)
    past: list[events.Event] = field(default_factory=list)
    """What the log says of this execution, and what this run has said since; MAX_PAST and one."""
    _results: dict[str, dict[str, Value]] = field(default_factory=dict)
    _given: dict[str, Value] | None = None
    """What the log keeps of the inputs of the step that was last given some."""
    _last: Outcome = field(default_factory=Outcome)
    _holds_bytes: bool = False
    """Whether any result so far has bytes in it, which may be in the blob store."""
    _since_pause: int = 0
    _since_gathering: int = 0
    _prefix: str = ""
    """Before the names of steps, while a preprocess flow runs."""

    def _name(self, step: Step) -> str:
        """What the step is called on the log."""
        return self._prefix + step.key

    def _answer_from(self, succeeded: events.StepSucceeded, step: Step) -> None:
        said = from_json(succeeded.result, succeeded.tagged)
        self._holds_bytes |= succeeded.tagged
        result = hidden_keys.shown(said, self.payload)
        self._results[step.key] = {"results": result}
        content_type, headers = responses.answer_of(succeeded)
        self._last = Outcome(
            result=result, status=succeeded.status, content_type=content_type, headers=headers
        )

    def _succeed(
        self,
        step: Step,
        loop_path: str,
        outcome: Outcome,
        attempt: int,
        performed: Performed | None,
    ) -> None:
        execution_id = self.admitted.execution_id
        for change in outcome.changes:
            self._change(step, change)
        for line in outcome.logs:
            message = hide(line.message, self.secrets)[:MAX_LOG_CHARACTERS]
            self._say(
                events.LogWritten(
                    execution_id=execution_id,
                    level=line.level,
                    message=message,
                    step=self._name(step),
                    loop_path=loop_path,
                )
            )
        self._invoke(step, loop_path, outcome.invokes)
        self._results[step.key] = {"results": outcome.result}
        self._last = outcome
        shown = outcome.result
        if step.is_trigger:
            shown = trigger_results.recorded(shown, self.payload, self.admitted.request)
        try:
            result, tagged = to_json(hidden_keys.hidden(shown, self.payload))
        except NotSerializable as error:
            raise FlowFailed(self._name(step), f"step {step.name!r} returned {error}") from error
        self._holds_bytes |= tagged
        keep = trigger_results.kept if step.is_trigger else responses.kept_answer
        timed = performed is not None and performed.started_at != performed.ended_at
        self._say(
            events.StepSucceeded(
                execution_id=execution_id,
                step=self._name(step),
                result=result,
                tagged=tagged,
                loop_path=loop_path,
                attempt=attempt,
                branch=outcome.branch,
                status=outcome.status,
                started_at=performed.started_at if performed is not None and timed else None,
                ended_at=performed.ended_at if performed is not None and timed else None,
                inputs=self._given,
                kept=keep(outcome),
            )
        )

    def _invoke(self, step: Step, loop_path: str, invokes: Sequence[Invocation]) -> None:
        if not invokes:
            return
        try:
            said = invocations.said_by(self.admitted, self._caller(step, loop_path), invokes)
        except NotSerializable as error:
            raise FlowFailed(self._name(step), f"step {step.name!r} sends {error}") from error
        for invoked in said:
            self._say(invoked)
        self._since_gathering += len(said)

    def _change(self, step: Step, change: Change) -> None:
        if problem := problem_of(change):
            raise FlowFailed(self._name(step), f"step {step.name!r}: {problem}")
        self.write_state(change)
        value, tagged = to_json(change.value)
        self._say(
            events.StateChanged(
                execution_id=self.admitted.execution_id,
                scope=change.scope,
                owner=self.owner_of(change.scope),
                key=change.key,
                value=value,
                tagged=tagged,
                removed=change.removed,
            )
        )

    def _failure(
        self, step: Step, loop_path: str, attempt: int, performed: Performed
    ) -> events.StepFailed:
        failed = events.StepFailed(
            execution_id=self.admitted.execution_id,
            step=self._name(step),
            error=performed.error,
            loop_path=loop_path,
            attempt=attempt,
            ignored=ignores(step),
            started_at=performed.started_at,
            ended_at=performed.ended_at,
            inputs=self._given,
        )
        self._say(failed)
        return failed

    def _fail(self, step: Step, failed: events.StepFailed) -> Outcome:
        if not failed.ignored:
            raise FlowFailed(self._name(step), failed.error)
        outcome = Outcome(result={"error": failed.error})
        self._results[step.key] = {"results": outcome.result}
        self._last = outcome
        return outcome

    def _error(self, message: str) -> Performed:
        return Performed(None, hide(message, self.secrets), self.now, self.now)

    def _context(self, step: Step, loop_path: str, attempt: int) -> Context:
        execution_id = self.admitted.execution_id
        return Context(
            execution_id=execution_id,
            instance_id=self.admitted.instance_id,
            integration_id=self.admitted.integration_id,
            flow=self.admitted.flow,
            step=self._name(step),
            loop_path=loop_path,
            attempt=attempt,
            now=self.now,
            payload=self.payload,
            request=self.admitted.request,
            results=self._results,
            state=self.read_state,
            branches=tuple(branch.name for branch in step.branches),
            batch_size=batches.size_of(self.flow),
            config=self.config,
            secrets=self.secrets,
        )

    def _say(self, event: events.Event) -> None:
        self.said.append(event)
        if isinstance(event, KEPT) and len(self.past) <= MAX_PAST:
            self.past.append(event)
        self._since_pause += 1

    def _caller(self, step: Step, loop_path: str) -> invocations.Caller:
        return invocations.Caller(
            step=self._name(step), loop_path=loop_path, name=step.name, action=step.action
        )


def ignores(step: Step) -> bool:
    """Whether the flow goes on after the last failure of a step."""
    policy = step.error_config
    return policy.handler == "ignore" or (policy.handler == "retry" and policy.ignore_final_error)
