"""What the filter says to every system call, by a small machine that runs it."""

import errno
import mmap
import struct
import termios

import pytest
from hypothesis import given
from hypothesis import strategies as st

from buddy.adapters.sandbox.kernel import abi, bpf, filters

X86, ARM = abi.MACHINES["x86_64"], abi.MACHINES["aarch64"]
BOTH = pytest.mark.parametrize("machine", [X86, ARM], ids=["x86_64", "aarch64"])
AT_FDCWD = (1 << 64) - 100


def ask(program: bytes, arch: int, number: int, args: tuple[int, ...] = ()) -> int:
    """Run a filter over one call, as the kernel does."""
    padded = (*args, *[0] * (6 - len(args)))
    call = struct.pack("=IIQ6Q", number, arch, 0, *padded)
    lines = [struct.unpack_from("=HBBI", program, place) for place in range(0, len(program), 8)]
    place, loaded = 0, 0
    while True:
        code, yes, no, value = lines[place]
        place += 1
        if code == 0x20:
            loaded = struct.unpack_from("=I", call, value)[0]
        elif code == 0x06:
            return int(value)
        else:
            holds = {0x15: loaded == value, 0x35: loaded >= value, 0x45: bool(loaded & value)}[code]
            place += yes if holds else no


def answer(machine: abi.Abi, name: str, *args: int, scratch: bool = False, told: bool = True) -> int:
    program = filters.build(machine, scratch=scratch, told=told)
    return ask(program, machine.audit, machine.numbers[name], args)


@BOTH
@pytest.mark.parametrize(
    ("call", "args"),
    [
        ("read", (0,)),
        ("write", (1,)),
        ("write", (2,)),
        ("write", (filters.CHANNEL,)),
        ("mmap", (0, 4096, mmap.PROT_READ | mmap.PROT_WRITE)),
        ("mprotect", (0, 4096, mmap.PROT_READ)),
        ("sendmsg", (filters.CHANNEL,)),
        ("prlimit64", (0, 9, 0)),
        ("fcntl", (1, 3)),
        ("pipe2", (0,)),
        ("exit_group", (0,)),
        ("clock_nanosleep", ()),
        ("clock_gettime", (2,)),
        ("clock_getres", (11,)),
    ],
)
def test_what_an_interpreter_needs_is_let_through(machine: abi.Abi, call: str, args: tuple[int, ...]) -> None:
    assert answer(machine, call, *args) == bpf.ALLOW


@BOTH
@pytest.mark.parametrize(
    ("call", "args"),
    [
        ("write", (0,)),
        ("write", (4,)),
        ("writev", (1 << 32 | 5,)),
        ("mmap", (0, 4096, mmap.PROT_READ | mmap.PROT_EXEC)),
        ("mprotect", (0, 4096, mmap.PROT_EXEC)),
        ("sendmsg", (4,)),
        ("prlimit64", (0, 9, 4096)),
        ("prlimit64", (0, 9, 1 << 32)),
        ("prlimit64", (1, 9, 0)),  # limits of another process, or that there is none
        ("clock_gettime", (((1 << 64) - 2) << 3 & ((1 << 64) - 1) | 2,)),  # processor time of another
        ("clock_getres", ((1 << 32) - 6,)),
        ("clock_nanosleep", ((1 << 64) - 6,)),
        ("fcntl", (1, 8)),
        ("ioctl", (1, termios.TIOCSTI)),
        ("openat", (AT_FDCWD,)),
        ("newfstatat", (AT_FDCWD,)),
        ("socket", (2, 1)),
        ("socketpair", (1, 1)),
        ("clone", (0x11,)),
        ("execve", ()),
        ("execveat", ()),
        ("ptrace", ()),
        ("process_vm_readv", ()),
        ("process_vm_writev", ()),
        ("kill", (1, 9)),
        ("tgkill", (1, 1, 9)),
        ("memfd_create", ()),
        ("io_uring_setup", ()),
        ("unshare", ()),
        ("mount", ()),
        ("pidfd_getfd", ()),
        ("userfaultfd", ()),
        ("bpf", ()),
        ("perf_event_open", ()),
        ("keyctl", ()),
        ("seccomp", ()),
        ("landlock_restrict_self", ()),
        ("setuid", (0,)),
        ("personality", ()),
        ("shmget", ()),
        ("open_by_handle_at", ()),
        ("setrlimit", ()),
    ],
)
@pytest.mark.parametrize("scratch", [False, True])
def test_what_reaches_outside_is_told_and_denied(
    machine: abi.Abi, call: str, args: tuple[int, ...], scratch: bool
) -> None:
    if scratch and call in ("write", "writev"):
        return  # a private folder's files are written by descriptor
    assert answer(machine, call, *args, scratch=scratch) == bpf.NOTIFY


