"""The sync face of an async client."""

import asyncio
import functools
import inspect
import threading
from collections.abc import Callable, Coroutine
from typing import Any


class Sync:
    """Every method of an async client, as one that blocks.

    Args:
        client: whose async methods are called; each call is an event loop of its own.
    """

    def __init__(self, client: Any) -> None:
        self._client = client

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._client, name)
        if inspect.isasyncgenfunction(found):
            return functools.wraps(found)(lambda *args, **kwargs: blocking(_listed(found(*args, **kwargs))))
        if inspect.iscoroutinefunction(found):
            return functools.wraps(found)(lambda *args, **kwargs: blocking(found(*args, **kwargs)))
        return found


async def _listed(found: Any) -> list[Any]:
    return [one async for one in found]


def blocking(work: Coroutine[Any, Any, Any]) -> Any:
    """Run a coroutine to its end, also from within a running event loop, which it blocks."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(work)
    return _in_thread(functools.partial(asyncio.run, work))


def _in_thread(call: Callable[[], Any]) -> Any:
    ended: dict[str, Any] = {}

    def run() -> None:
        try:
            ended["value"] = call()
        except BaseException as problem:  # noqa: BLE001 - raised again where it was called
            ended["problem"] = problem

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    if "problem" in ended:
        raise ended["problem"]
    return ended["value"]
