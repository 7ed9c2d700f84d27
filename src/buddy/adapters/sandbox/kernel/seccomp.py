"""Seccomp: installing a filter, and hearing from the kernel what it denied."""

import ctypes
import errno
import fcntl
import os
import struct
from typing import NamedTuple

from buddy.adapters.sandbox.kernel.calls import syscall

_SET_MODE_FILTER = 1
_NEW_LISTENER = 1 << 3
_CONTINUE = 1
_AT_FDCWD = -100
_RECEIVE, _SEND, _IS_VALID = 0xC0502100, 0xC0182101, 0x40082102
_NOTIFICATION = struct.Struct("=QIIiIQ6Q")
_ANSWER = struct.Struct("=QqiI")


class Notification(NamedTuple):
    """A system call that waits for an answer.

    Attributes:
        cookie: names it.
        pid: of the caller, as this process sees it.
        number: of the call.
        args: its six arguments.
    """

    cookie: int
    pid: int
    number: int
    args: tuple[int, ...]


def install(code: bytes, *, told: bool) -> int | None:
    """Put this process under a filter for good; it must have given up new privileges.

    Args:
        code: of the filter.
        told: return a descriptor on which denied calls are heard.

    Raises:
        OSError: EBUSY where somebody above listens already, ENOSYS where there is no seccomp.
    """
    lines = ctypes.create_string_buffer(code, len(code))
    head = struct.pack("=HxxxxxxQ", len(code) // 8, ctypes.addressof(lines))
    listener = syscall("seccomp", _SET_MODE_FILTER, _NEW_LISTENER if told else 0, head)
    return listener if told else None


def receive(listener: int) -> Notification | None:
    """Take the next denied call, None where its caller has died in between."""
    place = bytearray(_NOTIFICATION.size)
    try:
        fcntl.ioctl(listener, _RECEIVE, place)
    except OSError as problem:
        if problem.errno in (errno.ENOENT, errno.EINTR, errno.EAGAIN):
            return None
        raise
    cookie, pid, _, number, _, _, *args = _NOTIFICATION.unpack(place)
    return Notification(cookie, pid, number, tuple(args))


def deny(listener: int, cookie: int) -> None:
    """Let a call fail with EPERM; nothing happens where its caller has died."""
    _answer(listener, _ANSWER.pack(cookie, 0, -errno.EPERM, 0))


def go_on(listener: int, cookie: int) -> None:
    """Let a call go to the kernel's other layers, whatever it names by then."""
    _answer(listener, _ANSWER.pack(cookie, 0, 0, _CONTINUE))


def _answer(listener: int, answer: bytes) -> None:
    try:
        fcntl.ioctl(listener, _SEND, answer)
    except OSError as problem:
        if problem.errno != errno.ENOENT:
            raise


def text_of(listener: int, cookie: int, pid: int, address: int, limit: int = 4096) -> str:
    """Read a string that a waiting call names, "" where it cannot be read or its caller has died."""
    try:
        with open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:
            fcntl.ioctl(listener, _IS_VALID, struct.pack("=Q", cookie))
            found = _read(memory.fileno(), address, limit)
    except (OSError, ValueError, OverflowError):
        return ""
    return found.split(b"\0", 1)[0].decode("utf-8", "backslashreplace")


def start_of(pid: int, args: tuple[int, ...], place: int) -> str:
    """Return the folder in which a relative path of a waiting call starts, "" where its caller has died.

    Args:
        pid: of the caller.
        args: of the call.
        place: which of them is the path; a descriptor before it is of the folder.
    """
    folder = ctypes.c_int32(args[place - 1] & 0xFFFFFFFF).value if place else _AT_FDCWD
    try:
        return os.readlink(f"/proc/{pid}/cwd" if folder == _AT_FDCWD else f"/proc/{pid}/fd/{folder}")
    except OSError:
        return ""


def _read(memory: int, address: int, limit: int) -> bytes:
    # Page by page: the string may end just before one that is not mapped.
    found = b""
    while len(found) < limit and b"\0" not in found:
        size = min(4096 - (address + len(found)) % 4096, limit - len(found))
        try:
            part = os.pread(memory, size, address + len(found))
        except OSError:
            break
        if not part:
            break
        found += part
    return found
