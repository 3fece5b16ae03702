"""A Python flow in this process: for tests, without child processes, with time as a value.

Takes in what a Run asks for (processors.flow_frames.Exchange); gives out what is heard. Steps run
one after another, at once, or a stand-in answers for them.
"""

from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from penstock import flow_driver, python_jobs, sdk
from penstock.python_loading import Loaded
from processors.actions import Outcome
from processors.flow_frames import ActionStep, Exchange, Heard, StepEnded, TimeUp, Turned
from schemas.instants import Instant
from schemas.values import from_json

StandIn = Callable[[str, tuple[Any, ...], Mapping[str, Any]], "dict[str, Any] | None"]
"""(step, args, kwargs) → the fields of a frame `step`, or None where the step is to run."""


class InProcess:
    """The process of one execution. `perform` performs the actions of components."""

    def __init__(
        self,
        loaded: Loaded,
        stand_in: StandIn,
        perform: Callable[[ActionStep], StepEnded],
    ) -> None:
        self._loaded = loaded
        self._stand_in = stand_in
        self._perform = perform
        self._driver: flow_driver.Driver | None = None
        self._heard: deque[Heard] = deque()
        self._held: dict[int, Mapping[str, Any]] = {}

    def exchange(self, asked: Exchange, now: Instant) -> Heard:
        """What is heard first; TimeUp where nothing is under way."""
        if asked.starts:
            self._heard.clear()
            self.close()
        for frame in asked.send:
            self._heard.append(self._do(frame, now))
        for step in asked.performs:
            self._heard.append(self._perform(step))
        return self._heard.popleft() if self._heard else TimeUp()

    def close(self) -> None:
        if self._driver is not None:
            self._driver.close()
            self._driver = None

    def _do(self, frame: Mapping[str, Any], now: Instant) -> Heard:
        if frame["do"] == "flow":
            flow = self._loaded.flows[frame["flow"]]
            self._driver = flow_driver.Driver(flow, frame["about"])
            return _turned(self._driver.start())
        assert self._driver is not None
        if frame["do"] == "deliver":
            number, outcome = frame["number"], frame["outcome"]
            if outcome.get("held"):
                outcome = self._held.pop(number)
            return _turned(self._driver.deliver(number, outcome, frame["now"]))
        return self._step(self._driver, frame, now)

    def _step(
        self, driver: flow_driver.Driver, frame: Mapping[str, Any], now: Instant
    ) -> StepEnded:
        number = frame["number"]
        work = driver.work[number]
        context = sdk.StepContext(**frame["context"], config=driver.context.config)
        kwargs = work.kwargs or {}
        said = self._stand_in(work.key, work.args, kwargs)
        if said is None:
            assert work.function is not None
            is_action = isinstance(work.function, sdk.Action)
            args = (context, *work.args) if is_action else work.args
            said = run_apart(python_jobs.outcome_of, work.function, args, kwargs, context)
        self._held[number] = said
        return _ended(number, said, now)


def run_apart(function: Callable[..., Any], *args: Any) -> Any:
    """Call it in a thread of its own: there it may run an event loop, wherever we are called."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(function, *args).result()


def _turned(turn: flow_driver.Turn) -> Turned:
    return Turned(asks=tuple(turn.asks), logs=tuple(turn.logs), end=turn.end)


def _ended(number: int, said: Mapping[str, Any], now: Instant) -> StepEnded:
    if "error" in said:
        return StepEnded(
            number=number,
            outcome=None,
            error=said["error"],
            permanent=bool(said.get("permanent")),
            started_at=now,
        )
    result = from_json(said["value"], bool(said.get("tagged")))
    return StepEnded(number=number, outcome=Outcome(result=result), started_at=now)
