"""Dead letters: what becomes of a record that can never be handled.

Takes in the record and its cause, gives out one record for `<topic>.dead`. Writing it must succeed
before the partition moves on: a failure stops the host.
"""

import base64

from eventlog.log import NewRecord, Record
from schemas import codec, events
from schemas.topics import BY_NAME, dead_letters_of


def dead_letter(record: Record, cause: Exception) -> NewRecord:
    """The record to append for `record`, which `cause` makes impossible to handle."""
    event = events.RecordDeadLettered(
        topic=record.topic,
        partition=record.partition,
        offset=record.offset,
        appended_at=record.at,
        key=record.key,
        value=base64.b64encode(record.value).decode(),
        cause=str(cause),
    )
    topic = dead_letters_of(BY_NAME[record.topic])
    return NewRecord(topic.name, record.key, codec.encode([event]))
