"""Sleep: it asks the engine to let time pass, and not without bound."""

import pytest

from processors import cleaning
from processors.actions import Outcome, Runs, StepError
from tests.processors.components.test_kit import action, context


def sleep(ms: object) -> Outcome:
    named = action("sleep", "sleep")
    outcome = named.perform(cleaning.clean(named, {"ms": ms}), context())
    assert isinstance(outcome, Outcome)
    return outcome


def test_a_sleep_occupies_nobody_while_it_lasts() -> None:
    assert action("sleep", "sleep").runs is Runs.INLINE
    assert sleep("1500").wait_s == 1.5


@pytest.mark.parametrize("ms", ["-1", "900001"])
def test_a_sleep_beyond_its_bounds_fails(ms: str) -> None:
    with pytest.raises(StepError, match=ms):
        sleep(ms)
