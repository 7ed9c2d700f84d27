from collections.abc import Iterable
from typing import Any

import pytest

from buddy.core.audit import RULES
from buddy.journal.events import AnyEvent, BreakerMoved, LockSeen, Resolved, RunResumed, Settled, UndoOutcome
from buddy.model.conflict import ConflictType
from buddy.model.mode import Mode
from buddy.model.outcome import OutcomeKind, StepStatus, UndoResult
from buddy.projections.anomalies import (
    LISTED,
    NOT_LIVE,
    RECOMMENDATIONS,
    Anomaly,
    AnomalyType,
    Severity,
    Watch,
)
from buddy.projections.signals import TELLS
from unit.projections import journals
from unit.projections.test_summary import conflict

FAILED, SUCCEEDED, UNKNOWN = OutcomeKind.FAILED, OutcomeKind.SUCCEEDED, OutcomeKind.UNKNOWN
Found = list[tuple[int, Anomaly]]


def watch(*events: AnyEvent, start: AnyEvent | None = None) -> Found:
    watched = Watch()
    records = journals.records([start or journals.started(), *events])
    return [(record.seq, anomaly) for record in records for anomaly in watched.feed(record)]


def only(found: Found, kind: AnomalyType) -> Found:
    return [(seq, anomaly) for seq, anomaly in found if anomaly.type is kind]


def calls(kinds: Iterable[OutcomeKind], **more: Any) -> list[AnyEvent]:
    return [
        event
        for number, kind in enumerate(kinds)
        for event in journals.live(f"{more.get('agent', 'a')}{more.get('tool', 't')}{number}", kind, **more)
    ]


def test_every_type_has_a_recommendation_and_somebody_who_is_told() -> None:
    assert set(RECOMMENDATIONS) == set(TELLS) == set(AnomalyType)


def test_the_auditors_rules_that_are_not_about_live_calls_exist() -> None:
    assert set(RULES) > NOT_LIVE


def test_an_honest_run_has_none() -> None:
    assert watch(*calls([SUCCEEDED] * 5), journals.finished()) == []


# unsafe_escalation


def test_a_live_call_under_lock_is_unsafe_at_once() -> None:
    *rungs, intent, outcome = journals.live("s")
    found = watch(*rungs, LockSeen(epoch=1, engaged=True), intent, outcome, journals.finished())
    (seq, anomaly), *_ = only(found, AnomalyType.UNSAFE_ESCALATION)
    assert (seq, anomaly.severity, anomaly.subject) == (5, Severity.HIGH, "step:p/s")
    assert anomaly.figures["rule"] == "live_under_lock"
    assert anomaly.evidence == [5]


def test_a_live_call_without_its_rehearsals_is_unsafe() -> None:
    *_, intent, outcome = journals.live("s")
    rules = {
        anomaly.figures["rule"]
        for _, anomaly in watch(intent, outcome)
        if anomaly.type is AnomalyType.UNSAFE_ESCALATION
    }
    assert "live_without_rehearsal" in rules


def test_untidy_books_and_dry_runs_are_no_unsafe_escalation() -> None:
    dry_run = journals.rung("s", Mode.DRY_RUN)
    found = watch(dry_run, journals.started(), start=journals.started(Mode.MOCK))
    assert only(found, AnomalyType.UNSAFE_ESCALATION) == []


# gate_denied


@pytest.mark.parametrize("rule", ["lock", "permission", "unknown_tool", "breaker", "caps"])
def test_a_step_held_by_the_gate_is_told_at_once(rule: str) -> None:
    ((seq, anomaly),) = watch(journals.rung("s", status=StepStatus.HELD, rule=rule, reason="why"))
    assert (seq, anomaly.type, anomaly.severity) == (2, AnomalyType.GATE_DENIED, Severity.MEDIUM)
    assert anomaly.subject == "step:p/s"
    assert anomaly.figures == {
        "rule": rule,
        "reason": "why",
        "tool": "t",
        "agent": "a",
        "final_mode": "MOCK",
        "run_mode": "LIVE",
    }


def test_a_step_that_waits_for_a_person_is_not_denied() -> None:
    assert watch(journals.rung("s", status=StepStatus.HELD, rule="approval")) == []


def test_a_step_is_told_to_be_denied_once() -> None:
    held = Settled(plan="p", step="s", agent="a", tool="t", status=StepStatus.HELD, rule="lock")
    assert len(watch(held, held, journals.finished(), held)) == 1


