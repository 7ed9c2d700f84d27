"""Landlock: no file, whatever its permissions, but those below a folder."""

import ctypes
import os
import struct

from buddy.adapters.sandbox.kernel.calls import syscall

_VERSION = 1
_BENEATH = 1

# Rights over files by the version of the interface that brought them (linux/landlock.h).
_FILE_RIGHTS = {1: 13, 2: 14, 3: 15, 5: 16}
_WRITE, _READ, _READ_DIR = 1 << 1, 1 << 2, 1 << 3
_REMOVE_DIR, _REMOVE_FILE, _MAKE_DIR, _MAKE_REGULAR, _REFER, _TRUNCATE = (
    1 << 4,
    1 << 5,
    1 << 7,
    1 << 8,
    1 << 13,
    1 << 14,
)
_SCRATCH = _WRITE | _READ | _READ_DIR | _REMOVE_DIR | _REMOVE_FILE | _MAKE_DIR | _MAKE_REGULAR
_TCP = 0b11
_SCOPES = 0b11


def version() -> int:
    """Return the version of the kernel's interface.

    Raises:
        OSError: ENOSYS or EOPNOTSUPP where there is none.
    """
    return syscall("landlock_create_ruleset", None, 0, _VERSION)


def ruleset(scratch: str | None) -> int:
    """Return the descriptor of a set of rules that denies all files, TCP, and signals to others.

    Args:
        scratch: the folder that may be read and written, without programs, links and devices.
    """
    abi = version()
    files = (1 << max(count for since, count in _FILE_RIGHTS.items() if since <= abi)) - 1
    attributes = struct.pack("=QQQ", files, _TCP if abi >= 4 else 0, _SCOPES if abi >= 6 else 0)
    size = 24 if abi >= 6 else 16 if abi >= 4 else 8
    made = syscall("landlock_create_ruleset", attributes[:size], size, 0)
    if scratch is not None:
        _grant(made, scratch, files & (_SCRATCH | _REFER | _TRUNCATE))
    return made


def _grant(made: int, folder: str, rights: int) -> None:
    parent = os.open(folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        rule = ctypes.create_string_buffer(struct.pack("=Qi", rights, parent))
        syscall("landlock_add_rule", made, _BENEATH, rule, 0)
    finally:
        os.close(parent)


def restrict(made: int) -> None:
    """Put this process under rules for good; it must have given up new privileges."""
    syscall("landlock_restrict_self", made, 0)
