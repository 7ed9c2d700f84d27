"""Rungs: mode, handlers, confidence, rehearsals, sources, lock."""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from buddy.core.audit_terms import fan_out
from buddy.journal.events import Intent, LockSeen, Rung
from buddy.model.mode import Mode, Risk
from buddy.model.outcome import CallError, StepStatus
from unit.core.journals import CONTRACTS, Story, at, contract, on, rules

BROKE = CallError("Boom", "it broke")


# mode, handlers, confidence


@pytest.mark.parametrize(
    ("story", "found"),
    [
        (Story(Mode.MOCK).mock("s", "fill"), set()),
        (Story(Mode.MOCK).rehearsed("s", "fill"), {"live_above_mode"}),
        (Story(Mode.DRY_RUN).rehearsed("s", "fill"), set()),
        (Story(Mode.DRY_RUN).read("s"), {"live_above_mode"}),
        (Story(dry_run_only=True).rehearsed("s", "fill"), set()),
        (Story(dry_run_only=True).live("s"), {"live_above_mode"}),
        (Story(environment_dry_run=True).mock("s", "fill"), set()),
        (Story(environment_dry_run=True).rehearsed("s", "fill"), {"live_above_mode"}),
    ],
)
def test_nothing_climbs_above_the_mode(story: Story, found: set[str]) -> None:
    assert rules(story) == found


def test_a_tool_without_contract_or_live_handler_stays_at_mock() -> None:
    assert rules(Story().mock("s", "stranger")) == set()
    assert rules(Story().rehearsed("s", "stranger")) == {"unknown_tool_live"}
    assert rules(Story().mock("s", "paper")) == set()
    assert rules(Story().rehearsed("s", "paper")) == {"unknown_tool_live"}


@pytest.mark.parametrize(
    ("tool", "dry", "live"),
    [("find", 0.50, 0.75), ("fill", 0.65, 0.80), ("send", 0.80, 0.85)],
)
def test_each_risk_has_its_thresholds_and_reaching_them_is_enough(tool: str, dry: float, live: float) -> None:
    def told(for_dry: float, for_live: float) -> Story:
        story = Story()
        story.mock("s", tool, confidence=0.0).dry("s", tool, confidence=for_dry)
        if tool == "find":
            return story.rung(Mode.LIVE, "s", tool, confidence=for_live)
        name = story.ask("s", tool)
        return story.decide(name).intent("s", tool, confidence=for_live, approval=name).outcome("s", tool)

    assert rules(told(dry, live)) == set()
    assert rules(told(dry - 0.001, live)) == {"confidence_too_low"}
    assert rules(told(dry, live - 0.001)) == {"confidence_too_low"}


def test_the_configured_floor_lies_under_every_live_threshold() -> None:
    assert rules(Story(confidence_threshold_for_live=0.9).live("s", confidence=0.9)) == set()
    assert rules(Story(confidence_threshold_for_live=0.95).live("s", confidence=0.94)) == {
        "confidence_too_low"
    }
    low = Story(confidence_threshold_for_live=0.0).rehearsed("s", "find")
    assert rules(low.rung(Mode.LIVE, "s", "find", confidence=0.70)) == set()


def test_no_confidence_counts_as_none_at_all() -> None:
    assert rules(Story().mock("s", "find").dry("s", "find", confidence=None)) == {"confidence_too_low"}


# rehearsals


def changed(**change: Any) -> Any:
    return msgspec.structs.replace(CONTRACTS["fill"], version="2", **change)


def test_arguments_that_changed_are_rehearsed_again() -> None:
    story = Story().rehearsed("s", "fill", {"a": 1})
    again = Story().rehearsed("s", "fill", {"a": 1}).rehearsed("s", "fill", {"a": 2})
    for each in (story, again):
        each.intent("s", "fill", {"a": 2}).outcome("s", "fill")
    assert rules(story) == {"live_without_rehearsal"}
    assert rules(again) == set()


def test_a_changed_contract_voids_rehearsals() -> None:
    story = Story().rehearsed("s", "fill").finished().resumed(fill=changed())
    assert rules(story.intent("s", "fill").outcome("s", "fill")) == {"live_without_rehearsal"}
    story = Story().rehearsed("s", "fill").finished().resumed(fill=changed()).rehearsed("s", "fill")
    assert rules(story.intent("s", "fill").outcome("s", "fill")) == set()


