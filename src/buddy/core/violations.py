"""Lines of the violation log: made of what an execution tried, and counted."""

from collections import Counter
from collections.abc import Iterable

import msgspec

from buddy.journal.times import iso
from buddy.model.sandbox import Violation
from buddy.model.violations import PREVIEW, ViolationLine, ViolationTally

_decoder = msgspec.json.Decoder(ViolationLine)


def lines_of(execution_id: str, code: str, violations: Iterable[Violation], at: float) -> bytes:
    """Return the lines of an execution, each with its line break.

    Args:
        execution_id: names it.
        code: that tried it; shown as it is, as it is the agent's own and no secret of Buddy's.
        violations: in order.
        at: when it was over, seconds since the epoch.
    """
    preview, timestamp = _clean(code[:PREVIEW]), iso(at)
    lines = (
        ViolationLine(
            timestamp=timestamp,
            execution_id=execution_id,
            violation_type=one.type,
            details=_clean(one.details),
            code_preview=preview,
            layer=one.layer,
            syscall=_clean(one.syscall) or None,
            path=_clean(one.path) or None,
            line=one.line,
            count=one.count,
            authoritative=one.authoritative,
        )
        for one in violations
    )
    return b"".join(msgspec.json.encode(line) + b"\n" for line in lines)


def _clean(text: str) -> str:
    """Return a text that UTF-8 has a form for: a path or a code may hold half of a surrogate pair."""
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode()


def tally(lines: Iterable[bytes]) -> ViolationTally:
    """Count the lines of logs.

    Args:
        lines: of any number of logs, in any order.
    """
    by_type: Counter[str] = Counter()
    executions: set[str] = set()
    unreadable = 0
    last: ViolationLine | None = None
    for line in lines:
        try:
            found = _decoder.decode(line)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            unreadable += 1
            continue
        by_type[found.violation_type.value] += found.count
        executions.add(found.execution_id)
        if last is None or found.timestamp >= last.timestamp:
            last = found
    return ViolationTally(
        total=by_type.total(),
        by_type=dict(by_type.most_common()),
        executions=len(executions),
        unreadable=unreadable,
        last=last,
    )
