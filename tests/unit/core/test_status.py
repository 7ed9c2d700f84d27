import itertools

import pytest

from buddy.core.status import CHANGES, RESUMABLE, change
from buddy.errors import IllegalMove
from buddy.model.outcome import StepStatus as S

ALLOWED = {
    S.PENDING: {S.SUCCEEDED, S.HELD, S.FAILED, S.ABORTED, S.SKIPPED, S.UNKNOWN},
    S.HELD: {S.PENDING, S.ABORTED, S.SKIPPED},
    S.SKIPPED: {S.PENDING},
    S.UNKNOWN: {S.SUCCEEDED, S.FAILED, S.PENDING},
    S.SUCCEEDED: {S.ROLLED_BACK},
    S.FAILED: set(),
    S.ABORTED: set(),
    S.ROLLED_BACK: set(),
}


@pytest.mark.parametrize(("status", "to"), list(itertools.product(S, S)))
def test_a_status_follows_another_where_the_table_says_so(status: S, to: S) -> None:
    if to is status or to in ALLOWED[status]:
        assert change(status, to) is to
    else:
        with pytest.raises(IllegalMove, match=f"{status.value} cannot become {to.value}"):
            change(status, to)


def test_every_entry_of_the_table_can_be_reached() -> None:
    assert {(status, to) for (status, _), to in CHANGES.items()} == {
        (status, to) for status, ends in ALLOWED.items() for to in ends
    }


def test_what_is_taken_up_again_can_become_pending_or_is() -> None:
    assert all(status is S.PENDING or S.PENDING in ALLOWED[status] for status in RESUMABLE)
