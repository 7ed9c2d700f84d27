"""The browser's tools, each acting on a window that is bound to the mode of the call."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import msgspec

from buddy.adapters.providers.base import redaction
from buddy.adapters.providers.base.credentials import Access
from buddy.adapters.providers.base.errors import CapturedRequest, InvalidRequest, by_status
from buddy.adapters.providers.base.tools import Asked, Operation
from buddy.adapters.providers.base.transport import Allowed
from buddy.adapters.providers.browser.sessions import SESSIONS
from buddy.adapters.providers.browser.tab import Tab
from buddy.errors import ChangedSince
from buddy.model.outcome import Change, Restored

T = TypeVar("T")

ALLOW = "BUDDY_BROWSER_ALLOW"
"""Environment variable: what DRY_RUN lets through besides GET, such as `POST https://host/search, ...`."""


class Window:
    """One window of a run, in the mode of a call.

    Args:
        asked: the call.
        allow: what DRY_RUN lets through besides GET and HEAD.
    """

    def __init__(self, asked: Asked, allow: Sequence[Allowed]) -> None:
        self._key = (asked.run, str(asked.args.get("page", "main")))
        self._mode, self._allow = asked.mode, allow

    async def do(self, work: Callable[[Tab], Awaitable[T]]) -> T:
        """Do something in the window."""
        return await SESSIONS.call(self._key, self._mode, work, self._allow)


@asynccontextmanager
async def connect(asked: Asked, access: Access) -> AsyncIterator[Window]:
    """Open the window of a call."""
    yield Window(asked, allowed(access.environ))


def allowed(environ: Mapping[str, str]) -> list[Allowed]:
    """Read what the operator lets through in DRY_RUN.

    Raises:
        InvalidRequest: an entry is not a method and an address.
    """
    found = []
    for entry in filter(None, map(str.strip, environ.get(ALLOW, "").split(","))):
        method, _, address = entry.partition(" ")
        if not method.isupper() or not address.startswith(("http://", "https://")):
            raise InvalidRequest(f"{ALLOW}: expected METHOD https://host/path, found {entry!r}")
        found.append((method, address.strip()))
    return found


async def navigate(window: Window, asked: Asked) -> Any:
    """Open an address."""

    async def work(tab: Tab) -> Any:
        where = await tab.open(asked.args["url"])
        if where["status"] >= 400:
            kind = by_status(where["status"])
            raise kind(
                f"{where['url']} answered {where['status']}: {where['title'] or 'no title'}",
                status=where["status"],
                retry_after=tab.answered.retry_after,
            )
        return _with_stopped(tab, where)

    return await window.do(work)


async def vision_inspect(window: Window, asked: Asked) -> Any:
    """Look at the page."""

    async def work(tab: Tab) -> Any:
        return _with_stopped(tab, await tab.look(image=True))

    return await window.do(work)


async def extract(window: Window, asked: Asked) -> Any:
    """Read from the page."""
    target, what = asked.args.get("target"), asked.args.get("what", "text")
    if what == "links" and target is not None:
        raise InvalidRequest("/target: expected none with the links of a page, found one")

    async def work(tab: Tab) -> Any:
        where = await tab.where()
        match what:
            case "table":
                found: dict[str, Any] = {"rows": await tab.table(target)}
            case "links":
                found = {"links": await tab.links()}
            case _:
                found = {"text": await tab.text(target)}
        return _with_stopped(tab, {**where, **found})

    return await window.do(work)


async def screenshot(window: Window, asked: Asked) -> Any:
    """Take a picture."""

    async def work(tab: Tab) -> Any:
        image = await tab.picture(whole=asked.args.get("whole", False))
        return _with_stopped(tab, {**await tab.where(), "image": image})

    return await window.do(work)


async def form_fill(window: Window, asked: Asked) -> Any:
    """Fill a field."""
    value, secret = _value(asked.args)
    filled = await window.do(lambda tab: tab.fill(asked.args["field"], value, hidden=secret))
    # What a later attempt finds in the field already may be what an earlier one put there.
    is_known = asked.attempt == 1 or filled["before"] != filled["after"]
    return filled if is_known else {**filled, "before": None}


async def describe_fill(
    window: Window, asked: Asked, request: CapturedRequest
) -> tuple[Sequence[Change], Any]:
    """Say what a field would hold."""
    body = request.body
    change = Change(
        resource=f"{request.url} field {body['field']}", before=body["before"], after=body["after"]
    )
    return [change], {"page": request.url, **body}


async def unfill(window: Window, asked: Asked, result: Any) -> Restored:
    """Put a field back."""
    if result["before"] is None:
        raise ChangedSince("what the field held before is not known")
    value, secret = _value(asked.args)
    was_secret = result["secret"]
    known = result["before"] != redaction.HIDDEN or not was_secret
    exact = await window.do(
        lambda tab: tab.unfill(
            asked.args["field"],
            value if was_secret else result["after"],
            result["before"] if known else None,
            result["page"],
            hidden=secret or was_secret,
        )
    )
    return Restored(verified=exact, exact=exact)


async def button_click(window: Window, asked: Asked) -> Any:
    """Press a button."""
    return await window.do(lambda tab: tab.press(asked.args["button"]))


async def describe_click(
    window: Window, asked: Asked, request: CapturedRequest
) -> tuple[Sequence[Change], Any]:
    """Say what pressing the button would send, as far as its form tells; scripts may send more."""
    return [Change(resource=request.url, after=request.body)], None


def _value(args: Mapping[str, Any]) -> tuple[str | bool, bool]:
    """Return what is to be filled in, and whether it is a secret."""
    given = [name for name in ("value", "secret") if name in args]
    if len(given) != 1:
        raise InvalidRequest(f"expected value or secret, found {' and '.join(given) or 'neither'}")
    return args[given[0]], given[0] == "secret"


def _with_stopped(tab: Tab, found: dict[str, Any]) -> dict[str, Any]:
    stopped = tab.guard.stopped
    return {**found, "stopped": msgspec.to_builtins(stopped)} if stopped else found


OPERATIONS = {
    "browser.navigate": Operation(act=navigate),
    "browser.vision_inspect": Operation(act=vision_inspect),
    "browser.extract": Operation(act=extract),
    "browser.screenshot": Operation(act=screenshot),
    "browser.form_fill": Operation(act=form_fill, describe=describe_fill, undo=unfill),
    "browser.button_click": Operation(act=button_click, describe=describe_click),
}
