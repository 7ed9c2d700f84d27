"""A simulator on a port: it says one line of JSON once it answers, and it can cut connections."""

import asyncio
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from buddy.adapters.providers.base.faults import App, Receive, Scope, Send
from buddy.adapters.providers.base.simulator import Simulator
from buddy.errors import BadInput

HOST = "127.0.0.1"


class _Cuttable(H11Protocol):
    """HTTP whose connection an application can break off, by `buddy.cut` among the scope's extensions."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        inner: App = self.app

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            scope.setdefault("extensions", {})["buddy.cut"] = self.transport.abort
            await inner(scope, receive, send)

        self.app = app


class _Server(uvicorn.Server):
    """A server that says when it answers."""

    def __init__(self, config: uvicorn.Config, ready: Callable[[], object]) -> None:
        super().__init__(config)
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._ready()


def serve(
    simulator: Simulator, *, host: str = HOST, port: int = 0, say: Callable[[Mapping[str, Any]], object]
) -> None:
    """Serve a simulator until the process is told to stop.

    Args:
        simulator: to be served.
        host: address to listen at.
        port: 0 takes a free one.
        say: is given, once it answers, everything that a client needs.

    Raises:
        BadInput: the address cannot be listened at.
    """
    with _listening(host, port) as (listener, base_url):
        server = _Server(_config(simulator), lambda: say(simulator.greeting(base_url)))
        server.run(sockets=[listener])


@contextmanager
def running(simulator: Simulator, *, host: str = HOST, port: int = 0) -> Iterator[str]:
    """Serve a simulator from a thread of this process; yields its base URL."""
    ready = threading.Event()
    with _listening(host, port) as (listener, base_url):
        server = _Server(_config(simulator), ready.set)
        thread = threading.Thread(
            target=lambda: asyncio.run(server.serve(sockets=[listener])), name=simulator.name, daemon=True
        )
        thread.start()
        try:
            if not ready.wait(10):
                raise BadInput(f"the simulator of {simulator.name} did not start within 10 s")
            yield base_url
        finally:
            server.should_exit = server.force_exit = True
            thread.join(10)


def _config(simulator: Simulator) -> uvicorn.Config:
    return uvicorn.Config(
        simulator,
        http=_Cuttable,
        ws="none",
        lifespan="off",
        log_level="critical",
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=1,
    )


@contextmanager
def _listening(host: str, port: int) -> Iterator[tuple[socket.socket, str]]:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # The protocol is named because asyncio switches Nagle's delay off (40 ms an answer) only where it is.
    with socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, port))
        except (OSError, OverflowError) as problem:
            reason = getattr(problem, "strerror", None) or problem
            raise BadInput(f"{host}:{port}: expected an address to listen at: {reason}") from problem
        listener.listen(128)
        shown = f"[{host}]" if ":" in host else host
        yield listener, f"http://{shown}:{listener.getsockname()[1]}"
