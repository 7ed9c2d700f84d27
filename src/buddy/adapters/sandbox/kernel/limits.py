"""Resource limits of one execution."""

import errno
import resource

from buddy.adapters.sandbox.kernel.filters import HANDOVER
from buddy.adapters.sandbox.settings import Settings

_STACK = 8 * 1024 * 1024
_DESCRIPTORS = {False: 32, True: HANDOVER}


def address_space() -> int:
    """Return the bytes of address space that this process takes."""
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[0]) * resource.getpagesize()


def make_room() -> None:
    """Let this process, and those that it forks, have a descriptor `HANDOVER` until they are sealed.

    Raises:
        OSError: it may not have that many.
    """
    try:
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    except OSError as problem:
        raise OSError(problem.errno, f"limits: {problem.strerror}") from None
    if hard != resource.RLIM_INFINITY and hard <= HANDOVER:
        raise OSError(
            errno.EMFILE, f"{HANDOVER + 1} descriptors are needed (ulimit -Hn), and there are {hard}"
        )
    if soft != resource.RLIM_INFINITY and soft <= HANDOVER:
        resource.setrlimit(resource.RLIMIT_NOFILE, (HANDOVER + 1, hard))


def restrict_all() -> None:
    """Bound what neither a zygote nor its children have any use for, for good."""
    _bound(
        {
            resource.RLIMIT_CORE: (0, 0),
            resource.RLIMIT_MEMLOCK: (0, 0),
            resource.RLIMIT_MSGQUEUE: (0, 0),
            resource.RLIMIT_NICE: (0, 0),
            resource.RLIMIT_RTPRIO: (0, 0),
            resource.RLIMIT_SIGPENDING: (0, 0),
            resource.RLIMIT_STACK: (_STACK, _STACK),
        }
    )


def restrict(settings: Settings, taken: int) -> None:
    """Bound what this process can use, for good.

    Args:
        settings: of the sandbox.
        taken: bytes of address space that the interpreter had before the code.
    """
    memory = taken + settings.memory_mb * 1024 * 1024
    _bound(
        {
            resource.RLIMIT_AS: (memory, memory),
            resource.RLIMIT_CPU: (settings.cpu_s, settings.cpu_s + 1),
            # Above the folder's own size, so that what is full says so.
            resource.RLIMIT_FSIZE: (2 * settings.scratch_bytes, 2 * settings.scratch_bytes),
            resource.RLIMIT_NOFILE: (_DESCRIPTORS[settings.scratch_bytes > 0],) * 2,
            resource.RLIMIT_NPROC: (0, 0),
        }
    )


def _bound(bounds: dict[int, tuple[int, int]]) -> None:
    for which, (soft, hard) in bounds.items():
        most = resource.getrlimit(which)[1]
        if most != resource.RLIM_INFINITY:
            soft, hard = min(soft, most), min(hard, most)
        resource.setrlimit(which, (soft, hard))
