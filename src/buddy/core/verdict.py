"""What an execution in the sandbox came to, in one word and in one sentence."""

from enum import Enum

from buddy.model.sandbox import CodeError, KilledBy, Layer, SandboxResult, Violation, ViolationType


class Verdict(Enum):
    """What an execution came to; where several are true, the first of these."""

    VIOLATION = "violation"
    LIMIT = "limit"
    FAILED = "failed"
    RAN = "ran"


_LIMITS: dict[KilledBy, str] = {
    KilledBy.TIMEOUT: "it ran for longer than it may",
    KilledBy.CPU: "it used more processor time than it may",
    KilledBy.MEMORY: "it used more memory than it may",
    KilledBy.OUTPUT: "it printed more than it may",
    KilledBy.RESULT: "its value is larger than it may be",
    KilledBy.DISK: "it wrote more to its scratch folder than it may",
}
_OTHER_ENDS: dict[KilledBy, str] = {
    KilledBy.VIOLATIONS: "it was killed because it did not stop trying what it may not",
    KilledBy.CRASH: "its process ended without a result",
    KilledBy.CANCELLED: "it was cancelled and killed",
}
ENDS = _LIMITS | _OTHER_ENDS
"""What ended an execution -> the same in words."""

_OF_LIMITS = frozenset({ViolationType.TIMEOUT, ViolationType.RESOURCE_LIMIT})
MESSAGE = 500
"""Characters of what an exception says that a sentence shows."""


def verdict_of(result: SandboxResult) -> Verdict:
    """Return what an execution came to.

    A violation comes first, also where the code went on after it: what it tried says more than how it ended.
    """
    if result.killed_by is KilledBy.VIOLATIONS or any(not _is_limit(one) for one in result.violations):
        return Verdict.VIOLATION
    if result.killed_by in _LIMITS or result.violations:
        return Verdict.LIMIT
    return Verdict.RAN if result.ok else Verdict.FAILED


def _is_limit(violation: Violation) -> bool:
    return violation.type in _OF_LIMITS


def told(result: SandboxResult) -> str:
    """Return one sentence on why an execution is no success, an empty one where it is."""
    match verdict_of(result):
        case Verdict.RAN:
            return ""
        case Verdict.FAILED:
            return error_told(result.error) if result.error is not None else _end(result)
        case Verdict.LIMIT if result.killed_by is not None:
            return _end(result)
        case _:
            return _violations(result)


def _violations(result: SandboxResult) -> str:
    # What decides the verdict leads: a limit that was also reached is a consequence more often than not.
    ordered = sorted(result.violations, key=_is_limit)
    if not ordered:
        return _end(result)
    more = sum(one.count for one in ordered) - 1
    also = f" (and {more:,} more)" if more else ""
    # The kernel does not know the line of a call; the code's own error often tells it.
    then = f", then {error_told(result.error)}" if result.error is not None else ""
    return f"{violation_told(ordered[0])}{also}{then}"


def violation_told(violation: Violation) -> str:
    """Return one sentence on a violation: type, line, what it tried, and what noticed it."""
    line = f" on line {violation.line}" if violation.line is not None else ""
    call = f"system call {violation.syscall}, " if violation.syscall else ""
    path = f"path {violation.path}, " if violation.path else ""
    return (
        f"{violation.type.value}{line}: {violation.details} ({call}{path}noticed by the"
        f" {violation.layer.value} layer)"
    )


def error_told(error: CodeError) -> str:
    """Return one sentence on how code failed."""
    line = f"line {error.line}: " if error.line is not None else ""
    message = error.message if len(error.message) <= MESSAGE else f"{error.message[: MESSAGE - 3]}..."
    return f"{line}{error.type}: {message}" if message else f"{line}{error.type}"


def _end(result: SandboxResult) -> str:
    if result.killed_by is None:
        return "it did not come to its end"
    # The supervisor names the limit too.
    seen = (one.details for one in result.violations if one.layer is Layer.SUPERVISOR)
    return (
        f"{next(seen, ENDS[result.killed_by])} ({result.killed_by.value} after {result.usage.wall_s:.2f} s)"
    )
