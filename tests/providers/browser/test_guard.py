"""The guard of a window: what a page tries by itself does not leave it in DRY_RUN, and does in LIVE."""

import asyncio

import pytest

from buddy.adapters.providers.browser.sessions import Sessions
from buddy.model.mode import Mode
from providers.browser import site
from providers.serving import served

TRIES = {
    "POST /w/fetch",
    "POST /w/keepalive",
    "PUT /w/xhr",
    "POST /w/beacon",
    "POST /w/form",
    "DELETE /w/worker",
}
"""What the page does as it is loaded, besides a web socket."""


@pytest.fixture(scope="module", autouse=True)
def _browser() -> None:
    site.chromium()


async def _visit(mode: Mode, base_url: str, allow: list[tuple[str, str]] | None = None) -> list[str]:
    sessions = Sessions()

    async def look(tab: site.Any) -> list[str]:
        await tab.open(f"{base_url}/sneaky")
        await asyncio.sleep(0.7)
        await tab.open(f"{base_url}/other")  # leaving the page is an event that it listens to
        await asyncio.sleep(0.3)
        return [f"{one.method} {one.url.removeprefix(base_url)}" for one in tab.guard.stopped]

    try:
        return await sessions.call(("run", "main"), mode, look, allow or [])
    finally:
        await sessions.end("run")


def test_no_write_leaves_a_page_in_dry_run() -> None:
    watched = site.Site()
    with served(watched.app) as base_url:
        stopped = asyncio.run(_visit(Mode.DRY_RUN, base_url))
    assert watched.writes == []
    assert set(stopped) >= TRIES | {"POST /w/leaving"}
    assert any(one.startswith("WEBSOCKET") for one in stopped)
    assert watched.seen["GET /r/image"] == 1, "a page may read"
    assert watched.seen["GET /sw.js"] == 0, "a service worker would stand between the page and the guard"


def test_in_live_a_page_does_what_it_does() -> None:
    watched = site.Site()
    with served(watched.app) as base_url:
        stopped = asyncio.run(_visit(Mode.LIVE, base_url))
    assert stopped == []
    assert set(watched.writes) >= TRIES


def test_what_the_operator_lets_through_goes_through_and_nothing_else() -> None:
    watched = site.Site()
    with served(watched.app) as base_url:
        asyncio.run(_visit(Mode.DRY_RUN, base_url, [("POST", f"{base_url}/w/fetch")]))
    assert watched.writes == ["POST /w/fetch"]


def test_the_guard_forgets_what_an_earlier_call_stopped() -> None:
    watched = site.Site()
    sessions = Sessions()

    async def both(base_url: str) -> int:
        async def sneaky(tab: site.Any) -> None:
            await tab.open(f"{base_url}/sneaky")
            await asyncio.sleep(0.3)

        async def count(tab: site.Any) -> int:
            return len(tab.guard.stopped)

        await sessions.call(("run", "main"), Mode.DRY_RUN, sneaky)
        try:
            return await sessions.call(("run", "main"), Mode.DRY_RUN, count)
        finally:
            await sessions.end("run")

    with served(watched.app) as base_url:
        assert asyncio.run(both(base_url)) == 0
