"""What can be done with a page. Everything here runs on the browser's own event loop."""

import asyncio
import base64
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, quote_plus

from msgspec import Struct

from buddy.adapters.providers.base import redaction
from buddy.adapters.providers.base.errors import (
    Captured,
    CapturedRequest,
    Conflict,
    InvalidRequest,
    NotFound,
    ProviderError,
    ProviderUnavailable,
    Uncertain,
    by_status,
    may_have_happened,
)
from buddy.adapters.providers.browser import elements, fields, foreign, scripts
from buddy.adapters.providers.browser.guard import Guard
from buddy.errors import ChangedSince
from buddy.model.mode import Mode

if TYPE_CHECKING:
    from playwright.async_api import BrowserContext, Locator, Page, Request, Response

WAIT_S = 10.0
"""Seconds that a page may take to load, and an element to take an action."""
APPEAR_S = 2.0
"""Seconds that an element may take to appear."""
SETTLE_S = 0.1
"""Seconds after a press in which a window that it opens is told of."""
TEXT = 20_000
"""Characters of text that are returned."""
ROWS = 500
"""Rows of a table that are returned."""


class Answered(Struct, frozen=True, kw_only=True):
    """How the server answered when it gave a page.

    Attributes:
        status: of HTTP.
        retry_after: seconds that it asked to wait.
    """

    status: int = 0
    retry_after: float | None = None


