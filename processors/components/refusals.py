"""Refusals: how an action says that an input is not what it can work with; pure."""

from processors.actions import Input, StepError
from schemas.values import NotSerializable, Value, dump

SHOWN = 200


def unfit(declared: Input, wanted: str, found: Value) -> StepError:
    """`List (listInput) must be a list, found 3`: to be raised by the action."""
    return StepError(f"{declared.label} ({declared.key}) must be {wanted}, found {shown(found)}")


def shown(value: Value) -> str:
    """`value` as JSON, cut where it is long."""
    try:
        text = dump(value).decode()
    except NotSerializable:
        text = repr(value)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}…"
