from typing import Any

import pytest

from buddy.core.verdict import ENDS, Verdict, error_told, told, verdict_of
from buddy.model.sandbox import (
    CodeError,
    Isolation,
    KilledBy,
    Layer,
    SandboxResult,
    Usage,
    Violation,
    ViolationType,
)

ERROR = CodeError(type="ZeroDivisionError", message="division by zero", line=2)


def result(**fields: Any) -> SandboxResult:
    base: dict[str, Any] = {
        "execution_id": "ex_1",
        "ok": False,
        "value": None,
        "stdout": "",
        "error": None,
        "violations": (),
        "usage": Usage(wall_s=5.012),
        "killed_by": None,
        "isolation": Isolation.FULL,
    }
    return SandboxResult(**base | fields)


def violation(kind: ViolationType, **fields: Any) -> Violation:
    base: dict[str, Any] = {"details": "it tried", "layer": Layer.KERNEL, "authoritative": True}
    return Violation(type=kind, **base | fields)


SOCKET = violation(ViolationType.NETWORK_ACCESS_ATTEMPT, line=3, syscall="socket")
TOO_LONG = violation(ViolationType.TIMEOUT, layer=Layer.SUPERVISOR, details="the code ran longer than 5 s")


@pytest.mark.parametrize(
    ("found", "verdict", "sentence"),
    [
        (result(ok=True, value=3), Verdict.RAN, ""),
        (result(error=ERROR), Verdict.FAILED, "line 2: ZeroDivisionError: division by zero"),
        (result(), Verdict.FAILED, "it did not come to its end"),
        (
            result(killed_by=KilledBy.CRASH),
            Verdict.FAILED,
            "its process ended without a result (crash after 5.01 s)",
        ),
        (
            result(violations=(TOO_LONG,), killed_by=KilledBy.TIMEOUT),
            Verdict.LIMIT,
            "the code ran longer than 5 s (timeout after 5.01 s)",
        ),
        (
            result(violations=(TOO_LONG, SOCKET), killed_by=KilledBy.TIMEOUT, error=ERROR),
            Verdict.VIOLATION,
            "NETWORK_ACCESS_ATTEMPT on line 3: it tried (system call socket, noticed by the kernel layer)"
            " (and 1 more), then line 2: ZeroDivisionError: division by zero",
        ),
        (
            result(violations=(violation(ViolationType.FILESYSTEM_ATTEMPT, path="/etc/passwd", count=1),)),
            Verdict.VIOLATION,
            "FILESYSTEM_ATTEMPT: it tried (path /etc/passwd, noticed by the kernel layer)",
        ),
        (
            result(violations=(violation(ViolationType.RESOURCE_LIMIT),), error=ERROR),
            Verdict.LIMIT,
            "RESOURCE_LIMIT: it tried (noticed by the kernel layer), then line 2: ZeroDivisionError:"
            " division by zero",
        ),
        (
            result(killed_by=KilledBy.VIOLATIONS),
            Verdict.VIOLATION,
            "it was killed because it did not stop trying what it may not (violations after 5.01 s)",
        ),
    ],
)
def test_what_an_execution_came_to(found: SandboxResult, verdict: Verdict, sentence: str) -> None:
    assert verdict_of(found) is verdict
    assert told(found) == sentence


@pytest.mark.parametrize("end", KilledBy)
def test_every_end_has_words_and_is_no_success(end: KilledBy) -> None:
    assert ENDS[end] in told(result(killed_by=end))
    assert verdict_of(result(killed_by=end)) is not Verdict.RAN


def test_a_long_message_is_cut_and_an_empty_one_left_out() -> None:
    assert len(error_told(CodeError(type="E", message="x" * 10_000))) == len("E: ") + 500
    assert error_told(CodeError(type="KeyboardInterrupt", message="")) == "KeyboardInterrupt"
