"""Finding the one element that somebody means, or saying what there is instead."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from buddy.adapters.providers.base import redaction
from buddy.adapters.providers.base.errors import Conflict, InvalidRequest, NotFound
from buddy.adapters.providers.browser import scripts

if TYPE_CHECKING:
    from playwright.async_api import Locator, Page

ENGINES = ("css=", "xpath=", "text=", "role=", "id=")
"""Beginnings of a target that is a selector of Playwright; anything else is what a person would call it."""
FIELDS = (
    "input:not([type=hidden]):not([type=submit]):not([type=button]):not([type=image]), "
    "textarea, select, [contenteditable]"
)
LISTED = 12
"""Elements that an error lists."""

_BUTTONS = """
(nodes) => nodes.filter((one) => one.checkVisibility()).map((one) =>
  (one.getAttribute("aria-label") || one.innerText || one.value || one.title || "").trim()).filter(Boolean)
"""
_BUTTONS = "button, a[href], input[type=submit], input[type=button], [role=button], [role=link]"


async def field(page: "Page", target: str) -> "Locator":
    """Return the field that is called so: by its label, name, id or placeholder.

    Raises:
        NotFound: there is none.
        InvalidRequest: there are several.
        Conflict: it is hidden, disabled or not to be written in.
    """
    if target.startswith(ENGINES):
        ways = [page.locator(target)]
    else:
        fields = page.locator(FIELDS)
        quoted = _quoted(target)
        ways = [
            page.get_by_label(target, exact=True).and_(fields),
            page.locator(f"[name={quoted}], [id={quoted}]").and_(fields),
            page.get_by_placeholder(target, exact=True).and_(fields),
        ]
    found = await _one(page, "field", target, ways, FIELDS, scripts.NAMES_OF_FIELDS)
    await _usable(found, "field", target, editable=True)
    return found


async def button(page: "Page", target: str) -> "Locator":
    """Return what is pressed under that name: a button, a link, a tab, a box.

    Raises:
        NotFound: there is none.
        InvalidRequest: there are several.
        Conflict: it is hidden or disabled.
    """
    if target.startswith(ENGINES):
        ways = [page.locator(target)]
    else:
        quoted = _quoted(target)
        ways = [
            page.get_by_role(role, name=target, exact=True)
            for role in ("button", "link", "menuitem", "tab", "checkbox", "radio", "switch", "option")
        ]
        ways += [page.locator(f"[id={quoted}], [name={quoted}]").and_(page.locator(_BUTTONS))]
    found = await _one(page, "button", target, ways, _BUTTONS, scripts.NAMES_OF_BUTTONS)
    await _usable(found, "button", target, editable=False)
    return found


async def any_of(page: "Page", target: str) -> "Locator":
    """Return an element to read: by selector, or by the words of a label, heading or table.

    Raises:
        NotFound: there is none.
        InvalidRequest: there are several.
    """
    if target.startswith(ENGINES):
        ways = [page.locator(target)]
    else:
        quoted = _quoted(target)
        ways = [
            page.get_by_role(role, name=target, exact=True)
            for role in ("table", "region", "form", "list", "heading")
        ]
        ways += [page.locator(f"[id={quoted}]"), page.get_by_label(target, exact=True)]
        ways += [page.get_by_text(target, exact=True)]
    return await _one(page, "element", target, ways, "table, h1, h2, form, section", scripts.NAMES_OF_BUTTONS)


async def _one(
    page: "Page", what: str, target: str, ways: "Sequence[Locator]", kind: str, names: str
) -> "Locator":
    hidden = 0
    for way in ways:
        found = await way.all()
        seen = [one for one in found if await one.is_visible()]
        if len(seen) == 1:
            return seen[0]
        if len(seen) > 1:
            there = [await _told(one) for one in seen[:LISTED]]
            raise InvalidRequest(
                f"expected one {what} {target!r} on {place(page)}, found {len(seen)}: {', '.join(there)}"
            )
        hidden += len(found)
    if hidden:
        raise Conflict(f"expected the {what} {target!r} on {place(page)} to be visible, found it hidden")
    there = list(dict.fromkeys(await page.locator(kind).evaluate_all(names)))
    more = f" and {len(there) - LISTED} more" if len(there) > LISTED else ""
    listed = ", ".join(repr(name[:60]) for name in there[:LISTED]) + more if there else "none at all"
    raise NotFound(f"expected a {what} {target!r} on {place(page)}, found {listed}")


async def _usable(found: "Locator", what: str, target: str, *, editable: bool) -> None:
    page = found.page
    if not await found.is_enabled():
        raise Conflict(f"expected the {what} {target!r} on {place(page)} to be enabled, found it disabled")
    kind = await described(found)
    pressed = kind["type"] in ("checkbox", "radio") or kind["tag"] == "select"
    if editable and not pressed and not await found.is_editable():
        raise Conflict(f"expected the {what} {target!r} on {place(page)} to be editable, found it read-only")


async def described(found: "Locator") -> dict[str, Any]:
    """Return what an element is: tag, type, and for what a form sends its method, address and fields."""
    return dict(await found.evaluate(scripts.DESCRIBE))


async def _told(found: "Locator") -> str:
    kind = await described(found)
    words = f" {kind['text'][:40]!r}" if kind["text"] else ""
    return f"{kind['tag']}{words}"


def place(page: "Page") -> str:
    """Return where a page is, without its query."""
    return redaction.text(page.url.split("?", 1)[0].split("#", 1)[0])


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\a ")
    return f'"{escaped}"'
