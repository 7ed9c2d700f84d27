"""The portal's pages, as the client sees them: fields, buttons, tables; whoever shows them."""

from typing import Any, Protocol
from urllib.parse import urljoin

from buddy.adapters.providers.base.errors import Conflict, InvalidRequest, NotFound
from buddy.adapters.providers.browser import elements
from buddy.adapters.providers.browser.tab import Answered, Tab


class Pages(Protocol):
    """One window on the portal."""

    @property
    def answered(self) -> Answered:
        """How the server answered when it gave the page that is shown."""
        ...

    async def open(self, path: str) -> None:
        """Go to a page."""
        ...

    async def has(self, what: str, name: str) -> bool:
        """Whether the page shows this `field` or `button` now."""
        ...

    async def fill(self, field: str, value: str) -> None:
        """Put a value into a field; nothing is sent."""
        ...

    async def send(self, button: str) -> None:
        """Press a button or follow a link, and wait for the page after it."""
        ...

    async def alerts(self, selector: str) -> list[str]:
        """Return what the page refuses with."""
        ...

    async def table(self, name: str) -> list[dict[str, str]]:
        """Return the rows of a table by the heads of its columns."""
        ...

    async def fetch(self, link: str) -> str:
        """Return the text of the file that a link leads to."""
        ...


class ChromiumPages:
    """The pages in a real browser.

    Args:
        tab: of the session.
        base_url: of the portal.
    """

    def __init__(self, tab: Tab, base_url: str) -> None:
        self._tab, self._base_url = tab, base_url

    @property
    def answered(self) -> Answered:
        """How the server answered when it gave the page that is shown."""
        return self._tab.answered

    async def open(self, path: str) -> None:
        """Go to a page."""
        await self._tab.open(urljoin(self._base_url, path))

    async def has(self, what: str, name: str) -> bool:
        """Whether the page shows this `field` or `button` now."""
        find: Any = elements.field if what == "field" else elements.button
        try:
            await find(self._tab.page, name)
        except (NotFound, Conflict):
            return False
        except InvalidRequest:  # several of them are more than none
            return True
        return True

    async def fill(self, field: str, value: str) -> None:
        """Put a value into a field; nothing is sent."""
        await self._tab.put(field, value)

    async def send(self, button: str) -> None:
        """Press a button or follow a link; the guard stops what is no part of a session."""
        await self._tab.send(button)

    async def alerts(self, selector: str) -> list[str]:
        """Return what the page refuses with."""
        return await self._tab.texts(selector)

    async def table(self, name: str) -> list[dict[str, str]]:
        """Return the rows of a table by the heads of its columns."""
        return await self._tab.table(name)

    async def fetch(self, link: str) -> str:
        """Return the text of the file that a link leads to."""
        return await self._tab.fetch(link)
