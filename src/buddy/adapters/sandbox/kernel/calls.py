"""System calls that Python has no function for, by ctypes; each raises `OSError` with the call's name."""

import ctypes
import os
from typing import Any

from buddy.adapters.sandbox.kernel.abi import native

_LIBC = ctypes.CDLL(None, use_errno=True)
_LIBC.syscall.restype = ctypes.c_long

PR_SET_PDEATHSIG = 1
PR_SET_NO_NEW_PRIVS = 38

_CAPABILITY_VERSION_3 = 0x20080522


def syscall(name: str, *args: Any) -> int:
    """Make a system call.

    Args:
        name: as in `abi`.
        args: integers, bytes, ctypes objects and None; buffers stay referenced by the caller's frame.

    Raises:
        OSError: with the kernel's errno; ENOSYS too where the machine has no such call.
    """
    abi = native()
    number = abi.numbers.get(name, -1) if abi else -1
    wide = [ctypes.c_long(arg) if isinstance(arg, int) else arg for arg in args]
    answer = int(_LIBC.syscall(ctypes.c_long(number), *wide))
    if answer < 0:
        code = ctypes.get_errno()
        raise OSError(code, f"{name}: {os.strerror(code)}")
    return answer


def prctl(option: int, value: int = 0) -> None:
    """Set one property of this process."""
    syscall("prctl", option, value, 0, 0, 0)


def drop_capabilities() -> None:
    """Give up every capability for good."""
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
    none = (ctypes.c_uint32 * 6)()
    syscall("capset", header, none)


def mount(source: str, target: str, kind: str | None, flags: int, options: str = "") -> None:
    """Put a file system at a place, as the call of that name does."""
    syscall(
        "mount", source.encode(), target.encode(), kind.encode() if kind else None, flags, options.encode()
    )
