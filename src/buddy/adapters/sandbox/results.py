"""From what was seen of an execution to its verdict."""

import signal
from uuid import uuid4

import msgspec

from buddy.adapters.sandbox import verdicts
from buddy.adapters.sandbox.execution import Execution
from buddy.model.sandbox import CodeError, Isolation, KilledBy, SandboxPolicy, SandboxResult, Usage, Violation

_TYPE = 200
_MESSAGE = 10_000
_TRACEBACK = 100_000
_BY_ITS_OWN_WORD = {"memory": KilledBy.MEMORY, "disk": KilledBy.DISK, "result": KilledBy.RESULT}


def judge(
    execution: Execution, policy: SandboxPolicy, timeout_s: float, isolation: Isolation
) -> SandboxResult:
    """Return the verdict: what the supervisor and the kernel saw, and what the code says of itself.

    Args:
        execution: that has ended.
        policy: of the sandbox.
        timeout_s: of this execution.
        isolation: of the sandbox.
    """
    end, report = execution.end, execution.report
    killed_by, last = _early_end(execution, policy, timeout_s)
    violations = (*execution.findings, *execution.violations, *([last] if last else []))
    error = None if killed_by else _error(execution)
    return SandboxResult(
        execution_id=f"exec_{uuid4().hex[:12]}",
        ok=killed_by is None and error is None and not violations,
        value=report.value if report is not None else None,
        stdout=execution.printed,
        error=error,
        violations=violations,
        usage=Usage(
            wall_s=round(execution.wall_s, 6),
            cpu_s=round(end.cpu_s, 6),
            memory_mb=round(end.memory_kb / 1024, 1),
            output_bytes=execution.output_bytes,
        ),
        killed_by=killed_by,
        isolation=isolation,
        forensics="full" if execution.told_of else "degraded",
    )


def _early_end(
    execution: Execution, policy: SandboxPolicy, timeout_s: float
) -> tuple[KilledBy | None, Violation | None]:
    code, report = execution.end.code, execution.report
    killed_by, own_word = execution.killed_by, False
    if killed_by is None and code < 0:
        killed_by = verdicts.by_signal(-code, execution.end.cpu_s, policy.cpu_s)
    elif killed_by is None and report is not None and report.ended in _BY_ITS_OWN_WORD:
        killed_by, own_word = _BY_ITS_OWN_WORD[report.ended], True
    if killed_by is None:
        return None, None
    facts = msgspec.structs.asdict(policy) | {"timeout_s": timeout_s, "signal": _name(-code)}
    return killed_by, verdicts.ended(killed_by, authoritative=not own_word, **facts)


def _name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _error(execution: Execution) -> CodeError | None:
    report = execution.report
    if report is None or execution.end.code != 0:
        return CodeError(type="NoResult", message="the code ended its process before there was a result")
    if report.error is None:
        return None
    told = report.error
    return msgspec.structs.replace(
        told, type=told.type[:_TYPE], message=told.message[:_MESSAGE], traceback=told.traceback[:_TRACEBACK]
    )
