import pytest

from buddy.core.findings import LISTED_STEPS, Findings
from buddy.model.conflict import Conflict, ConflictType, StepRef, Strategy
from buddy.model.decision import Ceiling
from buddy.model.mode import Mode


def noted(findings: Findings, resolution: Strategy = Strategy.DELAY, steps: int = 1) -> Conflict:
    refs = [StepRef("p", f"s{number}") for number in range(steps)]
    return findings.add(ConflictType.RESOURCE, refs, {"bob", "ann"}, "page", resolution, "both use it")


def test_conflicts_are_numbered_and_say_who_and_what() -> None:
    findings = Findings()
    assert [noted(findings).conflict_id, noted(findings).conflict_id] == ["c1", "c2"]
    assert findings.conflicts[0] == Conflict(
        conflict_id="c1", type=ConflictType.RESOURCE, steps=(StepRef("p", "s0"),), agents=("ann", "bob"),
        resource="page", resolution=Strategy.DELAY, reason="both use it", resolved=True, step_count=1,
    )  # fmt: skip


def test_a_long_list_of_steps_is_cut_and_counted() -> None:
    found = noted(Findings(), steps=LISTED_STEPS + 9)
    assert (len(found.steps), found.step_count) == (LISTED_STEPS, LISTED_STEPS + 9)
    counted = Findings().add(ConflictType.RATE_LIMIT, [], set(), "tool:t", Strategy.DELAY, "many", count=7)
    assert counted.step_count == 7


@pytest.mark.parametrize("resolution", Strategy)
def test_a_resolution_is_applied(resolution: Strategy) -> None:
    findings = Findings()
    findings.restrict((0, 1), noted(findings, resolution))
    limit = {(0, 1): Ceiling(Mode.DRY_RUN, "conflict", "c1: both use it")}
    assert findings.ceilings == (limit if resolution is Strategy.DOWNGRADE else {})
    assert findings.aborted == (limit if resolution is Strategy.ABORT else {})
    assert findings.is_restricted((0, 1)) is (resolution in (Strategy.DOWNGRADE, Strategy.ABORT))


def test_the_first_of_several_limits_stands() -> None:
    findings = Findings()
    for _ in range(2):
        findings.restrict((0, 0), noted(findings, Strategy.DOWNGRADE))
    assert findings.ceilings[0, 0].reason == "c1: both use it"


def test_the_edges_within_a_plan_are_those_between_its_own_steps() -> None:
    edges = {(0, 1): [(0, 0), (1, 7)], (1, 7): [(0, 0)], (1, 8): [(1, 7)]}
    findings = Findings(edges=edges)
    assert findings.within(0) == {1: [0]}
    assert findings.within(1) == {7: [], 8: [7]}
