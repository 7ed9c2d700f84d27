"""Whether Mployer's portal can be used from here."""

from buddy.adapters.providers.base.credentials import Access
from buddy.adapters.providers.base.errors import AuthError, ProviderError
from buddy.adapters.providers.base.health import Health, unwell
from buddy.adapters.providers.mployer.account import NAME, account, client
from buddy.model.mode import Mode


async def check(access: Access) -> Health:
    """Sign in and out again, under the guard of DRY_RUN."""
    try:
        account(access)
    except AuthError as problem:
        return Health(provider=NAME, configured=False, problem=str(problem))
    portal = client(access, Mode.DRY_RUN, attempts=1)
    try:
        await portal.login()
        await portal.logout()
    except ProviderError as problem:
        return unwell(NAME, problem, {})
    finally:
        await portal.close()
    return Health(provider=NAME, configured=True, reachable=True, token_valid=True)
