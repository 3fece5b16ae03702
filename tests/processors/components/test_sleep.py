"""Sleep: it waits, and not without bound."""

import asyncio

import pytest

from processors import cleaning
from processors.actions import Outcome, StepError, World
from processors.private_networks import guarded_client
from tests.processors.components.test_kit import action, context


async def sleep(ms: object) -> Outcome:
    named = action("sleep", "sleep")
    async with guarded_client(allow_private=False) as client:
        inputs = cleaning.clean(named, {"ms": ms})
        outcome = await named.perform(inputs, context(), World(http=client))
    assert isinstance(outcome, Outcome)
    return outcome


async def test_others_run_while_a_step_sleeps() -> None:
    order: list[str] = []
    sleeping = asyncio.create_task(sleep("1"))
    sleeping.add_done_callback(lambda _: order.append("slept"))
    await asyncio.sleep(0)
    order.append("other")
    await sleeping
    await asyncio.sleep(0)
    assert order == ["other", "slept"]


@pytest.mark.parametrize("ms", ["-1", "900001"])
async def test_a_sleep_beyond_its_bounds_fails(ms: str) -> None:
    with pytest.raises(StepError, match=ms):
        await sleep(ms)
