import pytest

from buddy.journal.events import AnyEvent, ApprovalDecided, ApprovalRequested
from buddy.model.approval import ApprovalRequest, ApprovalState
from buddy.model.mode import Risk
from buddy.projections.approvals import Approvals
from buddy.projections.run import Run
from unit.projections import journals


def asked(name: str, step: str = "s", supersedes: str | None = None) -> ApprovalRequested:
    return ApprovalRequested(
        request=ApprovalRequest(
            approval_id=name,
            run_id="r1",
            plan_id="p",
            step_id=step,
            tool="t",
            agent="a",
            args={},
            preview=None,
            risk=Risk.LOW,
            reasons=(),
            binding="b",
            contract="c",
            requested_at="2026-11-20T09:00:00+00:00",
            expires_at="2026-11-27T09:00:00+00:00",
            supersedes=supersedes,
        )
    )


def decided(name: str, state: ApprovalState, step: str = "s") -> ApprovalDecided:
    return ApprovalDecided(approval=name, plan="p", step=step, tool="t", state=state, by=["ada"])


def fold(*events: AnyEvent) -> Approvals:
    run = Run()
    for record in journals.records([journals.started(), *events]):
        run.feed(record)
    return run.approvals


def counts(found: Approvals) -> dict[str, int]:
    return {state.value: count for state, count in found.by_state.items() if count}


def test_nothing_asked_is_no_rate() -> None:
    assert fold().rate is None
    assert fold(asked("1")).rate is None


def test_requests_are_counted_by_where_they_stand() -> None:
    found = fold(
        *(asked(name) for name in "12345"),
        decided("1", ApprovalState.APPROVED),
        decided("2", ApprovalState.DENIED),
        decided("3", ApprovalState.EXPIRED),
        decided("4", ApprovalState.CANCELLED),
    )
    assert counts(found) == {"APPROVED": 1, "DENIED": 1, "EXPIRED": 1, "CANCELLED": 1, "PENDING": 1}
    assert (found.requested, found.rate) == (5, 0.5)


def test_an_approval_that_lapses_was_still_a_yes() -> None:
    found = fold(asked("1"), decided("1", ApprovalState.APPROVED), decided("1", ApprovalState.EXPIRED))
    assert (counts(found), found.approved, found.rate) == ({"EXPIRED": 1}, 1, 1.0)


@pytest.mark.parametrize("told", [True, False])
def test_a_superseded_request_is_counted_once_whether_or_not_it_is_decided(told: bool) -> None:
    events: list[AnyEvent] = [asked("1"), asked("2", supersedes="1")]
    if told:
        events.append(decided("1", ApprovalState.SUPERSEDED))
    assert counts(fold(*events)) == {"SUPERSEDED": 1, "PENDING": 1}


def test_asking_twice_or_deciding_twice_changes_nothing() -> None:
    yes = decided("1", ApprovalState.APPROVED)
    found = fold(asked("1"), asked("1"), yes, yes)
    assert (found.requested, found.approved, counts(found)) == (1, 1, {"APPROVED": 1})


def test_a_decision_about_a_request_that_nobody_saw_still_sums_up() -> None:
    found = fold(decided("1", ApprovalState.DENIED))
    assert (found.requested, counts(found)) == (1, {"DENIED": 1})


@pytest.mark.parametrize(
    ("confidence", "state", "sure", "unsure"),
    [
        (0.75, ApprovalState.DENIED, 1, 0),
        (0.74, ApprovalState.DENIED, 0, 0),
        (0.84, ApprovalState.APPROVED, 0, 1),
        (0.85, ApprovalState.APPROVED, 0, 0),
        (0.95, ApprovalState.EXPIRED, 0, 0),
        (None, ApprovalState.DENIED, 0, 0),
    ],
)
def test_mismatches(confidence: float | None, state: ApprovalState, sure: int, unsure: int) -> None:
    """The tool is of LOW risk: 0.70 for LIVE, under the floor of 0.75."""
    found = fold(journals.rung("s", confidence=confidence), asked("1"), decided("1", state))
    judgement = found.judgements.get("t")
    mismatch = (judgement.denied_sure, judgement.approved_unsure) if judgement else (0, 0)
    assert mismatch == (sure, unsure)
    assert (judgement.evidence if judgement else []) == ([4] if sure + unsure else [])


def test_a_fan_out_is_judged_by_the_confidence_of_its_items() -> None:
    found = fold(journals.rung("s[0]", confidence=0.8), asked("1"), decided("1", ApprovalState.DENIED))
    assert found.judgements["t"].denied_sure == 1
