"""What a record may be, alike on both logs: small enough for Kafka, its key Unicode."""

from eventlog.log import NewRecord
from schemas.errors import Bug

MAX_VALUE_BYTES = 4_000_000
"""With its key and Kafka's overhead this stays below the 4 MiB that our topics allow."""


def check(record: NewRecord) -> None:
    """Raises Bug: whoever writes records keeps what is large in a blob."""
    if len(record.value) > MAX_VALUE_BYTES:
        raise Bug(
            f"a record of {len(record.value)} bytes for {record.topic} is larger than"
            f" {MAX_VALUE_BYTES} bytes"
        )
    if not record.key.isascii():
        _check_key(record)


def _check_key(record: NewRecord) -> None:
    try:
        record.key.encode()
    except UnicodeEncodeError as error:
        raise Bug(f"key {record.key!r} of a record for {record.topic} is not Unicode") from error
