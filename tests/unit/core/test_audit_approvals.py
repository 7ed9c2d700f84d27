"""Approvals: who needs one, whose yes counts, for what, until when, and how often."""

from typing import Any

import msgspec
import pytest
from msgspec import UNSET

from buddy.journal.events import ApprovalDecided, ApprovalRequested, Intent, Outcome, Rung, RunResumed
from buddy.model.approval import ApprovalState
from buddy.model.mode import Mode
from buddy.model.outcome import Preview
from unit.core.journals import CONTRACTS, Story, at, rules

WITHOUT = {"live_without_approval"}


def spend(story: Story, tool: str = "send", **more: Any) -> Story:
    return story.intent("s", tool, **({"approval": "a1"} | more)).outcome("s", tool)


# who needs one


@pytest.mark.parametrize(
    ("tool", "config", "asks"),
    [
        ("fill", {}, False),
        ("copy", {}, False),
        ("send", {}, True),
        ("post", {}, True),
        ("blind", {}, True),
        ("fill", {"approval_required": "all"}, True),
        ("send", {"approval_required_for_high_risk": False}, True),
    ],
)
def test_a_write_needs_an_approval_by_risk_reversibility_preview_or_configuration(
    tool: str, config: dict[str, Any], asks: bool
) -> None:
    assert rules(Story(**config).live("s", tool)) == (WITHOUT if asks else set())
    assert rules(Story(**config).asked_live("s", tool)) == set()


def looked(*, ask: bool, **config: Any) -> Story:
    story = Story(**config).mock("s", "peek")
    if ask:
        story.decide(story.ask("s", "peek"))
    return story.dry("s", "peek", approval="a1" if ask else None).rung(Mode.LIVE, "s", "peek")


def test_a_high_read_needs_an_approval_before_dry_run_already() -> None:
    assert rules(looked(ask=True)) == set()
    assert rules(looked(ask=False)) == WITHOUT
    assert rules(looked(ask=False, approval_required_for_high_risk=False)) == set()
    assert rules(Story(Mode.DRY_RUN).rehearsed("s", "peek")) == WITHOUT


def test_what_let_a_read_look_does_not_let_it_look_elsewhere() -> None:
    story = looked(ask=True).mock("s", "peek", {"other": 1}).dry("s", "peek", {"other": 1})
    assert rules(story) == WITHOUT


def test_where_everything_is_asked_about_a_low_read_needs_it_for_live_only() -> None:
    assert rules(Story(approval_required="all").rehearsed("s", "find")) == set()
    assert rules(Story(approval_required="all").read("s")) == WITHOUT
    story = Story(approval_required="all").rehearsed("s", "find")
    story.decide(story.ask("s", "find"))
    assert rules(story.rung(Mode.LIVE, "s", "find", approval="a1")) == set()


# whose yes counts


@pytest.mark.parametrize(
    "state",
    [state for state in ApprovalState if state is not ApprovalState.APPROVED],
)
def test_only_a_yes_is_a_yes(state: ApprovalState) -> None:
    story = Story().rehearsed("s", "send")
    assert rules(spend(story.decide(story.ask("s", "send"), state))) == WITHOUT


def test_a_request_that_nobody_decided_or_nobody_made_is_no_approval() -> None:
    assert rules(spend(Story().approved().drop(ApprovalDecided))) == WITHOUT
    assert rules(spend(Story().approved().drop(ApprovalRequested))) == WITHOUT
    assert rules(spend(Story().approved(), approval=None)) == WITHOUT


def test_a_yes_after_the_call_is_too_late() -> None:
    story = Story().rehearsed("s", "send")
    name = story.ask("s", "send")
    assert rules(spend(story).decide(name)) == WITHOUT


@pytest.mark.parametrize("state", [ApprovalState.SUPERSEDED, ApprovalState.DENIED, ApprovalState.CANCELLED])
def test_a_yes_may_be_withdrawn_and_a_no_may_not(state: ApprovalState) -> None:
    assert rules(spend(Story().approved().decide("a1", state))) == WITHOUT
    story = Story().rehearsed("s", "send")
    name = story.ask("s", "send")
    assert rules(spend(story.decide(name, state).decide(name))) == WITHOUT


