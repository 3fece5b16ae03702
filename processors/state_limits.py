"""State limits: what may be persisted under one key. Pure; a value stands on the log whole."""

from processors.actions import Change
from schemas.values import NotSerializable, dump

MAX_STATE_BYTES = 1024 * 1024


def problem_of(change: Change) -> str:
    """Why the value of a change cannot be kept; empty where it can."""
    try:
        # The event nests what is in it a few levels deeper than this.
        size_bytes = len(dump([[[[[[[[change.value]]]]]]]])) - 16
    except NotSerializable as error:
        return f"the value at {change.key!r} cannot be kept: {error}"
    if size_bytes > MAX_STATE_BYTES:
        return f"the value at {change.key!r} has {size_bytes} bytes; {MAX_STATE_BYTES} are allowed"
    return ""
