from buddy.model.conflict import Conflict, ConflictType, Strategy
from buddy.projections.approvals import EVIDENCE
from buddy.projections.conflicts import MOST_RESOURCES, Conflicts


def conflict(resource: str, kind: ConflictType = ConflictType.RESOURCE) -> Conflict:
    return Conflict(
        conflict_id="c1",
        type=kind,
        steps=(),
        agents=(),
        resource=resource,
        resolution=Strategy.DELAY,
        reason="because",
    )


def test_resources_beyond_the_most_are_not_told_apart_and_known_ones_still_count() -> None:
    counts = Conflicts()
    for number in range(MOST_RESOURCES + 5):
        counts.add(conflict(f"r{number}"), (), number)
    counts.add(conflict("r0"), (), 0)
    counts.add(conflict("other", ConflictType.TIMEOUT), (), 0)
    pattern = counts.patterns[ConflictType.RESOURCE]
    assert list(pattern.resources) == [f"r{number}" for number in range(MOST_RESOURCES)]
    assert (pattern.resources["r0"], pattern.resources["r1"]) == (2, 1)
    assert pattern.count == MOST_RESOURCES + 6
    assert counts.patterns[ConflictType.TIMEOUT].resources == {"other": 1}


def test_evidence_is_the_first_lines_of_all_types_together() -> None:
    counts = Conflicts()
    for number in range(100, 100 + 2 * EVIDENCE):
        counts.add(conflict("r"), (), number)
    assert counts.patterns[ConflictType.RESOURCE].evidence == list(range(100, 100 + EVIDENCE))
    assert counts.evidence == list(range(100, 100 + EVIDENCE))
    counts.add(conflict("r", ConflictType.ORDERING), (), 7)
    assert counts.evidence == [7, *range(100, 100 + EVIDENCE - 1)]
    assert counts.total == 2 * EVIDENCE + 1


def test_nothing_found_is_no_evidence() -> None:
    counts = Conflicts()
    assert (counts.evidence, counts.total, counts.unresolved) == ([], 0, 0)
    assert set(counts.by_resolution.values()) == {0}