def test_old_calls_of_x86_are_denied() -> None:
    for call in ("fork", "vfork", "open", "stat", "lstat", "access", "symlink", "link", "chmod", "readlink"):
        assert answer(X86, call) == bpf.NOTIFY


@BOTH
def test_a_private_folder_lets_files_be_named_but_not_linked(machine: abi.Abi) -> None:
    for call in ("openat", "newfstatat", "mkdirat", "unlinkat", "renameat2"):
        assert answer(machine, call, AT_FDCWD, scratch=True) == bpf.NOTIFY  # looked at, then let through
        assert answer(machine, call, AT_FDCWD, scratch=True, told=False) == bpf.ALLOW
    for call in ("linkat", "symlinkat", "mknodat", "fchmodat", "fchownat"):
        assert answer(machine, call, AT_FDCWD, scratch=True, told=False) == bpf.refuse(errno.EPERM)


@BOTH
def test_special_answers(machine: abi.Abi) -> None:
    assert answer(machine, "clone3") == bpf.refuse(errno.ENOSYS)
    assert answer(machine, "ioctl", 1, termios.TCGETS) == bpf.refuse(errno.ENOTTY)
    assert answer(machine, "socket", told=False) == bpf.refuse(errno.EPERM)


def test_another_architecture_is_killed() -> None:
    program = filters.build(X86, scratch=False)
    assert ask(program, ARM.audit, ARM.numbers["read"]) == bpf.KILL
    assert ask(program, 0x40000003, 3) == bpf.KILL  # 32-bit calls through int 0x80
    assert ask(program, X86.audit, bpf.X32 | X86.numbers["read"]) == bpf.KILL


@given(st.integers(0, (1 << 32) - 1), st.lists(st.integers(0, (1 << 64) - 1), min_size=6, max_size=6))
def test_whatever_has_no_rule_is_denied(number: int, args: list[int]) -> None:
    known = {rule.call for rule in filters.rules(scratch=False)}
    for machine in (X86, ARM):
        said = ask(filters.build(machine, scratch=False), machine.audit, number, tuple(args))
        if machine.names.get(number) not in known:
            assert said in (bpf.NOTIFY, bpf.KILL)


@BOTH
def test_every_rule_names_a_call_that_some_machine_has(machine: abi.Abi) -> None:
    for scratch in (False, True):
        for rule in filters.rules(scratch):
            assert rule.call in X86.numbers or rule.call in ARM.numbers
    assert len(filters.build(machine, scratch=True)) // 8 < 4096  # BPF_MAXINSNS


def test_numbers_are_those_of_the_headers() -> None:
    assert {name: X86.numbers[name] for name in ("read", "openat", "seccomp", "clone3", "mseal")} == {
        "read": 0,
        "openat": 257,
        "seccomp": 317,
        "clone3": 435,
        "mseal": 462,
    }
    assert {name: ARM.numbers[name] for name in ("read", "openat", "seccomp", "clone3", "mseal")} == {
        "read": 63,
        "openat": 56,
        "seccomp": 277,
        "clone3": 435,
        "mseal": 462,
    }
    assert not {"fork", "vfork", "open", "stat"} & set(ARM.numbers)
