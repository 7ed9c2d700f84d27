"""A field that was filled again after a doubtful first try: what it held before is not made up."""

import asyncio
from collections.abc import Callable
from typing import Any, cast

import pytest

from buddy.adapters.providers.base.tools import Asked
from buddy.adapters.providers.browser.operations import Window, form_fill, unfill
from buddy.errors import ChangedSince
from buddy.model.mode import Mode


class Page:
    """A window whose one field can be filled and put back."""

    def __init__(self, holds: str) -> None:
        self.holds = holds

    async def do(self, work: Callable[[Any], Any]) -> Any:
        return work(self)

    def fill(self, field: str, value: str, *, hidden: bool) -> dict[str, Any]:
        before, self.holds = self.holds, value
        return {"page": "p", "field": field, "before": before, "after": value, "secret": hidden}

    def unfill(self, field: str, value: str, before: str, page: str, *, hidden: bool) -> bool:
        self.holds = before
        return True


def fill(page: Page, attempt: int) -> tuple[Window, Asked, Any]:
    args = {"field": "city", "value": "Oslo"}
    window, asked = cast(Window, page), Asked(args=args, mode=Mode.LIVE, key="k", attempt=attempt)
    return window, asked, asyncio.run(form_fill(window, asked))


def test_what_an_earlier_try_may_have_filled_is_not_put_back() -> None:
    with pytest.raises(ChangedSince, match="not known"):
        asyncio.run(unfill(*fill(Page("Oslo"), 2)))


@pytest.mark.parametrize(("holds", "attempt"), [("Bergen", 1), ("Bergen", 2), ("Oslo", 1)])
def test_what_is_known_is_put_back(holds: str, attempt: int) -> None:
    page = Page(holds)
    assert asyncio.run(unfill(*fill(page, attempt))).verified
    assert page.holds == holds
