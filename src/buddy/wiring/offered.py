"""The tools of all providers: always known, their code imported at the first call."""

import sys
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

from buddy.adapters.home import home_folder
from buddy.adapters.providers.base.credentials import Access, variable
from buddy.adapters.providers.base.tools import Offer, OfferedTool
from buddy.adapters.providers.catalogue import PROVIDERS
from buddy.adapters.tools.decorator import Tool
from buddy.adapters.tools.signature import Handler
from buddy.ports import CallContext


def access(environ: Mapping[str, str]) -> Access:
    """Return where credentials are looked for: the environment, the keyring, Buddy's home."""
    return Access(environ=environ, folder=Path(home_folder(environ)))


def without_credentials(environ: Mapping[str, str]) -> dict[str, str]:
    """Return an environment without what is said to providers, `BUDDY_GOHIGHLEVEL_TOKEN` and the like."""
    theirs = tuple(variable(name, "") for name in PROVIDERS)
    return {name: value for name, value in environ.items() if not name.startswith(theirs)}


def offered(environ: Mapping[str, str]) -> list[Tool]:
    """Return the tools of all providers.

    Args:
        environ: where their credentials may be, read at each call.
    """
    known = access(environ)
    offers = [offer for one in PROVIDERS.values() for offer in import_module(one.contracts).OFFERS]
    return [_tool(offer, known) for offer in offers]


async def close_windows(run_id: str) -> None:
    """Close the browser windows of a run that has ended, where it opened any."""
    opened = sys.modules.get("buddy.adapters.providers.browser.sessions")
    if opened is not None:
        await opened.SESSIONS.end(run_id)


def _tool(offer: Offer, known: Access) -> Tool:
    handlers = OfferedTool(offer, known)

    async def live(ctx: CallContext, **args: Any) -> Any:
        return await handlers.live(args, ctx)

    async def mock(ctx: CallContext, **args: Any) -> Any:
        return await handlers.mock(args, ctx)

    async def preview(ctx: CallContext, **args: Any) -> Any:
        return await handlers.preview(args, ctx)

    contract = offer.contract
    live.__name__, live.__doc__ = contract.name, contract.summary
    names = tuple((contract.input or {}).get("properties", {}))
    tool = Tool(contract, Handler(function=live, sync=False, context="ctx"), {}, names)
    if "mock" in offer.handlers:
        tool.mock(mock)
    if "preview" in offer.handlers:
        tool.preview(preview)
    if "undo" in offer.handlers:
        tool.undo(handlers.undo)
    if "probe" in offer.handlers:
        tool.probe(handlers.probe)
    return tool
