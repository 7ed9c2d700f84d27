"""Whether Microsoft Graph mail can be used from here."""

import base64
import json

from msgspec.structs import replace

from buddy.adapters.providers.base.credentials import Access
from buddy.adapters.providers.base.errors import AuthError, ProviderError
from buddy.adapters.providers.base.health import Health, unwell
from buddy.adapters.providers.msgraph import account
from buddy.adapters.providers.msgraph.account import NAME
from buddy.model.mode import Mode

NEEDED = ("Mail.ReadWrite", "Mail.Send")
"""The permissions that the tools need together."""


async def check(access: Access) -> Health:
    """Read the inbox's counts, under the guard of DRY_RUN, and what the token says of itself."""
    try:
        known = account.load(access)
    except AuthError as problem:
        return Health(provider=NAME, configured=False, problem=str(problem))
    scopes: dict[str, bool | None] = dict.fromkeys(NEEDED)
    try:
        async with account.connection(Mode.DRY_RUN, known) as api:
            signed = await known.auth.headers(api.http)
            scopes = permissions(signed["Authorization"].removeprefix("Bearer "), scopes)
        await account.client(Mode.DRY_RUN, access).test_connection()
    except AuthError as problem:
        found = unwell(NAME, problem, scopes)
        if problem.status is None:  # it was not even asked: nobody is signed in
            return replace(found, reachable=None)
        return replace(found, token_valid=True) if problem.status == 403 else found
    except ProviderError as problem:
        return unwell(NAME, problem, scopes)
    lacking = [name for name, has in scopes.items() if has is False]
    return Health(
        provider=NAME,
        configured=True,
        reachable=True,
        token_valid=True,
        scopes=scopes,
        problem=f"{NAME}: the token lacks {' and '.join(lacking)}" if lacking else "",
    )


def permissions(token: str, needed: dict[str, bool | None]) -> dict[str, bool | None]:
    """Return which permissions a token carries; None where it does not say, as the vendor may decide.

    Args:
        token: whose middle part names `scp`, a person's, or `roles`, an application's.
        needed: the permissions in question.
    """
    try:
        middle = token.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(middle + "=" * (-len(middle) % 4)))
        has = {*str(claims.get("scp", "")).split(), *claims.get("roles", ())}
    except (IndexError, ValueError, AttributeError, TypeError):
        return needed
    return {name: name in has for name in needed}
