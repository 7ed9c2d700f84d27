"""Playwright's errors and events in our terms, converted once and here."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from buddy.adapters.providers.base import redaction
from buddy.adapters.providers.base.errors import ProviderTimeout, ProviderUnavailable

if TYPE_CHECKING:
    from playwright.async_api import Page, Request

ATTEMPTS = 4
"""Times that an address is asked for, when another page gets in between."""


@contextmanager
def told(seconds: float, expected: str) -> Iterator[None]:
    """Turn Playwright's errors into ours.

    Args:
        seconds: that were waited.
        expected: what was to happen, as "the page to load".

    Raises:
        ProviderTimeout, ProviderUnavailable: it did not.
    """
    from playwright.async_api import Error
    from playwright.async_api import TimeoutError as Late

    try:
        yield
    except Late as problem:
        raise ProviderTimeout(f"expected {expected} within {seconds:g} s") from problem
    except Error as problem:
        told = redaction.text(problem.message.splitlines()[0])
        raise ProviderUnavailable(f"expected {expected}, found: {told}") from problem


def brings_page(request: "Request") -> bool:
    """Whether a request is for what a window shows, and not for a part of it."""
    from playwright.async_api import Error

    if not request.is_navigation_request():
        return False
    try:
        return request.frame.parent_frame is None
    except Error:  # a window that is only about to open has no frame yet
        return True


async def go(page: "Page", url: str, seconds: float) -> None:
    """Go to an address, also from a page whose own way to another has just failed.

    Args:
        page: that goes.
        url: of the web.
        seconds: that it may take.
    """
    from playwright.async_api import Error

    for left in range(ATTEMPTS - 1, -1, -1):
        try:
            await page.goto(url, timeout=seconds * 1000)
            return
        except Error as problem:
            if not left or "interrupted by another navigation" not in problem.message:
                raise
        await page.wait_for_load_state(timeout=seconds * 1000)
        if page.url == url:  # what was interrupted arrived all the same
            return
