"""Which system calls code may make: a few by name or by argument, and nothing else."""

import errno
import mmap
import termios

from buddy.adapters.sandbox.kernel.abi import Abi, calls
from buddy.adapters.sandbox.kernel.bpf import ALLOW, NOTIFY, Rule, Test, allow, program, refuse

CHANNEL = 3
"""The descriptor over which code comes in and the result goes out."""

_PLAIN = calls(
    "brk munmap mremap madvise futex sched_yield getrandom restart_syscall exit exit_group nanosleep "
    "gettimeofday time getrusage times rt_sigaction rt_sigprocmask rt_sigreturn sigaltstack getpid gettid "
    "getppid getuid geteuid getgid getegid read readv close fstat lseek poll ppoll select pselect6 pipe pipe2"
)
"""Memory, time, itself, and descriptors that it has: what an interpreter does with no file at hand."""

NAMING = calls(
    "open openat creat stat lstat newfstatat statx access faccessat faccessat2 chdir mkdir mkdirat rmdir "
    "unlink unlinkat rename renameat renameat2 truncate readlink readlinkat utimensat utime utimes futimesat "
    "statfs"
)
"""Calls that name a file: where there is a private folder the supervisor looks at the name, and logs what
goes astray; that it cannot go there is up to the root and Landlock."""

_FILES = calls(
    "getdents getdents64 getcwd fchdir ftruncate fsync fdatasync pread64 pwrite64 umask flock fallocate "
    "fadvise64 dup dup2 dup3 fstatfs write writev sync_file_range copy_file_range sendfile"
)
"""What a private folder needs besides; links, devices, modes and owners are not among it."""

_CLOCKS = calls("clock_gettime clock_getres clock_nanosleep")

_FCNTL = (1, 2, 3, 1030)  # F_GETFD, F_SETFD, F_GETFL, F_DUPFD_CLOEXEC


def rules(scratch: bool, told: bool = True) -> list[Rule]:
    """Return the rules of one execution, what is called most first; see `build`."""
    no_program = (Test(2, mmap.PROT_EXEC, bits=True),)
    # A negative clock is the processor time of any process, which tells whether there is one.
    no_other = (Test(0, 1 << 31, bits=True),)
    return [
        *([] if scratch else _writing()),
        *(Rule(name, tests=no_program, negate=True) for name in ("mmap", "mprotect")),
        *allow(_PLAIN),
        *(Rule(name, tests=no_other, negate=True) for name in _CLOCKS),
        *(allow(_FILES) if scratch else ()),
        *(Rule(name, action=NOTIFY if told else ALLOW) for name in (NAMING if scratch else ())),
        Rule("sendmsg", tests=(Test(0, CHANNEL),)),
        Rule("ioctl", action=refuse(errno.ENOTTY), tests=(Test(1, termios.TCGETS),)),
        *(Rule("ioctl", tests=(Test(1, command),)) for command in (termios.FIOCLEX, termios.FIONCLEX)),
        *(Rule("fcntl", tests=(Test(1, command),)) for command in _FCNTL),
        Rule("prlimit64", tests=(Test(0, 0), Test(2, 0), Test(2, 0, high=True))),
        # A C library that gets this answer falls back to `clone`, whose flags a filter can see.
        Rule("clone3", action=refuse(errno.ENOSYS)),
    ]


def _writing() -> list[Rule]:
    return [
        Rule(call, tests=(Test(0, descriptor),))
        for call in ("write", "writev")
        for descriptor in (1, 2, CHANNEL)
    ]


def build(abi: Abi, *, scratch: bool, told: bool = True) -> bytes:
    """Return the filter of one execution.

    Args:
        abi: of the machine.
        scratch: files of a private folder may be used.
        told: the supervisor hears of every denied call; without it the kernel denies them in silence.
    """
    denied = NOTIFY if told else refuse(errno.EPERM)
    chosen = [
        rule._replace(
            action=denied if rule.action == NOTIFY else rule.action,
            otherwise=denied if rule.otherwise == NOTIFY else rule.otherwise,
        )
        for rule in rules(scratch, told)
    ]
    return program(abi, chosen, denied)
