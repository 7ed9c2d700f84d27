from typing import Any

import msgspec

from buddy.journal.events import AnyEvent, ConflictFound, Outcome, PlanStarted, RunResumed, Settled
from buddy.model.conflict import Conflict, ConflictType, StepRef, Strategy
from buddy.model.mode import Mode
from buddy.model.outcome import OutcomeKind, StepStatus
from buddy.model.plan import Validation
from buddy.projections.outputs import project
from unit.projections import journals


def outputs(*events: AnyEvent) -> dict[str, bytes]:
    return project(journals.records(events))


def summary(*events: AnyEvent) -> dict[str, Any]:
    found: dict[str, Any] = msgspec.json.decode(outputs(*events)["orchestration_summary.json"])
    return found


def test_a_run_that_never_began_can_be_summarised() -> None:
    found = summary()
    assert (found["run_id"], found["events"], found["health_status"]) == ("", 0, "NO_DATA")


def test_an_empty_plan_is_a_plan() -> None:
    found = summary(journals.started(steps=0), PlanStarted(plan="p", steps=0), journals.finished())
    assert (found["plans_processed"], found["steps"]["settled"], found["exit_reason"]) == (1, 0, "done")
    assert found["metrics"]["success_rate"] is None
    assert found["health_status"] == "NO_DATA"


def test_statuses_rungs_and_rules() -> None:
    found = summary(
        journals.started(tools=("t", "u"), steps=5),
        PlanStarted(plan="p", steps=5),
        *journals.live("one"),
        *journals.live("two", OutcomeKind.FAILED),
        Settled(plan="p", step="three", agent="a", tool="t", status=StepStatus.SKIPPED),
        journals.rung("four", tool="u", agent="b", status=StepStatus.HELD, rule="lock", reason="x"),
        journals.rung("five", tool="u", agent="b", status=StepStatus.HELD, rule="approval", reason="x"),
        journals.finished(2.5),
    )
    steps = found["steps"]
    assert {name: count for name, count in steps["by_status"].items() if count} == {
        "SUCCEEDED": 1,
        "FAILED": 1,
        "SKIPPED": 1,
        "HELD": 2,
    }
    assert steps["by_final_mode"] == {"NONE": 1, "MOCK": 2, "DRY_RUN": 1, "LIVE": 1}
    assert steps["held_by_rule"] == {"approval": 1, "lock": 1}
    assert (steps["declared"], steps["settled"]) == (5, 5)
    assert found["agents"]["a"]["success_rate"] == 0.5
    assert found["agents"]["a"]["load_s"] == 0.024
    assert found["agents"]["b"]["success_rate"] is None
    assert found["tools"]["t"]["errors"] == {"ToolError": 1}
    assert found["tools"]["u"]["by_final_mode"] == {"MOCK": 2}
    assert (found["duration_s"], found["exit_code"]) == (2.5, 0)
    assert found["metrics"]["live_ratio"] == 0.4


def test_a_resumed_run_adds_up_and_forgets_its_first_rest() -> None:
    resumed = RunResumed(by="ada", contracts=[], handlers={}, changed=["t"])
    found = summary(journals.started(), journals.finished(2.0), resumed)
    assert (found["finished_at"], found["exit_code"], found["resumes"], found["duration_s"]) == (
        None,
        None,
        1,
        2.0,
    )
    assert found["warnings"] == [
        "the run is not at rest: it is under way, or it was killed ('buddy resume' goes on)",
        "the contract of 't' had changed when the run was resumed",
    ]
    found = summary(journals.started(), journals.finished(2.0), resumed, journals.finished(3.0))
    assert (found["duration_s"], found["exit_code"], found["finished_at"] is None) == (5.0, 0, False)


