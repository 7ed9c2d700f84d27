"""The tools of the stored runs. They stay as they are: a contract that changes voids what was rehearsed."""

import os
from pathlib import Path
from typing import Any

from buddy import Change, Preview, Restored, Risk, ToolError, tool


def _note(*words: str) -> None:
    with Path(os.environ["REPLAY_NOTES"]).open("a") as notes:
        notes.write(" ".join(words) + "\n")


@tool(
    name="shelf.list", risk=Risk.LOW, effect="read", permissions=["shelf.read"], resources=["shelf:{shelf}"]
)
async def books(shelf: str) -> dict[str, Any]:
    """List the books of a shelf."""
    return {"books": [{"title": title} for title in ("Emma", "Faust", "Kim")]}


@tool(
    name="shelf.put",
    risk=Risk.MEDIUM,
    effect="write",
    undo="exact",
    permissions=["shelf.write"],
    resources=["book:{title}"],
)
async def put(title: str, shelf: str = "new") -> dict[str, Any]:
    """Put a book on a shelf."""
    _note("put", title, shelf)
    return {"title": title, "shelf": shelf}


@put.preview
async def _(title: str, shelf: str = "new") -> Preview:
    change = Change(f"book:{title}", None, shelf)
    return Preview(changes=[change], result={"title": title, "shelf": shelf})


@put.undo
async def _(call: Any, result: Any) -> Restored:
    _note("back", call.args["title"])
    return Restored(verified=True)


@tool(name="mail.send", risk=Risk.HIGH, effect="write", permissions=["mail.send"], resources=["mail:{to}"])
async def send(to: str, text: str) -> dict[str, Any]:
    """Send a mail, for good."""
    _note("sent", to)
    return {"to": to}


@send.preview
async def _(to: str, text: str) -> Preview:
    return Preview(changes=[Change(f"mail:{to}", None, text)], result={"to": to})


@tool(
    name="shelf.burn",
    risk=Risk.MEDIUM,
    effect="write",
    undo="exact",
    permissions=["shelf.write"],
    on_error="no_effect",
)
async def burn(title: str) -> dict[str, Any]:
    """Refuse to burn a book."""
    raise ToolError("books are not burnt here")


@burn.preview
async def _(title: str) -> Preview:
    return Preview(changes=[Change(f"book:{title}", title, None)], result={"title": title})


@burn.undo
async def _(call: Any, result: Any) -> Restored:
    raise ToolError("ash stays ash")


TOOLS = [books, put, send, burn]
