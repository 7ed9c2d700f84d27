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

RESUMABLE = frozenset({S.PENDING, S.HELD})
"""Statuses from which `buddy resume` takes a step up again."""


FOLLOWS: dict[S, frozenset[S]] = {
    status: frozenset(to for (before, _), to in CHANGES.items() if before is status) for status in S
}
"""The table by status alone: what a step that stands so can become."""


def change(status: S, to: S) -> S:
    """Return `to` if the table allows it after `status`; what stays as it is does not change.

    Raises:
        IllegalMove: it does not.
    """
    if to is not status and to not in FOLLOWS[status]:
        raise IllegalMove(f"a step that is {status.value} cannot become {to.value}")
    return to
