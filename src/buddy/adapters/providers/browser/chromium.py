"""One Chromium for the whole process, on an event loop and a thread of its own.

Playwright's objects belong to the event loop that made them, and die badly with it. Calls come from many
loops (each one-shot call of a sync client is one), and a page has to outlive them all; so the browser stands
apart, and what is asked of it is handed over.
"""

import asyncio
import atexit
import json
import os
import shutil
import tempfile
import threading
from collections.abc import Coroutine
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from buddy.adapters.providers.base.errors import ExtraMissing, ProviderUnavailable
from buddy.adapters.providers.browser.gate import Gate

if TYPE_CHECKING:
    from playwright.async_api import Browser, Playwright

T = TypeVar("T")

VARIABLE = "BUDDY_BROWSER_EXECUTABLE"
"""Environment variable that names the executable."""
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
OPTIONS = (
    # A worker that pages share can open web sockets that no page's guard sees.
    "--disable-blink-features=SharedWorker",
    # A connection that serves many requests at once cannot be closed after each: see `gate`.
    "--disable-auto-reload",
    "--disable-http2",
    "--disable-quic",
)
PREFERENCES = {"net": {"network_prediction_options": 2}}
"""No connection is opened before a request needs it: on such a one Chromium would send again, see `gate`."""
STOP_S = 10.0
"""Seconds that the browser may take to close."""


def executable(environ: "os._Environ[str] | dict[str, str]" = os.environ) -> str | None:
    """Return the executable that this machine offers; None leaves it to Playwright's own.

    Raises:
        ExtraMissing: the environment names one that is not there.
    """
    named = environ.get(VARIABLE)
    if named:
        if not os.access(named, os.X_OK) or Path(named).is_dir():
            raise ExtraMissing(f"{VARIABLE}: expected an executable, found {named}")
        return named
    return next((found for name in NAMES if (found := shutil.which(name))), None)


class Chromium:
    """A browser that starts at the first use and ends with the process, or by `close`."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._playwright: Playwright | None = None
        self._browser: Browser | None = None
        self._gate: Gate | None = None
        self._profile: Path | None = None
        self._starting: asyncio.Lock | None = None

    async def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Do something on the browser's own event loop; cancelling the wait cancels the work."""
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, self._running_loop()))

    async def browser(self) -> "tuple[Browser, Gate]":
        """Return the browser, started, and the gate before it; only on its own event loop.

        Raises:
            ExtraMissing: Playwright or a Chromium is not installed.
            ProviderUnavailable: it does not start.
        """
        if self._starting is None:
            self._starting = asyncio.Lock()
        async with self._starting:
            if self._browser is None or self._gate is None or not self._browser.is_connected():
                self._browser = await self._launch()
                self._gate = await Gate.before(self._browser)
            return self._browser, self._gate

    async def _launch(self) -> "Browser":
        try:
            from playwright.async_api import Error, async_playwright
        except ModuleNotFoundError as problem:
            raise ExtraMissing(
                "the browser needs the package playwright; install it with"
                " `pip install 'buddy-control[providers,browser]'`"
            ) from problem
        path = executable()
        used = self._playwright is not None
        if self._playwright is None:
            self._playwright = await async_playwright().start()
        options = [*OPTIONS, *(["--no-sandbox"] if os.name == "posix" and os.geteuid() == 0 else [])]
        # Preferences can only be given in a profile; nothing but they is kept in it, windows have their own.
        self._forget_profile()
        self._profile = Path(tempfile.mkdtemp(prefix="buddy-browser-"))
        (self._profile / "Default").mkdir()
        (self._profile / "Default" / "Preferences").write_text(json.dumps(PREFERENCES))
        try:
            first = await self._playwright.chromium.launch_persistent_context(
                self._profile, executable_path=path, args=options
            )
        except Error as problem:
            driver, self._playwright = self._playwright, None
            with suppress(Error):
                await driver.stop()
            if used:  # it may have died with its browser, of a Ctrl-C for instance
                return await self._launch()
            told = problem.message.splitlines()[0]
            if path is None:
                raise ExtraMissing(
                    "the browser needs a Chromium: install the package chromium, run"
                    f" `playwright install chromium`, or name one in {VARIABLE} ({told})"
                ) from problem
            raise ProviderUnavailable(f"{path} does not start: {told}") from problem
        assert first.browser is not None, "a context of Chromium has a browser"
        return first.browser

    def _running_loop(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                self._thread = threading.Thread(
                    target=partial(_turn, self._loop), name="buddy-browser", daemon=True
                )
                self._thread.start()
                atexit.register(self.close)
            return self._loop

    def close(self) -> None:
        """Close the browser with every page; the next use starts another."""
        with self._lock:
            loop, thread = self._loop, self._thread
            self._loop = self._thread = None
        if loop is None or thread is None:
            return
        atexit.unregister(self.close)
        ending = asyncio.run_coroutine_threadsafe(self._end(), loop)
        with suppress(TimeoutError):
            ending.result(STOP_S)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(STOP_S)

    async def _end(self) -> None:
        browser, playwright = self._browser, self._playwright
        self._browser = self._playwright = self._starting = self._gate = None
        try:
            if browser is not None:
                await browser.close()
        finally:
            if playwright is not None:
                await playwright.stop()
            self._forget_profile()

    def _forget_profile(self) -> None:
        if self._profile is not None:
            shutil.rmtree(self._profile, ignore_errors=True)
            self._profile = None


def _turn(loop: asyncio.AbstractEventLoop) -> None:
    asyncio.set_event_loop(loop)
    try:
        loop.run_forever()
    finally:
        left = asyncio.all_tasks(loop)
        for task in left:
            task.cancel()
        if left:
            loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()


CHROMIUM = Chromium()
"""The process's own."""
