"""Small tools that write down what they did in the folder `$SOME_DIR`, one line a call."""

import asyncio
import json
import os
import time
from pathlib import Path
from typing import Any

from buddy import Change, Preview, Restored, Risk, tool


def folder() -> Path:
    return Path(os.environ["SOME_DIR"])


def note(name: str, *words: object) -> None:
    """Append a line, whole, whoever else appends."""
    file = os.open(folder() / name, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(file, (" ".join(str(word) for word in words) + "\n").encode())
    finally:
        os.close(file)


def noted(name: str) -> list[list[str]]:
    """The lines of a file of notes, split into words."""
    path = folder() / name
    return [line.split() for line in path.read_text().splitlines()] if path.exists() else []


def state_of(name: str) -> Any:
    """What the world says of a name; tests change it behind Buddy's back."""
    path = folder() / f"state-{name}"
    return json.loads(path.read_text()) if path.exists() else None


def set_state(name: str, value: Any) -> None:
    (folder() / f"state-{name}").write_text(json.dumps(value))


@tool(risk=Risk.MEDIUM, effect="write", undo="exact", permissions=["some.write"], resources=["record:{key}"])
async def put(key: str, value: int) -> dict[str, Any]:
    """Write a record."""
    note("put", key, value)
    return {"key": key, "value": value}


@put.preview
async def _(key: str, value: int) -> Preview:
    return Preview(changes=[Change(f"record:{key}", None, value)], result={"key": key, "value": value})


@put.undo
async def _(call: Any, result: Any) -> Restored:
    note("undone", call.args["key"])
    return Restored(verified=True)


@tool(risk=Risk.MEDIUM, effect="write", undo="exact", permissions=["some.write"], resources=["record:{key}"])
async def hold(key: str, who: str, seconds: float) -> dict[str, Any]:
    """Write a record for a while."""
    note("held", key, who, "start", time.monotonic_ns())
    await asyncio.sleep(seconds)
    note("held", key, who, "end", time.monotonic_ns())
    return {}


@hold.preview
async def _(key: str, who: str, seconds: float) -> Preview:
    return Preview(changes=[Change(f"record:{key}", None, who)])


@hold.undo
async def _(call: Any, result: Any) -> Restored:
    return Restored()


@tool(
    risk=Risk.HIGH,
    effect="write",
    permissions=["some.send"],
    resources=["mail:{to}"],
    volatile=["/*/after/stamp"],
)
async def send(to: str, text: str) -> dict[str, Any]:
    """Send a mail, for good."""
    note("sent", to, text)
    return {"to": to}


@send.preview
async def _(to: str, text: str) -> Preview:
    note("looked", to)
    after = {"text": text, "signature": state_of("signature"), "stamp": state_of("stamp")}
    return Preview(changes=[Change(f"mail:{to}", None, after)], result={"to": to})


@tool(risk=Risk.LOW, effect="read", resources=["list:{name}"])
async def names(name: str) -> dict[str, Any]:
    """Read a list."""
    return {"names": state_of(name)}


TOOLS = [put, hold, send, names]
