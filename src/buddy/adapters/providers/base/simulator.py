"""The frame of a simulator: the vendor's routes, faults under them, and an address to look inside.

`/_sim/state`, `/_sim/counts`, `/_sim/reset`, `/_sim/faults` and `/_sim/openapi.json` are ours; the rest is
the vendor's.
"""

import hashlib
import json
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import msgspec
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Mount, Route

from buddy.adapters.providers.base.faults import App, FaultLayer, Faults, Receive, Scope, Send, changed
from buddy.adapters.providers.base.transport import SAFE, Allowed, pattern_of

ADMIN = "/_sim"


class Simulator:
    """A vendor's service, simulated; itself an ASGI application.

    Args:
        name: of the provider.
        routes: the vendor's.
        answer: a status and the request's scope -> the vendor's answer with that status, for faults and for
            what no route takes.
        state: everything that is stored, as JSON.
        reset: puts the store back to its beginning.
        reads: requests that only read besides GET and HEAD, as the guard's allowlist has them.
        faults: what goes wrong.
        openapi: the published description, None where there is none.
        greeting: base URL -> what a client needs to know besides it.

    Attributes:
        name: of the provider.
        layer: faults and counts.
    """

    def __init__(
        self,
        *,
        name: str,
        routes: Sequence[BaseRoute],
        answer: Callable[[int, Scope], App],
        state: Callable[[], Any],
        reset: Callable[[], None],
        greeting: Callable[[str], Mapping[str, Any]],
        reads: Collection[Allowed] = (),
        faults: Faults | None = None,
        openapi: Mapping[str, Any] | None = None,
    ) -> None:
        self.name = name
        self._state, self._reset, self._greeting, self._openapi = state, reset, greeting, openapi
        allowed = [(method, pattern_of(path)) for method, path in reads]
        app = Starlette(
            routes=list(routes),
            exception_handlers={
                404: _vendor(answer, 404),
                405: _vendor(answer, 405),
                500: _vendor(answer, 500),
            },
        )
        app.router.redirect_slashes = False
        self.layer = FaultLayer(
            app,
            answer=answer,
            reads=lambda method, path: (
                method in SAFE or any(method == known and found.fullmatch(path) for known, found in allowed)
            ),
            faults=faults,
        )
        self._admin = Starlette(routes=[Mount(ADMIN, routes=self._own())])

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        own = scope["type"] == "lifespan" or scope.get("path", "").startswith(f"{ADMIN}/")
        await (self._admin if own else self.layer)(scope, receive, send)

    def greeting(self, base_url: str) -> dict[str, Any]:
        """Return everything that a client needs, once it is served at this address."""
        return {"provider": self.name, "base_url": base_url, **self._greeting(base_url)}

    def state(self) -> Any:
        """Return everything that is stored, as JSON."""
        return self._state()

    def digest(self) -> str:
        """Return a SHA-256 over the state; the same digest is the same state to the byte."""
        return hashlib.sha256(json.dumps(self.state(), sort_keys=True).encode()).hexdigest()

    def reset(self) -> None:
        """Put the store and the counts back to their beginning."""
        self._reset()
        self.layer.reset()

    def _own(self) -> list[BaseRoute]:
        async def state(request: Request) -> Response:
            return JSONResponse({"digest": self.digest(), "state": self.state()})

        async def counts(request: Request) -> Response:
            return JSONResponse(self.layer.counts.told())

        async def reset(request: Request) -> Response:
            self.reset()
            return JSONResponse({"reset": True})

        async def faults(request: Request) -> Response:
            if request.method == "POST":
                try:
                    self.layer.set(changed(self.layer.faults, json.loads(await request.body() or b"{}")))
                except ValueError as problem:
                    return JSONResponse({"error": str(problem)}, status_code=400)
            return JSONResponse(msgspec.to_builtins(self.layer.faults))

        async def openapi(request: Request) -> Response:
            return JSONResponse(self._openapi or {}, status_code=200 if self._openapi else 404)

        return [
            Route("/state", state),
            Route("/counts", counts),
            Route("/reset", reset, methods=["POST"]),
            Route("/faults", faults, methods=["GET", "POST"]),
            Route("/openapi.json", openapi),
        ]


def _vendor(answer: Callable[[int, Scope], App], status: int) -> Callable[[Request, Exception], Any]:
    async def handle(request: Request, problem: Exception) -> Response:
        return _Passed(answer(status, request.scope))

    return handle


class _Passed(Response):
    """An ASGI application in the place of a response."""

    def __init__(self, app: App) -> None:
        super().__init__()
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._app(scope, receive, send)
