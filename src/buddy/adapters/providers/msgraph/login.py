"""Signing in as a person, once; afterwards the refresh token does."""

from collections.abc import Callable

from buddy.adapters.providers.base.credentials import Access
from buddy.adapters.providers.msgraph import account
from buddy.model.mode import Mode


async def sign_in(access: Access, show: Callable[[str], object]) -> None:
    """Let a person sign in on another device, and keep the tokens in Buddy's home.

    Only signing in passes the guard here, as in DRY_RUN.

    Args:
        access: where the application's name is looked for, and where the tokens go.
        show: is given what the person has to do.

    Raises:
        AuthError: no application is named, the person declined, or the code expired.
    """
    registration, tokens = account.registration(access)
    known = account.load(access)
    async with account.connection(Mode.DRY_RUN, known) as api:
        tokens.write(await registration.sign_in(api.http, show))
