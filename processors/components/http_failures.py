"""HTTP failures: why a call, or one attempt at it, came to nothing."""


class Failed(Exception):
    """`status` is 0 where there was no answer; `final` where another attempt cannot help."""

    def __init__(
        self, message: str, *, status: int = 0, timed_out: bool = False, final: bool = False
    ) -> None:
        super().__init__(message)
        self.status = status
        self.timed_out = timed_out
        self.final = final
