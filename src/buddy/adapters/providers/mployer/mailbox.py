"""The portal's sign-in codes, read from a mailbox of Microsoft Graph."""

from collections.abc import Mapping

from buddy.adapters.providers.msgraph.client import GraphClient

SUBJECT = "sign-in code"
"""What the subject of a mail with a code has in it."""
LOOKED_AT = 25
"""Newest mails that are looked at."""


class GraphMailbox:
    """A mailbox that codes arrive in; nothing in it is changed.

    Args:
        client: of the mailbox, under the guard of DRY_RUN.
    """

    def __init__(self, client: GraphClient) -> None:
        self._client = client

    async def codes(self) -> Mapping[str, str]:
        """Return mails with sign-in codes: id -> text, the newest last."""
        found = await self._client.get_messages("inbox", LOOKED_AT)
        return {
            mail["id"]: mail.get("bodyPreview", "")
            for mail in reversed(found)
            if SUBJECT in (mail.get("subject") or "").casefold()
        }