def test_a_request_that_replaces_another_withdraws_it() -> None:
    story = Story().approved()
    story.ask("s", "send", supersedes="a1")
    assert rules(spend(story)) == WITHOUT
    again = Story().approved()
    again.decide(again.ask("s", "send", supersedes="a1"))
    assert rules(spend(again, approval="a2")) == set()


@pytest.mark.parametrize(
    ("by", "quorum", "enough"),
    [
        (["ada"], 1, True),
        (["ada"], 2, False),
        (["ada", "cy"], 2, True),
        (["ada", "ada"], 2, False),
        (["ada", " Ada"], 2, False),
        (["Bo"], 1, False),
        ([" "], 1, False),
        (["ada", "bo"], 2, False),
        (["bo"], 1, False),
        ([], 1, False),
    ],
)
def test_distinct_people_other_than_the_agent_make_a_quorum(by: list[str], quorum: int, enough: bool) -> None:
    story = Story().rehearsed("s", "send")
    story.decide(story.ask("s", "send", quorum=quorum), by=by)
    assert rules(spend(story)) == (set() if enough else WITHOUT)


# for what


@pytest.mark.parametrize(
    "change",
    [
        {"step_id": "t"},
        {"plan_id": "q"},
        {"tool": "post"},
        {"run_id": "run_2"},
        {"contract": CONTRACTS["post"].digest},
        {"args": {"to": "somebody else"}},
    ],
)
def test_an_approval_is_for_one_action(change: dict[str, Any]) -> None:
    story = Story().approved()
    place = next(place for place, event in enumerate(story.events) if isinstance(event, ApprovalRequested))
    asked = story.events[place]
    assert isinstance(asked, ApprovalRequested)
    story.events[place] = ApprovalRequested(request=msgspec.structs.replace(asked.request, **change))
    assert rules(spend(story)) == WITHOUT


def test_arguments_changed_after_the_yes_are_found() -> None:
    story = Story().approved().rehearsed("s", "send", {"to": "somebody else"})
    story.intent("s", "send", {"to": "somebody else"}, approval="a1").outcome("s", "send")
    assert rules(story) == WITHOUT


def test_a_rehearsal_that_does_not_repeat_the_arguments_leaves_them_known() -> None:
    again = Story().approved().mock("s", "send").last(Rung, args=UNSET)
    assert rules(spend(again)) == set()
    other = Story().rehearsed("s", "send").mock("s", "send").last(Rung, args=UNSET)
    assert rules(spend(other.decide(other.ask("s", "send", {"to": "somebody else"})))) == WITHOUT


def test_a_changed_contract_voids_an_approval() -> None:
    story = Story().approved().resumed(send=msgspec.structs.replace(CONTRACTS["send"], version="2"))
    assert rules(spend(story.rehearsed("s", "send"))) == WITHOUT


# until when


def test_an_approval_expires() -> None:
    def told(expires_at: str) -> Story:
        return spend(Story().approved(expires_at=expires_at))

    spent_at = Story().approved().second
    assert rules(told(at(spent_at))) == set()
    assert rules(told(at(spent_at - 1))) == WITHOUT
    assert rules(told("garbage")) == WITHOUT


def test_a_call_at_no_time_is_not_in_time() -> None:
    story = spend(Story().approved())
    assert rules(story) == set()
    place = next(place for place, event in enumerate(story.events) if isinstance(event, Intent))
    story.times[place] = "noon"
    assert rules(story) >= WITHOUT


def test_an_approval_expires_by_the_time_of_its_journal_where_that_is_ahead() -> None:
    story = Story()
    story.second = 5000
    asked = {"requested_at": at(0), "expires_at": at(100)}
    assert rules(spend(story.approved(**asked))) == set()
    story = Story()
    story.second = 5000
    story.approved(**asked).second += 101
    assert rules(spend(story)) == WITHOUT


def test_what_was_begun_in_time_may_be_retried_after() -> None:
    story = Story().approved(expires_at=at(5)).intent("s", "send", approval="a1").failed("s", "send")
    assert story.second > 6
    story.intent("s", "send", approval="a1", attempt=2).outcome("s", "send", attempt=2)
    assert rules(story) == set()


