"""What can be done with a page, tried on a real one."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest

from buddy.adapters.providers.base.errors import (
    Captured,
    Conflict,
    InvalidRequest,
    NotFound,
    ProviderError,
    ProviderTimeout,
    ProviderUnavailable,
    Uncertain,
)
from buddy.adapters.providers.browser import fields
from buddy.adapters.providers.browser import tab as tabs
from buddy.adapters.providers.browser.sessions import SESSIONS
from buddy.adapters.providers.browser.tab import Tab
from buddy.errors import ChangedSince
from buddy.model.mode import Mode
from providers.browser import site
from providers.serving import served

Work = Callable[[Tab], Awaitable[Any]]
Do = Callable[[Mode, Work], Any]


@pytest.fixture(scope="module", autouse=True)
def _browser() -> None:
    site.chromium()


@pytest.fixture(scope="module")
def place() -> Iterator[tuple[str, site.Site]]:
    watched = site.Site()
    with served(watched.app) as base_url:
        yield base_url, watched


@pytest.fixture
def do(place: tuple[str, site.Site]) -> Iterator[Do]:
    def run(mode: Mode, work: Work) -> Any:
        return asyncio.run(SESSIONS.call(("run", "main"), mode, work))

    place[1].seen.clear()
    place[1].sent.clear()
    run(Mode.DRY_RUN, lambda tab: tab.open(f"{place[0]}/form"))
    yield run
    asyncio.run(SESSIONS.end("run"))


def told(do: Do, kind: type[Exception], work: Work, mode: Mode = Mode.DRY_RUN) -> str:
    with pytest.raises(kind) as problem:
        do(mode, work)
    return str(problem.value)


def test_a_dry_fill_says_what_would_change_and_changes_nothing(do: Do) -> None:
    with pytest.raises(Captured) as stopped:
        do(Mode.DRY_RUN, lambda tab: tab.fill("Mail", "new@a.example"))
    assert stopped.value.request.body == {
        "field": "Mail",
        "before": "old@a.example",
        "after": "new@a.example",
        "secret": False,
    }
    with pytest.raises(Captured) as stopped:
        do(Mode.DRY_RUN, lambda tab: tab.fill("Mail", "x"))
    assert stopped.value.request.body["before"] == "old@a.example"


@pytest.mark.parametrize(
    ("field", "value", "before", "after"),
    [
        ("Mail", "new@a.example", "old@a.example", "new@a.example"),
        ("mail", "by@name.example", "old@a.example", "by@name.example"),
        ("css=#mail", "by@css.example", "old@a.example", "by@css.example"),
        ("Plan", "Large", "Small", "Large"),
        ("Plan", "l", "Small", "Large"),
        ("News", True, False, True),
        ("Remarks", "two\nlines", "", "two\nlines"),
    ],
)
def test_a_field_is_filled_and_put_back(do: Do, field: str, value: Any, before: Any, after: Any) -> None:
    result = do(Mode.LIVE, lambda tab: tab.fill(field, value))
    assert (result["before"], result["after"], result["secret"]) == (before, after, False)

    async def back(tab: Tab) -> Any:
        exact = await tab.unfill(field, result["after"], before, result["page"], hidden=False)
        return exact, await fields.read(await tab.field(field))

    assert do(Mode.LIVE, back) == (True, before)


def test_a_secret_is_filled_and_told_to_nobody(do: Do) -> None:
    result = do(Mode.LIVE, lambda tab: tab.fill("Password", "canary-1"))
    assert "canary" not in str(result)
    assert result["secret"] is True
    hidden = do(Mode.LIVE, lambda tab: tab.fill("Mail", "canary-2", hidden=True))
    assert "canary" not in str(hidden)
    with pytest.raises(Captured) as stopped:
        do(Mode.DRY_RUN, lambda tab: tab.press("Send"))
    fields = stopped.value.request.body["fields"]
    assert fields["word"] == fields["csrf_token"] == "***"
    assert "canary" not in str(stopped.value.request)

    async def told_of_the_page(tab: Tab) -> str:
        script = "() => document.body.append(`seen: ${document.getElementById('mail').value}`)"
        await tab.page.evaluate(script)
        return f"{await tab.look(image=False)} {await tab.text()} {await tab.where()}"

    assert "canary" not in do(Mode.DRY_RUN, told_of_the_page)


def test_what_others_changed_is_left_alone(do: Do, place: tuple[str, site.Site]) -> None:
    result = do(Mode.LIVE, lambda tab: tab.fill("Mail", "ours"))
    do(Mode.LIVE, lambda tab: tab.fill("Mail", "theirs"))
    back: Work = lambda tab: tab.unfill("Mail", "ours", "old@a.example", result["page"], hidden=False)  # noqa: E731
    assert "'theirs'" in told(do, ChangedSince, back, Mode.LIVE)
    do(Mode.LIVE, lambda tab: tab.open(f"{place[0]}/other"))
    assert "is not open any more" in told(do, ChangedSince, back, Mode.LIVE)


def test_an_element_that_is_not_there_is_told_with_what_is(do: Do, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tabs, "APPEAR_S", 0.1)
    assert "found 'Mail', 'Password', 'Plan'" in told(do, NotFound, lambda tab: tab.fill("Male", "x"))
    assert "'Send'" in told(do, NotFound, lambda tab: tab.press("Sent"))
    assert "found 2: input, input" in told(do, InvalidRequest, lambda tab: tab.fill("Twin", "x"))
    assert "to be visible" in told(do, Conflict, lambda tab: tab.fill("Gone", "x"))
    assert "to be visible" in told(do, Conflict, lambda tab: tab.press("css=button:has-text('Never')"))
    assert "found it disabled" in told(do, Conflict, lambda tab: tab.fill("Off", "x"))
    assert "found it disabled" in told(do, Conflict, lambda tab: tab.press("Later"))
    assert "found it read-only" in told(do, Conflict, lambda tab: tab.fill("Fixed", "x"))


def test_a_value_that_a_field_cannot_take_is_refused_and_not_left_in_it(do: Do) -> None:
    assert "'Small', 'Large'" in told(do, InvalidRequest, lambda tab: tab.fill("Plan", "Huge"))
    assert "true or false" in told(do, InvalidRequest, lambda tab: tab.fill("News", "yes"))
    assert "expected a text" in told(do, InvalidRequest, lambda tab: tab.fill("Mail", True))
    assert "'abc'" in told(do, Conflict, lambda tab: tab.fill("Short", "abcdef"), Mode.LIVE)

    async def look(tab: Tab) -> Any:
        return await fields.read(await tab.field("Short"))

    assert do(Mode.DRY_RUN, look) == ""


def test_a_dry_press_sends_nothing_and_a_live_one_sends_once(do: Do, place: tuple[str, site.Site]) -> None:
    with pytest.raises(Captured) as stopped:
        do(Mode.DRY_RUN, lambda tab: tab.press("Send"))
    request = stopped.value.request
    assert (request.method, request.url) == ("POST", f"{place[0]}/submit")
    assert request.body["fields"]["mail"] == "old@a.example"
    assert place[1].writes == []
    result = do(Mode.LIVE, lambda tab: tab.press("Send"))
    assert (result["from"], result["url"]) == (f"{place[0]}/form", f"{place[0]}/other")
    assert len(place[1].sent) == 1


def test_a_link_and_a_window_that_opens_are_followed(do: Do) -> None:
    assert do(Mode.LIVE, lambda tab: tab.press("Pop"))["title"] == "Popup"
    assert do(Mode.DRY_RUN, lambda tab: tab.where())["title"] == "Popup"


def test_a_button_under_something_else_is_not_pressed(do: Do, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tabs, "WAIT_S", 0.5)
    for mode in (Mode.DRY_RUN, Mode.LIVE):
        assert "to take a press" in told(do, ProviderTimeout, lambda tab: tab.press("Covered"), mode)


def test_a_press_without_an_answer_is_uncertain(
    do: Do, place: tuple[str, site.Site], monkeypatch: Any
) -> None:
    monkeypatch.setattr(tabs, "WAIT_S", 0.5)
    do(Mode.DRY_RUN, lambda tab: tab.open(f"{place[0]}/hanging"))
    assert "may have happened" in told(do, Uncertain, lambda tab: tab.press("Hang"), Mode.LIVE)


def test_an_element_that_comes_late_is_waited_for(do: Do, place: tuple[str, site.Site]) -> None:
    do(Mode.DRY_RUN, lambda tab: tab.open(f"{place[0]}/slow"))
    assert do(Mode.LIVE, lambda tab: tab.fill("Late", "x"))["after"] == "x"


def test_addresses_that_are_not_of_the_web_are_refused(do: Do) -> None:
    for address in ("file:///etc/passwd", "javascript:alert(1)", "chrome://version", "data:text/html,x"):
        assert "http://" in told(do, InvalidRequest, lambda tab, to=address: tab.open(to))
    assert "to load" in told(do, ProviderUnavailable, lambda tab: tab.open("http://127.0.0.1:1/"))
    assert told(do, NotFound, lambda tab: tab.fill("Mail", "x")).endswith("browser.navigate comes first")


def test_a_page_is_read(do: Do, place: tuple[str, site.Site], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tabs, "APPEAR_S", 0.1)
    assert do(Mode.DRY_RUN, lambda tab: tab.table("Prices")) == [{"Thing": "Tea", "Price": "2"}]
    assert do(Mode.DRY_RUN, lambda tab: tab.text("Sign up")).startswith("Mail")
    assert do(Mode.DRY_RUN, lambda tab: tab.links()) == [{"text": "Other", "url": f"{place[0]}/other"}]
    seen = do(Mode.DRY_RUN, lambda tab: tab.look(image=True))
    assert 'textbox "Mail"' in seen["snapshot"]
    assert seen["image"]["base64"].startswith("iVBOR")
    with pytest.raises(ProviderError):
        do(Mode.DRY_RUN, lambda tab: tab.table("Costs"))


def test_a_secret_that_a_form_puts_into_an_address_is_told_to_nobody(
    do: Do, place: tuple[str, site.Site]
) -> None:
    async def work(tab: Tab) -> Any:
        await tab.open(f"{place[0]}/search")
        await tab.fill("Key", "canary / 1", hidden=True)
        return await tab.press("Find")

    found = do(Mode.LIVE, work)
    assert "canary" not in str(found)
    assert found["url"] == f"{place[0]}/other?key=***"
