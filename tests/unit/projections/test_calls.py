from typing import Any

from buddy.journal.events import AnyEvent, Outcome, RunResumed
from buddy.model.mode import Mode
from buddy.model.outcome import CallError, OutcomeKind, Preview
from buddy.projections.outputs import project
from unit.projections import journals

NAME = "tool_execution_log.jsonl"


def log(*events: AnyEvent) -> list[dict[str, Any]]:
    return journals.lines(project(journals.records([journals.started(), *events]))[NAME])


def test_one_line_an_attempt_live_included() -> None:
    lines = log(*journals.live("s", result={"ok": True}), journals.finished())
    assert [(line["mode"], line["status"], line["attempt"]) for line in lines] == [
        ("MOCK", "PASSED", 1),
        ("DRY_RUN", "PASSED", 1),
        ("LIVE", "PASSED", 1),
    ]
    live = lines[-1]
    assert live["result"] == {"ok": True}
    assert (live["args_digest"], live["confidence"], live["risk"]) == ("d-s", 0.9, "LOW")
    assert live["ended_at"] == live["ts"]
    assert (live["run_id"], live["plan_id"], live["step_id"], live["agent_id"], live["tool_name"]) == (
        "r1",
        "p",
        "s",
        "a",
        "t",
    )


def test_every_field_of_the_specification_is_there() -> None:
    wanted = {
        "ts",
        "run_id",
        "plan_id",
        "step_id",
        "agent_id",
        "tool_name",
        "mode",
        "status",
        "attempt",
        "started_at",
        "ended_at",
        "duration_ms",
        "confidence",
        "risk",
        "args_digest",
        "error",
    }
    assert all(wanted <= set(line) for line in log(*journals.live("s")))


def test_a_preview_stands_for_the_result() -> None:
    preview = Preview(changes=[{"resource": "r"}])
    (line,) = log(journals.rung("s", Mode.DRY_RUN, preview=preview))
    assert line["preview"] == {"changes": [{"resource": "r"}]}
    assert "result" not in line


def test_a_large_result_is_named_by_its_digest() -> None:
    (line,) = log(journals.rung("s", result_blob="abc"))
    assert line["result_blob"] == "abc"


def test_a_result_that_is_null_is_a_result() -> None:
    assert log(journals.rung("s", result=None))[0]["result"] is None


def test_a_failed_attempt_says_why() -> None:
    error = CallError("ToolError", "no such contact", counts=True)
    (line,) = log(journals.rung("s", error=error))
    assert (line["status"], line["error"]) == ("FAILED", {"type": "ToolError", "message": "no such contact"})


def test_an_unknown_tool_counts_as_high_risk() -> None:
    assert log(journals.rung("s", tool="nobody"))[0]["risk"] == "HIGH"


def test_an_intent_without_outcome_is_unknown_when_the_run_rests_and_told_once() -> None:
    *rungs, intent, _ = journals.live("s")
    lines = log(
        *rungs,
        intent,
        journals.finished(),
        RunResumed(by="ada", contracts=[], handlers={}),
        journals.finished(),
    )
    assert [line["status"] for line in lines] == ["PASSED", "PASSED", "UNKNOWN"]
    assert (lines[-1]["ended_at"], lines[-1]["duration_ms"], lines[-1]["args_digest"]) == (None, None, "d-s")


def test_an_intent_that_is_followed_by_another_was_lost() -> None:
    *rungs, intent, outcome = journals.live("s")
    lines = log(*rungs, intent, intent, outcome, journals.finished())
    assert [line["status"] for line in lines] == ["PASSED", "PASSED", "UNKNOWN", "PASSED"]


def unknown_then(*ends: OutcomeKind, late: bool) -> list[tuple[str, bool]]:
    *rungs, intent, _ = journals.live("s")
    outcomes = [
        list(journals.live("s", kind, late=late and place > 0))[-1] for place, kind in enumerate(ends)
    ]
    return [
        (line["status"], line["late"]) for line in log(*rungs, intent, *outcomes, journals.finished())[2:]
    ]


def test_a_late_end_is_a_second_line() -> None:
    found = unknown_then(OutcomeKind.UNKNOWN, OutcomeKind.SUCCEEDED, late=True)
    assert found == [("UNKNOWN", False), ("PASSED", True)]


def test_an_end_after_the_line_that_said_unknown_is_late_whoever_says_so() -> None:
    *rungs, intent, outcome = journals.live("s")
    lines = log(*rungs, intent, journals.finished(), outcome)
    assert [(line["status"], line["late"]) for line in lines[2:]] == [("UNKNOWN", False), ("PASSED", True)]


def test_unknown_is_not_said_twice_of_one_attempt() -> None:
    *rungs, intent, _ = journals.live("s")
    unknown = list(journals.live("s", OutcomeKind.UNKNOWN))[-1]
    lines = log(*rungs, intent, journals.finished(), unknown, journals.finished())
    assert [line["status"] for line in lines[2:]] == ["UNKNOWN"]


def test_an_outcome_without_intent_still_gets_its_line() -> None:
    outcome = list(journals.live("s"))[-1]
    assert isinstance(outcome, Outcome)
    (line,) = log(outcome)
    assert (line["mode"], line["confidence"], line["args_digest"]) == ("LIVE", None, "")


def test_durations_are_rounded() -> None:
    assert log(journals.rung("s", duration_ms=1 / 3))[0]["duration_ms"] == 0.333333


def test_a_lost_call_that_was_told_is_not_told_again_when_the_step_is_called_again() -> None:
    *rungs, intent, outcome = journals.live("s")
    lines = log(*rungs, intent, journals.finished(), intent, outcome)
    assert [(line["status"], line["late"]) for line in lines[2:]] == [("UNKNOWN", False), ("PASSED", False)]
