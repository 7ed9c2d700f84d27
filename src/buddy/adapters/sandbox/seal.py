"""Sealing: every protective step that a process takes before it reads a byte of the code."""

import contextlib
import errno
import fcntl
import os
import signal
from typing import NamedTuple

from buddy.adapters.sandbox.kernel import abi, calls, filters, landlock, limits, namespaces, seccomp
from buddy.adapters.sandbox.settings import Settings

NOBODY = 65534
STEPS = ("namespaces", "root", "landlock", "seccomp", "limits")
"""Steps that the kernel holds; a canary is sealed with one of them alone."""


class Prepared(NamedTuple):
    """What a zygote works out once for all its children.

    Attributes:
        settings: of the sandbox.
        spaces: the zygote has left the machine's namespaces and file system.
        taken: bytes of address space that the interpreter takes.
        rules: descriptor of Landlock's rules, -1 where each child has a private folder to make its own for.
        filters: of seccomp: by whether denied calls are told of.
    """

    settings: Settings
    spaces: bool
    taken: int
    rules: int
    filters: dict[bool, bytes]


def prepare(settings: Settings, spaces: bool, taken: int) -> Prepared:
    """Work out what is the same for every child.

    Raises:
        OSError: there is no Landlock.
        ValueError: the machine's system calls are not known.
    """
    numbers = abi.native()
    if numbers is None:
        raise ValueError(f"the sandbox knows x86_64 and aarch64, and this is {os.uname().machine}")
    scratch = settings.scratch_bytes > 0
    return Prepared(
        settings=settings,
        spaces=spaces,
        taken=taken,
        rules=-1 if scratch else _aside(landlock.ruleset(None)),
        filters={told: filters.build(numbers, scratch=scratch, told=told) for told in (True, False)},
    )


def _aside(descriptor: int) -> int:
    """Move a descriptor out of the way of those that a child has by number."""
    moved = fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, 16)
    os.close(descriptor)
    return moved


def seal(prepared: Prepared, without: frozenset[str]) -> int | None:
    """Shut this process in for good.

    Args:
        prepared: by the zygote.
        without: steps that are left out.

    Returns:
        The descriptor on which denied calls are heard, None where the kernel denies them in silence.

    Raises:
        OSError: a step failed; the process must end.
    """
    settings = prepared.settings
    if settings.scratch_bytes and "root" not in without:
        if not prepared.spaces:  # the folder of that name would be the machine's
            raise PermissionError("a private folder needs namespaces")
        namespaces.private_folder(settings.scratch_bytes, settings.scratch_files)
    if "limits" not in without:
        limits.restrict(settings, prepared.taken)
    calls.prctl(calls.PR_SET_NO_NEW_PRIVS, 1)
    rules = _rules(prepared)
    if "landlock" not in without:
        landlock.restrict(rules)
    os.close(rules)
    become_nobody()
    # A change of identity clears this, so it comes after.
    calls.prctl(calls.PR_SET_PDEATHSIG, signal.SIGKILL)
    return None if "seccomp" in without else _filter(prepared)


def _rules(prepared: Prepared) -> int:
    if prepared.settings.scratch_bytes:
        return landlock.ruleset(namespaces.SCRATCH)
    return prepared.rules


def become_nobody() -> None:
    """Give up identity and capabilities."""
    if os.getuid() == 0:
        # Without the capability to change it the process stays root in name, and has none of root's powers.
        with contextlib.suppress(PermissionError):
            os.setgroups([])
            os.setresgid(NOBODY, NOBODY, NOBODY)
            os.setresuid(NOBODY, NOBODY, NOBODY)
    calls.drop_capabilities()


def _filter(prepared: Prepared) -> int | None:
    try:
        return seccomp.install(prepared.filters[True], told=True)
    except OSError as problem:
        if problem.errno != errno.EBUSY:
            raise
        return seccomp.install(prepared.filters[False], told=False)
