"""Tools whose every effect is a line of a file, and which can end the process at a chosen point.

`EFFECTS` is the file; `CRASH` names the point as `WHAT:KEY`, where WHAT is `before`, `after` (a write),
`undo-before`, `undo-after` or `failure` (as `after`, once another call has failed); `PROBES` says whether
the probes can tell: `yes` or `no`; `FAILS` names what fails without effect: `log`, its `preview`, or `send`.
"""

import os
import signal
import time
from pathlib import Path
from typing import Any

from buddy import Call, CallContext, Preview, Restored, Risk, ToolError, tool


def effects() -> list[str]:
    """Every effect so far."""
    path = Path(os.environ["EFFECTS"])
    return path.read_text().splitlines() if path.exists() else []


def act(line: str) -> None:
    """Have an effect: one write of one line at the end of the file."""
    file = os.open(os.environ["EFFECTS"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
    try:
        os.write(file, f"{line}\n".encode())
    finally:
        os.close(file)


def point(what: str, key: str) -> None:
    """End the process here, if it is to end here."""
    if os.environ.get("CRASH") == f"{what}:{key}":
        os.kill(os.getpid(), signal.SIGKILL)


def there(key: str) -> bool:
    """Whether what a write did is there and not undone."""
    found = effects()
    return found.count(f"put {key}") > found.count(f"undo {key}")


def told(call: Call) -> bool | None:
    return there(call.args["key"]) if os.environ.get("PROBES") == "yes" else None


@tool(risk=Risk.MEDIUM, effect="write", undo="exact", permissions=["e.write"], resources=["thing:{key}"])
def put(key: str, fail: bool = False) -> dict[str, str]:
    """Have an effect that can be undone."""
    if fail:
        raise ToolError("it was to fail")
    point("before", key)
    act(f"put {key}")
    point("after", key)
    return {"key": key}


@put.preview
def _(key: str, fail: bool = False) -> Preview:
    return Preview(changes=[key])


@put.undo
def _(call: Call, result: Any) -> Restored:
    key = call.args["key"]
    point("undo-before", key)
    act(f"undo {key}")
    point("undo-after", key)
    return Restored(verified=True, exact=True)


@put.probe
def _(call: Call) -> bool | None:
    return told(call)


@tool(risk=Risk.HIGH, effect="write", permissions=["e.send"], resources=["mail:{key}"])
def send(key: str) -> dict[str, str]:
    """Have an effect for good."""
    if os.environ.get("FAILS") == "send":
        raise ToolError("it was to fail")
    point("before", key)
    act(f"put {key}")
    point("after", key)
    return {"key": key}


@send.preview
def _(key: str) -> Preview:
    return Preview(changes=[key])


@send.probe
def _(call: Call) -> bool | None:
    return told(call)


@tool(risk=Risk.LOW, effect="write", idempotent=True, undo="exact", resources=["log:{key}"])
def log(key: str, ctx: CallContext) -> str:
    """Have an effect that may come twice."""
    if os.environ.get("FAILS") == "log":
        raise ToolError("it was to fail")
    point("before", key)
    act(f"log {key}")
    while os.environ.get("CRASH") == f"failure:{key}":
        if '"outcome":"failed"' in Path("out/journal.jsonl").read_text():
            os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(0.01)
    point("after", key)
    return key


@log.preview
def _(key: str) -> Preview:
    if os.environ.get("FAILS") == "preview":
        raise ToolError("it was to fail")
    return Preview(changes=[key])


@log.undo
def _(call: Call, result: Any) -> None:
    act(f"unlog {call.args['key']}")
