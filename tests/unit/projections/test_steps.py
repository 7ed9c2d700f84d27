import tracemalloc
from collections.abc import Iterable
from math import isnan

import pytest

from buddy.journal.events import (
    AnyEvent,
    ConflictFound,
    Expanded,
    PlanStarted,
    Reassigned,
    Resolved,
    Settled,
    UndoOutcome,
)
from buddy.model.conflict import Conflict, ConflictType, StepRef, Strategy
from buddy.model.mode import Mode
from buddy.model.outcome import OutcomeKind, StepStatus, UndoResult
from buddy.model.plan import Validation
from buddy.projections.run import Run
from buddy.projections.steps import DRY_RUN, LIVE, MOCK, NONE, First, State
from unit.projections import journals

WHO = {"plan": "p", "step": "s", "agent": "a", "tool": "t"}


def fold(*events: AnyEvent, mode: Mode = Mode.LIVE) -> Run:
    run = Run()
    for record in journals.records([journals.started(mode), *events]):
        run.feed(record)
    return run


def state(run: Run, step: str = "s") -> State:
    at = run.steps.seen("p", step)
    assert at is not None
    return run.steps.states[at]


def test_a_live_call_passes_every_rung() -> None:
    found = state(fold(*journals.live("s")))
    assert (found.status, found.passed, found.tried, found.first) == (
        StepStatus.SUCCEEDED,
        LIVE,
        LIVE,
        First.PASSED,
    )
    assert (found.task, found.task_passed, found.real, found.real_passed) == (1, 1, 1, 1)


def test_a_failed_live_call_has_passed_dry_run_only() -> None:
    found = state(fold(*journals.live("s", OutcomeKind.FAILED)))
    assert (found.status, found.passed, found.tried, found.first) == (
        StepStatus.FAILED,
        DRY_RUN,
        LIVE,
        First.MARKED,
    )
    assert found.error == "ToolError"


def test_the_first_attempt_is_that_on_the_top_rung() -> None:
    run = fold(
        journals.rung("s", error=journals.error()),
        journals.rung("s", attempt=2),
        journals.rung("s", Mode.DRY_RUN, attempt=3),
        journals.rung("s", Mode.DRY_RUN, attempt=4, error=journals.error(), status=StepStatus.FAILED),
    )
    assert (state(run).first, state(run).passed, state(run).error) == (First.PASSED, DRY_RUN, "ToolError")


def test_a_retry_that_passes_does_not_make_the_first_attempt_good() -> None:
    *rungs, intent, outcome = journals.live("s")
    failed = journals.error()
    first = list(journals.live("s", OutcomeKind.FAILED, status=None, error=failed))[-1]
    found = state(fold(*rungs, intent, first, intent, outcome))
    assert (found.status, found.first, found.error) == (StepStatus.SUCCEEDED, First.MARKED, "")


def test_a_failure_that_is_no_mark_is_a_task_but_not_a_real_one() -> None:
    found = state(fold(*journals.live("s", OutcomeKind.FAILED, error=journals.error(counts=False))))
    assert (found.first, found.task, found.task_passed, found.real) == (First.FAULTED, 1, 0, 0)


def test_a_reused_read_counts_as_its_dry_run() -> None:
    run = fold(
        journals.rung("s", rehearsal=True),
        journals.rung("s", Mode.DRY_RUN, duration_ms=7.0, error=journals.error()),
        journals.rung("s", Mode.DRY_RUN, duration_ms=9.0, attempt=2),
        journals.rung("s", Mode.LIVE, reused=True, status=StepStatus.SUCCEEDED),
    )
    found = state(run)
    assert (found.passed, found.tried, found.first) == (LIVE, LIVE, First.MARKED)
    assert list(run.steps.timed()) == [9.0]


def test_a_rehearsal_that_only_checks_has_no_latency() -> None:
    run = fold(journals.rung("s", rehearsal=True, duration_ms=3.0, status=StepStatus.HELD, rule="approval"))
    assert list(run.steps.timed()) == []