def test_what_was_let_through_in_time_may_be_called_after_a_resume() -> None:
    story = Story().approved(expires_at=at(5)).resumed()
    story.second = 100
    assert rules(spend(story)) == WITHOUT
    story = (
        Story().approved(expires_at=at(5)).resumed().last(RunResumed, not_called={"a1": ["p/s"], "a9": []})
    )
    story.second = 100
    assert rules(spend(story)) == set()


def test_items_begun_in_time_outlive_the_rest_of_their_fan_out() -> None:
    one, two = {"to": "one"}, {"to": "two"}
    story = fan([one, two]).intent("s[0]", "send", one, approval="a1").failed("s[0]", "send")
    story.decide("a1", ApprovalState.EXPIRED)
    assert rules(item(story, 0, one, attempt=2).last(Outcome, attempt=2)) == set()
    assert rules(item(story, 1, two)) == WITHOUT


def test_what_expired_unanswered_was_never_approved() -> None:
    story = Story().rehearsed("s", "send")
    story.decide(story.ask("s", "send"), ApprovalState.EXPIRED)
    assert rules(spend(story)) == WITHOUT


def test_a_read_is_in_time_when_it_began_in_time() -> None:
    story = Story().mock("s", "peek")
    story.decide(story.ask("s", "peek", expires_at=at(4)))
    story.second = 100
    assert rules(story.dry("s", "peek", approval="a1", started_at=at(3.5))) == set()
    assert rules(story.last(Rung, started_at=at(99))) == WITHOUT


# how often


def test_one_approval_does_not_do_for_two_steps() -> None:
    story = Story().asked_live("s").rehearsed("t", "send")
    found = rules(story.intent("t", "send", approval="a1").outcome("t", "send"))
    assert found == {"approval_reused", "live_without_approval"}


def test_the_same_action_after_a_crash_is_the_same() -> None:
    story = Story().approved().intent("s", "send", approval="a1").resumed().unknown("s", "send")
    story.resolved("s", "send", False).rehearsed("s", "send")
    story.intent("s", "send", approval="a1", attempt=2).outcome("s", "send", attempt=2)
    assert rules(story) == set()


def test_the_same_step_with_other_arguments_is_another_action() -> None:
    story = Story().approved().intent("s", "send", approval="a1").failed("s", "send")
    story.rehearsed("s", "send", {"more": 1})
    story.intent("s", "send", {"more": 1}, approval="a1", attempt=2).outcome("s", "send", attempt=2)
    assert "approval_reused" in rules(story)


def fan(args: list[Any], **request: Any) -> Story:
    story = Story().expanded("s", len(args))
    for index, item in enumerate(args):
        story.rehearsed(f"s[{index}]", "send", item)
    return story.decide(story.ask("s", "send", args, **request))


def item(story: Story, index: int, args: Any, **more: Any) -> Story:
    return story.intent(f"s[{index}]", "send", args, approval="a1", **more).outcome(f"s[{index}]", "send")


def test_a_fan_out_is_asked_about_once_for_all_its_items() -> None:
    one, two = {"to": "one"}, {"to": "two"}
    assert rules(item(item(fan([one, two]), 0, one), 1, two)) == set()
    assert rules(item(fan([one, two], items=[Preview(), Preview()]), 1, two)) == set()


def test_an_item_that_was_not_listed_was_not_approved() -> None:
    one, two = {"to": "one"}, {"to": "two"}
    story = fan([one]).rehearsed("s[1]", "send", two)
    assert rules(item(story, 1, two)) == WITHOUT


def test_an_item_is_approved_for_its_own_arguments() -> None:
    one, two = {"to": "one"}, {"to": "two"}
    story = fan([one, two]).rehearsed("s[0]", "send", two)
    assert rules(item(story, 0, two)) == WITHOUT


def test_an_item_consumes_a_fan_outs_approval_once() -> None:
    one = {"to": "one"}
    story = item(fan([one, {"to": "two"}]), 0, one).rehearsed("s[0]", "send", {"to": "three"})
    found = rules(item(story, 0, {"to": "three"}, attempt=2).last(Intent, attempt=2))
    assert "approval_reused" in found


def test_a_step_of_another_plan_with_the_same_id_is_another_step() -> None:
    story = Story().asked_live("s", args={}).rehearsed("s", "send", plan="q")
    found = rules(story.intent("s", "send", plan="q", approval="a1").outcome("s", "send", plan="q"))
    assert found == {"approval_reused", "live_without_approval", "duplicate_live"}
