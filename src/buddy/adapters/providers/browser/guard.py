"""What leaves a page, by the mode of the call; nothing in the page can get around it.

The page's own scripts are under the guard as well: in DRY_RUN whatever does not read is stopped, wherever it
comes from, and kept as part of the preview.
"""

import json
from collections.abc import Collection
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from buddy.adapters.providers.base import redaction
from buddy.adapters.providers.base.errors import CapturedRequest
from buddy.adapters.providers.base.transport import SAFE, Allowed, pattern_of
from buddy.model.mode import Mode

if TYPE_CHECKING:
    from playwright.async_api import Request, Route, WebSocketRoute

KEPT = 100
"""Stopped requests that are kept."""


class Guard:
    """The guard of one session.

    Args:
        allow: method and address without its query that DRY_RUN lets through besides GET and HEAD, such as
            `("POST", "https://portal.example/login")`; `{name}` stands for one segment.

    Attributes:
        mode: of the call that uses the session now or used it last.
        stopped: what did not leave, in order.
    """

    def __init__(self, allow: Collection[Allowed] = ()) -> None:
        self.mode = Mode.DRY_RUN
        self.stopped: list[CapturedRequest] = []
        self._allow = tuple((method, pattern_of(path)) for method, path in allow)

    async def request(self, route: "Route") -> None:
        """Let a request go, or stop it."""
        request = route.request
        if self.mode is Mode.LIVE or self._reads(request):
            await route.continue_()
            return
        if len(self.stopped) < KEPT:
            self.stopped.append(captured(request))
        await route.abort("blockedbyclient")

    async def socket(self, route: "WebSocketRoute") -> None:
        """Let a web socket connect in LIVE alone: nobody can tell what it will say."""
        if self.mode is Mode.LIVE:
            route.connect_to_server()
            return
        if len(self.stopped) < KEPT:
            self.stopped.append(CapturedRequest(method="WEBSOCKET", url=redaction.text(route.url)))
        await route.close()

    def _reads(self, request: "Request") -> bool:
        if request.method in SAFE:
            return True
        address = request.url.split("?", 1)[0].split("#", 1)[0]
        return any(request.method == method and known.fullmatch(address) for method, known in self._allow)


def captured(request: "Request") -> CapturedRequest:
    """Return what a request would have sent, secrets redacted."""
    content = (request.post_data_buffer or b"").decode("utf-8", "replace")[: redaction.LONGEST]
    return CapturedRequest(
        method=request.method,
        url=redaction.text(request.url),
        body=redaction.value(_body(content, request.headers.get("content-type", ""))),
    )


def _body(content: str, kind: str) -> Any:
    if not content:
        return None
    if kind.startswith("application/x-www-form-urlencoded"):
        return dict(parse_qsl(content, keep_blank_values=True))
    try:
        return json.loads(content)
    except ValueError:
        return content
