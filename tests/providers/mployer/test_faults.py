"""Every fault, through Chromium: what it is called, what may have happened, and nothing is sent twice."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from buddy.adapters.providers.base.errors import (
    AuthError,
    InvalidRequest,
    ProviderError,
    ProviderUnavailable,
    RateLimited,
    Uncertain,
)
from buddy.adapters.providers.base.faults import Faults
from buddy.adapters.providers.browser import tab as tabs
from buddy.adapters.providers.browser.sessions import SESSIONS
from buddy.adapters.providers.mployer.portal import WINDOW
from buddy.model.mode import Mode
from providers.browser import site
from providers.mployer.world import Place, in_chromium


@pytest.fixture(scope="module", autouse=True)
def _browser() -> None:
    site.chromium()


@pytest.fixture(scope="module")
def place() -> Iterator[Place]:
    with in_chromium(mode=Mode.LIVE) as opened:
        yield opened


@pytest.fixture
def search(place: Place, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Show a search, with all well; returns the portal's address."""
    place.app.layer.set(Faults())
    place.app.portal.saved.clear()
    base_url: str = place.portal.base_url  # type: ignore[attr-defined]
    if not place.app.portal.accounts.signed_in:
        asyncio.run(place.client().login())
    at = f"{base_url}/employers?state=TX"
    asyncio.run(SESSIONS.call((base_url, WINDOW), Mode.LIVE, lambda tab: tab.open(at)))
    monkeypatch.setattr(tabs, "WAIT_S", 0.7)
    place.app.layer.reset()
    yield base_url
    place.app.layer.set(Faults())


def save(base_url: str, name: str) -> Any:
    async def work(tab: tabs.Tab) -> Any:
        await tab.fill("Name of this search", name)
        return await tab.press("Save search")

    return asyncio.run(SESSIONS.call((base_url, WINDOW), Mode.LIVE, work))


@pytest.mark.parametrize(
    ("kind", "error", "saved"),
    [
        ("", None, 1),
        ("403", AuthError, 0),
        ("429", RateLimited, 0),
        ("503", Uncertain, 0),
        ("408", Uncertain, 0),
        ("stall", Uncertain, 0),
        ("stall-after", Uncertain, 1),
        ("cut-before", Uncertain, 0),
        ("cut-after", Uncertain, 1),
    ],
)
def test_a_press_says_what_is_known_and_sends_once(
    place: Place, search: str, kind: str, error: type[Exception] | None, saved: int
) -> None:
    if kind:
        place.app.layer.set(Faults(rates={kind: 1.0}, stall_s=2.0))
    if error is None:
        assert save(search, "Ours")["status"] == 200
    else:
        with pytest.raises(error):
            save(search, "Ours")
    assert place.app.layer.counts.by["POST /searches"] == 1
    assert len(place.app.portal.saved) == saved


def test_a_form_that_is_refused_has_not_happened(place: Place, search: str) -> None:
    with pytest.raises(InvalidRequest, match="answered 422"):
        save(search, " ")
    assert place.app.portal.saved == []


@pytest.mark.parametrize(
    ("kind", "error"),
    [
        ("401", AuthError),
        ("429", RateLimited),
        ("503", ProviderUnavailable),
        ("stall", ProviderError),
        ("cut-before", ProviderUnavailable),
    ],
)
def test_a_search_says_what_went_wrong(place: Place, search: str, kind: str, error: type[Exception]) -> None:
    place.app.layer.set(Faults(rates={kind: 1.0}, stall_s=2.0))
    with pytest.raises(error):
        asyncio.run(place.client(attempts=2).search_contacts({"state": "Texas"}))
    place.app.layer.set(Faults())
    assert asyncio.run(place.client().search_contacts({"state": "Texas"}))["total"] >= 3
