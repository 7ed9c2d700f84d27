"""The violation log of the sandbox: what its lines hold, and what they come to when they are counted."""

from msgspec import Struct

from buddy.model.sandbox import Layer, ViolationType

NAME = "sandbox_violation_log.jsonl"
"""File of the log, in a run's folder for its calls, else in Buddy's home."""

PREVIEW = 200
"""Characters of the code that a line shows."""


class ViolationLine(Struct, frozen=True, kw_only=True):
    """One line of the log: one violation.

    Attributes:
        timestamp: when the execution was over, UTC ISO 8601.
        execution_id: of which execution.
        violation_type: what it is a case of.
        details: one sentence.
        code_preview: how the code begins.
        layer: what noticed it.
        syscall: system call that was denied, null where it was none.
        path: that the call named, null where it named none or it could not be read.
        line: of the code, from 1, null where it is not known.
        count: how often, one after another.
        authoritative: the code could not have forged or hidden it.
    """

    timestamp: str
    execution_id: str
    violation_type: ViolationType
    details: str
    code_preview: str
    layer: Layer
    syscall: str | None
    path: str | None
    line: int | None
    count: int
    authoritative: bool


class ViolationTally(Struct, frozen=True, kw_only=True):
    """What logs hold together.

    Attributes:
        total: violations, repeats counted.
        by_type: the same by type, most frequent first.
        executions: that tried something.
        unreadable: lines that are no line of such a log, as a crash or an edit leaves them.
        last: the latest line, None where there is none.
    """

    total: int
    by_type: dict[str, int]
    executions: int
    unreadable: int
    last: ViolationLine | None
