"""What leaves a window, by the mode of the call; nothing in its pages can get around it.

The pages' own scripts are under the guard as well: in DRY_RUN whatever does not read is stopped, wherever it
comes from, and kept for the preview.
"""

import json
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from buddy.adapters.providers.base import redaction
from buddy.adapters.providers.base.errors import CapturedRequest
from buddy.adapters.providers.base.transport import SAFE, Allowed, pattern_of
from buddy.model.mode import Mode

if TYPE_CHECKING:
    from playwright.async_api import WebSocketRoute

SHORTEST = 4
"""Characters from which on a secret is looked for in longer texts."""
KEPT = 100
"""Stopped requests that are kept."""


class Guard:
    """The guard of one window.

    Args:
        allow: method and address without its query that DRY_RUN lets through besides GET and HEAD, such as
            `("POST", "https://portal.example/login")`; `{name}` stands for one segment.

    Attributes:
        mode: of the call that uses the window now or used it last.
        stopped: what did not leave since that call began, in order.
        secrets: that were typed into the window, and that nothing told of it may show.
    """

    def __init__(self, allow: Collection[Allowed] = ()) -> None:
        self.mode = Mode.DRY_RUN
        self.stopped: list[CapturedRequest] = []
        self.secrets: set[str] = set()
        self._allow = tuple((method, pattern_of(path)) for method, path in allow)

    def passes(self, request: Mapping[str, Any]) -> bool:
        """Whether a request, as the browser describes it, may leave; one that may not is kept."""
        method, url = request["method"], request["url"]
        if self.mode is Mode.LIVE or method in SAFE:
            return True
        address = url.split("?", 1)[0].split("#", 1)[0]
        if any(method == known and pattern.fullmatch(address) for known, pattern in self._allow):
            return True
        self.keep(self._captured(request))
        return False

    def hide(self, found: Any) -> Any:
        """Return a JSON value without what was typed as a secret, and without what is named like one."""
        whole = found if isinstance(found, str) else None
        if whole is not None and whole in self.secrets:
            return redaction.HIDDEN
        return redaction.value(found, [one for one in self.secrets if len(one) >= SHORTEST])

    def keep(self, request: CapturedRequest) -> None:
        """Remember what was stopped."""
        if len(self.stopped) < KEPT:
            self.stopped.append(request)

    async def socket(self, route: "WebSocketRoute") -> None:
        """Let a web socket connect in LIVE alone: nobody can tell what it will say."""
        if self.mode is Mode.LIVE:
            route.connect_to_server()
            return
        self.keep(CapturedRequest(method="WEBSOCKET", url=self.hide(route.url)))
        await route.close()

    def _captured(self, request: Mapping[str, Any]) -> CapturedRequest:
        content = str(request.get("postData", ""))[: redaction.LONGEST]
        headers = {name.casefold(): value for name, value in request.get("headers", {}).items()}
        body = self.hide(_body(content, headers.get("content-type", "")))
        return CapturedRequest(method=request["method"], url=self.hide(request["url"]), body=body)


def _body(content: str, kind: str) -> Any:
    if not content:
        return None
    if kind.startswith("application/x-www-form-urlencoded"):
        return dict(parse_qsl(content, keep_blank_values=True))
    try:
        return json.loads(content)
    except ValueError:
        return content
