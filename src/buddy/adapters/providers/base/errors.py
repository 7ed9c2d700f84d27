"""How a provider's call can fail, in one small tree whatever the vendor's wire says.

ToolError                   nothing happened
`-- ProviderError           `status` and `raw` (the body, redacted) of what the provider answered
    |-- AuthError           no credentials, or the provider refuses them; never retried
    |-- NotFound            there is no such record; never retried
    |-- Conflict            the record exists already, or is not in a state for this; never retried
    |-- InvalidRequest      the provider does not take these values; never retried
    |-- RateLimited         too many requests; `retry_after` in seconds
    |-- ProviderTimeout     no answer in time
    |-- ProviderUnavailable not reached, or it answered with an error of its own
    `-- ExtraMissing        the packages that the provider needs are not installed
Uncertain                   a write was sent and nobody knows whether it happened; `error` says why
Captured                    a request that would write was stopped below the client, in DRY_RUN
"""

from typing import Any

from msgspec import Struct

from buddy.errors import BuddyError, InvalidArguments, ToolError, ToolPermissionError

LONGEST_S = 600.0
"""Seconds that a run waits for a provider; a day's limit, say, is over for longer."""


class ProviderError(ToolError):
    """The provider refused or failed, and nothing happened.

    Args:
        message: what went wrong, for a person; secrets redacted.
        status: the HTTP status, None where there was no answer.
        raw: the body as it came, secrets redacted.
        retry_after: seconds that the provider asked to wait.
        unsent: the connection failed before a byte of the request left.
    """

    def __init__(
        self,
        message: str = "",
        *,
        status: int | None = None,
        raw: Any = None,
        retry_after: float | None = None,
        unsent: bool = False,
    ) -> None:
        super().__init__(message, retry_after=retry_after)
        self.status = status
        self.raw = raw
        self.unsent = unsent


class AuthError(ProviderError, ToolPermissionError):
    """The provider does not accept the credentials, or there are none."""


class NotFound(ProviderError):
    """The provider has no such record."""

    retryable = False
    counts_against_tool = False


class Conflict(ProviderError):
    """The record exists already, or it is not in a state for this."""

    retryable = False
    counts_against_tool = False


class InvalidRequest(ProviderError, InvalidArguments):
    """The provider does not take these values."""


class RateLimited(ProviderError):
    """The provider asks to wait; where it is for longer than `LONGEST_S`, no run waits for it."""

    counts_against_tool = False

    def __init__(self, message: str = "", *, retry_after: float | None = None, **more: Any) -> None:
        super().__init__(message, retry_after=retry_after, **more)
        self.retryable = retry_after is None or retry_after <= LONGEST_S


class ProviderTimeout(ProviderError):
    """The provider did not answer in time."""


class ProviderUnavailable(ProviderError):
    """The provider cannot be reached, or failed itself."""


class ExtraMissing(ProviderError):
    """The packages that the provider needs are not installed."""

    retryable = False
    counts_against_tool = False


class Uncertain(BuddyError):
    """A write was sent and nobody knows whether it happened.

    It is no `ToolError`, so that the engine records UNKNOWN and asks the tool's probe.

    Args:
        error: why nobody knows: a timeout, a cut connection, or a failure of the provider's own.
    """

    def __init__(self, error: ProviderError) -> None:
        super().__init__(f"{error}; it may have happened all the same")
        self.error = error


class CapturedRequest(Struct, frozen=True, kw_only=True):
    """A request that would have written.

    Attributes:
        method: of HTTP.
        url: with its query.
        body: as JSON where it is, else as text; None where there is none; secrets redacted.
    """

    method: str
    url: str
    body: Any = None


class Captured(BuddyError):
    """A request that would write was stopped in DRY_RUN, below the client.

    Args:
        request: what was stopped.
    """

    def __init__(self, request: CapturedRequest) -> None:
        super().__init__(f"{request.method} {request.url} would write, which DRY_RUN does not let through")
        self.request = request


BY_STATUS: dict[int, type[ProviderError]] = {
    400: InvalidRequest,
    401: AuthError,
    403: AuthError,
    404: NotFound,
    408: ProviderTimeout,
    409: Conflict,
    410: NotFound,
    412: Conflict,
    422: InvalidRequest,
    423: Conflict,
    429: RateLimited,
    504: ProviderTimeout,
}
"""Status -> what it means where the vendor gives it no meaning of its own."""


def by_status(status: int) -> type[ProviderError]:
    """Return what a status means: another 4xx is an invalid request, what is no answer at all an outage."""
    return BY_STATUS.get(status, InvalidRequest if 400 <= status < 500 else ProviderUnavailable)


def may_have_happened(error: ProviderError) -> bool:
    """Whether a write that was sent and ended so may have had its effect."""
    return isinstance(error, ProviderTimeout | ProviderUnavailable)
