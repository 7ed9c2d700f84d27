"""The zygote: a warm interpreter in its own namespaces that forks a sealed child whenever one is wanted.

It never reads a byte of the code. Standard library only; it is started as `python -I -S` with an empty
environment, as its children inherit its memory.
"""

import contextlib
import gc
import io
import json
import os
import select
import signal
import socket
import sys
import time
from typing import Any, NoReturn

from buddy.adapters.sandbox import canaries, child, runner
from buddy.adapters.sandbox.kernel import calls, limits, namespaces
from buddy.adapters.sandbox.seal import Prepared, prepare
from buddy.adapters.sandbox.settings import Settings, decode

SPARE, CANARY = "spare", "canary"
"""What a zygote is asked for."""


def main(descriptor: int) -> NoReturn:
    """Serve the supervisor until it is gone.

    Args:
        descriptor: the control socket; a message is a request, its answer carries the child's descriptors.
    """
    control = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET, 0, descriptor)
    try:
        settings = decode(control.recv(1 << 20))
        limits.make_room()
        if isinstance(sys.stdout, io.TextIOWrapper):
            sys.stdout.reconfigure(line_buffering=True)  # what code printed outlives its being killed
        os.environ["TZ"] = "UTC"
        time.tzset()
        runner.preload(settings.imports, settings)
        _all_there(settings.imports)
        sys.path[:] = []
        taken = limits.address_space()
        why = _enter(settings)
        prepared = prepare(settings, not why, taken)
        if "limits" not in settings.without:
            limits.restrict_all()
    except BaseException as problem:  # noqa: BLE001 - the supervisor tells it
        control.send(json.dumps({"failed": _reason(problem)}).encode())
        os._exit(1)
    control.send(json.dumps({"spaces": not why, "why": why}).encode())
    _serve(control, prepared)


def _all_there(imports: tuple[str, ...]) -> None:
    if absent := [name for name in imports if name not in sys.modules]:
        raise ImportError(f"the policy allows {', '.join(absent)}, which cannot be imported here")


def _enter(settings: Settings) -> str:
    """Leave the machine behind as far as it lets go; return why it did not, "" where it did."""
    if "namespaces" in settings.without:
        return "left out"
    try:
        namespaces.unshare()
    except OSError as problem:
        return _reason(problem)
    if inner := os.fork():
        _stand_by(inner)
    calls.prctl(calls.PR_SET_PDEATHSIG, signal.SIGKILL)
    try:
        if "root" not in settings.without:
            namespaces.empty_root()
    except OSError as problem:
        return _reason(problem)
    return ""


def _reason(problem: BaseException) -> str:
    if isinstance(problem, OSError) and problem.strerror:
        return problem.strerror
    return str(problem) if isinstance(problem, ImportError) else f"{type(problem).__name__}: {problem}"


def _stand_by(inner: int) -> NoReturn:
    """Stay as the parent that the supervisor knows, until the first process of the namespace has ended."""
    os.closerange(0, 256)
    _, status = os.waitpid(inner, 0)
    os._exit(0 if status == 0 else 1)


def _serve(control: socket.socket, prepared: Prepared) -> NoReturn:
    gc.collect()
    gc.freeze()
    poll = select.poll()
    poll.register(control, select.POLLIN)
    living: dict[int, tuple[int, int]] = {}
    while True:
        for ready, _ in poll.poll():
            if ready in living:
                poll.unregister(ready)
                _bury(ready, *living.pop(ready))
            elif request := control.recv(1 << 16):
                try:
                    pidfd, pid, ended = _bear(control, prepared, json.loads(request))
                except OSError as problem:  # those that live must not end with it
                    control.send(f"no process can be started: {_reason(problem)}".encode())
                    continue
                living[pidfd] = (pid, ended)
                poll.register(pidfd, select.POLLIN)
            else:
                os._exit(0)


def _bear(control: socket.socket, prepared: Prepared, request: dict[str, Any]) -> tuple[int, int, int]:
    """Fork a child and send the supervisor its channel, its output, its end, and a handle on it."""
    ours, theirs = socket.socketpair()
    printed, out = os.pipe()
    end, ended = os.pipe()
    pid = os.fork()
    if pid == 0:
        _be(prepared, request, theirs, out)
    pidfd = os.pidfd_open(pid)
    given = (ours.fileno(), printed, end, pidfd)
    rights = b"".join(one.to_bytes(4, sys.byteorder) for one in given)
    with contextlib.suppress(OSError):  # a supervisor that is gone is noticed at the next request
        control.sendmsg([b"child"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights)])
    for descriptor in (printed, out, end):
        os.close(descriptor)
    ours.close()
    theirs.close()
    return pidfd, pid, ended


def _be(prepared: Prepared, request: dict[str, Any], channel: socket.socket, out: int) -> NoReturn:
    try:
        kept = child.settle(channel, out, prepared.rules)
        if request["want"] == CANARY:
            canaries.live(prepared, kept, request)
        child.live(prepared, kept)
    finally:
        os._exit(72)


def _bury(pidfd: int, pid: int, ended: int) -> None:
    """Tell the supervisor how a child ended and what it used."""
    _, status, usage = os.wait4(pid, 0)
    told = {
        "code": os.waitstatus_to_exitcode(status),
        "cpu_s": usage.ru_utime + usage.ru_stime,
        "memory_kb": usage.ru_maxrss,
    }
    with contextlib.suppress(OSError):
        os.write(ended, json.dumps(told).encode())
    os.close(ended)
    os.close(pidfd)
