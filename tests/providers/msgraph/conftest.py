import asyncio
import inspect
from collections.abc import Iterator

import pytest

pytest.importorskip("starlette", reason="the providers extra is not installed")

from providers.msgraph.bench import Served, served


@pytest.fixture(scope="module")
def one_server() -> Iterator[Served]:
    with served() as found:
        yield found


@pytest.fixture
def graph(one_server: Served) -> Served:
    """A simulator as it is at its beginning, on a port."""
    one_server.simulator.reset()
    return one_server


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run a test that is a coroutine on an event loop of its own."""
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    names = pyfuncitem._fixtureinfo.argnames
    asyncio.run(pyfuncitem.obj(**{name: pyfuncitem.funcargs[name] for name in names}))
    return True
