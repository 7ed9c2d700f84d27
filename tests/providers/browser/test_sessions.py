"""Windows: private, one call at a time, outliving event loops, and closed in the end."""

import asyncio
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from typing import Any

import pytest

from buddy.adapters.providers.base.errors import ExtraMissing, NotFound
from buddy.adapters.providers.browser import sessions as module
from buddy.adapters.providers.browser.chromium import VARIABLE, Chromium
from buddy.adapters.providers.browser.sessions import Sessions
from buddy.adapters.providers.browser.tab import Tab
from buddy.model.mode import Mode
from providers.browser import site
from providers.serving import served


@pytest.fixture(scope="module", autouse=True)
def _browser() -> None:
    site.chromium()


@pytest.fixture(scope="module")
def base_url() -> Iterator[str]:
    with served(site.Site().app) as address:
        yield address


async def _cookie(tab: Tab) -> str:
    return str(await tab.page.evaluate("document.cookie"))


def test_a_page_outlives_the_event_loop_that_opened_it(base_url: str) -> None:
    sessions = Sessions()
    asyncio.run(sessions.call(("a", "main"), Mode.DRY_RUN, lambda tab: tab.open(f"{base_url}/form")))
    where = asyncio.run(sessions.call(("a", "main"), Mode.DRY_RUN, lambda tab: tab.where()))
    assert where["title"] == "A form"
    asyncio.run(sessions.end("a"))


def test_windows_do_not_share_cookies_and_go_with_their_run(base_url: str) -> None:
    sessions = Sessions()

    async def mark(tab: Tab) -> None:
        await tab.open(f"{base_url}/form")
        await tab.page.evaluate("document.cookie = 'mine=1'")

    async def all_of_it() -> None:
        for key in (("a", "one"), ("a", "two"), ("b", "one")):
            await sessions.call(key, Mode.DRY_RUN, lambda tab: tab.open(f"{base_url}/form"))
        await sessions.call(("a", "one"), Mode.DRY_RUN, mark)
        assert await sessions.call(("a", "one"), Mode.DRY_RUN, _cookie) == "mine=1"
        for key in (("a", "two"), ("b", "one")):
            assert await sessions.call(key, Mode.DRY_RUN, _cookie) == ""
        await sessions.end("a")
        assert (sessions.windows("a"), sessions.windows("b")) == ([], ["one"])
        with pytest.raises(NotFound):
            await sessions.call(("a", "one"), Mode.DRY_RUN, lambda tab: tab.where())
        await sessions.end("a")
        await sessions.end("b")

    asyncio.run(all_of_it())


def test_calls_in_one_window_wait_and_those_in_two_do_not() -> None:
    sessions = Sessions()
    inside, most = 0, 0

    async def alone(tab: Tab) -> None:
        nonlocal inside, most
        inside += 1
        most = max(most, inside)
        await asyncio.sleep(0.05)
        inside -= 1

    async def all_of_it() -> None:
        meet = asyncio.Barrier(2)

        async def together(tab: Tab) -> None:
            await asyncio.wait_for(meet.wait(), 20)

        await asyncio.gather(*(sessions.call(("a", "main"), Mode.DRY_RUN, alone) for _ in range(3)))
        await asyncio.gather(*(sessions.call(("b", name), Mode.DRY_RUN, together) for name in "xy"))
        await sessions.end("a")
        await sessions.end("b")

    asyncio.run(all_of_it())
    assert most == 1


def test_a_call_that_is_given_up_frees_its_window(base_url: str) -> None:
    sessions = Sessions()

    async def forever(tab: Tab) -> None:
        await asyncio.Event().wait()

    async def all_of_it() -> Any:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(sessions.call(("a", "main"), Mode.DRY_RUN, forever), 0.3)
        try:
            return await asyncio.wait_for(
                sessions.call(("a", "main"), Mode.DRY_RUN, lambda tab: tab.open(f"{base_url}/form")), 10
            )
        finally:
            await sessions.end("a")

    assert asyncio.run(all_of_it())["title"] == "A form"


def test_a_window_that_nobody_uses_is_closed(base_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "IDLE_S", -0.9)
    sessions = Sessions()

    async def all_of_it() -> list[str]:
        await sessions.call(("a", "main"), Mode.DRY_RUN, lambda tab: tab.open(f"{base_url}/form"))
        for _ in range(50):
            if not sessions.windows("a"):
                break
            await asyncio.sleep(0.1)
        return sessions.windows("a")

    assert asyncio.run(all_of_it()) == []


def test_a_browser_that_died_is_started_again(base_url: str) -> None:
    chromium = Chromium()
    sessions = Sessions(chromium)

    async def die(tab: Tab) -> None:
        browser = tab.page.context.browser
        assert browser is not None
        await browser.close()

    async def all_of_it() -> Any:
        await sessions.call(("a", "main"), Mode.DRY_RUN, lambda tab: tab.open(f"{base_url}/form"))
        await sessions.call(("a", "main"), Mode.DRY_RUN, die)
        return await sessions.call(("a", "main"), Mode.DRY_RUN, lambda tab: tab.open(f"{base_url}/other"))

    try:
        assert asyncio.run(all_of_it())["title"] == "Other"
    finally:
        chromium.close()


def test_what_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "/nowhere/chromium")
    chromium = Chromium()
    try:
        with pytest.raises(ExtraMissing, match="/nowhere/chromium"):
            asyncio.run(Sessions(chromium).call(("a", "main"), Mode.DRY_RUN, lambda tab: tab.where()))
    finally:
        chromium.close()


def test_a_process_that_forgets_to_close_ends_all_the_same(base_url: str) -> None:
    code = f"""
        import asyncio
        from buddy.adapters.providers.browser.sessions import SESSIONS
        from buddy.model.mode import Mode
        asyncio.run(SESSIONS.call(("a", "main"), Mode.DRY_RUN, lambda tab: tab.open("{base_url}/form")))
        print("done")
    """
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", textwrap.dedent(code)],
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "done\n", "")
