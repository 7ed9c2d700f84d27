"""The one place that every request of the browser goes through, before it leaves.

Playwright's own routes stand at the pages: a shared worker goes past them, and so does what a page sends as
it is left. This stands at the browser. Each request is the business of the window whose frame or worker sends
it; one that belongs to no window may only read.
"""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from buddy.adapters.providers.browser.guard import Guard

if TYPE_CHECKING:
    from playwright.async_api import Browser, BrowserContext, CDPSession, Page


class Gate:
    """The gate of one browser; lives on the browser's event loop.

    Args:
        session: with the browser itself.
    """

    def __init__(self, session: "CDPSession") -> None:
        self._session = session
        self._frames: dict[str, Guard] = {}
        self._contexts: dict[str, Guard] = {}
        self._pages: dict[Page, tuple[CDPSession, Guard]] = {}
        self._under_way: set[asyncio.Task[None]] = set()

    @classmethod
    async def before(cls, browser: "Browser") -> "Gate":
        """Put a gate before everything that a browser sends."""
        gate = cls(await browser.new_browser_cdp_session())
        gate._session.on("Fetch.requestPaused", gate._paused)
        await gate._session.send("Fetch.enable", {"patterns": [{"urlPattern": "*"}]})
        return gate

    async def add(self, context: "BrowserContext", guard: Guard) -> None:
        """Let a window's requests be judged by its guard; it has one page from now on."""
        context.on("page", lambda page: self._watch(page, guard))
        await self._watch(await context.new_page(), guard)

    async def _watch(self, page: "Page", guard: Guard) -> None:
        if page in self._pages:
            return
        from playwright.async_api import Error

        def attached(frame: Mapping[str, Any]) -> None:
            self._frames[frame["frameId"]] = guard

        def closed(page: "Page") -> None:
            self._pages.pop(page, None)

        with suppress(Error):  # the page is gone already
            session = await page.context.new_cdp_session(page)
            self._pages[page] = session, guard
            page.on("close", closed)
            session.on("Page.frameAttached", attached)
            await session.send("Page.enable")
            await self._learn_frames(session, guard)
            for target in await self._targets():
                if target["targetId"] in self._frames:
                    self._contexts[target["browserContextId"]] = self._frames[target["targetId"]]

    async def _learn_frames(self, session: "CDPSession", guard: Guard) -> None:
        trees = [(await session.send("Page.getFrameTree"))["frameTree"]]
        while trees:
            tree = trees.pop()
            self._frames[tree["frame"]["id"]] = guard
            trees += tree.get("childFrames", [])

    async def _targets(self) -> list[dict[str, Any]]:
        """Return the browser's pages and workers, with the window that each belongs to."""
        found = await self._session.send("Target.getTargets", {"filter": [{}]})
        return [one for one in found["targetInfos"] if "browserContextId" in one]

    async def _guard(self, frame: str) -> Guard | None:
        """Return the guard of the window that a frame or worker belongs to."""
        if frame in self._frames:
            return self._frames[frame]
        for target in await self._targets():
            if target["targetId"] == frame:
                return self._contexts.get(target["browserContextId"])
        for session, guard in list(self._pages.values()):
            await self._learn_frames(session, guard)
        return self._frames.get(frame)

    def _paused(self, event: Mapping[str, Any]) -> None:
        task = asyncio.get_running_loop().create_task(self._judge(event))
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)

    async def _judge(self, event: Mapping[str, Any]) -> None:
        from playwright.async_api import Error

        request, paused = event["request"], event["requestId"]
        with suppress(Error):  # the page, or the browser, is gone: so is the request
            guard = await self._guard(event.get("frameId", ""))
            # A request of nobody's is judged as strictly as can be.
            if (guard or Guard()).passes(request):
                await self._session.send(
                    "Fetch.continueRequest", {"requestId": paused, "headers": _once(request)}
                )
            else:
                stop = {"requestId": paused, "errorReason": "BlockedByClient"}
                await self._session.send("Fetch.failRequest", stop)


def _once(request: Mapping[str, Any]) -> list[dict[str, str]]:
    """Return the headers of a request, so that its connection serves no other.

    On a connection that has served another request before, Chromium sends a request again by itself when the
    connection breaks or the status is 408, a POST as well; on a fresh one it never does.
    """
    headers = {name: value for name, value in request["headers"].items() if name.casefold() != "connection"}
    return [{"name": name, "value": value} for name, value in {**headers, "Connection": "close"}.items()]
