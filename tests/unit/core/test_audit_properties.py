"""The auditor over runs that nobody wrote down: honest ones, ones with an event missing, and nonsense."""

import random
from collections.abc import Callable

from hypothesis import given, settings
from hypothesis import strategies as st

from buddy.core.audit import RULES
from buddy.journal.events import (
    AnyEvent,
    ApprovalDecided,
    ApprovalRequested,
    Intent,
    LockSeen,
    Outcome,
    Rung,
    RunStarted,
    UndoIntent,
)
from buddy.model.outcome import OutcomeKind
from unit.core.journals import Story, audit

Chapter = Callable[[Story, str, int], object]
"""Tells how one step went: the story, the step's id, a small number that is its own."""


def fan(story: Story, step: str, number: int) -> None:
    args = [{"n": number, "i": index} for index in range(number % 4)]
    story.expanded(step, len(args))
    for index, item in enumerate(args):
        story.rehearsed(f"{step}[{index}]", "send", item)
    name = story.ask(step, "send", args)
    story.decide(name)
    for index, item in enumerate(args):
        story.intent(f"{step}[{index}]", "send", item, approval=name).outcome(f"{step}[{index}]", "send")


def retried(story: Story, step: str, number: int) -> None:
    own = {"n": number}
    story.rehearsed(step, "copy", own).intent(step, "copy", own).failed(step, "copy")
    story.intent(step, "copy", own, attempt=2).outcome(step, "copy", attempt=2)


def lost(story: Story, step: str, number: int) -> None:
    own = {"n": number}
    story.rehearsed(step, "put", own).intent(step, "put", own).unknown(step, "put")
    story.resolved(step, "put", number % 2 == 0)


def written(story: Story, step: str, number: int) -> None:
    before = [event.step for event in story.events if isinstance(event, Intent) and event.tool == "fill"]
    story.live(step, claims=["write:r"], sources=before[-1:])


CHAPTERS: tuple[Chapter, ...] = (
    fan,
    retried,
    lost,
    written,
    written,
    lambda story, step, number: story.read(step),
    lambda story, step, number: story.asked_live(step),
    lambda story, step, number: story.mock(step, "send", confidence=0.1),
    lambda story, step, number: story.mock(step, "fill").lock().unlock(),
    lambda story, step, number: story.finished().resumed(),
)


@st.composite
def honest_stories(draw: st.DrawFn) -> Story:
    """A run of several steps that all do what they may; what was written may be undone in the end."""
    story = Story()
    for number, tell in enumerate(draw(st.lists(st.sampled_from(CHAPTERS), min_size=1, max_size=6))):
        tell(story, f"s{number}", number)
    if draw(st.booleans()):
        done = [event.step for event in story.events if isinstance(event, Intent) and event.tool == "fill"]
        for step in reversed(done):
            story.undo(step)
    return story.finished()


@settings(max_examples=60, deadline=None)
@given(honest_stories())
def test_honest_runs_are_not_accused(story: Story) -> None:
    assert audit(story.records()) == []


def carries_weight(event: AnyEvent, later: list[AnyEvent]) -> bool:
    """Whether what follows in an honest run cannot do without this event."""
    intents = [other for other in later if isinstance(other, Intent)]
    match event:
        case RunStarted() | Intent() | UndoIntent():
            return True
        case Outcome():
            # A call that nobody settled is UNKNOWN all the same, and may be resolved.
            return event.outcome is not OutcomeKind.UNKNOWN
        case Rung():
            rungs = [other for other in later if isinstance(other, Rung) and other.mode > event.mode]
            above: list[Intent | Rung] = [*intents, *rungs]
            return any((other.step, other.digest) == (event.step, event.digest) for other in above)
        case ApprovalRequested():
            return any(other.approval == event.request.approval_id for other in intents)
        case ApprovalDecided():
            return any(other.approval == event.approval for other in intents)
        case LockSeen():
            upto = next((other for other in later if isinstance(other, Intent | LockSeen)), None)
            return not event.engaged and isinstance(upto, Intent)
        case _:
            return False


@settings(max_examples=40, deadline=None)
@given(honest_stories())
def test_what_carries_weight_is_missed_even_when_the_lines_are_numbered_again(story: Story) -> None:
    events, times = story.events, story.times
    for place, event in enumerate(events):
        story.events = events[:place] + events[place + 1 :]
        story.times = times[:place] + times[place + 1 :]
        if carries_weight(event, events[place + 1 :]):
            assert audit(story.records()) != [], event


@settings(max_examples=60, deadline=None)
@given(honest_stories(), honest_stories(), st.randoms(use_true_random=False))
def test_no_order_of_events_makes_it_fall_over(story: Story, other: Story, chance: random.Random) -> None:
    story.events += other.events
    story.times += other.times
    chance.shuffle(story.events)
    story.times = ["garbage" if chance.random() < 0.1 else time for time in story.times]
    for violation in audit(story.records()):
        assert violation.rule in RULES
        assert violation.message
