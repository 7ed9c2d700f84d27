"""What a denied call was an attempt at, and what an end means."""

import signal

import pytest

from buddy.adapters.sandbox import verdicts
from buddy.adapters.sandbox.kernel import abi
from buddy.model.sandbox import KilledBy, SandboxPolicy, ViolationType


@pytest.mark.parametrize(
    ("call", "kind"),
    [
        ("socket", ViolationType.NETWORK_ACCESS_ATTEMPT),
        ("sendto", ViolationType.NETWORK_ACCESS_ATTEMPT),
        ("clone", ViolationType.SUBPROCESS_ATTEMPT),
        ("execve", ViolationType.SUBPROCESS_ATTEMPT),
        ("openat", ViolationType.FILESYSTEM_ATTEMPT),
        ("getdents64", ViolationType.FILESYSTEM_ATTEMPT),
        ("prlimit64", ViolationType.RESOURCE_LIMIT),
        ("ptrace", ViolationType.SYSCALL_DENIED),
        ("call 9999", ViolationType.SYSCALL_DENIED),
    ],
)
def test_a_denied_call_has_a_type(call: str, kind: ViolationType) -> None:
    violation = verdicts.denied(call, "")
    assert (violation.type, violation.authoritative, violation.syscall) == (kind, True, call)


def test_every_call_that_is_named_exists() -> None:
    known = set(abi.MACHINES["x86_64"].numbers) | set(abi.MACHINES["aarch64"].numbers)
    for table in (verdicts._NETWORK, verdicts._PROCESSES, verdicts._LIMITS, verdicts._OTHER_FILES):
        assert set(table) - known <= {"umount", "lookup_dcookie"}
    assert set(verdicts._PATHS) <= known


@pytest.mark.parametrize(
    ("path", "start", "astray"),
    [
        ("x", "/tmp", False),
        ("/tmp/a/b", "", False),
        ("..", "/tmp/a", False),
        (".", "/tmp", False),
        ("", "/tmp", False),
        ("..", "/tmp", True),
        ("../etc/passwd", "/tmp", True),
        ("/etc/passwd", "/tmp", True),
        ("/tmp/../etc", "/tmp", True),
        ("/tmpfoo", "/tmp", True),
        ("/", "/tmp", True),
    ],
)
def test_paths_out_of_the_private_folder_are_known(path: str, start: str, astray: bool) -> None:
    assert verdicts.goes_astray(path, start, "/tmp") is astray


@pytest.mark.parametrize(
    ("number", "cpu_s", "ended"),
    [
        (signal.SIGXCPU, 0.0, KilledBy.CPU),
        (signal.SIGKILL, 61.0, KilledBy.CPU),
        (signal.SIGKILL, 1.0, KilledBy.MEMORY),
        (signal.SIGXFSZ, 0.0, KilledBy.DISK),
        (signal.SIGSEGV, 0.0, KilledBy.CRASH),
        (signal.SIGSYS, 0.0, KilledBy.CRASH),
    ],
)
def test_an_end_by_a_signal_has_a_reason(number: int, cpu_s: float, ended: KilledBy) -> None:
    assert verdicts.by_signal(number, cpu_s, 60.0) is ended


def test_every_early_end_but_a_cancellation_is_a_violation() -> None:
    import msgspec

    facts = msgspec.structs.asdict(SandboxPolicy()) | {"timeout_s": 1.0, "signal": "SIGSEGV"}
    for killed_by in KilledBy:
        violation = verdicts.ended(killed_by, **facts)
        if killed_by is KilledBy.CANCELLED:
            assert violation is None
        else:
            assert violation is not None
            assert violation.type in (ViolationType.TIMEOUT, ViolationType.RESOURCE_LIMIT)
            assert "{" not in violation.details
