"""Step status as a table: which status may follow which, by what."""

from enum import Enum

from buddy.errors import IllegalMove
from buddy.model.outcome import StepStatus as S


class Cause(Enum):
    """What changes a step's status."""

    PASS = "pass"  # noqa: S105 - a verb
    HOLD = "hold"
    FAIL = "fail"
    REFUSE = "refuse"
    SKIP = "skip"
    LOSE = "lose sight"
    UNDO = "undo"
    RETURN = "return"


CHANGES: dict[tuple[S, Cause], S] = {
    (S.PENDING, Cause.PASS): S.SUCCEEDED,
    (S.PENDING, Cause.HOLD): S.HELD,
    (S.PENDING, Cause.FAIL): S.FAILED,
    (S.PENDING, Cause.REFUSE): S.ABORTED,
    (S.PENDING, Cause.SKIP): S.SKIPPED,
    (S.PENDING, Cause.LOSE): S.UNKNOWN,
    (S.HELD, Cause.RETURN): S.PENDING,
    (S.HELD, Cause.REFUSE): S.ABORTED,
    (S.HELD, Cause.SKIP): S.SKIPPED,
    (S.SKIPPED, Cause.RETURN): S.PENDING,
    (S.UNKNOWN, Cause.PASS): S.SUCCEEDED,
    (S.UNKNOWN, Cause.FAIL): S.FAILED,
    (S.UNKNOWN, Cause.RETURN): S.PENDING,
    (S.SUCCEEDED, Cause.UNDO): S.ROLLED_BACK,
}

_CAUSE_OF: dict[S, Cause] = {
    S.PENDING: Cause.RETURN,
    S.SUCCEEDED: Cause.PASS,
    S.HELD: Cause.HOLD,
    S.FAILED: Cause.FAIL,
    S.ABORTED: Cause.REFUSE,
    S.SKIPPED: Cause.SKIP,
    S.UNKNOWN: Cause.LOSE,
    S.ROLLED_BACK: Cause.UNDO,
}

RESUMABLE = frozenset({S.PENDING, S.HELD})
"""Statuses from which `buddy resume` takes a step up again."""


def change(status: S, to: S) -> S:
    """Return `to` if the table allows it after `status`.

    Raises:
        IllegalMove: it does not.
    """
    if CHANGES.get((status, _CAUSE_OF[to])) is not to:
        raise IllegalMove(f"a step that is {status.value} cannot become {to.value}")
    return to
