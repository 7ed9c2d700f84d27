"""Whether GoHighLevel can be used from here."""

from buddy.adapters.providers.base.api import Patience
from buddy.adapters.providers.base.credentials import Access
from buddy.adapters.providers.base.errors import AuthError, ProviderError
from buddy.adapters.providers.base.health import Health, unwell
from buddy.adapters.providers.gohighlevel.client import NAME, GoHighLevelClient, account
from buddy.model.mode import Mode

BRIEF = Patience(attempts=2)
READ, WRITE = "contacts.readonly", "contacts.write"


async def check(access: Access) -> Health:
    """Read one contact, under the guard of DRY_RUN; whether writing is allowed cannot be read."""
    try:
        known = account(access)
    except AuthError as problem:
        return Health(provider=NAME, configured=False, problem=str(problem))
    try:
        client = GoHighLevelClient(known, mode=Mode.DRY_RUN, patience=BRIEF)
        await client.test_connection()
    except AuthError as problem:
        lacks_scope = "scope" in str(problem)
        found = unwell(NAME, problem, {READ: False if lacks_scope else None, WRITE: None})
        return found if not lacks_scope else _valid(found)
    except ProviderError as problem:
        return unwell(NAME, problem, {READ: None, WRITE: None})
    return Health(
        provider=NAME,
        configured=True,
        reachable=True,
        token_valid=True,
        scopes={READ: True, WRITE: None},
    )


def _valid(found: Health) -> Health:
    return Health(
        provider=found.provider,
        configured=True,
        reachable=True,
        token_valid=True,
        scopes=found.scopes,
        problem=found.problem,
    )
