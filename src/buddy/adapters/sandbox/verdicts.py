"""What a denied system call was an attempt at, and what an end by a signal means."""

import os
import signal

from buddy.adapters.sandbox.kernel.abi import calls
from buddy.model.sandbox import KilledBy, Layer, Violation, ViolationType

_NETWORK = frozenset(
    calls(
        "socket socketpair connect accept accept4 bind listen sendto recvfrom sendmsg recvmsg sendmmsg "
        "recvmmsg shutdown getsockname getpeername setsockopt getsockopt"
    )
)
_PROCESSES = frozenset(calls("clone clone3 fork vfork execve execveat wait4 waitid"))
_LIMITS = frozenset(calls("setrlimit prlimit64 setpriority"))
_PATHS = {
    **dict.fromkeys(
        calls(
            "open creat stat lstat access chdir mkdir rmdir unlink truncate readlink chmod chown lchown "
            "utime utimes statfs mknod rename link chroot getxattr lgetxattr setxattr lsetxattr listxattr "
            "llistxattr removexattr lremovexattr uselib swapon swapoff acct umount2 execve"
        ),
        0,
    ),
    **dict.fromkeys(
        calls(
            "openat openat2 newfstatat statx faccessat faccessat2 mkdirat unlinkat readlinkat fchmodat "
            "fchmodat2 fchownat utimensat futimesat mknodat renameat renameat2 linkat name_to_handle_at "
            "execveat inotify_add_watch mount symlink open_tree pivot_root"
        ),
        1,
    ),
    "symlinkat": 2,
}
"""Call -> which of its arguments names what it is about."""
_SECOND_PATHS = {"rename": 1, "renameat": 3, "renameat2": 3}
WITHOUT_FOLDERS = frozenset({"rename"})
"""Calls whose second path follows another path, and not the descriptor of a folder."""

_OTHER_FILES = frozenset(
    calls(
        "getdents getdents64 getcwd fchdir ftruncate fsync fdatasync pread64 pwrite64 preadv pwritev "
        "preadv2 pwritev2 fchmod fchown fgetxattr fsetxattr flistxattr fremovexattr flock fallocate "
        "fstatfs umask sync syncfs sendfile copy_file_range splice tee vmsplice umount fanotify_init "
        "fanotify_mark inotify_init inotify_init1 fsopen fsconfig fsmount fspick move_mount mount_setattr "
        "open_by_handle_at quotactl lookup_dcookie"
    )
)
_DOING = {
    ViolationType.NETWORK_ACCESS_ATTEMPT: "the network is out of reach",
    ViolationType.SUBPROCESS_ATTEMPT: "no process, program or thread may be started",
    ViolationType.FILESYSTEM_ATTEMPT: "no file may be used so",
    ViolationType.RESOURCE_LIMIT: "limits stay as they are",
    ViolationType.SYSCALL_DENIED: "this system call is not allowed",
}

_SHOWN = 300
"""Characters of a path or a sentence that are kept: an execution may not fill the disk by being denied."""


def type_of(syscall: str) -> ViolationType:
    """Return what a denied call was an attempt at."""
    if syscall in _NETWORK:
        return ViolationType.NETWORK_ACCESS_ATTEMPT
    if syscall in _PROCESSES:
        return ViolationType.SUBPROCESS_ATTEMPT
    if syscall in _PATHS or syscall in _OTHER_FILES:
        return ViolationType.FILESYSTEM_ATTEMPT
    return ViolationType.RESOURCE_LIMIT if syscall in _LIMITS else ViolationType.SYSCALL_DENIED


def path_arguments(syscall: str) -> tuple[int, ...]:
    """Return which arguments of a call name a path."""
    return tuple(table[syscall] for table in (_PATHS, _SECOND_PATHS) if syscall in table)


def goes_astray(path: str, start: str, folder: str) -> bool:
    """Return whether a path leads out of a private folder.

    Args:
        path: as the code gave it.
        start: where a relative path starts.
        folder: absolute.
    """
    inside = os.path.normpath(os.path.join(start, path))
    return inside != folder and not inside.startswith(f"{folder}/")


def shown(text: str) -> str:
    """Return what code wrote as part of a sentence: on one line, of a bounded length."""
    cut = text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
    return cut if cut.isprintable() else repr(cut)[1:-1]


def is_the_parser(syscall: str, path: str) -> bool:
    """Return whether a denied call is Python's own: to show a syntax error it looks for the file of the code.

    Code that asks for a file of that name is denied it as well, and only not told of.
    """
    return syscall in {"open", "openat"} and path == "<code>"


def denied(syscall: str, path: str) -> Violation:
    """Return the violation that a denied call is."""
    kind = type_of(syscall)
    about = f" of {shown(path)}" if path else ""
    return Violation(
        type=kind,
        details=f"{syscall}{about}: {_DOING[kind]}",
        layer=Layer.KERNEL,
        authoritative=True,
        syscall=syscall,
        path=path[:_SHOWN],
    )


FORGED = Violation(
    type=ViolationType.SYSCALL_DENIED,
    details="the code wrote to the channel that only its runner may write to",
    layer=Layer.SUPERVISOR,
    authoritative=True,
)
"""What lines that are no report, or a second report, are."""

_ENDS = {
    KilledBy.TIMEOUT: "ran longer than {timeout_s:g} s",
    KilledBy.CPU: "used more than {cpu_s} s of processor time",
    KilledBy.MEMORY: "needed more than {memory_mb} MiB of memory",
    KilledBy.OUTPUT: "printed more than {max_output_bytes:,} bytes",
    KilledBy.RESULT: "returned more than {max_result_bytes:,} bytes",
    KilledBy.DISK: "wrote more than its folder holds",
    KilledBy.VIOLATIONS: "went on after {max_violations} denied system calls",
    KilledBy.CRASH: "brought the interpreter down by {signal}",
}


def ended(killed_by: KilledBy, *, authoritative: bool = True, **facts: object) -> Violation | None:
    """Return the violation that an early end is, None where somebody outside wanted it.

    Args:
        killed_by: what ended it.
        authoritative: the supervisor or the kernel ended it, rather than the code by its own word.
        facts: limits by name, and the `signal`.
    """
    if killed_by is KilledBy.CANCELLED:
        return None
    kind = ViolationType.TIMEOUT if killed_by is KilledBy.TIMEOUT else ViolationType.RESOURCE_LIMIT
    if facts.get("signal") == "SIGSYS":  # a call by another machine's number, which the filter ends at once
        kind = ViolationType.SYSCALL_DENIED
    return Violation(
        type=kind,
        details=f"the code {_ENDS[killed_by].format(**facts)}",
        layer=Layer.SUPERVISOR,
        authoritative=authoritative,
    )


def by_signal(number: int, cpu_s: float, limit_s: float) -> KilledBy:
    """Return what an end by a signal that the supervisor did not send means.

    Args:
        number: of the signal.
        cpu_s: seconds of processor time that were used.
        limit_s: that might be used.
    """
    if number == signal.SIGXCPU or (number == signal.SIGKILL and cpu_s >= limit_s):
        return KilledBy.CPU
    if number == signal.SIGXFSZ:
        return KilledBy.DISK
    return KilledBy.MEMORY if number == signal.SIGKILL else KilledBy.CRASH
