"""The portal as a person meets it, with a keyboard and eyes, and its picture in the docs."""

import asyncio
import csv
import io
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from buddy.adapters.providers.base.serving import running
from buddy.adapters.providers.browser.sessions import SESSIONS
from buddy.adapters.providers.browser.tab import Tab
from buddy.adapters.providers.mployer.simulator.portal import PortalSimulator, simulator
from buddy.model.mode import Mode
from providers.browser import site
from providers.mployer import picture
from providers.mployer.world import Box

UNNAMED = """
() => [...document.querySelectorAll("input:not([type=hidden]), select, button, a")].filter((one) =>
  !(one.labels && one.labels.length) && !one.innerText.trim() && !one.getAttribute("aria-label"))
  .map((one) => one.outerHTML)
"""


@pytest.fixture(scope="module", autouse=True)
def _browser() -> None:
    site.chromium()


def visit(app: PortalSimulator, person: Callable[[Any, str], Awaitable[None]]) -> None:
    async def work(tab: Tab, base_url: str) -> None:
        await tab.open(base_url)
        await person(tab.page, base_url)

    with running(app) as base_url:
        key = ("person", "main")
        try:
            asyncio.run(SESSIONS.call(key, Mode.LIVE, lambda tab: work(tab, base_url)))
        finally:
            asyncio.run(SESSIONS.end("person"))


def test_somebody_with_a_keyboard_finds_leads_and_keeps_the_search() -> None:
    box = Box()
    app = simulator(deliver=box.deliver)

    async def person(page: Any, base_url: str) -> None:
        keys = page.keyboard
        login = app.portal.login

        async def typed(text: str) -> None:
            await page.wait_for_function("document.activeElement.tagName === 'INPUT'")  # it has the focus
            await keys.type(text)
            await keys.press("Enter")

        await typed(login.username)
        await page.wait_for_url("**/login/password")
        assert login.username in await page.inner_text("main")
        await typed("not my password")
        await page.get_by_role("alert").wait_for()
        await typed(login.password)
        await page.wait_for_url("**/login/code")
        await typed(box.mails["1"].split("code is ")[1][:6])
        await page.wait_for_url("**/employers")

        await page.get_by_label("Minimum employees").focus()
        await keys.type("100")
        await keys.press("Tab")
        assert await page.evaluate("document.activeElement.id") == "max_employees"
        await keys.press("Tab")
        await keys.type("Retail")  # as one chooses from a list by its first letters
        await keys.press("Enter")
        await page.get_by_role("button", name="Search", exact=True).click()
        status = page.get_by_role("status")
        total = int((await status.inner_text()).split()[0])
        assert 3 <= total <= 10
        assert set(await page.locator("td .tag").all_inner_texts()) == {"Retail"}
        assert await page.evaluate(UNNAMED) == [], "everything that can be used has a name"
        assert await page.get_by_label("Minimum employees").input_value() == "100", (
            "filters stay as they were"
        )

        rows = await page.locator("tbody tr").count()
        if total > rows:
            await page.get_by_role("link", name="Next", exact=True).click()
            rows += await page.locator("tbody tr").count()
            await page.go_back()
        assert rows == total
        link = await page.get_by_role("link", name="Export CSV").get_attribute("href")
        exported = await page.evaluate("(to) => fetch(to).then((answer) => answer.text())", link)
        assert len(list(csv.DictReader(io.StringIO(exported)))) == total

        await page.get_by_label("Name of this search").fill("Big shops")
        await keys.press("Enter")
        await page.get_by_role("link", name="Big shops").wait_for()
        await page.get_by_role("table").get_by_role("link").first.click()
        assert await page.locator("tbody tr").count() == 3, "three people to talk to"
        await page.get_by_role("link", name="Big shops").click()
        assert int((await status.inner_text()).split()[0]) == total
        await page.get_by_role("button", name="Log out").click()
        await page.wait_for_url("**/login")
        await page.goto(f"{base_url}/employers")
        assert page.url == f"{base_url}/login"

    visit(app, person)
    assert [one.name for one in app.portal.saved] == ["Big shops"]


def test_somebody_who_asks_for_nonsense_is_told_and_may_go_on() -> None:
    app = simulator()

    async def person(page: Any, base_url: str) -> None:
        login = app.portal.login
        await page.get_by_label("User name").fill(login.username)
        await page.get_by_role("button", name="Continue").click()
        await page.get_by_label("Password").fill(login.password)
        await page.get_by_role("button", name="Sign in").click()
        await page.get_by_label("Minimum employees").fill("lots")
        await page.get_by_label("EIN").fill("7")
        await page.get_by_role("button", name="Search", exact=True).click()
        assert await page.get_by_role("alert").count() == 2
        assert await page.get_by_label("EIN").input_value() == "7", "what was typed can be mended"
        await page.get_by_label("Minimum employees").fill("")
        await page.get_by_label("EIN").fill("00-0000000")
        await page.get_by_role("button", name="Search", exact=True).click()
        assert "No employers found" in await page.inner_text("main")

    visit(app, person)


def test_the_picture_in_the_docs_shows_the_portal_as_it_is() -> None:
    size, kept = picture.structure(picture.DOCS.read_bytes())
    assert picture.DOCS.stat().st_size < 120_000
    now_size, now = picture.structure(picture.take())
    assert size == now_size == picture.SIZE
    assert kept == now, f"the portal has changed: take it again with `python {picture.__file__}`"
