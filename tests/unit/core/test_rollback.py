import pytest

from buddy.core.rollback import RESTORED, Done, result_of, undo_order
from buddy.model.mode import Undo
from buddy.model.outcome import Restored, UndoResult


def done(order: int, group: str | None = None) -> Done:
    return Done(
        step_id=f"s{order}",
        tool="set",
        agent="ann",
        group=group,
        order=order,
        args={},
        digest="d",
        result=None,
        key="k",
    )


def test_the_last_that_completed_is_undone_first_and_only_its_group() -> None:
    calls = [done(2), done(0), done(3, "g"), done(1)]
    assert [call.step_id for call in undo_order(calls, None)] == ["s2", "s1", "s0"]
    assert [call.step_id for call in undo_order(calls, "g")] == ["s3"]
    assert undo_order(calls, "none") == []


@pytest.mark.parametrize(
    ("undo", "exact", "expected"),
    [
        (Undo.EXACT, True, UndoResult.RESTORED_EXACT),
        (Undo.EXACT, False, UndoResult.RESTORED_EQUIVALENT),
        (Undo.EQUIVALENT, True, UndoResult.RESTORED_EQUIVALENT),
        (Undo.EQUIVALENT, False, UndoResult.RESTORED_EQUIVALENT),
        (Undo.NONE, True, UndoResult.NOT_REVERSIBLE),
    ],
)
def test_an_undo_claims_no_more_than_its_contract(undo: Undo, exact: bool, expected: UndoResult) -> None:
    assert result_of(undo, Restored(verified=True, exact=exact)) is expected
    assert (expected in RESTORED) is (undo is not Undo.NONE)
