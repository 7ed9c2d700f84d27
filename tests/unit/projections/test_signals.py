from typing import Any

from buddy.journal.events import AnyEvent
from buddy.model.approval import ApprovalState
from buddy.model.conflict import ConflictType
from buddy.model.mode import Mode
from buddy.model.outcome import OutcomeKind, StepStatus
from buddy.projections import signals
from buddy.projections.outputs import project
from unit.projections import journals
from unit.projections.test_approvals import asked, decided
from unit.projections.test_summary import conflict


def told(*events: AnyEvent, start: AnyEvent | None = None) -> list[dict[str, Any]]:
    records = journals.records([start or journals.started(), *events])
    return journals.lines(project(records)["learning_signals.jsonl"])


def of(kind: str, found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [signal for signal in found if signal["signal_type"] == kind]


def test_trust_grows_with_evidence() -> None:
    assert [signals.trust(n) for n in (0, 1, 5, 95)] == [0.0, 0.166667, 0.5, 0.95]


def test_nothing_is_told_before_the_run_rests_or_about_nothing() -> None:
    assert told(*journals.live("s")) == []
    assert told(journals.finished()) == []


def test_every_signal_has_every_field() -> None:
    wanted = {
        "signal_id",
        "signal_type",
        "target_phase",
        "tool_name",
        "agent_id",
        "content",
        "confidence",
        "evidence",
        "generated_at",
    }
    found = told(*journals.live("s"), journals.finished())
    assert len(found) == 3
    assert all(set(signal) == wanted for signal in found)
    assert [(signal["signal_type"], signal["target_phase"]) for signal in found] == [
        ("TOOL_RELIABILITY", 16),
        ("EXECUTION_MODE_ANALYSIS", 19),
        ("agent_performance", 18),
    ]
    assert [signal["signal_id"] for signal in found] == ["r1-signal-1", "r1-signal-2", "r1-signal-3"]


def test_tool_reliability() -> None:
    calls = [OutcomeKind.SUCCEEDED, OutcomeKind.SUCCEEDED, OutcomeKind.FAILED, OutcomeKind.FAILED]
    events = [event for number, kind in enumerate(calls) for event in journals.live(f"s{number}", kind)]
    (signal,) = of("TOOL_RELIABILITY", told(*events, journals.finished()))
    assert signal["content"] == {
        "steps": 4,
        "succeeded": 2,
        "failed": 2,
        "unknown": 0,
        "rolled_back": 0,
        "success_rate": 0.5,
        "rollback_frequency": 0.0,
        "avg_latency": 10.0,
        "attempts": 12,
        "failed_attempts": 2,
        "error_patterns": {"ToolError": 2},
    }
    assert (signal["tool_name"], signal["agent_id"], signal["confidence"]) == ("t", None, 0.444444)
    assert signal["evidence"] == [5, 9, 13, 17]


def test_evidence_is_twenty_lines_failures_first() -> None:
    steps = [journals.mocked(f"s{number}", passed=number % 2 == 0) for number in range(60)]
    start = journals.started(Mode.MOCK)
    (signal,) = of("TOOL_RELIABILITY", told(*steps, journals.finished(), start=start))
    assert signal["evidence"] == list(range(3, 43, 2))


def test_execution_modes() -> None:
    held = journals.rung("h", Mode.DRY_RUN, status=StepStatus.HELD, rule="approval", confidence=0.5)
    (signal,) = of("EXECUTION_MODE_ANALYSIS", told(*journals.live("s"), held, journals.finished()))
    assert signal["content"] == {
        "steps": 2,
        "by_final_mode": {"NONE": 0, "MOCK": 0, "DRY_RUN": 1, "LIVE": 1},
        "live_ratio": 0.5,
        "stopped_by": {"approval": 1},
        "mean_confidence": 0.9,
        "success_rate": 1.0,
        "confidence_drift": -0.1,
    }


def test_approval_mismatch() -> None:
    events = [journals.rung("s", confidence=0.8), asked("1"), decided("1", ApprovalState.DENIED)]
    (signal,) = of("APPROVAL_MISMATCH", told(*events, journals.finished()))
    assert (signal["tool_name"], signal["target_phase"], signal["evidence"]) == ("t", 16, [4])
    assert signal["content"] == {
        "decided": 1,
        "approved": 0,
        "denied": 1,
        "approved_unsure": 0,
        "denied_sure": 1,
        "threshold": 0.75,
        "approved_confidence": None,
        "denied_confidence": 0.8,
    }


def test_a_decision_in_line_with_the_confidence_is_no_mismatch() -> None:
    events = [journals.rung("s", confidence=0.9), asked("1"), decided("1", ApprovalState.APPROVED)]
    assert of("APPROVAL_MISMATCH", told(*events, journals.finished())) == []


def test_conflict_patterns_name_the_pairs_that_collide_most() -> None:
    events = [
        conflict("c1", ConflictType.RESOURCE, "one", "two", "three"),
        conflict("c2", ConflictType.RESOURCE, "one", "two", resolved=False),
        conflict("c3", ConflictType.TIMEOUT, "never", "one"),
        journals.mocked("one", tool="read", agent="a"),
        journals.mocked("two", tool="write", agent="b"),
        journals.mocked("three", tool="read", agent="a"),
    ]
    found = of("CONFLICT_PATTERN", told(*events, journals.finished(), start=journals.started(Mode.MOCK)))
    resource, timeout = (signal["content"] for signal in found)
    assert resource == {
        "conflict_type": "RESOURCE",
        "conflicts": 2,
        "unresolved": 1,
        "by_resolution": {"DELAY": 2},
        "tool_pairs": [
            {"first": "read", "second": "write", "count": 2},
            {"first": "write", "second": "read", "count": 1},
        ],
        "agent_pairs": [{"first": "a", "second": "b", "count": 2}, {"first": "b", "second": "a", "count": 1}],
        "resources": {"r": 2},
    }
    assert (timeout["conflicts"], timeout["tool_pairs"]) == (1, [])
    assert found[0]["evidence"] == [2, 3]


def test_agent_performance() -> None:
    events = [
        *journals.live("x", agent="b"),
        *journals.live("y", OutcomeKind.FAILED, agent="b", confidence=0.8),
    ]
    (signal,) = of("agent_performance", told(*events, journals.finished()))
    assert (signal["agent_id"], signal["target_phase"], signal["confidence"]) == ("b", 18, 0.285714)
    assert signal["content"] == {
        "tasks": 2,
        "finished": 2,
        "success_rate": 0.5,
        "first_attempt_success_rate": 0.5,
        "avg_latency": 10.0,
        "mean_predicted": 0.85,
        "prediction_error": 0.35,
        "load_s": 0.024,
        "attempts": 6,
        "failed_attempts": 1,
        "error_patterns": {},
    }


def test_each_anomaly_is_told_once_and_the_rest_again_when_the_run_rests_again() -> None:
    held = journals.rung("h", status=StepStatus.HELD, rule="lock", reason="why")
    found = told(held, journals.finished(), journals.finished())
    (anomaly,) = of("ANOMALY", found)
    assert (anomaly["target_phase"], anomaly["tool_name"], anomaly["agent_id"]) == (19, "t", "a")
    assert (anomaly["confidence"], anomaly["evidence"]) == (1.0, [2])
    assert anomaly["content"]["anomaly_type"] == "gate_denied"
    assert len(of("EXECUTION_MODE_ANALYSIS", found)) == 2
    assert len({signal["signal_id"] for signal in found}) == len(found)


def test_an_anomaly_of_a_tool_or_an_agent_names_it() -> None:
    events = [event for number in range(3) for event in journals.live(f"s{number}", OutcomeKind.FAILED)]
    found = of("ANOMALY", told(*events, journals.finished()))
    named = {signal["content"]["anomaly_type"]: (signal["tool_name"], signal["agent_id"]) for signal in found}
    assert named["repeated_failures"] == ("t", "a")
    assert named["agent_failure"] == (None, "a")
