"""The guard: which requests leave, by the mode of the call; nothing above it can get around it."""

import asyncio
import json
import re
from collections.abc import Awaitable, Callable, Collection, Iterable
from urllib.parse import unquote

import httpx

from buddy.adapters.providers.base import redaction
from buddy.adapters.providers.base.errors import Captured, CapturedRequest
from buddy.adapters.providers.base.faults import ConnectionCut
from buddy.adapters.providers.base.rehearsal import UNDER_WAY
from buddy.model.mode import Mode

App = Callable[..., Awaitable[None]]
"""An ASGI application."""
Allowed = tuple[str, str]
"""A method and a path that only read, or only sign in; `{name}` stands for one segment."""

SAFE = frozenset({"GET", "HEAD"})
OVERRIDES = ("x-http-method-override", "x-http-method", "x-method-override")


class ModeTransport(httpx.AsyncBaseTransport):
    """Sends a request to where its mode lets it go.

    MOCK reaches the simulator and nothing else. DRY_RUN lets through what reads (GET, HEAD and a named
    allowlist) and stops everything else as `Captured`. LIVE passes.

    Args:
        mode: of the call.
        real: the transport to the provider; None where there is none, as in MOCK.
        simulator: the transport to the simulator in process; None where only the real one is meant.
        allow: what DRY_RUN lets through besides GET and HEAD.
        secrets: returns what no captured request may show.

    Attributes:
        mode: of the call.
        captured: what DRY_RUN stopped, in order.
    """

    def __init__(
        self,
        mode: Mode,
        *,
        real: httpx.AsyncBaseTransport | None = None,
        simulator: httpx.AsyncBaseTransport | None = None,
        allow: Collection[Allowed] = (),
        secrets: Callable[[], Iterable[str]] = tuple,
    ) -> None:
        self.mode = mode
        self.captured: list[CapturedRequest] = []
        self._real = real
        self._simulator = simulator
        self._allow = tuple((method, pattern_of(path)) for method, path in allow)
        self._secrets = secrets

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send the request, or stop it.

        Raises:
            Captured: DRY_RUN, it would write, and no rehearsal has an answer that stands in.
        """
        match self.mode:
            case Mode.MOCK:
                assert self._simulator is not None, "MOCK needs a simulator"
                return await self._simulator.handle_async_request(request)
            case Mode.DRY_RUN:
                if self.stops(request):
                    stopped = await capture(request, self._secrets())
                    self.captured.append(stopped)
                    return _made_up(stopped, request)
                return await self._outside(request)
            case Mode.LIVE:
                return await self._outside(request)

    def stops(self, request: httpx.Request) -> bool:
        """Whether the request would write, and the mode does not let it."""
        return self.mode is Mode.DRY_RUN and not self._reads(request)

    async def _outside(self, request: httpx.Request) -> httpx.Response:
        chosen = self._real or self._simulator
        assert chosen is not None
        return await chosen.handle_async_request(request)

    def _reads(self, request: httpx.Request) -> bool:
        if any(name in request.headers for name in OVERRIDES):
            return False
        if request.method in SAFE:
            return True
        path = request.url.raw_path.partition(b"?")[0].decode("ascii", "replace")
        return any(request.method == method and path_of.fullmatch(path) for method, path_of in self._allow)

    async def aclose(self) -> None:
        """Let go of connections."""
        for transport in (self._real, self._simulator):
            if transport is not None:
                await transport.aclose()


def _made_up(stopped: CapturedRequest, request: httpx.Request) -> httpx.Response:
    """Return what a rehearsal answers instead of the provider.

    Raises:
        Captured: nothing stands in.
    """
    rehearsal = UNDER_WAY.get()
    answer = None if rehearsal is None else rehearsal.answer(stopped)
    if answer is None:
        raise Captured(stopped)
    return httpx.Response(200, json=answer, request=request)


class SimulatorTransport(httpx.AsyncBaseTransport):
    """A simulator in process, without a socket.

    Args:
        app: an ASGI application.
    """

    def __init__(self, app: App) -> None:
        self._inner = httpx.ASGITransport(app=app)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Let the application answer; a cut connection and a stall are the errors that they are on a wire."""
        patience = request.extensions.get("timeout", {}).get("read")
        try:
            async with asyncio.timeout(patience):
                return await self._inner.handle_async_request(request)
        except ConnectionCut as problem:
            raise httpx.ReadError(str(problem), request=request) from problem
        except TimeoutError as problem:
            raise httpx.ReadTimeout("no answer in time", request=request) from problem


def pattern_of(path: str) -> re.Pattern[str]:
    """Return what matches the paths that a pattern such as `/contacts/{id}` stands for.

    A segment holds no encoded slash and no dot-segment, so that no path can pass for another.
    """
    parts = re.split(r"\{[^{}/]+\}", path)
    return re.compile(r"(?!\.{1,2}(?:/|$))[A-Za-z0-9._~@!$&'()*+,;=:-]+".join(map(re.escape, parts)))


async def capture(request: httpx.Request, secrets: Iterable[str] = ()) -> CapturedRequest:
    """Return what a request would have sent, secrets redacted."""
    content = await request.aread()
    known = tuple(secrets)
    body: object = None
    if content:
        shown = content.decode("utf-8", "replace")
        try:
            body = redaction.value(json.loads(shown), known)
        except ValueError:
            body = redaction.text(shown[: redaction.LONGEST], known)
    url = redaction.text(unquote(str(request.url)), known)
    return CapturedRequest(method=request.method, url=url, body=body)
