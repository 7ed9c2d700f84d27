"""Namespaces: no network, no other process and no file in sight."""

import os

from buddy.adapters.sandbox.kernel.calls import mount, syscall

_NEWNS, _NEWCGROUP, _NEWUTS, _NEWIPC, _NEWUSER, _NEWPID, _NEWNET = (
    0x00020000,
    0x02000000,
    0x04000000,
    0x08000000,
    0x10000000,
    0x20000000,
    0x40000000,
)
_ALL = _NEWNS | _NEWCGROUP | _NEWUTS | _NEWIPC | _NEWPID | _NEWNET
_RDONLY, _NOSUID, _NODEV, _NOEXEC, _REMOUNT, _BIND, _REC, _PRIVATE = 1, 2, 4, 8, 32, 4096, 16384, 1 << 18
_DETACH = 2
_TIGHT = _NOSUID | _NODEV | _NOEXEC

CANARY = "/canary"
"""A file in the empty root, for the attack that shows whether Landlock holds."""
SCRATCH = "/tmp"  # noqa: S108 - of the empty root, not of the machine
"""Where a private folder is."""


def unshare() -> bool:
    """Leave the machine's namespaces; processes that are forked from now on live in one of their own.

    Returns:
        Whether it took a user namespace, because this process may not do it by itself.

    Raises:
        OSError: where that is not allowed either.
    """
    user, group = os.getuid(), os.getgid()
    try:
        syscall("unshare", _ALL)
    except PermissionError:
        syscall("unshare", _ALL | _NEWUSER)
        _map("uid_map", user)
        _write("setgroups", "deny")
        _map("gid_map", group)
        return True
    return False


def _map(name: str, own: int) -> None:
    _write(name, f"{own} {own} 1\n")


def _write(name: str, text: str) -> None:
    with open(f"/proc/self/{name}", "w", encoding="ascii") as file:
        file.write(text)


def empty_root() -> None:
    """Make a root with nothing in it the only file system of this mount namespace."""
    mount("none", "/", None, _REC | _PRIVATE)
    place = next(folder for folder in ("/tmp", "/usr", "/proc") if os.path.isdir(folder))  # noqa: S108
    mount("none", place, "tmpfs", _TIGHT, "size=64k,nr_inodes=8,mode=755")
    os.chdir(place)
    os.mkdir(SCRATCH[1:])
    with open(CANARY[1:], "wb") as file:
        file.write(b"canary")
    os.chmod(CANARY[1:], 0o444)  # whatever the umask is, or the attack would fail for want of permission
    syscall("pivot_root", b".", b".")
    syscall("umount2", b".", _DETACH)
    os.chdir("/")
    mount("none", "/", None, _REMOUNT | _BIND | _RDONLY | _TIGHT)


def private_folder(size: int, files: int) -> None:
    """Give this process alone an empty `/tmp` that dies with it.

    Args:
        size: bytes that its files may hold together.
        files: files and folders that it may hold.
    """
    syscall("unshare", _NEWNS)
    mount("none", SCRATCH, "tmpfs", _TIGHT, f"size={size},nr_inodes={files + 1},mode=1777")
    os.chdir(SCRATCH)
