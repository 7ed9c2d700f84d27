"""Live calls: at most once, one outcome each, undone only where made and in order."""

import pytest

from buddy.journal.events import Intent, Outcome, Resolved, Rung, UndoIntent, UndoOutcome
from buddy.model.outcome import OutcomeKind, StepStatus, UndoResult
from unit.core.journals import Story, audit, rules


def first(tool: str = "fill") -> Story:
    return Story().rehearsed("s", tool).intent("s", tool)


def retry(story: Story, tool: str = "fill", attempt: int = 2) -> Story:
    return story.intent("s", tool, attempt=attempt).outcome("s", tool, attempt=attempt)


# at most once


@pytest.mark.parametrize("tool", ["fill", "put"])
def test_what_succeeded_is_not_called_again(tool: str) -> None:
    assert rules(retry(first(tool).outcome("s", tool), tool)) == {"executed_twice"}
    late = first(tool).unknown("s", tool).outcome("s", tool, late=True)
    assert rules(retry(late, tool)) == {"executed_twice"}
    told = first(tool).unknown("s", tool).resolved("s", tool, True)
    assert rules(retry(told, tool)) == {"executed_twice"}
    assert rules(retry(first(tool).outcome("s", tool).undo("s", tool), tool)) == {"executed_twice"}


@pytest.mark.parametrize("tool", ["fill", "put"])
def test_what_is_in_flight_is_not_called_again(tool: str) -> None:
    assert rules(retry(first(tool), tool)) == {"executed_twice"}


@pytest.mark.parametrize(("tool", "found"), [("fill", {"retried_after_unknown"}), ("put", set())])
def test_what_a_crash_cut_off_is_unknown(tool: str, found: set[str]) -> None:
    assert rules(retry(first(tool).resumed(), tool)) == found
    assert rules(retry(first(tool).resumed().unknown("s", tool), tool)) == found
    assert rules(retry(first(tool).settled("s", StepStatus.UNKNOWN).resumed(), tool)) == found


@pytest.mark.parametrize(("tool", "found"), [("fill", {"retried_after_unknown"}), ("put", set())])
def test_what_is_unknown_is_called_again_where_that_does_no_harm(tool: str, found: set[str]) -> None:
    assert rules(retry(first(tool).unknown("s", tool), tool)) == found


def test_a_call_that_is_over_is_not_made_unknown_by_a_word() -> None:
    said = first().outcome("s", "fill").settled("s", StepStatus.UNKNOWN)
    assert rules(said) == set()
    assert rules(said.failed("s", "fill", late=True)) == {"second_outcome"}
    said = first().outcome("s", "fill").settled("s", StepStatus.UNKNOWN)
    assert rules(retry(said)) == {"executed_twice"}


@pytest.mark.parametrize(("tool", "found"), [("fill", {"retried_after_unknown"}), ("put", set())])
def test_a_call_that_was_cut_off_is_still_lost_after_a_second_crash(tool: str, found: set[str]) -> None:
    assert rules(first(tool).resumed().resumed()) == {"intent_without_outcome"}
    assert rules(retry(first(tool).resumed().resumed(), tool)) == found


def test_what_was_found_not_to_have_happened_is_called_again() -> None:
    assert rules(retry(first().unknown("s", "fill").resolved("s", "fill", False))) == set()
    assert rules(retry(first().unknown("s", "fill").failed("s", "fill", late=True))) == set()
    marked = first().unknown("s", "fill").failed("s", "fill", late=True, no_effect=False)
    assert rules(retry(marked)) == {"retried_with_effect"}


@pytest.mark.parametrize(("tool", "found"), [("fill", {"retried_with_effect"}), ("put", set())])
def test_a_failure_that_may_have_had_an_effect_is_retried_where_that_does_no_harm(
    tool: str, found: set[str]
) -> None:
    assert rules(retry(first(tool).failed("s", tool, no_effect=False), tool)) == found
    silent = first(tool).outcome("s", tool, OutcomeKind.FAILED)
    assert rules(retry(silent, tool)) == found


@pytest.mark.parametrize(
    ("attempt", "found"), [(0, {"attempt_order"}), (1, {"attempt_order"}), (2, set()), (5, set())]
)
def test_attempts_are_numbered_upwards(attempt: int, found: set[str]) -> None:
    assert rules(retry(first().failed("s", "fill"), attempt=attempt)) == found


# outcomes


def test_an_outcome_belongs_to_the_attempt_that_was_announced() -> None:
    assert rules(Story().outcome("s", "fill")) == {"outcome_without_intent"}
    wrong = {"outcome_without_intent", "intent_without_outcome"}
    assert rules(first().outcome("s", "fill", attempt=2)) == wrong
    assert rules(first().outcome("s", "copy")) == wrong
    assert rules(first().outcome("t", "fill")) == wrong


