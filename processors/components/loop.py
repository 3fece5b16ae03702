"""Loop: how often the steps within run, and with which item; pure."""

from collections.abc import Mapping, Sequence
from typing import Any, overload

from processors.actions import Action, Context, Input, Kind, Outcome, StepError
from schemas.values import Value


class _Counted(Sequence[tuple[Value, Value]]):
    """`(i, i)` for each i below a count, without a list of them."""

    def __init__(self, numbers: range) -> None:
        self._numbers = numbers

    def __len__(self) -> int:
        return len(self._numbers)

    @overload
    def __getitem__(self, index: int) -> tuple[Value, Value]: ...
    @overload
    def __getitem__(self, index: slice) -> "_Counted": ...
    def __getitem__(self, index: int | slice) -> "tuple[Value, Value] | _Counted":
        if isinstance(index, slice):
            return _Counted(self._numbers[index])
        number = self._numbers[index]
        return number, number


def _over_items(inputs: Mapping[str, Any], _context: Context) -> Outcome:
    items = inputs["items"]
    if items is None:
        raise StepError("Items (items) must be a list or an object, found null")
    if isinstance(items, Mapping):
        items = [{"key": key, "value": value} for key, value in items.items()]
    return Outcome(iterations=[(item, index) for index, item in enumerate(items)])


def _n_times(inputs: Mapping[str, Any], _context: Context) -> Outcome:
    count = inputs["iterationCount"]
    if count < 0 or count != int(count):
        raise StepError(f"Iteration Count (iterationCount) must count from 0 up, found {count}")
    return Outcome(iterations=_Counted(range(int(count))))


def _break(_inputs: Mapping[str, Any], _context: Context) -> Outcome:
    return Outcome(breaks_loop=True)


ACTIONS = (
    Action(
        component="loop",
        key="loopOverItems",
        label="Loop Over Items",
        description="Runs its steps once per item; `currentItem` is the item, `index` counts "
        "from 0. Gives the list of the last step's results.",
        perform=_over_items,
        inputs=(
            Input(
                key="items",
                label="Items",
                kind=Kind.ITEMS,
                passes_stored=True,
                description="A list; or an object, whose items are `{key, value}`.",
                example="[1, 2, 3]",
            ),
        ),
    ),
    Action(
        component="loop",
        key="loopNTimes",
        label="Loop N Times",
        description="Runs its steps a number of times; `currentItem` and `index` count from 0.",
        perform=_n_times,
        inputs=(
            Input(
                key="iterationCount",
                label="Iteration Count",
                kind=Kind.NUMBER,
                default=1000,
                description="How many times.",
                example="5",
            ),
        ),
    ),
    Action(
        component="loop",
        key="breakLoop",
        label="Break Loop",
        description="Leaves the innermost loop; the flow goes on after it.",
        perform=_break,
    ),
)
