"""The auditor as a whole: each rule kept and broken, the order of a run, and what the auditor costs."""

import ast
from collections.abc import Callable
from pathlib import Path
from typing import get_args

import msgspec
import pytest

import buddy.core
from buddy.core.audit import RULES, Audit
from buddy.journal.events import (
    AnyEvent,
    BreakerMoved,
    Intent,
    PlanStarted,
    Record,
)
from buddy.model.mode import Mode
from buddy.model.outcome import StepStatus, UndoResult
from unit.core.journals import Story, audit, digest_of, rules

TWINS: dict[str, tuple[Callable[[], Story], Callable[[], Story]]] = {
    "lifecycle": (lambda: Story().finished().resumed().live("s"), lambda: Story().finished().live("s")),
    "live_above_mode": (lambda: Story().live("s"), lambda: Story(Mode.DRY_RUN).live("s")),
    "unknown_tool_live": (lambda: Story().mock("s", "paper"), lambda: Story().rehearsed("s", "paper")),
    "confidence_too_low": (
        lambda: Story().rehearsed("s", "fill").intent("s", "fill", confidence=0.80).outcome("s", "fill"),
        lambda: Story().rehearsed("s", "fill").intent("s", "fill", confidence=0.79).outcome("s", "fill"),
    ),
    "live_without_rehearsal": (
        lambda: Story().rehearsed("s", "fill").intent("s", "fill").outcome("s", "fill"),
        lambda: Story().mock("s", "fill").intent("s", "fill").outcome("s", "fill"),
    ),
    "dry_run_without_rehearsal": (
        lambda: Story().mock("s", "find").dry("s", "find"),
        lambda: Story().dry("s", "find").mock("s", "find"),
    ),
    "invented_data": (
        lambda: Story().read("src").rehearsed("s", "fill", sources=["src"]),
        lambda: Story().mock("src", "find").rehearsed("s", "fill", sources=["src"]),
    ),
    "live_without_approval": (
        lambda: Story().asked_live("s"),
        lambda: Story().live("s", "send"),
    ),
    "approval_reused": (
        lambda: Story().asked_live("s").asked_live("t"),
        lambda: (
            Story()
            .asked_live("s")
            .rehearsed("t", "send")
            .intent("t", "send", approval="a1")
            .unknown("t", "send")
        ),
    ),
    "live_under_lock": (
        lambda: Story().lock().unlock().live("s"),
        lambda: Story().rehearsed("s", "fill").lock().intent("s", "fill").outcome("s", "fill"),
    ),
    "dry_run_under_lock": (
        lambda: Story().mock("s", "fill").lock().dry("s", "fill", started_at=Story().times[0]),
        lambda: Story().mock("s", "fill").lock().dry("s", "fill"),
    ),
    "executed_twice": (
        lambda: first().failed("s", "fill").intent("s", "fill", attempt=2).outcome("s", "fill", attempt=2),
        lambda: first().outcome("s", "fill").intent("s", "fill", attempt=2).outcome("s", "fill", attempt=2),
    ),
    "retried_after_unknown": (
        lambda: retry(first("put").unknown("s", "put"), "put"),
        lambda: retry(first().unknown("s", "fill")),
    ),
    "retried_with_effect": (
        lambda: retry(first("put").failed("s", "put", no_effect=False), "put"),
        lambda: retry(first().failed("s", "fill", no_effect=False)),
    ),
    "attempt_order": (
        lambda: retry(first().failed("s", "fill"), attempt=2),
        lambda: retry(first().failed("s", "fill"), attempt=1),
    ),
    "outcome_without_intent": (
        lambda: Story().live("s"),
        lambda: Story().rehearsed("s", "fill").outcome("s", "fill"),
    ),
    "second_outcome": (
        lambda: first().unknown("s", "fill").outcome("s", "fill", late=True),
        lambda: first().outcome("s", "fill").outcome("s", "fill", late=True),
    ),
    "intent_without_outcome": (
        lambda: first().settled("s", StepStatus.UNKNOWN),
        lambda: first().settled("s", StepStatus.SUCCEEDED),
    ),
    "unknown_forgotten": (
        lambda: first("put").unknown("s", "put").failed("s", "put", attempt=1, late=True),
        lambda: first("put").unknown("s", "put").settled("s", StepStatus.FAILED),
    ),
    "resolved_of_nothing": (
        lambda: first().unknown("s", "fill").resolved("s", "fill", True),
        lambda: first().failed("s", "fill").resolved("s", "fill", True),
    ),
    "duplicate_live": (
        lambda: Story().live("s", args={"a": 1}).undo("s").live("t", args={"a": 1}),
        lambda: Story().live("s", args={"a": 1}).live("t", args={"a": 1}),
    ),
    "claims_overlap": (
        lambda: Story().live("s", claims=["write:r"]).live("t", claims=["write:r"]),
        lambda: overlapping("write:r", "read:r"),
    ),
    "undo_of_nothing": (
        lambda: Story().live("s").undo("s"),
        lambda: first().failed("s", "fill").undo("s"),
    ),
    "undo_without_intent": (
        lambda: Story().live("s").undo("s"),
        lambda: Story().live("s").undone("s"),
    ),
    "undo_overclaimed": (
        lambda: Story().live("s", "copy").undo("s", "copy", result=UndoResult.RESTORED_EQUIVALENT),
        lambda: Story().live("s", "copy").undo("s", "copy", result=UndoResult.RESTORED_EXACT),
    ),
    "undo_order": (
        lambda: Story().live("s").live("t").undo("t").undo("s"),
        lambda: Story().live("s").live("t").undo("s").undo("t"),
    ),
}


