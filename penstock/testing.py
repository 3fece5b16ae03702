"""Testing: run a flow, YAML or Python, in a plain test: no server, no log, no waiting.

    from penstock import testing

    def test_an_order_is_charged_once_it_is_approved():
        done = testing.run(
            "flows.py",
            payload={"sku": "W-1"},
            stand_ins={"charge": {"receipt": 7}},
            signals={"approved": {"by": "ann"}},
        )
        assert done.result == {"receipt": 7}
        assert done.step("reserve stock").attempt == 1

`stand_ins` answer instead of a step (by its name) or an action (`component/action`, or a component
alone): a value, an exception to be raised, or a function that is called with what the step is
given. A component that is not here needs one; its inputs are then those that the definition gives.
Time is a value: sleeps and delays are over at once. `signals` are given to the steps that wait for
them.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson

from penstock import manifests, python_loading, sdk
from penstock.in_process import run_apart
from penstock.workbench import INTEGRATION, NOW, Bench, Done, NotRunnable, Opened
from schemas import configuration, events, integration_file
from schemas.definitions import PYTHON, YAML, Definition, Flow
from schemas.events import BodyEncoding, Scope
from schemas.instants import Instant
from schemas.values import Value

__all__ = ["Done", "NotRunnable", "run"]


def run(
    source: sdk.Integration | sdk.Flow | str | Path,
    flow: str = "",
    *,
    payload: Value = None,
    headers: Mapping[str, str] | None = None,
    config: Mapping[str, Any] | None = None,
    stand_ins: Mapping[str, Any] | None = None,
    signals: Mapping[str, Any] | None = None,
    state: Mapping[str, Mapping[str, Value]] | None = None,
    now: Instant = NOW,
    history: Sequence[events.Event] = (),
) -> Done:
    """Run a flow to its end. `source` is it, its Integration, or the path of its file.

    `flow` may be left out where there is one. `payload` is the body of the request: JSON, or text.
    `state` is by scope (flow, cross_flow, execution), `history` what an earlier run has `said`.
    Raises NotRunnable; not to be called while an event loop runs (asyncio.to_thread helps).
    """
    opened = _opened(source)
    found = _flow(opened.definition, flow)
    bench = Bench(
        opened=opened,
        flow=found,
        stand_ins=dict(stand_ins or {}),
        signals=dict(signals or {}),
        values={Scope(scope): dict(held) for scope, held in (state or {}).items()},
        config=configuration.configured({"config": dict(config or {})}, opened.definition),
        now=now,
        began_at=now,
    )
    done: Done = run_apart(bench.run, _request(payload, headers or {}), history)
    return done


def _opened(source: sdk.Integration | sdk.Flow | str | Path) -> Opened:
    if isinstance(source, sdk.Flow):
        source = sdk.Integration(name=source.name, flows=[source])
    if isinstance(source, sdk.Integration):
        loaded = python_loading.loaded_of(source)
        return _read(manifests.of_integration(source), loaded, "")
    path = Path(source)
    text = path.read_text("utf-8")
    if path.suffix != ".py":
        reading = integration_file.read(text)
        return Opened(_checked(reading), _published(YAML, text, ""), None)
    loaded_file, told = python_loading.load({"source": text})
    if loaded_file is None:
        raise NotRunnable("; ".join(f"line {p['line']}: {p['message']}" for p in told["problems"]))
    return _read(told["manifest"], loaded_file, text)


def _read(manifest: Mapping[str, Any], loaded: python_loading.Loaded, text: str) -> Opened:
    written = orjson.dumps(manifest).decode()
    definition = _checked(integration_file.read(written))
    return Opened(definition, _published(PYTHON, text, written), loaded)


def _checked(reading: integration_file.Reading) -> Definition:
    if reading.definition is None:
        raise NotRunnable("; ".join(f"line {p.line}: {p.message}" for p in reading.problems))
    return reading.definition


def _published(language: str, text: str, manifest: str) -> events.IntegrationPublished:
    return events.IntegrationPublished(
        integration_id=INTEGRATION,
        name="Test",
        version=1,
        definition=text,
        language=language,
        manifest=manifest,
    )


def _flow(definition: Definition, name: str) -> Flow:
    names = [flow.name for flow in definition.flows]
    if not name and len(names) > 1:
        raise NotRunnable(f"which flow? There are {names}")
    found = definition.flow(name or names[0])
    if found is None:
        raise NotRunnable(f"there is no flow {name!r}; there are {names}")
    return found


def _request(payload: Value, headers: Mapping[str, str]) -> events.Request:
    is_text = isinstance(payload, str)
    body = payload if is_text else "" if payload is None else orjson.dumps(payload).decode()
    kind = "text/plain" if is_text else "application/json"
    given = {"Content-Type": kind, **headers}
    return events.Request(
        method="POST",
        path="",
        headers=[[name, value] for name, value in given.items()],
        query=[],
        body=body,
        encoding=BodyEncoding.TEXT,
        body_bytes=len(body.encode()),
        content_type=given["Content-Type"],
    )
