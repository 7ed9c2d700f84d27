"""The portal's pages without a browser: the simulator in process, its HTML read and its forms sent.

MOCK uses it, and whoever has no Chromium. It knows labels, fields, buttons, links and tables, which is what
the simulated portal is made of, and no scripts.
"""

from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Any
from urllib.parse import urlencode, urljoin, urlsplit

import httpx
from msgspec import Struct

from buddy.adapters.providers.base.errors import (
    InvalidRequest,
    NotFound,
    ProviderUnavailable,
    by_status,
)
from buddy.adapters.providers.browser.tab import Answered

_VOID = frozenset(("br", "hr", "img", "input", "link", "meta"))


class Node(Struct, kw_only=True):
    """An element of a page.

    Attributes:
        parts: texts and elements in it, in order.
    """

    tag: str
    attrs: dict[str, str]
    parts: list[Any] = []

    def all(self, *tags: str) -> Iterator["Node"]:
        """Yield every element below this one, in order; those with one of these tags."""
        for part in self.parts:
            if isinstance(part, Node):
                if not tags or part.tag in tags:
                    yield part
                yield from part.all(*tags)

    @property
    def text(self) -> str:
        """The words in it, without those that a reader of the screen leaves out."""
        words = (
            part if isinstance(part, str) else part.text
            for part in self.parts
            if isinstance(part, str) or part.attrs.get("aria-hidden") != "true"
        )
        return " ".join("".join(words).split())


class _Builder(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.root = Node(tag="", attrs={}, parts=[])
        self._open = [self.root]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        node = Node(tag=tag, attrs={name: value or "" for name, value in attrs}, parts=[])
        self._open[-1].parts.append(node)
        if tag not in _VOID:
            self._open.append(node)

    def handle_endtag(self, tag: str) -> None:
        at = next((n for n in range(len(self._open) - 1, 0, -1) if self._open[n].tag == tag), None)
        if at is not None:
            del self._open[at:]

    def handle_data(self, data: str) -> None:
        self._open[-1].parts.append(data)


def parse(html: str) -> Node:
    """Read a page."""
    builder = _Builder()
    builder.feed(html)
    builder.close()
    return builder.root


class InProcessPages:
    """One window on a portal that answers in this process.

    Args:
        http: a client of the portal, cookies and guard included; it follows redirects.
    """

    def __init__(self, http: httpx.AsyncClient) -> None:
        self._http = http
        self._page = Node(tag="", attrs={}, parts=[])
        self._url = ""
        self._filled: dict[str, str] = {}
        self.answered = Answered()

    async def open(self, path: str) -> None:
        """Go to a page."""
        await self._show("GET", path)

    async def has(self, what: str, name: str) -> bool:
        """Whether the page shows this `field` or `button` now."""
        return (self._labelled(name) if what == "field" else self._pressed(name)) is not None

    async def fill(self, field: str, value: str) -> None:
        """Put a value into a field; nothing is sent."""
        found = self._labelled(field)
        if found is None:
            raise NotFound(f"expected a field {field!r}, found none")
        if found.tag == "select":
            options = {option.text: _value(option) for option in found.all("option")}
            if value not in options and value not in options.values():
                there = ", ".join(map(repr, options))
                raise InvalidRequest(f"expected an option of the field {field!r} ({there}), found {value!r}")
            value = options.get(value, value)
        self._filled[found.attrs["name"]] = value

    async def send(self, button: str) -> None:
        """Press a button or follow a link."""
        found = self._pressed(button)
        if found is None:
            raise NotFound(f"expected a button {button!r}, found none")
        if found.tag == "a":
            await self._show("GET", found.attrs["href"])
            return
        form = next(form for form in self._page.all("form") if found in list(form.all("button")))
        fields = dict(_fields(form))
        fields |= {name: value for name, value in self._filled.items() if name in fields}
        address = form.attrs.get("action", self._url)
        if form.attrs.get("method", "get").lower() == "post":
            await self._show("POST", address, fields)
        else:
            await self._show("GET", f"{address.split('?', 1)[0]}?{urlencode(fields)}")

    async def alerts(self, selector: str) -> list[str]:
        """Return what the page refuses with."""
        return [one.text for one in self._page.all() if one.attrs.get("role") == "alert"]

    async def table(self, name: str) -> list[dict[str, str]]:
        """Return the rows of a table by the heads of its columns."""
        found = [one for one in self._page.all("table") if one.attrs.get("aria-label") == name]
        if not found:
            raise NotFound(f"expected a table {name!r}, found none")
        head, *rows = [[cell.text for cell in row.all("th", "td")] for row in found[0].all("tr")]
        return [dict(zip(head, row, strict=True)) for row in rows]

    async def fetch(self, link: str) -> str:
        """Return the text of the file that a link leads to."""
        found = self._pressed(link)
        if found is None or found.tag != "a":
            raise NotFound(f"expected a link {link!r}, found none")
        answer = await self._request("GET", found.attrs["href"])
        if answer.status_code >= 400:
            kind = by_status(answer.status_code)
            raise kind(
                f"the file of {link!r} was answered with {answer.status_code}", status=answer.status_code
            )
        return answer.text

    async def _show(self, method: str, address: str, fields: dict[str, str] | None = None) -> None:
        answer = await self._request(method, address, fields)
        wait = answer.headers.get("retry-after", "")
        self.answered = Answered(
            status=answer.status_code, retry_after=float(wait) if wait.isdigit() else None
        )
        self._page, self._url, self._filled = parse(answer.text), str(answer.url), {}

    async def _request(
        self, method: str, address: str, fields: dict[str, str] | None = None
    ) -> httpx.Response:
        url = urljoin(self._url or str(self._http.base_url), address)
        if urlsplit(url).netloc != self._http.base_url.netloc.decode():
            raise InvalidRequest(f"expected an address of the portal, found {url}")
        try:
            return await self._http.request(method, url, data=fields)
        except httpx.HTTPError as problem:
            raise ProviderUnavailable(f"{method} {url.split('?', 1)[0]}: {problem or 'cut off'}") from problem

    def _labelled(self, label: str) -> Node | None:
        named = [one.attrs.get("for") for one in self._page.all("label") if one.text == label]
        fields = self._page.all("input", "select", "textarea")
        return next((one for one in fields if named and one.attrs.get("id") == named[0]), None)

    def _pressed(self, name: str) -> Node | None:
        return next((one for one in self._page.all("button", "a") if one.text == name), None)


def _fields(form: Node) -> Iterator[tuple[str, str]]:
    for one in form.all("input", "select", "textarea"):
        if "name" not in one.attrs:
            continue
        if one.tag == "select":
            options = list(one.all("option"))
            chosen = next((option for option in options if "selected" in option.attrs), options[0])
            yield one.attrs["name"], _value(chosen)
        else:
            yield one.attrs["name"], one.attrs.get("value", one.text)


def _value(option: Node) -> str:
    return option.attrs.get("value", option.text)
