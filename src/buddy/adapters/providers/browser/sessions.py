"""Private browser windows, kept between the calls of a run.

A session has its own cookies, its own guard, and one call at a time. It is closed when its run is over, when
nobody has used it for a while, or when the process ends; what a page held is gone then.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection
from contextlib import suppress
from typing import TYPE_CHECKING, TypeVar

from buddy.adapters.providers.base.errors import ProviderError
from buddy.adapters.providers.base.transport import Allowed
from buddy.adapters.providers.browser.chromium import CHROMIUM, Chromium
from buddy.adapters.providers.browser.gate import Gate
from buddy.adapters.providers.browser.guard import Guard
from buddy.adapters.providers.browser.tab import WAIT_S, Tab
from buddy.model.mode import Mode

if TYPE_CHECKING:
    from playwright.async_api import Browser, BrowserContext

T = TypeVar("T")
Key = tuple[str, str]
"""A run, and the name of a window in it."""

IDLE_S = 1800.0
"""Seconds without a call after which a session is closed."""
WIDTH, HEIGHT = 1280, 800


class _Session:
    """One window; lives on the browser's event loop."""

    def __init__(self, context: "BrowserContext", guard: Guard) -> None:
        self.context, self.guard = context, guard
        self.tab = Tab(context, guard)
        self.lock = asyncio.Lock()
        self.used_at = time.monotonic()


class Sessions:
    """The windows of one browser.

    Args:
        chromium: the browser.
    """

    def __init__(self, chromium: Chromium = CHROMIUM) -> None:
        self._chromium = chromium
        self._open: dict[Key, asyncio.Task[_Session]] = {}

    async def call(
        self,
        key: Key,
        mode: Mode,
        work: Callable[[Tab], Awaitable[T]],
        allow: Collection[Allowed] = (),
    ) -> T:
        """Do something in a window, which is opened where it is not open yet.

        Args:
            key: of the window.
            mode: of the call; the guard goes by it until the next call.
            work: runs on the browser's own event loop, alone in this window.
            allow: requests besides GET and HEAD that DRY_RUN lets through, see `Guard`.

        Raises:
            ProviderError: there is no browser, or the work failed.
        """
        return await self._chromium.run(self._call(key, mode, work, allow))

    async def end(self, run: str) -> None:
        """Close every window of a run."""
        if any(key[0] == run for key in self._open):
            await self._chromium.run(self._close([key for key in self._open if key[0] == run]))

    def windows(self, run: str) -> list[str]:
        """Return the names of a run's open windows."""
        return [name for of, name in self._open if of == run]

    async def _call(
        self,
        key: Key,
        mode: Mode,
        work: Callable[[Tab], Awaitable[T]],
        allow: Collection[Allowed],
    ) -> T:
        session = await self._session(key, allow)
        async with session.lock:
            session.guard.mode = mode
            session.guard.stopped.clear()
            session.used_at = time.monotonic()
            try:
                return await work(session.tab)
            finally:
                session.used_at = time.monotonic()
                asyncio.get_running_loop().call_later(IDLE_S + 1, self._sweep)

    async def _session(self, key: Key, allow: Collection[Allowed]) -> _Session:
        browser, gate = await self._chromium.browser()
        made = self._open.get(key)
        if made is None or (made.done() and _is_gone(made, browser)):
            made = self._open[key] = asyncio.create_task(_opened(browser, gate, allow))
        # Whoever asks first may give up: those who ask with it still want the window.
        return await asyncio.shield(made)

    def _sweep(self) -> None:
        late = time.monotonic() - IDLE_S
        idle = [key for key, made in self._open.items() if made.done() and _is_idle(made, late)]
        if idle:
            self._sweeping = asyncio.get_running_loop().create_task(self._close(idle))

    async def _close(self, keys: Collection[Key]) -> None:
        from playwright.async_api import Error

        for made in [self._open.pop(key) for key in keys if key in self._open]:
            with suppress(Error, ProviderError):  # it never opened, or went with its browser
                await (await made).context.close()


async def _opened(browser: "Browser", gate: Gate, allow: Collection[Allowed]) -> _Session:
    guard = Guard(allow)
    context = await browser.new_context(
        viewport={"width": WIDTH, "height": HEIGHT}, service_workers="block", accept_downloads=False
    )
    context.set_default_timeout(WAIT_S * 1000)
    await context.route_web_socket("**/*", guard.socket)
    await gate.add(context, guard)
    return _Session(context, guard)


def _is_gone(made: "asyncio.Task[_Session]", browser: "Browser") -> bool:
    """Whether a window could not be opened, or went with its browser."""
    return made.cancelled() or made.exception() is not None or made.result().context.browser is not browser


def _is_idle(made: "asyncio.Task[_Session]", late: float) -> bool:
    if made.cancelled() or made.exception() is not None:
        return True
    session = made.result()
    return session.used_at < late and not session.lock.locked()


SESSIONS = Sessions()
"""The process's own."""
