from typing import Any

from buddy.journal.events import AnyEvent, Intent, Moved, UndoOutcome
from buddy.model.mode import Mode
from buddy.model.outcome import StepStatus, UndoResult
from buddy.projections.outputs import project
from unit.projections import journals


def lines(name: str, *events: AnyEvent) -> list[dict[str, Any]]:
    return journals.lines(project(journals.records([journals.started(), *events]))[name])


def moves(*events: AnyEvent) -> list[dict[str, Any]]:
    return lines("execution_state_transitions.jsonl", *events)


def test_a_live_call_climbs_twice() -> None:
    found = moves(*journals.live("s"))
    assert [(line["from_mode"], line["to_mode"], line["trigger"]) for line in found] == [
        ("MOCK", "DRY_RUN", "promote"),
        ("DRY_RUN", "LIVE", "promote"),
    ]
    assert set(found[0]) == {
        "ts",
        "run_id",
        "plan_id",
        "step_id",
        "agent_id",
        "tool_name",
        "from_mode",
        "to_mode",
        "trigger",
        "rule",
        "reason",
        "confidence",
        "threshold",
        "approval_id",
    }
    assert found[0]["reason"] == "confidence 0.9, 0.5 needed"


def test_the_rule_that_limits_a_climb_is_named() -> None:
    (line,) = moves(
        journals.rung(
            "s",
            Mode.DRY_RUN,
            moved_from=Mode.MOCK,
            status=StepStatus.HELD,
            rule="approval",
            reason="ask somebody",
        )
    )
    assert (line["rule"], line["reason"], line["trigger"]) == ("approval", "ask somebody", "promote")


def test_a_climb_to_live_names_the_approval_that_it_consumed() -> None:
    intent = Intent(
        plan="p", step="s", agent="a", tool="t", digest="d", key="k", approval="ap_1", moved_from=Mode.DRY_RUN
    )
    (line,) = moves(intent)
    assert (line["approval_id"], line["reason"], line["confidence"]) == ("ap_1", "", None)


def test_retries_and_repeated_rehearsals_are_no_moves() -> None:
    intent = Intent(plan="p", step="s", agent="a", tool="t", digest="d", key="k", attempt=2)
    assert moves(journals.rung("s"), journals.rung("s", Mode.DRY_RUN, attempt=2), intent) == []


def test_moves_down_are_lines_too() -> None:
    down = Moved(
        plan="p",
        step="s",
        agent="a",
        tool="t",
        from_mode=Mode.LIVE,
        to_mode=Mode.DRY_RUN,
        trigger="demote",
        rule="breaker",
        reason="open",
        confidence=0.8,
    )
    (line,) = moves(down)
    assert (line["from_mode"], line["to_mode"], line["trigger"], line["rule"]) == (
        "LIVE",
        "DRY_RUN",
        "demote",
        "breaker",
    )
    assert (line["threshold"], line["confidence"]) == (None, 0.8)


def test_one_line_an_undo() -> None:
    undo = UndoOutcome(
        plan="p",
        step="s",
        agent="a",
        tool="t",
        trigger="step 'x' failed",
        result=UndoResult.CHANGED_SINCE,
        error="somebody changed it",
        duration_ms=4.0,
    )
    (line,) = lines("rollback_events.jsonl", *journals.live("s"), undo)
    assert line == {
        "ts": line["ts"],
        "run_id": "r1",
        "plan_id": "p",
        "step_id": "s",
        "tool_name": "t",
        "agent_id": "a",
        "trigger": "step 'x' failed",
        "result": "CHANGED_SINCE",
        "verified": False,
        "error": "somebody changed it",
        "duration_ms": 4.0,
    }
