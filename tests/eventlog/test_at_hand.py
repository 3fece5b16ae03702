"""What this process has said itself is not decoded, and nobody can tell the difference."""

from eventlog import at_hand
from eventlog.at_hand import KEPT, LONGEST
from schemas import codec, events
from schemas.ids import ExecutionId
from tests.schemas.wire_samples import SAMPLES


def completed(number: int) -> events.ExecutionCompleted:
    return events.ExecutionCompleted(execution_id=ExecutionId(str(number)))


def test_the_bytes_say_what_was_given() -> None:
    said = [completed(1), completed(2)]
    value = at_hand.encode(said)
    assert value == codec.encode(said)
    assert at_hand.decode(value) == codec.decode(value)


def test_the_first_reader_gets_the_event_itself_and_every_later_one_its_equal() -> None:
    event = completed(1)
    value = at_hand.encode([event])
    assert at_hand.decode(value).events[0] is event
    [again] = at_hand.decode(value).events
    assert again == event
    assert again is not event


def test_bytes_from_elsewhere_are_decoded() -> None:
    value = at_hand.encode([completed(1)])
    copied = bytes(bytearray(value))
    assert at_hand.decode(copied) == codec.decode(value)


def test_whatever_is_said_is_at_hand_as_it_decodes() -> None:
    for _, sample in SAMPLES:
        envelope = codec.decode(sample)
        value = at_hand.encode(envelope.events)
        assert at_hand.decode(value).events == codec.decode(value).events


def test_only_the_newest_are_kept() -> None:
    first = completed(0)
    oldest = at_hand.encode([first])
    newer = [completed(number) for number in range(KEPT)]
    values = [at_hand.encode([event]) for event in newer]
    assert at_hand.decode(oldest).events == (first,)
    for value, event in zip(values, newer, strict=True):
        assert at_hand.decode(value).events[0] is event


def test_what_is_long_is_not_kept() -> None:
    event = events.LogWritten(execution_id=ExecutionId("1"), level="info", message="x" * LONGEST)
    [found] = at_hand.decode(at_hand.encode([event])).events
    assert found == event
    assert found is not event