def test_a_step_held_where_the_run_ends_anyway_is_not_denied() -> None:
    held = journals.rung("s", status=StepStatus.HELD, rule="permission")
    assert watch(held, start=journals.started(Mode.MOCK)) == []
    assert watch(held, start=journals.started(Mode.LIVE, environment_dry_run=True)) == []
    held = journals.rung("s", Mode.DRY_RUN, status=StepStatus.HELD, rule="breaker")
    dry = journals.started(Mode.LIVE, config={"dry_run_only": True})
    assert only(watch(journals.rung("s"), held, start=dry), AnomalyType.GATE_DENIED) == []


def test_anomalies_beyond_the_listed_ones_are_counted_and_still_told() -> None:
    watched = Watch()
    held = [journals.rung(f"s{number}", status=StepStatus.HELD, rule="lock") for number in range(LISTED + 5)]
    told = [one for record in journals.records([journals.started(), *held]) for one in watched.feed(record)]
    assert len(told) == watched.counts[AnomalyType.GATE_DENIED] == LISTED + 5
    assert watched.found == told[:LISTED]


# repeated_failures


def repeated(*kinds: OutcomeKind, **more: Any) -> Found:
    return only(watch(*calls(kinds, **more)), AnomalyType.REPEATED_FAILURES)


def test_three_failures_of_a_tool_in_a_row() -> None:
    ((seq, anomaly),) = repeated(FAILED, FAILED, FAILED, FAILED)
    assert (seq, anomaly.subject, anomaly.severity, anomaly.breaker) == (13, "tool:t", Severity.HIGH, True)
    assert (anomaly.observations, anomaly.evidence) == (3, [5, 9, 13])
    assert anomaly.figures["last_error"] == "ToolError"


def test_an_unknown_end_is_a_failure_and_a_success_starts_the_row_again() -> None:
    assert len(repeated(FAILED, UNKNOWN, FAILED)) == 1
    assert repeated(FAILED, FAILED, SUCCEEDED, FAILED, FAILED) == []
    assert len(repeated(FAILED, FAILED, FAILED, SUCCEEDED, FAILED, FAILED, FAILED)) == 2


def test_failures_of_different_tools_are_no_row() -> None:
    events = [*calls([FAILED] * 2, tool="t"), *calls([FAILED] * 2, tool="u")]
    found = watch(*events, start=journals.started(tools=("t", "u")))
    assert only(found, AnomalyType.REPEATED_FAILURES) == []


def test_wrong_arguments_are_no_mark_against_a_tool() -> None:
    assert repeated(FAILED, FAILED, FAILED, error=journals.error(counts=False)) == []


def test_retries_are_one_failure() -> None:
    *rungs, intent, outcome = journals.live("s", FAILED, status=None)
    assert only(watch(*rungs, *[intent, outcome] * 4), AnomalyType.REPEATED_FAILURES) == []


def test_the_late_end_of_an_unknown_call_is_the_same_failure() -> None:
    late = [list(journals.live("at0", FAILED, late=True))[-1]]
    found = watch(*calls([UNKNOWN]), *late, *list(journals.live("x", FAILED)))
    assert only(found, AnomalyType.REPEATED_FAILURES) == []


def test_mock_failures_count_only_where_mock_is_all_there_is() -> None:
    failing = [journals.mocked(f"s{number}", passed=False) for number in range(3)]
    assert only(watch(*failing), AnomalyType.REPEATED_FAILURES) == []
    ((_, anomaly),) = only(watch(*failing, start=journals.started(Mode.MOCK)), AnomalyType.REPEATED_FAILURES)
    assert anomaly.breaker is False


def test_a_breaker_that_was_closed_can_be_opened_again() -> None:
    closed = BreakerMoved(subject="tool:t", open=False, reason="a DRY_RUN passed")
    found = watch(*calls([FAILED] * 3), closed, *calls([FAILED] * 3, agent="b"))
    assert len(only(found, AnomalyType.REPEATED_FAILURES)) == 2


# agent_failure


@pytest.mark.parametrize("subject", ["tool:u", "agent:a", "agent:t", "t"])
def test_a_breaker_of_something_else_that_was_closed_opens_nothing_again(subject: str) -> None:
    closed = BreakerMoved(subject=subject, open=False, reason="by ada")
    found = watch(*calls([FAILED] * 3), closed, *calls([FAILED] * 6)[12:])
    assert len(only(found, AnomalyType.REPEATED_FAILURES)) == 1


def agent_failures(*events: AnyEvent, start: AnyEvent | None = None) -> Found:
    return only(watch(*events, start=start), AnomalyType.AGENT_FAILURE)


def test_an_agent_that_fails_more_than_half_of_its_first_attempts() -> None:
    ((seq, anomaly),) = agent_failures(*calls([SUCCEEDED, FAILED, FAILED, FAILED]), journals.finished())
    assert (seq, anomaly.subject, anomaly.severity, anomaly.breaker) == (13, "agent:a", Severity.HIGH, True)
    assert anomaly.figures == {"tasks": 3, "first_attempts_passed": 1, "rate": 0.333333}


