import pytest

from buddy.journal.events import AnyEvent, ApprovalDecided, ContractSeen, UndoOutcome
from buddy.model.approval import ApprovalState
from buddy.model.contract import ToolContract
from buddy.model.mode import Effect, Mode, Risk, Undo
from buddy.model.outcome import UndoResult
from buddy.projections.approvals import EVIDENCE
from buddy.projections.run import MOST_ERRORS, Run
from unit.projections import journals


def fold(*events: AnyEvent) -> Run:
    run = Run()
    for record in journals.records([journals.started(), *events]):
        run.feed(record)
    return run


def failed(number: int, kind: str) -> AnyEvent:
    return journals.mocked(f"s{number}", passed=False, error=journals.error(kind))


def test_error_classes_beyond_the_most_are_failures_still_and_known_ones_count_on() -> None:
    kinds = [f"E{number}" for number in range(MOST_ERRORS + 5)]
    run = fold(*(failed(number, kind) for number, kind in enumerate([*kinds, "E0"])))
    for work in (run.tools["t"], run.agents["a"]):
        assert list(work.errors) == kinds[:MOST_ERRORS]
        assert (work.errors["E0"], work.errors["E1"]) == (2, 1)
        assert work.failed == MOST_ERRORS + 6
        assert work.failures == list(range(2, 2 + EVIDENCE))


def test_every_undo_is_counted_and_the_first_are_the_evidence() -> None:
    undo = UndoOutcome(
        plan="p",
        step="s",
        agent="a",
        tool="t",
        trigger="failed",
        result=UndoResult.RESTORED_EXACT,
        verified=True,
    )
    run = fold(*[undo] * (EVIDENCE + 3))
    assert run.undone == list(range(2, 2 + EVIDENCE))
    assert run.undos[UndoResult.RESTORED_EXACT] == run.verified_undos == EVIDENCE + 3


@pytest.mark.parametrize(("risk", "sure"), [(Risk.LOW, 1), (Risk.HIGH, 0)])
def test_a_tool_that_was_met_on_the_way_is_judged_by_its_own_contract(risk: Risk, sure: int) -> None:
    contract = ToolContract(name="new", risk=risk, effect=Effect.WRITE, undo=Undo.NONE)
    run = fold(
        ContractSeen(contract=contract, handlers=["live"]),
        journals.rung("s", tool="new", confidence=0.8),
        ApprovalDecided(approval="1", plan="p", step="s", tool="new", state=ApprovalState.DENIED),
    )
    assert run.contracts["new"] == contract
    assert run.top == Mode.LIVE.rank + 1
    assert run.approvals.judgements["new"].denied_sure == sure
