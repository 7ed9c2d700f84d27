"""A small web site that is watched: what reaches it, and by which method."""

import asyncio
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket

FORM = """<!doctype html><title>A form</title><h1>Sign up</h1>
<form method="post" action="/submit" aria-label="Sign up">
<label for="mail">Mail</label><input id="mail" name="mail" value="old@a.example">
<label for="word">Password</label><input id="word" name="word" type="password">
<label for="plan">Plan</label><select id="plan" name="plan">
<option value="s">Small</option><option value="l">Large</option></select>
<label for="news">News</label><input id="news" name="news" type="checkbox">
<label for="text">Remarks</label><textarea id="text" name="text"></textarea>
<label for="code">Short</label><input id="code" name="code" maxlength="3">
<label for="fixed">Fixed</label><input id="fixed" name="fixed" readonly value="x">
<label for="off">Off</label><input id="off" name="off" disabled>
<label for="gone" hidden>Gone</label><input id="gone" name="gone" style="display:none">
<label for="twin1">Twin</label><input id="twin1"><label for="twin2">Twin</label><input id="twin2">
<input type="hidden" name="csrf_token" value="t0ken-canary">
<button>Send</button></form>
<button disabled>Later</button><button style="display:none">Never</button>
<button onclick="window.open('/popup')">Pop</button>
<a href="/other">Other</a>
<div style="position:relative"><button>Covered</button>
<div style="position:absolute;inset:0;background:#fff"></div></div>
<table aria-label="Prices"><tr><th>Thing</th><th>Price</th></tr>
<tr><td><i aria-hidden=true>*</i>Tea</td><td>2</td></tr></table>
"""

SNEAKY = """<!doctype html><title>Sneaky</title><h1>Nothing to see</h1>
<iframe name="hole"></iframe><form id="f" method="post" action="/w/form" target="hole"></form>
<script>
fetch("/w/fetch", {method: "POST", body: "x"}).catch(() => {});
fetch("/w/keepalive", {method: "POST", keepalive: true, body: "x"}).catch(() => {});
const x = new XMLHttpRequest(); x.open("PUT", "/w/xhr"); x.send("x");
navigator.sendBeacon("/w/beacon", "x");
document.getElementById("f").submit();
const text = (kind) => `fetch("${location.origin}/w/${kind}", {method: "DELETE"})`;
const code = (kind) => URL.createObjectURL(new Blob([text(kind)]));
new Worker(code("worker"));
try { new SharedWorker(code("shared")); } catch (e) {}
try { navigator.serviceWorker.register("/sw.js").catch(() => {}); } catch (e) {}
const s = new WebSocket(`ws://${location.host}/socket`); s.onopen = () => s.send("write");
addEventListener("pagehide", () => navigator.sendBeacon("/w/leaving", "x"));
new Image().src = "/r/image";
</script>
"""


class Site:
    """The site, and what it saw.

    Attributes:
        seen: "METHOD /path" -> how often.
        sent: bodies of forms.
    """

    def __init__(self) -> None:
        self.seen: Counter[str] = Counter()
        self.sent: list[dict[str, Any]] = []
        self.app = Starlette(
            routes=[
                Route("/form", self._page(FORM)),
                Route("/sneaky", self._page(SNEAKY)),
                Route("/other", self._page("<!doctype html><title>Other</title><p>Elsewhere</p>")),
                Route("/popup", self._page("<!doctype html><title>Popup</title><p>Up</p>")),
                Route("/slow", self._page("<!doctype html><title>Slow</title>" + LATE)),
                Route("/search", self._page(SEARCH)),
                Route("/hanging", self._page(HANGING)),
                Route("/never", self._never),
                Route("/submit", self._submit, methods=["POST"]),
                Route("/sw.js", self._script),
                Route("/broken", self._broken),
                Route("/{rest:path}", self._page(""), methods=["GET", "POST", "PUT", "DELETE", "PATCH"]),
                WebSocketRoute("/socket", self._socket),
            ]
        )

    @property
    def writes(self) -> list[str]:
        """What came that does not only read."""
        return [what for what in self.seen if not what.startswith(("GET", "HEAD"))]

    def _page(self, html: str) -> Any:
        async def answer(request: Request) -> Response:
            self.seen[f"{request.method} {request.url.path}"] += 1
            return HTMLResponse(html)

        return answer

    async def _submit(self, request: Request) -> Response:
        self.seen["POST /submit"] += 1
        self.sent.append(dict(await request.form()))
        return RedirectResponse("/other", 303)

    async def _script(self, request: Request) -> Response:
        self.seen["GET /sw.js"] += 1
        return Response("self.addEventListener('fetch', () => {})", media_type="text/javascript")

    async def _never(self, request: Request) -> Response:
        await asyncio.sleep(3)
        return HTMLResponse("late")

    async def _broken(self, request: Request) -> Response:
        return HTMLResponse("<title>Busy</title>", 429, {"Retry-After": "3"})

    async def _socket(self, socket: WebSocket) -> None:
        self.seen["WEBSOCKET /socket"] += 1
        await socket.accept()
        await socket.close()


SEARCH = """<!doctype html><title>Search</title><form action="/other">
<label for="key">Key</label><input id="key" name="key"><button>Find</button></form>"""
HANGING = """<!doctype html><title>Hanging</title><a href="/never">Hang</a>"""
LATE = """<script>setTimeout(() => document.body.innerHTML =
'<label for=a>Late</label><input id=a><button>Go</button>', 400)</script>"""


def chromium() -> None:
    """Skip where there is no browser to try; one that is started serves all tests of the process."""
    pytest.importorskip("playwright")
    from buddy.adapters.providers.browser.chromium import VARIABLE, executable

    if executable() is None and not _playwrights_own():
        pytest.skip(f"no Chromium on this machine (install one, or name it in {VARIABLE})")


def _playwrights_own() -> bool:
    from playwright._impl._driver import get_driver_env

    folder = get_driver_env().get("PLAYWRIGHT_BROWSERS_PATH") or Path.home() / ".cache" / "ms-playwright"
    return any(Path(folder).glob("chromium*"))