def test_a_contract_met_on_the_way_counts_from_there() -> None:
    late = contract("late", Risk.LOW, CONTRACTS["fill"].effect)
    assert rules(Story().seen(late, "live", "preview").live("s", "late")) == set()
    story = Story().seen(late, "live", "preview").rehearsed("s", "late")
    story.seen(msgspec.structs.replace(late, version="2"), "live", "preview")
    assert rules(story.intent("s", "late").outcome("s", "late")) == {"live_without_rehearsal"}


@pytest.mark.parametrize("mode", [Mode.MOCK, Mode.DRY_RUN])
@pytest.mark.parametrize("change", [{"error": BROKE}, {"status": StepStatus.FAILED}])
def test_a_rung_that_failed_was_not_passed(mode: Mode, change: dict[str, Any]) -> None:
    story = Story().live("s")
    place = next(
        place for place, event in enumerate(story.events) if isinstance(event, Rung) and event.mode is mode
    )
    story.events[place] = msgspec.structs.replace(story.events[place], **change)
    assert "live_without_rehearsal" in rules(story)


def test_a_rehearsal_of_another_step_does_not_count() -> None:
    story = Story().rehearsed("t", "fill").intent("s", "fill").outcome("s", "fill")
    assert rules(story) == {"live_without_rehearsal"}


def test_a_read_that_goes_live_reuses_a_dry_run_that_passed() -> None:
    assert rules(Story().read("s")) == set()
    assert rules(Story().mock("s", "find").rung(Mode.LIVE, "s", "find")) == {"live_without_rehearsal"}


def test_a_write_cannot_go_live_as_a_rung() -> None:
    assert rules(Story().rehearsed("s", "fill").rung(Mode.LIVE, "s", "fill")) == {"outcome_without_intent"}


def test_after_a_move_down_to_mock_dry_run_is_passed_again() -> None:
    def told(to_mode: Mode) -> Story:
        return Story().rehearsed("s", "fill").moved("s", "fill", Mode.DRY_RUN, to_mode)

    assert rules(told(Mode.MOCK).intent("s", "fill").outcome("s", "fill")) == {"live_without_rehearsal"}
    assert rules(told(Mode.MOCK).dry("s", "fill").intent("s", "fill").outcome("s", "fill")) == set()
    assert rules(told(Mode.DRY_RUN).intent("s", "fill").outcome("s", "fill")) == set()


# sources


def items(*levels: str) -> Callable[[Story], object]:
    """A fan-out whose items are as real as `levels` say."""

    def tell(story: Story) -> None:
        story.expanded("src", len(levels))
        for index, level in enumerate(levels):
            tells: dict[str, Callable[..., Story]] = {
                "mock": story.mock,
                "dry": story.rehearsed,
                "live": story.live,
            }
            tells[level](f"src[{index}]", "fill", {"n": index})

    return tell


def shrunk(story: Story) -> None:
    items("live", "live", "mock")(story)
    story.expanded("src", 1)


@pytest.mark.parametrize(
    ("source", "highest"),
    [
        (lambda story: None, Mode.MOCK),
        (lambda story: story.mock("src", "find"), Mode.MOCK),
        (lambda story: story.mock("src", "find").dry("src", "find", error=BROKE), Mode.MOCK),
        (lambda story: story.rehearsed("src", "find"), Mode.LIVE),
        (lambda story: story.read("src"), Mode.LIVE),
        (lambda story: story.rehearsed("src", "copy"), Mode.DRY_RUN),
        (lambda story: story.live("src", "copy"), Mode.LIVE),
        (
            lambda story: story.rehearsed("src", "copy").intent("src", "copy").failed("src", "copy"),
            Mode.DRY_RUN,
        ),
        (
            lambda story: story.rehearsed("src", "copy").intent("src", "copy").unknown("src", "copy"),
            Mode.DRY_RUN,
        ),
        (
            lambda story: (
                story.rehearsed("src", "copy")
                .intent("src", "copy")
                .unknown("src", "copy")
                .resolved("src", "copy", True)
            ),
            Mode.LIVE,
        ),
        (lambda story: story.live("src", "copy", plan="q"), Mode.MOCK),
        (items("live", "live"), Mode.LIVE),
        (items("live", "dry"), Mode.DRY_RUN),
        (items("live", "mock"), Mode.MOCK),
        (items(), Mode.LIVE),
        (lambda story: story.expanded("src", 0, Mode.MOCK), Mode.MOCK),
        (lambda story: story.expanded("src", 10**15), Mode.MOCK),
        (shrunk, Mode.LIVE),
    ],
)
def test_no_step_stands_above_its_sources(source: Callable[[Story], object], highest: Mode) -> None:
    dry, live = Story(), Story()
    source(dry)
    dry.rehearsed("s", "fill", sources=["src"])
    source(live)
    live.rehearsed("s", "fill").intent("s", "fill", sources=["src"]).outcome("s", "fill")
    assert ("invented_data" in rules(dry)) is (highest < Mode.DRY_RUN)
    assert ("invented_data" in rules(live)) is (highest < Mode.LIVE)


