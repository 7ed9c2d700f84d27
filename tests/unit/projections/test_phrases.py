import pytest

from buddy.model.approval import ApprovalState
from buddy.projections.phrases import decision


@pytest.mark.parametrize(
    ("state", "by", "reason", "told"),
    [
        (ApprovalState.APPROVED, ["ada", "grace"], "", "was granted by ada, grace"),
        (ApprovalState.DENIED, ["ada"], "too much", "was denied by ada: too much"),
        (ApprovalState.EXPIRED, [], "", "expired"),
        (ApprovalState.EXPIRED, ["ada"], "", "expired although ada had voted"),
        (ApprovalState.CANCELLED, [], "no more", "was withdrawn: no more"),
        (ApprovalState.CANCELLED, ["ada"], "", "was withdrawn although ada had voted"),
    ],
)
def test_only_people_who_decided_are_told_to_have_done_so(
    state: ApprovalState, by: list[str], reason: str, told: str
) -> None:
    assert decision(state, by, reason) == told