def test_an_attempt_ends_once_and_late_only_if_it_was_given_up() -> None:
    assert rules(first().outcome("s", "fill").failed("s", "fill")) == {"second_outcome"}
    assert rules(first().outcome("s", "fill").failed("s", "fill", late=True)) == {"second_outcome"}
    assert rules(first().unknown("s", "fill").outcome("s", "fill")) == {"second_outcome"}
    late = first().unknown("s", "fill").outcome("s", "fill", late=True)
    assert rules(late) == set()
    assert rules(late.outcome("s", "fill", late=True)) == {"second_outcome"}


def test_a_late_outcome_of_an_earlier_attempt_leaves_the_later_one_in_flight() -> None:
    story = first("put").unknown("s", "put").intent("s", "put", attempt=2).outcome("s", "put", late=True)
    assert rules(story) == {"intent_without_outcome"}
    assert rules(story.outcome("s", "put", attempt=2)) == set()
    assert rules(story.intent("s", "put", attempt=3)) == {"executed_twice", "intent_without_outcome"}


def test_a_late_success_outlives_a_failed_retry() -> None:
    story = first("put").unknown("s", "put").intent("s", "put", attempt=2).outcome("s", "put", late=True)
    story.failed("s", "put", attempt=2)
    assert rules(story) == set()
    assert rules(retry(story, "put", attempt=3)) == {"executed_twice"}


def test_what_fails_without_effect_says_nothing_of_an_attempt_before_it() -> None:
    story = first("put").unknown("s", "put").intent("s", "put", attempt=2)
    told = {"attempt": 2, "status": StepStatus.FAILED}
    assert rules(story.failed("s", "put", **told)) == {"unknown_forgotten"}
    assert rules(story.last(Outcome, status=None).settled("s", StepStatus.UNKNOWN)) == set()
    assert rules(story.settled("s", StepStatus.ABORTED)) == {"unknown_forgotten"}
    found = first("put").unknown("s", "put").resolved("s", "put", False).intent("s", "put", attempt=2)
    assert rules(found.failed("s", "put", **told)) == set()


def test_a_rung_does_not_tell_where_a_lost_call_stands() -> None:
    story = first("put").resumed().mock("s", "put")
    assert rules(story.last(Rung, status=StepStatus.FAILED)) == {
        "unknown_forgotten",
        "intent_without_outcome",
    }
    assert "unknown_forgotten" not in rules(story.last(Rung, status=StepStatus.HELD))


def test_what_was_given_up_by_word_may_still_end_late() -> None:
    story = first().settled("s", StepStatus.UNKNOWN)
    assert rules(story.outcome("s", "fill", late=True)) == set()
    assert rules(story.undo("s")) == set()
    assert rules(first().settled("s", StepStatus.UNKNOWN).outcome("s", "fill")) == {"second_outcome"}


def test_what_was_announced_ends_or_is_said_to_be_unknown() -> None:
    [violation] = audit(first().finished().records())
    assert (violation.rule, violation.seq, violation.step) == ("intent_without_outcome", 4, "s")
    assert "UNKNOWN" in violation.message
    assert rules(first().settled("s", StepStatus.UNKNOWN).finished()) == set()
    assert rules(first().settled("s", StepStatus.FAILED).finished()) == {"intent_without_outcome"}
    assert rules(first().unknown("s", "fill").finished()) == set()


def test_only_what_is_unknown_is_resolved() -> None:
    assert rules(Story().resolved("s", "fill", True)) == {"resolved_of_nothing"}
    assert rules(Story().live("s").resolved("s", "fill", False)) == {"resolved_of_nothing"}
    assert rules(first().failed("s", "fill").resolved("s", "fill", True)) == {"resolved_of_nothing"}
    assert rules(first().resumed().resolved("s", "fill", True)) == set()


# undo


def test_only_a_write_that_succeeded_is_undone() -> None:
    assert rules(Story().live("s").undo("s")) == set()
    assert rules(Story().rehearsed("s", "fill").undo("s")) == {"undo_of_nothing"}
    assert rules(first().unknown("s", "fill").undo("s")) == {"undo_of_nothing"}
    assert rules(Story().read("s").undo("s", "find")) == {"undo_of_nothing"}
    assert rules(first("find").outcome("s", "find").undo("s", "find")) == {"undo_of_nothing"}
    assert rules(first().unknown("s", "fill").outcome("s", "fill", late=True).undo("s")) == set()
    assert rules(first().unknown("s", "fill").resolved("s", "fill", True).undo("s")) == set()


