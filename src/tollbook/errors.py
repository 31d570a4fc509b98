"""The ways work can fail, told apart by what must happen next.

A bug is the fifth kind: an assertion or any other exception, which stops the job and is fixed in code.
"""


class Failure(Exception):
    """A failure that Tollbook has an answer to; `code` is stable, `ids` name what it concerns."""

    def __init__(self, code: str, message: str, **ids: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.ids = ids

    def __str__(self) -> str:
        return f"{self.message} [{self.code}]"


class Rejected(Failure):
    """The input is wrong: a person corrects it, then it is replayed."""


class Blocked(Failure):
    """The input is right but the world is not ready: it waits, then replays by itself."""


class Transient(Failure):
    """Nothing happened on the other side: the runtime tries again later."""

    def __init__(
        self, code: str, message: str, *, retry_after_seconds: int | None = None, **ids: str
    ) -> None:
        super().__init__(code, message, **ids)
        self.retry_after_seconds = retry_after_seconds


class Unknown(Failure):
    """A remote write was sent and its fate was not heard: look it up, never send blindly again."""
