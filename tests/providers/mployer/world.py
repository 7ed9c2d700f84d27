"""A portal for tests: in this process, or served and shown in Chromium."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from buddy.adapters.providers.base.serving import running
from buddy.adapters.providers.browser.sessions import SESSIONS
from buddy.adapters.providers.mployer.client import MployerClient
from buddy.adapters.providers.mployer.portal import ChromiumPortal, InProcessPortal, Portal
from buddy.adapters.providers.mployer.selectors import Selectors
from buddy.adapters.providers.mployer.simulator.portal import PortalSimulator, simulator
from buddy.adapters.providers.mployer.walk import Login
from buddy.model.mode import Mode
from providers.browser import site


class Box:
    """A mailbox that the portal mails codes to.

    Attributes:
        mails: id -> text.
        lost: mails do not arrive.
    """

    def __init__(self) -> None:
        self.mails: dict[str, str] = {"0": "An older mail: 111111"}
        self.lost = False

    async def deliver(self, mailbox: str, subject: str, body: str) -> None:
        if not self.lost:
            self.mails[str(len(self.mails))] = body

    async def codes(self) -> dict[str, str]:
        return dict(self.mails)


class Clock:
    """Time that passes when somebody waits."""

    def __init__(self) -> None:
        self.now = 0.0
        self.slept: list[float] = []

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


class Place:
    """A portal and the way to it.

    Attributes:
        app: the simulated portal.
        portal: its pages, for a client.
        box: where codes arrive.
        clock: of the portal and of the client's waits.
    """

    def __init__(self, app: PortalSimulator, portal: Portal, box: Box, clock: Clock) -> None:
        self.app, self.portal, self.box, self.clock = app, portal, box, clock

    def client(self, **given: Any) -> MployerClient:
        """Return a client; what is given replaces what fits the portal."""
        known = self.app.portal.login
        login = Login(username=known.username, password=known.password)
        more = {"login": login, "mailbox": self.box, "sleep": self.clock.sleep, **given}
        return MployerClient(self.portal, **more)


@contextmanager
def in_process(*, codes: bool = False, seed: int = 7) -> Iterator[Place]:
    """Make a portal in this process."""
    box, clock = Box(), Clock()
    app = simulator(seed, deliver=box.deliver if codes else None, now=lambda: clock.now)
    yield Place(app, InProcessPortal(app), box, clock)


@contextmanager
def in_chromium(*, codes: bool = False, seed: int = 7, mode: Mode = Mode.DRY_RUN) -> Iterator[Place]:
    """Serve a portal and open it in a window of its own."""
    import asyncio

    site.chromium()
    box, clock = Box(), Clock()
    app = simulator(seed, deliver=box.deliver if codes else None, now=lambda: clock.now)
    with running(app) as base_url:
        portal = ChromiumPortal(base_url, mode, base_url, Selectors().session_paths)
        try:
            yield Place(app, portal, box, clock)
        finally:
            asyncio.run(SESSIONS.end(base_url))