def test_a_step_is_undone_once() -> None:
    assert rules(Story().live("s").undo("s").undo("s")) == {"undo_of_nothing"}
    assert rules(Story().live("s").undo_intent("s").undo("s")) == {"undo_of_nothing"}
    assert rules(Story().live("s").undo("s", result=UndoResult.FAILED).undo("s")) == set()
    assert rules(Story().live("s").undo("s", result=UndoResult.CHANGED_SINCE).undo("s")) == set()
    assert rules(Story().live("s").undo_intent("s").resumed().undo("s")) == set()


def test_an_undo_is_announced_unless_there_is_nothing_to_do() -> None:
    assert rules(Story().live("s").undo("s").drop(UndoIntent)) == {"undo_without_intent"}
    assert rules(Story().asked_live("s").undone("s", "send", UndoResult.NOT_REVERSIBLE)) == set()


@pytest.mark.parametrize(
    ("tool", "result", "too_much"),
    [
        ("fill", UndoResult.RESTORED_EXACT, False),
        ("fill", UndoResult.RESTORED_EQUIVALENT, False),
        ("copy", UndoResult.RESTORED_EXACT, True),
        ("copy", UndoResult.RESTORED_EQUIVALENT, False),
        ("send", UndoResult.RESTORED_EXACT, True),
        ("send", UndoResult.RESTORED_EQUIVALENT, True),
        ("send", UndoResult.NOT_REVERSIBLE, False),
        ("send", UndoResult.FAILED, False),
    ],
)
def test_an_undo_claims_no_more_than_its_contract(tool: str, result: UndoResult, too_much: bool) -> None:
    story = Story().asked_live("s", tool).undo("s", tool, result=result)
    assert rules(story) == ({"undo_overclaimed"} if too_much else set())


def test_an_undo_is_held_to_the_contract_of_the_tool_that_was_called() -> None:
    assert rules(Story().live("s", "copy").undo("s", "fill")) == {"undo_overclaimed"}


@pytest.mark.parametrize(
    ("order", "found"),
    [("321", set()), ("31", set()), ("2", set()), ("231", {"undo_order"}), ("312", {"undo_order"})],
)
def test_what_ended_last_is_undone_first(order: str, found: set[str]) -> None:
    story = Story().live("1").live("2").live("3")
    for step in order:
        story.undo(step)
    assert rules(story) == found


def test_it_is_the_end_of_a_call_that_counts() -> None:
    story = Story().rehearsed("slow", "fill", {"n": 1}).intent("slow", "fill", {"n": 1}).live("fast")
    story.outcome("slow", "fill")
    assert rules(story.undo("slow").undo("fast")) == set()


def test_each_rollback_has_its_own_order() -> None:
    def told(second: str) -> Story:
        story = Story().live("1").live("2").undo("1")
        return story.undo_intent("2", trigger=second).undone("2", trigger=second)

    assert rules(told("failed")) == {"undo_order"}
    assert rules(told("by hand")) == set()


def test_what_ended_after_a_rollback_belongs_to_the_next() -> None:
    assert (
        rules(Story().live("1").live("2").undo("2").undo("1").live("3").live("4").undo("4").undo("3"))
        == set()
    )


def test_an_undo_that_is_tried_again_comes_when_it_comes() -> None:
    story = Story().live("1").live("2").undo("2", result=UndoResult.FAILED).undo("1").undo("2")
    assert rules(story) == set()


def test_every_event_of_a_call_is_needed() -> None:
    for kind in (Intent, Outcome):
        assert rules(Story().live("s").drop(kind)) != set()


def test_what_was_found_out_and_what_is_told_agree() -> None:
    story = first().unknown("s", "fill").resolved("s", "fill", False)
    assert rules(story.last(Resolved, status=StepStatus.SUCCEEDED)) == {"unknown_forgotten"}
    story = first().unknown("s", "fill").resolved("s", "fill", True)
    assert rules(story.last(Resolved, status=StepStatus.FAILED)) == {"unknown_forgotten"}


def test_a_step_is_rolled_back_where_an_undo_restored_it() -> None:
    story = Story().live("s").undo("s").last(UndoOutcome, status=StepStatus.ROLLED_BACK)
    assert rules(story) == set()
    assert rules(story.last(UndoOutcome, result=UndoResult.FAILED)) == {"undo_overclaimed"}


def test_an_undo_that_was_lost_may_be_found_to_have_happened_later() -> None:
    story = Story().live("s").undo_intent("s").resumed().undone("s", result=UndoResult.FAILED)
    assert rules(story.resumed().undone("s")) == set()
    assert rules(story.undone("s")) == {"undo_without_intent"}


def test_whoever_undoes_by_hand_chooses_the_order() -> None:
    story = Story().live("s").live("t").undo("s", trigger="by hand").resumed()
    assert rules(story.undo("t", trigger="by hand")) == set()