def test_a_call_that_turns_out_not_to_have_happened_is_no_task_until_it_is_made_again() -> None:
    unknown, *others = (
        calls([kind], tool=tool) for kind, tool in ((UNKNOWN, "t"), (FAILED, "u"), (FAILED, "v"))
    )
    found = Resolved(
        plan="p", step="at0", agent="a", tool="t", happened=False, by="ada", status=StepStatus.PENDING
    )
    failed = [event for events in others for event in events]
    assert agent_failures(*unknown, found, *failed) == []
    ((seq, anomaly),) = agent_failures(*unknown, *failed)
    assert (seq, anomaly.severity, anomaly.figures["tasks"]) == (13, Severity.HIGH, 3)


def test_half_is_not_less_than_half() -> None:
    assert agent_failures(*calls([SUCCEEDED, SUCCEEDED, FAILED, FAILED]), journals.finished()) == []


def test_with_fewer_than_three_tasks_it_is_low_and_told_at_rest() -> None:
    ((seq, anomaly),) = agent_failures(*calls([FAILED, FAILED]), journals.finished(), journals.finished())
    assert (seq, anomaly.severity, anomaly.breaker) == (10, Severity.LOW, False)
    assert agent_failures(*calls([FAILED, FAILED])) == []


def test_a_success_after_a_retry_is_still_a_failed_first_attempt() -> None:
    events: list[AnyEvent] = []
    for name in ("x", "y", "z"):
        *rungs, intent, outcome = journals.live(name)
        failed = list(journals.live(name, FAILED, status=None))[-1]
        events += [*rungs, intent, failed, intent, outcome]
    ((_, anomaly),) = agent_failures(*events)
    assert anomaly.figures["first_attempts_passed"] == 0


def test_wrong_arguments_are_the_agents_failure_but_open_no_breaker() -> None:
    wrong = calls([FAILED] * 3, error=journals.error("InvalidArguments", counts=False))
    ((_, anomaly),) = agent_failures(*wrong)
    assert (anomaly.severity, anomaly.breaker) == (Severity.HIGH, False)
    found = agent_failures(*wrong, *calls([FAILED] * 3, tool="u"), start=journals.started(tools=("t", "u")))
    assert [anomaly.breaker for _, anomaly in found] == [False, True]


def test_a_closed_breaker_on_an_agent_opens_again_with_the_next_failure_only() -> None:
    closed = BreakerMoved(subject="agent:a", open=False, reason="x")
    events = [*calls([FAILED] * 3), closed, *calls([SUCCEEDED], tool="u")]
    start = journals.started(tools=("t", "u"))
    assert len(agent_failures(*events, start=start)) == 1
    assert len(agent_failures(*events, *journals.live("more", FAILED), start=start)) == 2


def test_an_unknown_call_that_turns_out_well_is_taken_back() -> None:
    late = [list(journals.live(f"at{number}", SUCCEEDED, late=True))[-1] for number in (0, 1)]
    found = agent_failures(
        *calls([UNKNOWN, UNKNOWN]), *late, *journals.live("x", FAILED), journals.finished()
    )
    assert found == []


# rates at rest


def rolled_back(number: int) -> UndoOutcome:
    return UndoOutcome(
        plan="p",
        step=f"at{number}",
        agent="a",
        tool="t",
        trigger="x",
        result=UndoResult.RESTORED_EXACT,
        status=StepStatus.ROLLED_BACK,
    )


@pytest.mark.parametrize(("undone", "told"), [(1, False), (2, True)])
def test_high_rollback_is_more_than_a_fifth_of_the_live_steps(undone: int, told: bool) -> None:
    events = [*calls([SUCCEEDED] * 5), *(rolled_back(number) for number in range(undone))]
    found = only(watch(*events, journals.finished(), journals.finished()), AnomalyType.HIGH_ROLLBACK)
    assert len(found) == told
    assert only(watch(*events), AnomalyType.HIGH_ROLLBACK) == []
    if told:
        assert found[0][1].figures == {"rate": 0.4, "rolled_back": 2, "live": 5}
        assert (found[0][1].severity, found[0][1].evidence) == (Severity.MEDIUM, [22, 23])


@pytest.mark.parametrize(("steps", "told"), [(3, False), (4, True)])
def test_high_conflict_is_more_than_three_tenths_of_the_steps(steps: int, told: bool) -> None:
    names = [f"s{number}" for number in range(10)]
    found = watch(
        conflict("c1", ConflictType.RESOURCE, *names[:steps]),
        *(journals.mocked(name) for name in names),
        journals.finished(),
        start=journals.started(Mode.MOCK),
    )
    assert [anomaly.subject for _, anomaly in only(found, AnomalyType.HIGH_CONFLICT)] == ["run"] * told