def test_the_latency_of_a_call_whose_end_nobody_saw_is_unknown() -> None:
    run = fold(*journals.live("s", OutcomeKind.UNKNOWN, duration_ms=0.0))
    assert isnan(run.steps.latencies[0])
    run = fold(*journals.live("s", OutcomeKind.UNKNOWN, duration_ms=30_000.0))
    assert list(run.steps.timed()) == [30_000.0]


def test_later_statuses_override_earlier_ones() -> None:
    held = journals.rung("s", Mode.DRY_RUN, status=StepStatus.HELD, rule="approval", reason="ask")
    run = fold(journals.rung("s", rehearsal=True), held)
    assert run.counted().total.held == {"approval": 1}
    run = fold(journals.rung("s", rehearsal=True), held, *list(journals.live("s"))[2:])
    total = run.counted().total
    assert (total.held, total.by_status) == ({}, {StepStatus.SUCCEEDED: 1})
    undone = UndoOutcome(**WHO, trigger="x", result=UndoResult.RESTORED_EXACT, status=StepStatus.ROLLED_BACK)
    total = fold(*journals.live("s"), undone).counted().total
    assert (total.by_status, total.live, total.by_mode) == ({StepStatus.ROLLED_BACK: 1}, 1, [0, 0, 0, 1])


@pytest.mark.parametrize(
    ("happened", "status", "passed"),
    [(True, StepStatus.SUCCEEDED, LIVE), (False, StepStatus.FAILED, DRY_RUN)],
)
def test_a_person_can_settle_an_unknown_call(happened: bool, status: StepStatus, passed: int) -> None:
    unknown = journals.live("s", OutcomeKind.UNKNOWN)
    found = state(fold(*unknown, Resolved(**WHO, happened=happened, by="ada", status=status)))
    assert (found.status, found.passed, found.task_passed) == (status, passed, int(happened))


def test_a_late_end_corrects_the_first_attempt() -> None:
    *_, late = journals.live("s", late=True)
    found = state(fold(*journals.live("s", OutcomeKind.UNKNOWN), late))
    assert (found.status, found.first, found.passed) == (StepStatus.SUCCEEDED, First.PASSED, LIVE)


def test_what_was_settled_without_an_attempt_has_no_first_attempt() -> None:
    found = state(fold(Settled(**WHO, status=StepStatus.FAILED, rule="reference", final_mode=Mode.MOCK)))
    assert (found.finished, found.task, found.passed, found.rule) == (True, 0, MOCK, "reference")


def test_items_inherit_the_conflict_and_the_validation_of_their_step() -> None:
    conflict = Conflict(
        conflict_id="c1",
        type=ConflictType.RESOURCE,
        steps=(StepRef("p", "s"),),
        agents=("a",),
        resource="r",
        resolution=Strategy.DELAY,
        reason="x",
    )
    run = fold(
        PlanStarted(plan="p", steps=1, validation={"s": Validation(passed=False, issues=("bad",))}),
        ConflictFound(conflict=conflict),
        Expanded(plan="p", step="s", mode=Mode.MOCK, items=2),
        journals.mocked("s[0]"),
        journals.mocked("s[1]", passed=False),
        mode=Mode.MOCK,
    )
    total = run.counted().total
    assert (total.steps, total.conflicts) == (2, 2)
    judged = [(found.status, said.issues) for found, said in run.steps.judged() if found.status]
    assert judged == [(StepStatus.SUCCEEDED, ("bad",)), (StepStatus.FAILED, ("bad",))]