def test_warnings_name_what_only_the_summary_would_tell() -> None:
    config = {"approval_required_for_high_risk": False}
    misfit = [event for event in journals.live("s", warning="/a: not a string") if isinstance(event, Outcome)]
    found = summary(
        journals.started(config=config, environment_dry_run=True),
        *misfit,
        *journals.live("u", OutcomeKind.UNKNOWN),
        journals.finished(),
    )
    assert found["warnings"] == [
        "approval_required_for_high_risk=false: HIGH risk tools go LIVE without a person",
        "DRY_RUN=true was set in the environment: nothing went above MOCK",
        "live calls whose end nobody knows: 1 ('buddy resolve' says how they ended)",
        "live results of 't' that do not fit its contract: 1",
    ]
    assert found["config"] == config


def test_what_a_validator_said_is_held_against_what_happened() -> None:
    said = {
        "good": Validation(passed=True),
        "lucky": Validation(passed=False, issues=("typo", "slow")),
        "bad": Validation(passed=False, issues=("typo", "typo")),
        "missed": Validation(passed=True, issues=("slow",)),
        "held": Validation(passed=False, issues=("typo",)),
        "never": Validation(passed=True),
    }
    found = summary(
        journals.started(Mode.MOCK),
        PlanStarted(plan="p", steps=6, validation=said),
        journals.mocked("good"),
        journals.mocked("lucky"),
        journals.mocked("bad", passed=False),
        journals.mocked("missed", error=journals.error("Timeout"), status=StepStatus.FAILED),
        journals.rung("held", status=StepStatus.HELD, rule="approval"),
        journals.finished(),
    )["validation"]
    assert found["agreement"] == {
        "passed_succeeded": 1,
        "passed_failed": 1,
        "rejected_succeeded": 1,
        "rejected_failed": 1,
    }
    assert (found["validated"], found["finished"], found["agreement_rate"]) == (6, 4, 0.5)
    assert found["issues"] == [
        {"issue": "slow", "steps": 2, "failed": 1, "precision": 0.5, "errors": {"Timeout": 1}},
        {"issue": "typo", "steps": 2, "failed": 1, "precision": 0.5, "errors": {"ToolError": 1}},
    ]


def conflict(
    name: str, kind: ConflictType, *steps: str, count: int = 0, resolved: bool = True
) -> ConflictFound:
    return ConflictFound(
        conflict=Conflict(
            conflict_id=name,
            type=kind,
            steps=tuple(StepRef("p", step) for step in steps),
            agents=("a",),
            resource="r",
            resolution=Strategy.DELAY,
            reason="because",
            resolved=resolved,
            step_count=count,
        )
    )


def test_conflicts_are_listed_and_counted() -> None:
    found = outputs(
        journals.started(Mode.MOCK),
        conflict("c1", ConflictType.RESOURCE, "one", "two"),
        conflict("c2", ConflictType.PERMISSION, "one", resolved=False),
        *(journals.mocked(name) for name in ("one", "two", "three", "four")),
        journals.finished(),
    )
    file = msgspec.json.decode(found["tool_conflicts.json"])
    assert [line["id"] for line in file["conflicts"]] == ["c1", "c2"]
    assert file["conflicts"][0]["steps"] == [
        {"plan_id": "p", "step_id": "one"},
        {"plan_id": "p", "step_id": "two"},
    ]
    assert (file["total"], file["unresolved"]) == (2, ["c2"])
    assert {name: count for name, count in file["by_type"].items() if count} == {
        "RESOURCE": 1,
        "PERMISSION": 1,
    }
    assert file["by_resolution"]["DELAY"] == 2
    counted = msgspec.json.decode(found["orchestration_summary.json"])
    assert counted["metrics"]["conflict_rate"] == 0.5
    assert (counted["conflicts"]["total"], counted["conflicts"]["unresolved"]) == (2, 1)


def test_steps_that_a_conflict_does_not_name_count_too_but_never_more_than_there_are() -> None:
    steps = [journals.mocked(f"s{number}") for number in range(10)]
    start = journals.started(Mode.MOCK)
    some = summary(start, conflict("c1", ConflictType.RATE_LIMIT, "s0", "s1", count=5), *steps)
    assert some["metrics"]["conflict_rate"] == 0.5
    most = summary(start, conflict("c1", ConflictType.RATE_LIMIT, "s0", "s1", count=500), *steps)
    assert most["metrics"]["conflict_rate"] == 1.0