@pytest.mark.parametrize(
    ("step", "item"),
    [
        ("a[0]", ("a", 0)),
        ("a[12]", ("a", 12)),
        ("a", None),
        ("a[]", None),
        ("a[-1]", None),
        ("a[07]", None),
        ("a]", None),
        ("a[²]", None),
    ],
)
def test_items_of_a_fan_out_have_one_name_each(step: str, item: tuple[str, int] | None) -> None:
    assert fan_out(step) == item


# the lock


def test_no_live_call_while_the_lock_is_engaged() -> None:
    story = Story().rehearsed("s", "fill").lock()
    assert rules(story.intent("s", "fill").outcome("s", "fill")) == {"live_under_lock"}
    assert rules(Story().lock().unlock().live("s")) == set()


@pytest.mark.parametrize("epoch", [0, 1, 3])
def test_a_live_call_carries_the_epoch_that_is_open(epoch: int) -> None:
    assert rules(Story().lock().unlock().live("s", lock_epoch=epoch)) == {"live_under_lock"}


def test_until_the_lock_is_seen_all_calls_carry_one_epoch() -> None:
    assert rules(Story().live("s", lock_epoch=4).live("t", lock_epoch=4)) == set()
    assert rules(Story().live("s", lock_epoch=4).live("t", lock_epoch=6)) == {"live_under_lock"}


def test_the_lock_does_not_go_back() -> None:
    story = Story().live("s", lock_epoch=4)
    assert rules(story.add(LockSeen(epoch=4, engaged=False))) == set()
    assert rules(story.add(LockSeen(epoch=3, engaged=True))) == {"live_under_lock"}
    assert rules(Story().lock().add(LockSeen(epoch=1, engaged=False))) == {"live_under_lock"}


def test_an_undo_waits_under_lock_unless_a_person_says_otherwise() -> None:
    assert rules(Story().live("s").lock().undo("s")) == {"live_under_lock"}
    assert rules(Story().live("s").lock().undo_intent("s", under_lock=True).undone("s")) == set()
    assert rules(Story().live("s").lock().unlock().undo("s")) == set()


def test_a_call_in_flight_when_the_lock_falls_may_end() -> None:
    assert rules(Story().rehearsed("s", "fill").intent("s", "fill").lock().outcome("s", "fill")) == set()


def test_a_dry_run_may_end_but_not_begin_under_lock() -> None:
    def told(started: float, *, opened: bool = False) -> Story:
        story = Story().mock("s", "fill").lock()
        if opened:
            story.unlock()
        return story.dry("s", "fill", started_at=at(started))

    assert rules(told(1.9)) == set()
    assert rules(told(2.1)) == {"dry_run_under_lock"}
    assert rules(told(2.9, opened=True)) == {"dry_run_under_lock"}
    assert rules(told(3.1, opened=True)) == set()
    assert rules(told(0).last(Rung, started_at="garbage")) == {"dry_run_under_lock"}


def test_every_live_call_of_a_run_without_rehearsals_is_found() -> None:
    story = Story().live("s").live("t").drop(Rung, on(Mode.DRY_RUN))
    assert rules(story) == {"live_without_rehearsal"}
    assert sum(isinstance(event, Intent) for event in story.events) == 2