def test_a_fan_out_that_was_held_makes_room_for_its_items() -> None:
    held = Settled(**WHO, status=StepStatus.HELD, rule="approval", reason="waits")
    items = [event for item in ("s[0]", "s[1]") for event in journals.live(item)]
    again = Expanded(plan="p", step="s", mode=Mode.LIVE, items=2)
    assert fold(held).counted().total.steps == 1
    assert fold(held, again).counted().total.steps == 0
    assert state(fold(held, again)).status is None
    assert fold(held, again, *items).counted().total.steps == 2
    assert fold(held, again, held).counted().total.steps == 1
    assert fold(again, *items, again).counted().total.steps == 2


def test_items_of_a_step_that_nobody_judged_are_not_judged() -> None:
    run = fold(
        Expanded(plan="p", step="s", mode=Mode.MOCK, items=1),
        journals.mocked("s"),
        journals.mocked("s[0]"),
        journals.mocked("other[0]"),
        mode=Mode.MOCK,
    )
    assert run.counted().total.conflicts == 0
    assert list(run.steps.judged()) == []


def test_a_reassigned_step_belongs_to_the_other_agent() -> None:
    run = fold(journals.mocked("s"), Reassigned(plan="p", step="s", from_agent="a", to_agent="b", reason="x"))
    assert state(run).agent == "b"


@pytest.mark.parametrize(
    ("mode", "rule", "denied"),
    [
        (Mode.LIVE, "lock", True),
        (Mode.LIVE, "permission", True),
        (Mode.LIVE, "unknown_tool", True),
        (Mode.LIVE, "breaker", True),
        (Mode.LIVE, "caps", True),
        (Mode.LIVE, "approval", False),
        (Mode.LIVE, "dependency", False),
        (Mode.MOCK, "lock", False),
    ],
)
def test_denied_is_held_below_the_runs_mode_by_a_denying_rule(mode: Mode, rule: str, denied: bool) -> None:
    run = fold(journals.rung("s", status=StepStatus.HELD, rule=rule), mode=mode)
    assert state(run).denied is denied


def test_a_step_seen_in_a_conflict_only_is_not_counted() -> None:
    conflict = Conflict(
        conflict_id="c1",
        type=ConflictType.ORDERING,
        steps=(StepRef("p", "x"),),
        agents=(),
        resource="r",
        resolution=Strategy.DELAY,
        reason="x",
    )
    run = fold(ConflictFound(conflict=conflict))
    assert (run.counted().total.steps, state(run, "x").passed) == (0, NONE)


def test_the_confidence_of_a_fan_out_is_that_of_its_first_item() -> None:
    run = fold(journals.rung("s[0]", confidence=0.7))
    assert run.steps.confidence("p", "s") == 0.7
    assert run.steps.confidence("p", "other") is None
    assert fold(journals.rung("s", confidence=None)).steps.confidence("p", "s") is None


def test_a_million_steps_would_fit_in_memory() -> None:
    steps = 20_000

    def story() -> Iterable[AnyEvent]:
        yield journals.started(Mode.MOCK)
        for number in range(steps):
            yield journals.mocked(f"step_{number}", confidence=number / steps)

    run = Run()
    events = journals.records(story())
    run.feed(events[0])
    tracemalloc.start()
    for record in events[1:]:
        run.feed(record)
    used, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(run.steps) == steps
    assert used / steps < 150


def test_a_failed_rung_is_tried_but_not_passed() -> None:
    found = state(fold(journals.rung("s"), journals.rung("s", Mode.DRY_RUN, error=journals.error())))
    assert (found.passed, found.tried, found.first) == (MOCK, DRY_RUN, First.MARKED)


def test_what_was_rolled_back_had_been_live_whatever_the_journal_left_out() -> None:
    total = fold(Settled(**WHO, status=StepStatus.ROLLED_BACK)).counted().total
    assert (total.live, total.rollback_frequency) == (1, 1.0)


def test_a_late_end_is_not_another_attempt() -> None:
    *_, late = journals.live("s", late=True)
    run = fold(*journals.live("s", OutcomeKind.UNKNOWN), late)
    assert (run.tools["t"].attempts, run.tools["t"].failed, run.agents["a"].ms) == (3, 1, 12.0)
