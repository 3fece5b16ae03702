"""The driver: a flow's coroutine goes on with deliveries alone, and repeats with the same ones."""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock import python_jobs, sdk
from penstock.flow_context import Context, Payload
from penstock.flow_driver import Driver, Turn

ABOUT = {"execution_id": "e", "config": {}, "now": 1_000_000, "payload": {"body": {"data": 1}}}

Function = Callable[[Context, Any], Awaitable[Any]]


@contextmanager
def driving(function: Function) -> Iterator[Driver]:
    driver = Driver(sdk.flow(trigger=sdk.webhook(), name="Run")(function), ABOUT)
    try:
        yield driver
    finally:
        driver.close()


def end_of(function: Function) -> dict[str, Any]:
    """How a flow ends that waits for nothing."""
    with driving(function) as driver:
        end = driver.start().end
    assert end is not None
    return end


def keys(turn: Turn) -> list[str]:
    return [ask["key"] for ask in turn.asks]


def nothing(*_given: Any) -> None:
    return None


async def test_a_turn_ends_when_all_that_is_left_is_to_wait() -> None:
    async def two_at_once(context: Context, trigger: Any) -> Any:
        return await context.gather(context.step("a", nothing), context.step("b", nothing))

    def drive() -> list[Turn]:
        with driving(two_at_once) as driver:
            return [
                driver.start(),
                driver.deliver(2, {"value": "B"}, 2_000_000),
                driver.deliver(1, {"value": "A"}, 3_000_000),
            ]

    first, second, third = await asyncio.to_thread(drive)
    assert keys(first) == ["a", "b"]
    assert (second.asks, second.end) == ([], None)
    assert third.end == {"value": ["A", "B"], "tagged": False}


@given(st.permutations(range(1, 5)))
def test_the_same_deliveries_make_the_same_turns(order: list[int]) -> None:
    async def branches(context: Context, trigger: Any) -> Any:
        async def branch(name: str) -> str:
            await context.step(name, nothing)
            later = await context.step("later", nothing)
            return f"{name} {later} {context.now()} {context.random.random()} {context.uuid()}"

        return await asyncio.gather(*(branch(name) for name in "abcd"))

    def turns() -> list[Turn]:
        with driving(branches) as driver:
            made = [driver.start()]
            made += [driver.deliver(n, {"value": n}, n * 1_000_000) for n in order]
            made += [driver.deliver(n, {"value": n}, n * 1_000_000) for n in range(5, 9)]
            return made

    first = turns()
    assert first == turns()
    assert first[-1].end is not None


@pytest.mark.parametrize(
    ("offence", "advice"),
    [
        (lambda: asyncio.sleep(1), "context.sleep"),
        (lambda: asyncio.to_thread(nothing), "belongs in a step"),
        (lambda: asyncio.open_connection("localhost", 1), "belongs in a step"),
        (lambda: asyncio.create_subprocess_exec("true"), "belongs in a step"),
        (lambda: asyncio.wait_for(asyncio.Future(), 1), "timeouts of its steps"),
    ],
)
def test_what_waits_for_the_world_outside_of_a_step_is_refused_with_advice(
    offence: Callable[[], Awaitable[Any]], advice: str
) -> None:
    async def offends(context: Context, trigger: Any) -> Any:
        return await offence()

    assert advice in end_of(offends)["failed"]


def test_a_flow_that_waits_for_no_step_of_its_own_fails_at_once() -> None:
    async def waits(context: Context, trigger: Any) -> Any:
        await asyncio.Future()

    assert "none of its steps" in end_of(waits)["failed"]


def test_an_error_of_the_flow_names_the_line_of_its_author() -> None:
    async def breaks(context: Context, trigger: Any) -> Any:
        return dict[str, int]()["sku"]

    line = breaks.__code__.co_firstlineno + 1
    assert end_of(breaks)["failed"] == f"KeyError: 'sku' (line {line})"


def within_itself() -> list[Any]:
    loop: list[Any] = []
    loop.append(loop)
    return loop


