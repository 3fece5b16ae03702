"""Envelopes at hand: what this process has said itself, so that its own readers need not decode it.

On the embedded log, who appends a trigger, an admission or a reply and who reads it are in one
process, and the reader gets the very bytes that were appended. `encode` remembers what they say
until `decode` is given those bytes; all others are decoded, so the bytes stay the truth.
"""

from collections.abc import Sequence

from schemas import codec, events

KEPT = 1_024
"""So many are remembered; a reader that is further behind decodes."""
LONGEST = 16 * 1024
"""Longer ones are not: on Kafka nobody ever takes them, and so many would be half a gigabyte."""

_kept: dict[int, tuple[bytes, codec.Envelope]] = {}
"""By the identity of the bytes, which holds because they are kept alive beside it."""


def encode(said: Sequence[events.Event]) -> bytes:
    """As codec.encode, for a record that is likely to be read once in this process."""
    value = codec.encode(said)
    if len(value) > LONGEST:
        return value
    if len(_kept) >= KEPT:
        _kept.pop(next(iter(_kept)), None)
    _kept[id(value)] = (value, codec.Envelope(tuple(said)))
    return value


def decode(value: bytes) -> codec.Envelope:
    """As codec.decode. Raises Undecodable."""
    found = _kept.pop(id(value), None)
    return codec.decode(value) if found is None else found[1]
