"""The errors of Penstock, split by what whoever catches them does next.

    PenstockError
    ├── Retryable      back off, then the same record again
    ├── Poison         this record can never be handled: dead letter with cause and offset
    ├── Refused        the caller's mistake: an HTTP 4xx with `error` and `reason`
    ├── Unusable       the process cannot start or go on as configured: one sentence, exit code 2
    └── Bug            we broke a promise: stop the host

Messages name the thing and the value. No message holds a secret.
"""


class PenstockError(Exception):
    """Root of the tree: never raised itself."""


class Retryable(PenstockError):
    """The world is away for now; the same record is tried again after a back-off."""


class Poison(PenstockError):
    """A record that can never be handled; it goes to the dead-letter topic with this cause."""


class Undecodable(Poison):
    """The bytes of a record are not an envelope of events that this version knows."""


class Refused(PenstockError):
    """A request that is answered with a 4xx. `reason` is for programs, the message for people."""

    def __init__(self, message: str, *, status: int = 400, reason: str = "bad_request") -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason


class Unusable(PenstockError):
    """A setting, file, port or folder that cannot be used as given."""


class Bug(PenstockError):
    """Our own mistake: the host stops rather than go on with a state that it cannot trust."""