def first(tool: str = "fill") -> Story:
    return Story().rehearsed("s", tool).intent("s", tool)


def retry(story: Story, tool: str = "fill", attempt: int = 2) -> Story:
    return story.intent("s", tool, attempt=attempt).outcome("s", tool, attempt=attempt)


def overlapping(one: str, other: str) -> Story:
    story = Story().rehearsed("s", "fill", {"n": 1}).rehearsed("t", "fill", {"n": 2})
    story.intent("s", "fill", {"n": 1}, claims=[one]).intent("t", "fill", {"n": 2}, claims=[other])
    return story.outcome("t", "fill").outcome("s", "fill")


@pytest.mark.parametrize("rule", RULES)
def test_a_kept_rule_says_nothing_and_a_broken_one_is_named(rule: str) -> None:
    honest, broken = TWINS[rule]
    assert rules(honest()) == set()
    # What one step's approval lets another step do, nobody approved.
    assert rules(broken()) == {rule} | ({"live_without_approval"} if rule == "approval_reused" else set())


def test_no_twin_tells_of_a_rule_that_does_not_exist() -> None:
    assert TWINS.keys() == RULES.keys()


def test_a_violation_names_line_plan_step_and_cause() -> None:
    story = Story().rehearsed("s", "fill").intent("s", "fill", confidence=None).outcome("s", "fill")
    [violation] = audit(story.records())
    assert (violation.rule, violation.seq, violation.plan, violation.step) == (
        "confidence_too_low",
        4,
        "p",
        "s",
    )
    assert "0.8 for LIVE" in violation.message


# the order of a run


def test_every_kind_of_event_is_looked_at() -> None:
    fold = Audit()
    assert set(fold._folds) == set(get_args(AnyEvent))


def test_a_run_that_only_tidies_up_after_its_end_is_in_order() -> None:
    story = Story().rehearsed("s", "fill").intent("s", "fill").unknown("s", "fill").finished()
    story.lock().unlock().resolved("s", "fill", True).undo("s").settled("s", StepStatus.ROLLED_BACK)
    assert rules(story) == set()


@pytest.mark.parametrize(
    "event",
    [
        PlanStarted(plan="p", steps=1),
        BreakerMoved(subject="tool:fill", open=True, reason="r"),
        Story().mock("s", "fill").events[-1],
        Story().finished().events[-1],
        Story().events[0],
    ],
    ids=lambda event: type(event).__name__,
)
def test_nothing_else_may_happen_after_the_end(event: AnyEvent) -> None:
    assert rules(Story().finished().add(event)) == {"lifecycle"}
    assert rules(Story().finished().resumed()) == set()


def test_a_journal_begins_with_the_start_of_the_run() -> None:
    story = Story().mock("s", "fill")
    story.events.reverse()
    story.mock("t", "fill")
    assert [(one.rule, one.seq) for one in audit(story.records())] == [("lifecycle", 1), ("lifecycle", 2)]


def test_a_second_start_cannot_loosen_the_settings() -> None:
    loose = Story(Mode.LIVE, approval_required_for_high_risk=False).events[0]
    story = Story(Mode.DRY_RUN).add(loose).live("s")
    assert rules(story) == {"lifecycle", "live_above_mode"}


def test_settings_that_cannot_be_read_are_found_and_the_strictest_hold() -> None:
    story = Story(approval_required="never").read("s")
    assert rules(story) == {"lifecycle", "live_above_mode"}


def test_gaps_and_repeats_in_the_numbers_of_lines_are_found() -> None:
    records = Story().live("s").finished().records()
    assert audit(records) == []
    for place in range(len(records)):
        cut = records[:place] + records[place + 1 :]
        if place < len(records) - 1:
            assert any(one.rule == "lifecycle" for one in audit(cut)), place
        again = records[: place + 1] + records[place:]
        assert any(one.rule == "lifecycle" for one in audit(again)), place


def test_a_clock_that_steps_back_does_no_harm() -> None:
    story = Story().live("s").live("t").finished()
    story.times.reverse()
    assert rules(story) == set()


def test_a_call_with_changed_arguments_confidence_or_contract_is_found() -> None:
    for change in (
        {"digest": digest_of("fill", {"other": 1})},
        {"confidence": 0.1},
        {"tool": "copy"},
        {"plan": "q"},
        {"step": "t"},
        {"lock_epoch": -1},
        {"attempt": 0},
        {"sources": ["nowhere"]},
        {"approval": "a1"},
    ):
        story = Story().live("r").live("s")
        assert rules(story) == set()
        assert rules(story.last(Intent, **change)) != set(), change


# what it costs and what it shares


def test_a_step_that_stays_at_mock_costs_less_than_200_bytes() -> None:
    import tracemalloc

    fold = Audit()
    start = Story(Mode.LIVE).records()[0]
    fold.feed(start)
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    steps = 20_000
    rung = Story().mock("s", "fill", {"email": "a@b.c"}).events[-1]
    for number in range(steps):
        event = msgspec.structs.replace(rung, step=f"step_{number}", digest=f"{number:032x}")
        assert fold.feed(Record(number + 2, start.time, event)) == []
    after, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (after - before) / steps < 200


def modules_of(node: ast.Import | ast.ImportFrom) -> list[str]:
    return [node.module or ""] if isinstance(node, ast.ImportFrom) else [name.name for name in node.names]


def test_it_shares_no_code_with_the_gate() -> None:
    folder = Path(next(iter(buddy.core.__path__)))
    imported = {
        alias
        for path in folder.glob("audit*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ImportFrom | ast.Import)
        for alias in modules_of(node)
    }
    core = {name for name in imported if name.startswith("buddy.core")}
    assert core
    assert all(name.startswith("buddy.core.audit") for name in core)
