"""What a validator said about steps before they ran, against what happened."""

from collections.abc import Iterable

from msgspec import Struct

from buddy.model.outcome import StepStatus
from buddy.model.plan import Validation
from buddy.projections.metrics import places, ratio
from buddy.projections.steps import State

MOST_ISSUES = 100
"""Issues listed at most."""


class Agreement(Struct, frozen=True, kw_only=True):
    """Validator passed x step succeeded, over steps that finished."""

    passed_succeeded: int
    passed_failed: int
    rejected_succeeded: int
    rejected_failed: int


class Issue(Struct, frozen=True, kw_only=True):
    """One issue of a validator, and what became of the steps that had it.

    Attributes:
        issue: as the validator wrote it.
        steps: that finished with it.
        failed: of those.
        precision: failed / steps.
        errors: how those failed: class of error, or status where there was none -> how often.
    """

    issue: str
    steps: int
    failed: int
    precision: float
    errors: dict[str, int]


class Correlation(Struct, frozen=True, kw_only=True):
    """What a validator said, against what happened.

    Attributes:
        validated: steps that it judged.
        finished: of those; the rest (held, skipped, refused, unsettled) say nothing about it.
        agreement: the table.
        agreement_rate: (passed and succeeded + rejected and failed) / finished, None where nothing finished.
        issues: those that foretold most failures first, at most 100.
    """

    validated: int
    finished: int
    agreement: Agreement
    agreement_rate: float | None
    issues: list[Issue]


class _Seen:
    __slots__ = ("errors", "steps")

    def __init__(self) -> None:
        self.steps = 0
        self.errors: dict[str, int] = {}


def correlate(judged: Iterable[tuple[State, Validation]]) -> Correlation:
    """Hold what a validator said against what happened; a step that was rolled back did not succeed.

    Args:
        judged: the steps that it judged, where they stand.
    """
    table = {(passed, succeeded): 0 for passed in (True, False) for succeeded in (True, False)}
    issues: dict[str, _Seen] = {}
    validated = 0
    for state, validation in judged:
        validated += 1
        if not state.finished or state.status is None:
            continue
        succeeded = state.status is StepStatus.SUCCEEDED
        table[validation.passed, succeeded] += 1
        for issue in dict.fromkeys(validation.issues):
            seen = issues.setdefault(issue, _Seen())
            seen.steps += 1
            if not succeeded:
                how = state.error or state.status.value
                seen.errors[how] = seen.errors.get(how, 0) + 1
    finished = sum(table.values())
    return Correlation(
        validated=validated,
        finished=finished,
        agreement=Agreement(
            passed_succeeded=table[True, True],
            passed_failed=table[True, False],
            rejected_succeeded=table[False, True],
            rejected_failed=table[False, False],
        ),
        agreement_rate=places(ratio(table[True, True] + table[False, False], finished)),
        issues=_ranked(issues),
    )


def _ranked(issues: dict[str, _Seen]) -> list[Issue]:
    found = [
        Issue(
            issue=issue,
            steps=seen.steps,
            failed=sum(seen.errors.values()),
            precision=round(sum(seen.errors.values()) / seen.steps, 6),
            errors=dict(sorted(seen.errors.items())),
        )
        for issue, seen in issues.items()
    ]
    return sorted(found, key=lambda one: (-one.failed, -one.precision, one.issue))[:MOST_ISSUES]
