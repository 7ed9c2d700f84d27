"""Attacks that a child makes on itself, sealed by one step alone, to see whether that step holds here.

Standard library only: this runs in a child of the zygote.
"""

import json
import mmap
import os
import resource
import socket
import time
from collections.abc import Callable
from typing import Any, NoReturn

from buddy.adapters.sandbox import child
from buddy.adapters.sandbox.kernel import namespaces
from buddy.adapters.sandbox.kernel.filters import CHANNEL
from buddy.adapters.sandbox.seal import STEPS, Prepared

Bait = dict[str, Any]
"""What there is to attack outside: `port` of a listener on 127.0.0.1, and the `path` of a file that
nothing but the step that is tried keeps from anybody."""


def _network(bait: Bait, spaces: bool) -> str:
    with socket.socket() as caller:
        caller.settimeout(2.0)
        caller.connect(("127.0.0.1", bait["port"]))
    return "reached a listener of this machine"


def _processes(bait: Bait, spaces: bool) -> str:
    if os.getppid() == 1:
        raise ProcessLookupError("no process but its own kind is in sight")
    return "saw the machine's processes"


def _root(bait: Bait, spaces: bool) -> str:
    os.stat(bait["path"])
    return f"found {bait['path']}"


def _open(bait: Bait, spaces: bool) -> str:
    try:
        open(namespaces.CANARY if spaces else bait["path"], "rb").close()
    except FileNotFoundError:
        return "found no file to open, so nobody knows"
    return "opened a file"


def _socket(bait: Bait, spaces: bool) -> str:
    socket.socket().close()
    return "opened a socket"


def _fork(bait: Bait, spaces: bool) -> str:
    if (pid := os.fork()) == 0:
        os._exit(0)
    os.waitpid(pid, 0)
    return "started a process"


def _program(bait: Bait, spaces: bool) -> str:
    mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC).close()
    return "got memory to write programs to"


def _memory(bait: Bait, spaces: bool) -> str:
    mmap.mmap(-1, bait["memory"]).close()
    return "got more memory than it may have"


def _raise(bait: Bait, spaces: bool) -> str:
    resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    return "raised a limit"


def _sleep(bait: Bait, spaces: bool) -> str:
    time.sleep(bait["sleep_s"])
    return "outlived its deadline"


ATTACKS: dict[str, tuple[str, Callable[[Bait, bool], str]]] = {
    "network": ("namespaces", _network),
    "processes": ("namespaces", _processes),
    "file-names": ("root", _root),
    "open": ("landlock", _open),
    "socket": ("seccomp", _socket),
    "fork": ("seccomp", _fork),
    "write-program": ("seccomp", _program),
    "memory": ("limits", _memory),
    "raise-limit": ("limits", _raise),
    "deadline": ("supervisor", _sleep),
}
"""Name -> the step that has to stop it, and the attack, which returns what it got or raises `OSError`."""


def live(prepared: Prepared, channel: socket.socket, request: dict[str, Any]) -> NoReturn:
    """Seal this process by one step, attack, report, and end.

    Args:
        prepared: by the zygote.
        channel: at descriptor `CHANNEL`.
        request: `name` of the attack and its `bait`.
    """
    step, attack = ATTACKS[request["name"]]
    child.enter(prepared, channel, frozenset(STEPS) - {step})
    try:
        while os.read(CHANNEL, 1 << 16):  # a canary waits for its turn as code does
            pass
        report = {"held": False, "details": attack(request["bait"], prepared.spaces)}
    except OSError as stopped:
        report = {"held": True, "details": str(stopped.strerror or stopped)}
    except (ValueError, MemoryError) as stopped:
        report = {"held": True, "details": str(stopped) or type(stopped).__name__}
    os.write(CHANNEL, json.dumps({"report": report}).encode() + b"\n")
    os._exit(0)
