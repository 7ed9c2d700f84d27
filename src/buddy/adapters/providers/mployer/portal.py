"""Where a client's pages are: in a real browser, or in this process."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol, TypeVar
from urllib.parse import urljoin

import httpx

from buddy.adapters.providers.base.transport import Allowed, App, ModeTransport, SimulatorTransport
from buddy.adapters.providers.browser.sessions import SESSIONS
from buddy.adapters.providers.browser.tab import Tab
from buddy.adapters.providers.mployer.pages import ChromiumPages, Pages
from buddy.adapters.providers.mployer.reader import InProcessPages
from buddy.model.mode import Mode

T = TypeVar("T")
WINDOW = "mployer"
"""The window of a run that shows the portal."""


class Portal(Protocol):
    """One session with the portal."""

    async def visit(self, work: Callable[[Pages], Awaitable[T]]) -> T:
        """Do something on its pages, alone; what is signed in stays so until the next visit."""
        ...

    def bound(self, mode: Mode) -> "Portal":
        """Return the same session in another mode."""
        ...

    async def close(self) -> None:
        """Close the window."""
        ...


class ChromiumPortal:
    """The portal in a window of a real browser.

    Args:
        base_url: of the portal.
        mode: the guard lets what opens and closes sessions through in DRY_RUN, and all in LIVE.
        run: whose window it is.
        session_paths: addresses that open and close sessions.
    """

    def __init__(self, base_url: str, mode: Mode, run: str, session_paths: Sequence[str]) -> None:
        self.base_url, self._mode, self._run = base_url, mode, run
        self._session_paths = tuple(session_paths)
        self._allow: list[Allowed] = [("POST", urljoin(base_url, path)) for path in session_paths]

    def bound(self, mode: Mode) -> "ChromiumPortal":
        """Return the same session in another mode."""
        return ChromiumPortal(self.base_url, mode, self._run, self._session_paths)

    async def close(self) -> None:
        """Close the run's windows."""
        await SESSIONS.end(self._run)

    async def visit(self, work: Callable[[Pages], Awaitable[T]]) -> T:
        """Do something on its pages, on the browser's own event loop."""

        async def do(tab: Tab) -> T:
            return await work(ChromiumPages(tab, self.base_url))

        return await SESSIONS.call((self._run, WINDOW), self._mode, do, self._allow)


class InProcessPortal:
    """The portal in this process, without a browser and without a socket.

    Args:
        app: the simulated portal.
    """

    def __init__(self, app: App) -> None:
        http = httpx.AsyncClient(
            base_url="http://mployer.simulated",
            transport=ModeTransport(Mode.MOCK, simulator=SimulatorTransport(app)),
            follow_redirects=True,
        )
        self._pages = InProcessPages(http)

    def bound(self, mode: Mode) -> "InProcessPortal":
        """Return itself: there is nothing but the simulator in any mode."""
        return self

    async def close(self) -> None:
        """There is no window."""

    async def visit(self, work: Callable[[Pages], Awaitable[T]]) -> T:
        """Do something on its pages."""
        return await work(self._pages)
