"""What the tests of components share: a context, and an action run as the engine runs it."""

from collections.abc import Mapping
from functools import cache
from typing import Any

from processors import cleaning, registry
from processors.actions import Action, Context, Outcome, Runs, World
from processors.private_networks import guarded_client
from schemas.events import BodyEncoding, Request, Scope
from schemas.instants import Instant
from schemas.values import Value

REQUEST = Request(
    method="POST",
    path="",
    headers=[],
    query=[],
    body="",
    encoding=BodyEncoding.TEXT,
    body_bytes=0,
)


def context(*, state: Mapping[Scope, Mapping[str, Value]] | None = None, **given: Any) -> Context:
    """A context in which nothing has happened yet, but for what is `given`."""
    kept = state or {}
    defaults: dict[str, Any] = {
        "execution_id": "e-1",
        "instance_id": "i-1",
        "flow": "Flow 1",
        "step": "step",
        "loop_path": "",
        "attempt": 1,
        "now": Instant(1_700_000_000_000_000),
        "payload": {},
        "request": REQUEST,
        "results": {},
        "state": lambda scope: kept.get(scope, {}),
    }
    return Context(**defaults | given)


def action(component: str, key: str) -> Action:
    found = registry.find(component, key)
    assert found is not None
    return found


@cache
def _world() -> World:
    return World(http=guarded_client(allow_private=False), code_timeout_s=2)


def run(
    component: str, key: str, inputs: Mapping[str, Value], within: Context | None = None
) -> Outcome:
    """The outcome of an action that does not wait, on inputs as a step resolves them."""
    named = action(component, key)
    cleaned = cleaning.clean(named, inputs)
    if named.runs is Runs.THREAD:
        outcome = named.perform(cleaned, within or context(), _world())
    else:
        outcome = named.perform(cleaned, within or context())
    assert isinstance(outcome, Outcome)
    return outcome
