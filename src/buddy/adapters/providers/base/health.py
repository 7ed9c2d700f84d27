"""Whether a provider can be used from here."""

from collections.abc import Awaitable, Callable

from msgspec import Struct

from buddy.adapters.providers.base.credentials import Access
from buddy.adapters.providers.base.errors import AuthError, ProviderError


class Health(Struct, frozen=True, kw_only=True):
    """What was found out about a provider by reading alone; None is not known.

    Attributes:
        provider: its name.
        configured: credentials were found.
        reachable: it answered.
        token_valid: it accepts the credentials.
        scopes: what the credentials have to allow -> whether they do.
        problem: one sentence, empty where there is none.
    """

    provider: str
    configured: bool
    reachable: bool | None = None
    token_valid: bool | None = None
    scopes: dict[str, bool | None] = {}
    problem: str = ""

    @property
    def well(self) -> bool:
        """Whether it is configured and nothing stands in the way."""
        return self.configured and not self.problem


Check = Callable[[Access], Awaitable[Health]]


def unwell(provider: str, problem: ProviderError, scopes: dict[str, bool | None]) -> Health:
    """Return what an error of a first read says about a provider that is configured.

    Args:
        provider: its name.
        problem: the error.
        scopes: what is known of them.
    """
    refused = isinstance(problem, AuthError)
    forbidden = refused and problem.status == 403  # it knows the caller, and refuses this alone
    return Health(
        provider=provider,
        configured=True,
        reachable=problem.status is not None,
        token_valid=forbidden if refused else None,
        scopes=scopes,
        problem=str(problem),
    )