class Tab:
    """The newest page of one session.

    Args:
        context: the session's own, with its cookies.
        guard: of the session.

    Attributes:
        answered: how the server answered when it gave the page that is shown.
    """

    def __init__(self, context: "BrowserContext", guard: Guard) -> None:
        self._context = context
        self.guard = guard
        self.answered = Answered()
        self._coming: Request | None = None
        self._missed = ""
        context.on("request", self._asked)
        context.on("response", self._heard)
        context.on("requestfailed", self._lost)

    def _asked(self, request: "Request") -> None:
        if foreign.brings_page(request):
            self._coming, self._missed, self.answered = request, "", Answered()

    def _heard(self, response: "Response") -> None:
        if response.request is self._coming and not 300 <= response.status < 400:
            wait = response.headers.get("retry-after", "")
            self.answered = Answered(
                status=response.status, retry_after=float(wait) if wait.isdigit() else None
            )
            self._coming = None

    def _lost(self, request: "Request") -> None:
        if request is self._coming:
            # What a page gives up itself (a download, an answer without content) leaves it as it was.
            given_up = "ERR_ABORTED" in (request.failure or "")
            self._coming, self._missed = None, "" if given_up else request.failure or "no answer"

    @property
    def page(self) -> "Page":
        """The page that was opened last.

        Raises:
            NotFound: none is open.
        """
        shown = self._shown()
        if shown is None:
            raise NotFound("expected an open page, found none: browser.navigate comes first")
        return shown

    def _shown(self) -> "Page | None":
        return next((page for page in reversed(self._context.pages) if page.url != "about:blank"), None)

    async def open(self, url: str) -> dict[str, Any]:
        """Go to an address.

        Raises:
            InvalidRequest: it is no address of the web.
            ProviderError: it cannot be reached.
        """
        if not url.startswith(("http://", "https://")):
            raise InvalidRequest(
                f"expected an address that begins with http:// or https://, found {url[:80]!r}"
            )
        with foreign.told(WAIT_S, "a page to be opened"):
            page = self._context.pages[-1] if self._context.pages else await self._context.new_page()
        self.answered = Answered()
        try:
            with foreign.told(WAIT_S, f"{redaction.text(url.split('?', 1)[0])} to load"):
                await foreign.go(page, url, WAIT_S)
        except ProviderError:
            await page.close()  # the browser's own page about the error is nothing to go on with
            raise
        return await self.where()

    async def where(self) -> dict[str, Any]:
        """Return address, title, and the status that the server gave."""
        page = self.page
        url = self.guard.hide(page.url)
        return {"url": url, "title": await page.title(), "status": self.answered.status}

    async def field(self, target: str) -> "Locator":
        """Return a field by what a person would call it; waits a moment for it to appear."""
        found: Locator = await self._appears(elements.field, target)
        return found

    async def button(self, target: str) -> "Locator":
        """Return what is pressed under that name; waits a moment for it to appear."""
        found: Locator = await self._appears(elements.button, target)
        return found

    async def fill(self, target: str, value: str | bool, *, hidden: bool = False) -> dict[str, Any]:
        """Put a value into a field.

        Args:
            target: the field, see `elements.field`.
            value: its text, the label or value of an option, or whether a box is ticked.
            hidden: the value is a secret.

        Raises:
            Captured: in DRY_RUN, once it is sure that it could be done.
        """
        page, found = self.page, await self.field(target)
        with foreign.told(WAIT_S, f"the field {target!r} to be read"):
            before = await fields.read(found)
            secret = hidden or (await elements.described(found))["type"] == "password"
            value = await fields.fitting(found, target, value)
        self._keep_secret(value, secret)
        shown = {"page": elements.place(page), "field": target}
        if self.guard.mode is not Mode.LIVE:
            raise Captured(
                CapturedRequest(
                    method="FILL",
                    url=elements.place(page),
                    body={
                        "field": target,
                        "before": _shown(before, secret),
                        "after": _shown(value, secret),
                        "secret": secret,
                    },
                )
            )
        with foreign.told(WAIT_S, f"the field {target!r} to be filled"):
            await fields.write(found, value, WAIT_S * 1000)
            after = await fields.read(found)
        if after != value:
            told = "another value" if secret else repr(after)
            await fields.write(found, before, WAIT_S * 1000)
            raise Conflict(f"expected the field {target!r} to take the value, found {told} in it")
        return {**shown, "before": _shown(before, secret), "after": _shown(after, secret), "secret": secret}

    def _keep_secret(self, value: str | bool, secret: bool) -> None:
        if secret and isinstance(value, str) and value:
            self.guard.secrets |= {value, quote(value, safe=""), quote_plus(value)}

    def _sends(self, target: str, form: dict[str, Any] | None) -> dict[str, Any]:
        """Return what a form would send when it is pressed, without secrets."""
        if form is None:
            return {"button": target}
        sent = {name: self.guard.hide(value) for name, value in form["fields"].items()}
        return {"button": target, "fields": redaction.value(sent)}

    async def put(self, target: str, value: str | bool) -> None:
        """Put a value into a field of a form that only reads, such as a search, in every mode.

        Raises:
            ProviderError: the field cannot take it.
        """
        found = await self.field(target)
        with foreign.told(WAIT_S, f"the field {target!r} to be filled"):
            self._keep_secret(value, (await elements.described(found))["type"] == "password")
            await fields.write(found, await fields.fitting(found, target, value), WAIT_S * 1000)

    async def unfill(self, target: str, value: str | bool, before: Any, at: str, *, hidden: bool) -> bool:
        """Put back what was in a field; returns whether it is what it was.

        Args:
            target: the field.
            value: that was put in.
            before: that was in it, None where it was a secret.
            at: the page that it was on.
            hidden: values are secrets.

        Raises:
            ChangedSince: it is another page by now, or another value.
        """
        pages = self._context.pages
        if not pages or elements.place(pages[-1]) != at:
            raise ChangedSince(f"the page {at} with the field {target!r} is not open any more")
        found = await self.field(target)
        now = await fields.read(found)
        if now != value:
            told = "another value" if hidden else repr(now)
            raise ChangedSince(f"expected the field {target!r} as it was left, found {told} in it")
        with foreign.told(WAIT_S, f"the field {target!r} to be put back"):
            await fields.write(found, "" if before is None else before, WAIT_S * 1000)
            return before is not None and await fields.read(found) == before

    async def press(self, target: str) -> dict[str, Any]:
        """Press a button or follow a link.

        Raises:
            Captured: in DRY_RUN, once it is sure that it could be done; says what its form would send.
            ProviderError: the server refused what it sends: a status of 400 to 499.
            Uncertain: it was pressed, and no page came of it, or one about a failure of the server's.
        """
        page, found = self.page, await self.button(target)
        kind, at = await elements.described(found), elements.place(page)
        with foreign.told(WAIT_S, f"the button {target!r} to take a press"):
            await found.click(trial=True, timeout=WAIT_S * 1000)
        if self.guard.mode is not Mode.LIVE:
            form = kind["form"]
            raise Captured(
                CapturedRequest(
                    method=form["method"] if form else "PRESS",
                    url=self.guard.hide(form["url"] if form else kind["href"] or at),
                    body=self._sends(target, form),
                )
            )
        try:
            await self._click(found, target)
            await asyncio.sleep(SETTLE_S)
            await self._arrived(target)
        except ProviderError as problem:
            raise Uncertain(problem) from problem
        try:
            self._heed(f"{target!r} was pressed")
        except ProviderError as problem:
            raise Uncertain(problem) if may_have_happened(problem) else problem from problem
        gone = {"url": "", "title": "", "status": self.answered.status}
        return {"button": target, "from": at, **(await self.where() if self._shown() else gone)}

    async def send(self, target: str) -> None:
        """Press what opens, closes or reads, such as a search; the guard decides what of it leaves.

        Raises:
            ProviderError: it could not be pressed, or the page after it did not come.
        """
        await self._click(await self.button(target), target)

    async def _click(self, found: "Locator", target: str) -> None:
        """Press something, and wait for the page after it where one is asked for.

        Raises:
            ProviderError: the page did not come.
        """
        before, self.answered, self._missed = self.answered, Answered(), ""
        with foreign.told(WAIT_S, f"the page after {target!r} was pressed"):
            await found.click(timeout=WAIT_S * 1000)
        await self._arrived(target)
        if self.answered.status == 0:
            self.answered = before

    async def _arrived(self, target: str) -> None:
        """Wait until the page that was asked for is there, if one was."""
        waited = 0.0
        while self._coming is not None and waited < WAIT_S:
            await asyncio.sleep(0.05)
            waited += 0.05
        shown = self._shown()
        if self._coming is None and not self._missed and shown is not None:
            with foreign.told(WAIT_S, f"the page after {target!r} was pressed"):
                await shown.wait_for_load_state(timeout=WAIT_S * 1000)
        if self._coming is not None or self._missed:
            why = self._missed or f"nothing within {WAIT_S:g} s"
            raise ProviderUnavailable(f"expected a page after {target!r} was pressed, found {why}")

    def _heed(self, what: str) -> None:
        """Raise what the server said of a page that it did not give."""
        status = self.answered.status
        if status >= 400:
            told = f"{elements.place(self.page)} answered {status} after {what}"
            raise by_status(status)(told, status=status, retry_after=self.answered.retry_after)

    async def look(self, *, image: bool) -> dict[str, Any]:
        """Return what a person would find: a tree of roles and names, and a picture of it."""
        page = self.page
        with foreign.told(WAIT_S, "the page to be looked at"):
            tree = self.guard.hide(await page.locator("body").aria_snapshot(timeout=WAIT_S * 1000))
        seen = {**await self.where(), "snapshot": tree[:TEXT], "cut": len(tree) > TEXT}
        return {**seen, "image": await self.picture()} if image else seen

    async def picture(self, *, whole: bool = False) -> dict[str, str]:
        """Return a PNG of what is seen, or of the whole page; what is typed as a password is dots in it."""
        with foreign.told(WAIT_S, "the picture to be taken"):
            data = await self.page.screenshot(full_page=whole, timeout=WAIT_S * 1000)
        return {"media_type": "image/png", "base64": base64.b64encode(data).decode()}

    async def text(self, target: str | None = None) -> str:
        """Return the text of an element, or of the page."""
        found = self.page.locator("body") if target is None else await self._appears(elements.any_of, target)
        with foreign.told(WAIT_S, "the text to be read"):
            text: str = self.guard.hide((await found.inner_text(timeout=WAIT_S * 1000))[:TEXT])
            return text

    async def texts(self, selector: str) -> list[str]:
        """Return the texts of everything that a selector finds and that can be seen; may be nothing."""
        with foreign.told(WAIT_S, "the texts to be read"):
            found = await self.page.locator(selector).all()
            return [self.guard.hide(await one.inner_text()) for one in found if await one.is_visible()]

    async def table(self, target: str | None = None) -> list[dict[str, str]]:
        """Return the rows of a table by the heads of its columns.

        Raises:
            NotFound: there is no such table.
            InvalidRequest: there are several.
        """
        found = await self._appears(elements.any_of, target or "css=table")
        with foreign.told(WAIT_S, "the table to be read"):
            head, *rows = await found.evaluate(scripts.TABLE) or [[]]
        shown: list[dict[str, str]] = self.guard.hide(
            [dict(zip(head, row, strict=False)) for row in rows[:ROWS]]
        )
        return shown

    async def links(self) -> list[dict[str, str]]:
        """Return every link that can be seen."""
        found: list[dict[str, str]] = await self.page.locator("a[href]:visible").evaluate_all(scripts.LINKS)
        shown: list[dict[str, str]] = self.guard.hide(found[:ROWS])
        return shown

    async def fetch(self, target: str) -> str:
        """Return the text of the file that a link leads to, as the page itself would get it.

        Raises:
            ProviderError: there is no such link, or it leads to no file.
        """
        found = await self.button(target)
        with foreign.told(WAIT_S, f"the file of {target!r}"):
            status, text = await found.evaluate(scripts.FETCH)
        if status >= 400:
            raise by_status(status)(f"the file of {target!r} was answered with {status}", status=status)
        return str(text)

    async def _appears(self, find: Any, target: str) -> Any:
        page, waited = self.page, 0.0
        while True:
            try:
                with foreign.told(WAIT_S, f"{target!r} to be found"):
                    return await find(page, target)
            except (NotFound, Conflict):
                if waited >= APPEAR_S:
                    raise
                await page.wait_for_timeout(100)
                waited += 0.1


def _shown(value: Any, secret: bool) -> Any:
    return redaction.HIDDEN if secret and value != "" else value
