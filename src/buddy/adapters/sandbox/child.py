"""The process that runs one piece of code: it seals itself, then reads, runs and reports."""

import contextlib
import json
import os
import socket
import sys
from typing import Any, NoReturn

from buddy.adapters.sandbox import outcome, runner
from buddy.adapters.sandbox.kernel.filters import CHANNEL
from buddy.adapters.sandbox.seal import Prepared, seal

HELD, SILENT, FAILED = b"H", b"S", b"F"
"""The first byte that a child sends: sealed and heard, sealed and not heard, or not sealed."""


def settle(channel: socket.socket, out: int) -> socket.socket:
    """Keep four descriptors and no other: nothing to read, two to print to, the channel.

    None of them is shared with another child, not even what there is nothing to read from: a lock on it would
    outlive this one.
    """
    nothing, written = os.pipe()
    os.dup2(nothing, 0)
    os.close(written)
    os.dup2(out, 1)
    os.dup2(out, 2)
    if channel.fileno() != CHANNEL:
        os.dup2(channel.fileno(), CHANNEL, inheritable=False)
    return socket.socket(channel.family, channel.type, channel.proto, fileno=CHANNEL)


def enter(prepared: Prepared, channel: socket.socket, without: frozenset[str]) -> None:
    """Seal this process and tell the supervisor, or end.

    Args:
        prepared: by the zygote.
        channel: at descriptor `CHANNEL`, the only one above stderr but the zygote's own rules.
        without: protective steps that are left out.
    """
    try:
        _hand_over(channel, seal(prepared, without))
    except BaseException as problem:  # noqa: BLE001 - whatever it is, this process must not go on
        with contextlib.suppress(OSError):
            channel.sendall(FAILED + str(problem).encode())
        os._exit(70)


def _hand_over(channel: socket.socket, listener: int | None) -> None:
    """Tell the supervisor that this process is sealed, and give it the ear of the kernel."""
    if listener is None:
        channel.sendmsg([SILENT])
        return
    rights = (socket.SOL_SOCKET, socket.SCM_RIGHTS, listener.to_bytes(4, sys.byteorder))
    channel.sendmsg([HELD], [rights])
    os.close(listener)


def live(prepared: Prepared, channel: socket.socket) -> NoReturn:
    """Seal this process, run the code that comes over the channel, report, and end."""
    enter(prepared, channel, frozenset(prepared.settings.without))
    _run(prepared)


def _run(prepared: Prepared) -> NoReturn:
    # The code can replace whatever it reaches, so all that is needed after it is at hand before.
    write, leave, flush = os.write, os._exit, sys.stdout.flush
    encode = outcome.encode

    def note(finding: runner.Finding) -> None:
        write(CHANNEL, encode({"finding": list(finding)}) + b"\n")

    try:
        request = _read()
        report = runner.run(request["code"], request["inputs"], prepared.settings, note)
        with contextlib.suppress(BaseException):
            flush()
        line = encode({"report": report}) + b"\n"
        while line:
            line = line[write(CHANNEL, line) :]
    except BaseException:  # noqa: BLE001 - the supervisor sees that no report came
        leave(71)
    leave(0)


def _read() -> Any:
    parts = []
    while part := os.read(CHANNEL, 1 << 20):
        parts.append(part)
    return json.loads(b"".join(parts))
