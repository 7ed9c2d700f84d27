"""What the scripts of all peers share: effects that are counted, a gate for races, and verbs.

An effect is one line appended to `$DOUBLE_EFFECTS` with O_APPEND, so that it counts whoever acts and however
the process ends. Only the standard library is used: each peer runs in an environment of its own.
"""

import json
import os
import signal
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

CALLS = {"batch": ("plain", "risky"), "single": ("risky",)}
"""Kind of a case -> the calls of its one turn; a person must approve `risky`."""


def act(name: str) -> str:
    """Do what the call is for: be seen outside. Then take as long, or die, as the case says."""
    file = os.open(os.environ["DOUBLE_EFFECTS"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.write(file, f"{name}\n".encode())
    os.close(file)
    if os.environ.get("DOUBLE_KILL") == name:
        os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(float(os.environ.get("DOUBLE_SECONDS", "0")))
    return f"{name} is done"


def gate() -> None:
    """In a race, wait until all who race have come here."""
    folder = os.environ.get("DOUBLE_GATE")
    if folder:
        Path(folder, f"{os.getpid()}.ready").touch()
        until = time.monotonic() + 120
        while not Path(folder, "go").exists() and time.monotonic() < until:
            time.sleep(0.001)


def main(verbs: Mapping[str, Callable[[Path, str], str]]) -> None:
    """Run `VERB FOLDER KIND` and print in a line how it went: done, or refused and why."""
    verb, folder, kind = sys.argv[1:]
    try:
        said = verbs[verb](Path(folder), kind)
    except Exception as problem:  # noqa: BLE001 - whatever the framework raises is how it refuses
        said = f"refused: {type(problem).__name__}: {problem}"
    print(json.dumps({"said": " ".join(said.split())}), flush=True)
