"""Resources in flight, and the same action twice."""

from collections.abc import Callable
from typing import Any

import pytest

from buddy.model.outcome import UndoResult
from unit.core.journals import Story, at, rules

SAME = {"email": "a@b.c"}
CONTACT = ["write:contact:a"]


# claims


def held(one: str, other: str, *, plan: str = "p", **config: Any) -> Story:
    story = Story(**config).rehearsed("s", "fill", {"n": 1}).rehearsed("t", "fill", {"n": 2}, plan=plan)
    story.intent("s", "fill", {"n": 1}, claims=[one]).intent("t", "fill", {"n": 2}, claims=[other], plan=plan)
    return story.outcome("t", "fill", plan=plan).outcome("s", "fill")


@pytest.mark.parametrize(
    ("one", "other", "at_odds"),
    [
        ("write:r", "write:r", True),
        ("write:r", "read:r", True),
        ("read:r", "write:r", True),
        ("read:r", "read:r", False),
        ("write:r", "write:q", False),
    ],
)
def test_calls_in_flight_at_odds_over_a_resource_are_found(one: str, other: str, at_odds: bool) -> None:
    assert rules(held(one, other)) == ({"claims_overlap"} if at_odds else set())


def test_plans_that_share_no_world_are_not_at_odds() -> None:
    assert rules(held("write:r", "write:r", plan="q")) == {"claims_overlap"}
    assert rules(held("write:r", "write:r", plan="q", isolate=True)) == set()
    assert rules(held("write:r", "write:r", isolate=True)) == {"claims_overlap"}


def test_a_step_is_not_at_odds_with_itself() -> None:
    assert rules(Story().live("s", claims=["read:r", "write:r"])) == set()


@pytest.mark.parametrize(
    "end",
    [
        lambda story: story.outcome("s", "put"),
        lambda story: story.failed("s", "put"),
        lambda story: story.unknown("s", "put"),
        lambda story: story.resumed().unknown("s", "put"),
        lambda story: story.resolved("s", "put", False),
    ],
)
def test_what_ended_holds_nothing(end: Callable[[Story], object]) -> None:
    story = Story().rehearsed("t", "fill").rehearsed("s", "put").intent("s", "put", claims=CONTACT)
    end(story)
    assert rules(story.intent("t", "fill", claims=CONTACT).outcome("t", "fill")) == set()


def test_what_a_crash_cut_off_holds_nothing_once_the_run_goes_on() -> None:
    story = Story().rehearsed("t", "fill").rehearsed("s", "put").intent("s", "put", claims=CONTACT).resumed()
    story.intent("t", "fill", claims=CONTACT).outcome("t", "fill").unknown("s", "put")
    assert rules(story) == set()


def test_a_call_that_is_made_again_holds_only_what_it_holds_then() -> None:
    story = Story().rehearsed("t", "fill").rehearsed("s", "put").intent("s", "put", claims=CONTACT)
    story.intent("s", "put", attempt=2, claims=["write:contact:b"]).outcome("s", "put", attempt=2)
    assert rules(story.intent("t", "fill", claims=CONTACT).outcome("t", "fill")) == {"executed_twice"}


# duplicates


def twice(
    between: Callable[[Story], object] = lambda story: None, tool: str = "fill", **config: Any
) -> Story:
    """The same action by two steps, with something in between."""
    story = Story(**config).live("one", tool, SAME, claims=CONTACT)
    between(story)
    return story.live("two", tool, SAME, claims=CONTACT)


def failing(story: Story) -> Story:
    """Another write to the same resource that had no effect."""
    return story.rehearsed("mid", "fill").intent("mid", "fill", claims=CONTACT).failed("mid", "fill")


def later(story: Story) -> None:
    story.second = 90_000


@pytest.mark.parametrize(
    ("story", "found"),
    [
        (twice(), True),
        (twice(tool="put"), False),
        (twice(conflicts={"DUPLICATE_ACTION": "ALLOW"}), False),
        (twice(conflicts={"DUPLICATE_ACTION": "ABORT"}), True),
        (twice(lambda story: story.undo("one")), False),
        (twice(lambda story: story.undo("one", result=UndoResult.CHANGED_SINCE)), True),
        (twice(lambda story: story.live("mid", claims=CONTACT)), False),
        (twice(lambda story: story.live("mid", claims=["write:contact:b"])), True),
        (twice(lambda story: story.live("mid", claims=["read:contact:a"])), True),
        (twice(lambda story: story.live("mid", claims=CONTACT).undo("mid")), True),
        (twice(failing), True),
        (twice(later), False),
        (twice(later, duplicate_window_s=100_000.0), True),
    ],
)
def test_the_same_action_twice_is_found(story: Story, found: bool) -> None:
    assert rules(story) == ({"duplicate_live"} if found else set())


def test_a_repeat_that_is_meant_is_no_duplicate_and_counts_for_the_next() -> None:
    story = Story().live("one", args=SAME).live("two", args=SAME, repeat=True)
    assert rules(story) == set()
    assert rules(story.undo("one").live("three", args=SAME)) == {"duplicate_live"}


def test_an_action_that_had_no_effect_is_free_and_an_unknown_one_is_not() -> None:
    def told(end: Callable[[Story], object]) -> Story:
        story = Story().rehearsed("one", "fill", SAME).intent("one", "fill", SAME)
        end(story)
        return story.live("two", args=SAME)

    assert rules(told(lambda story: story.failed("one", "fill"))) == set()
    assert rules(told(lambda story: story.unknown("one", "fill").resolved("one", "fill", False))) == set()
    assert rules(told(lambda story: story.unknown("one", "fill"))) == {"duplicate_live"}
    assert rules(told(lambda story: story.failed("one", "fill", no_effect=False))) == {"duplicate_live"}


def test_a_retry_takes_the_action_again_and_is_no_duplicate_of_itself() -> None:
    story = Story().rehearsed("one", "fill", SAME).intent("one", "fill", SAME).failed("one", "fill")
    story.intent("one", "fill", SAME, attempt=2).outcome("one", "fill", attempt=2)
    assert rules(story) == set()
    assert rules(story.live("two", args=SAME)) == {"duplicate_live"}


def test_worlds_that_are_not_shared_have_their_own_actions() -> None:
    story = Story(isolate=True).live("one", args=SAME).live("one", args=SAME, plan="q")
    assert rules(story) == set()
    assert rules(story.live("two", args=SAME)) == {"duplicate_live"}
    assert rules(Story().live("one", args=SAME).live("one", args=SAME, plan="q")) == {"duplicate_live"}


def test_a_time_that_cannot_be_read_lies_within_the_window() -> None:
    story = twice(later)
    story.times = ["garbage" if time >= at(90_000) else time for time in story.times]
    assert rules(story) == {"duplicate_live"}


def test_the_same_action_is_a_duplicate_whatever_it_says_that_it_writes_to() -> None:
    story = Story().live("one", args=SAME, claims=CONTACT)
    assert rules(story.live("two", args=SAME, claims=["write:contact:b"])) == {"duplicate_live"}