@pytest.mark.parametrize(
    ("result", "problem"),
    [({1, 2}, "set"), (socket.socket, "type"), (within_itself(), "nested too deep")],
)
def test_a_result_that_cannot_be_kept_is_an_error_that_says_so(result: Any, problem: str) -> None:
    async def returns(context: Context, trigger: Any) -> Any:
        return result

    failed = end_of(returns)["failed"]
    assert failed.startswith("the flow returned")
    assert problem in failed


def test_bytes_survive_the_way_through_a_step() -> None:
    async def returns(context: Context, trigger: Any) -> Any:
        found = await context.step("read", nothing)
        return [type(found).__name__, found]

    with driving(returns) as driver:
        driver.start()
        turn = driver.deliver(1, {"value": {"$bytes": "AAE="}, "tagged": True}, 1)
    assert turn.end == {"value": ["bytes", {"$bytes": "AAE="}], "tagged": True}


def test_a_flow_that_ends_its_interpreter_fails_and_no_more() -> None:
    async def exits(context: Context, trigger: Any) -> Any:
        raise SystemExit(3)

    assert end_of(exits)["failed"].startswith("SystemExit: 3")


def test_the_payload_has_its_keys_as_attributes() -> None:
    async def reads(context: Context, trigger: Any) -> Any:
        with pytest.raises(AttributeError, match="it has body"):
            _ = trigger.nothing
        return [trigger.body.data, trigger["body"]["data"]]

    assert end_of(reads)["value"] == [1, 1]


@pytest.mark.parametrize("name", ["", "  ", None])
def test_a_step_without_a_name_is_refused(name: Any) -> None:
    async def nameless(context: Context, trigger: Any) -> Any:
        await context.step(name, nothing)

    assert "needs a name" in end_of(nameless)["failed"]


def test_steps_may_be_tasks_of_a_group() -> None:
    async def grouped(context: Context, trigger: Any) -> Any:
        alone: Any = asyncio.create_task
        async with asyncio.TaskGroup() as group:
            beside: Any = group.create_task
            first = beside(context.step("a", nothing))
            second = alone(context.step("b", nothing))
        return [first.result(), await second]

    with driving(grouped) as driver:
        assert keys(driver.start()) == ["a", "b"]
        driver.deliver(2, {"value": "B"}, 2_000_000)
        assert driver.deliver(1, {"value": "A"}, 3_000_000).end == {
            "value": ["A", "B"],
            "tagged": False,
        }


def test_of_a_group_that_fails_the_step_that_failed_speaks() -> None:
    async def grouped(context: Context, trigger: Any) -> Any:
        async with asyncio.TaskGroup() as group:
            beside: Any = group.create_task
            beside(context.step("a", nothing))

    with driving(grouped) as driver:
        driver.start()
        end = driver.deliver(1, {"error": "no stock"}, 2_000_000).end
    assert end == {"failed": "no stock", "step": "a"}


def test_a_step_within_a_step_is_refused_by_both_names() -> None:
    def outer(context: Context) -> None:
        context.step("inner", nothing)

    async def nests(context: Context, trigger: Any) -> Any:
        return await context.step("outer", outer, context)

    running = sdk.StepContext(
        execution_id="e", flow="Run", step="outer", attempt=1, idempotency_key="k"
    )
    with driving(nests) as driver:
        driver.start()
        said = python_jobs.outcome_of(outer, (driver.context,), {}, running)
        assert "'inner' is asked for within the step 'outer'" in said["error"]
        assert driver.work.keys() == {1}


def test_a_forgotten_await_is_named_as_one() -> None:
    async def forgets(context: Context, trigger: Any) -> Any:
        return {"receipt": context.step("charge", nothing)}

    failed = end_of(forgets)["failed"]
    assert "Future" in failed
    assert "at .receipt; is an await missing?" in failed


def test_headers_are_found_in_any_case() -> None:
    headers = Payload({"headers": {"Content-Type": "text/plain"}}).headers
    assert headers["content-type"] == headers.get("CONTENT-TYPE") == "text/plain"
    assert "content-type" in headers
    assert "accept" not in headers
    with pytest.raises(KeyError):
        headers["accept"]