@pytest.mark.parametrize(
    ("confidence", "passed", "failed", "told"),
    [
        (0.75, 4, 4, False),
        (0.76, 4, 4, True),
        (0.70, 3, 0, True),
        (0.75, 3, 0, False),
        (0.90, 0, 2, False),
        (None, 0, 5, False),
    ],
)
def test_prediction_drift(confidence: float | None, passed: int, failed: int, told: bool) -> None:
    steps = [journals.mocked(f"y{number}", confidence=confidence) for number in range(passed)]
    steps += [journals.mocked(f"n{number}", passed=False, confidence=confidence) for number in range(failed)]
    found = watch(*steps, journals.finished(), start=journals.started(Mode.MOCK))
    drifted = only(found, AnomalyType.PREDICTION_DRIFT)
    assert [(anomaly.subject, anomaly.severity) for _, anomaly in drifted] == [
        ("agent:a", Severity.MEDIUM)
    ] * told


def test_prediction_drift_is_told_once_however_often_the_run_rests() -> None:
    def steps(name: str) -> list[AnyEvent]:
        return [journals.mocked(f"{name}{number}", confidence=0.5) for number in range(3)]

    resumed = RunResumed(by="ada", contracts=[], handlers={})
    found = watch(
        *steps("x"), journals.finished(), resumed, *steps("y"), journals.finished(),
        start=journals.started(Mode.MOCK),
    )  # fmt: skip
    assert [seq for seq, _ in only(found, AnomalyType.PREDICTION_DRIFT)] == [5]


def loaded(**agents: tuple[int, float]) -> Found:
    """Agent -> (tasks, seconds each)."""
    steps = [
        journals.mocked(f"{agent}{number}", agent=agent, duration_ms=seconds * 1000, confidence=None)
        for agent, (tasks, seconds) in agents.items()
        for number in range(tasks)
    ]
    return watch(*steps, journals.finished(), start=journals.started(Mode.MOCK))


def test_loads_too_far_apart() -> None:
    found = {anomaly.type: anomaly for _, anomaly in loaded(a=(2, 5.0), b=(2, 2.0))}
    assert set(found) == {AnomalyType.COORDINATION_ISSUE, AnomalyType.LOAD_IMBALANCE}
    issue = found[AnomalyType.COORDINATION_ISSUE]
    assert (issue.severity, issue.subject, issue.observations) == (Severity.MEDIUM, "agents", 4)
    assert issue.figures == {
        "busiest": "a",
        "busiest_s": 10.0,
        "least_busy": "b",
        "least_busy_s": 4.0,
        "imbalance": 0.6,
        "ratio": 2.5,
    }
    assert found[AnomalyType.LOAD_IMBALANCE].severity is Severity.LOW


def test_loads_a_little_apart_are_an_imbalance_only() -> None:
    assert [anomaly.type for _, anomaly in loaded(a=(2, 1.6), b=(2, 1.0))] == [AnomalyType.LOAD_IMBALANCE]
    assert [anomaly.type for _, anomaly in loaded(a=(2, 5.0), b=(2, 3.0))] == [AnomalyType.LOAD_IMBALANCE]
    assert loaded(a=(2, 1.5), b=(2, 1.0)) == []


def test_an_agent_with_no_load_at_all() -> None:
    found = {anomaly.type: anomaly.figures["ratio"] for _, anomaly in loaded(a=(2, 1.0), b=(2, 0.0))}
    assert found == {AnomalyType.COORDINATION_ISSUE: None, AnomalyType.LOAD_IMBALANCE: None}


@pytest.mark.parametrize(
    "agents",
    [
        {"a": (2, 9.0)},
        {"a": (2, 9.0), "b": (1, 0.1)},
        {"a": (2, 0.0), "b": (2, 0.0)},
        {"a": (2, 0.04), "b": (2, 0.001)},
    ],
)
def test_loads_that_cannot_be_compared(agents: dict[str, tuple[int, float]]) -> None:
    assert loaded(**agents) == []


# following


def test_whoever_comes_first_each_anomaly_is_handed_out_once() -> None:
    watched = Watch()
    start, held = journals.records(
        [journals.started(), journals.rung("s", status=StepStatus.HELD, rule="lock")]
    )
    watched.feed(start)
    watched.follow(held)
    assert len(watched.feed(held)) == 1
    assert watched.feed(held) == []
    assert len(watched.found) == 1
