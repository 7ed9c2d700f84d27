"""Verification: what was done to the bytes of a run is found."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from buddy.core.audit import RULES
from buddy.engine.verification import CHECKS, verify
from buddy.journal.codec import Head, records
from buddy.journal.events import AnyEvent, ApprovalDecided, ApprovalRequested, Intent, LockSeen, Outcome, Rung
from buddy.model.mode import Mode
from unit.core.journals import Story, chained, on
from unit.engine.runs import LOG, SUCCEEDED, SUMMARY, Case, case_of, place_of, rechained, told

# an honest run


def test_an_honest_run_is_found_to_be_one() -> None:
    case = case_of(told())
    report = case.verify()
    assert report.violations == ()
    assert report.run_id == "run_1"
    assert report.events == len(case.lines)
    assert set(report.outputs_checked) == set(case.outputs)
    assert report.head_checked


def test_without_a_home_the_journal_speaks_for_itself_and_the_report_says_so() -> None:
    case = replace(case_of(told()), head=None, locks=[], approvals=[])
    report = case.verify()
    assert report.violations == ()
    assert not report.head_checked


def test_a_home_whose_lock_was_never_touched_has_an_open_one() -> None:
    case = case_of(Story().live("s").finished())
    case.locks = []
    assert case.found() == set()


# the bytes of the journal


def edit(old: bytes, new: bytes, place: int) -> Callable[[Case], None]:
    def do(case: Case) -> None:
        assert old in case.lines[place]
        case.lines[place] = case.lines[place].replace(old, new, 1)

    return do


def drop(place: int) -> Callable[[Case], None]:
    def do(case: Case) -> None:
        del case.lines[place]

    return do


def swap(place: int) -> Callable[[Case], None]:
    def do(case: Case) -> None:
        case.lines[place], case.lines[place + 1] = case.lines[place + 1], case.lines[place]

    return do


def insert(line: Callable[[Case], bytes], place: int) -> Callable[[Case], None]:
    def do(case: Case) -> None:
        case.lines.insert(place, line(case))

    return do


def cut_end(count: int) -> Callable[[Case], None]:
    def do(case: Case) -> None:
        del case.lines[-count:]

    return do


def tear(case: Case) -> None:
    case.lines[-1] = case.lines[-1][:-20]


def tear_in_the_middle(case: Case) -> None:
    case.lines[7] = case.lines[7][:-20]


def swallow_a_line_feed(case: Case) -> None:
    case.lines[5:7] = [case.lines[5][:-1] + case.lines[6]]


def empty(case: Case) -> None:
    case.lines.clear()


def add_an_event(case: Case) -> None:
    story = told()
    story.settled("find", SUCCEEDED)
    case.lines, _ = story.lines()


def begin_in_the_middle(case: Case) -> None:
    story = told()
    case.lines, _ = chained(list(zip(story.events, story.times, strict=True))[1:])


INTENT = place_of(Intent)
BROKEN = {"chain_broken"}
DONE_TO_THE_BYTES: dict[str, tuple[Callable[[Case], None], set[str]]] = {
    "a confidence edited": (edit(b"0.9", b"0.8", INTENT), BROKEN),
    "an outcome edited": (edit(b'"succeeded"', b'"failed"', place_of(Outcome)), BROKEN),
    "a time edited": (edit(b"2026", b"2025", 3), BROKEN),
    "a number edited": (edit(b'"seq":4', b'"seq":5', 3), BROKEN),
    "a hash edited": (edit(b'"hash":"', b'"hash":"f', 3), BROKEN),
    "the last line edited": (edit(b"done", b"gone", -1), BROKEN),
    "the first line edited": (edit(b'"ada"', b'"eve"', 0), BROKEN),
    "a line dropped": (drop(INTENT), BROKEN | {"head_differs"}),
    "the first line dropped": (drop(0), BROKEN | {"head_differs"}),
    "two lines swapped": (swap(INTENT), BROKEN),
    "the last two lines swapped": (swap(-2), BROKEN | {"head_differs"}),
    "a line twice": (insert(lambda case: case.lines[INTENT], INTENT), BROKEN | {"head_differs"}),
    "a line of another run": (insert(lambda _: Story().lines()[0][0], 4), BROKEN | {"head_differs"}),
    "a line that is no JSON": (insert(lambda _: b"hello\n", 4), BROKEN | {"head_differs"}),
    "an empty line": (insert(lambda _: b"\n", 4), BROKEN | {"head_differs"}),
    "bytes that are no text": (insert(lambda _: b"\xff\xfe\n", 4), BROKEN | {"head_differs"}),
    "the end cut off": (cut_end(1), {"head_differs", "output_differs"}),
    "the last line torn": (tear, {"line_torn", "head_differs", "output_differs"}),
    "a line torn in the middle": (tear_in_the_middle, BROKEN),
    "a line feed swallowed": (swallow_a_line_feed, BROKEN | {"head_differs"}),
    "no journal at all": (empty, {"journal_empty", "head_differs", "output_differs"}),
    "an event added with a good chain": (add_an_event, {"head_differs"}),
    "a chain begun anew in the middle": (begin_in_the_middle, {"lifecycle", "head_differs"}),
}


@pytest.mark.parametrize("name", DONE_TO_THE_BYTES)
def test_what_was_done_to_the_bytes_is_found(name: str) -> None:
    do, expected = DONE_TO_THE_BYTES[name]
    case = case_of(told())
    do(case)
    found = case.found()
    assert expected <= found
    if "chain_broken" in expected:
        # What stands after a line that does not hold accuses nobody.
        assert found <= expected | {"head_differs"}


def test_a_broken_line_is_named_and_what_is_before_it_still_counts() -> None:
    story = told()
    story.events[INTENT] = msgspec.structs.replace(story.events[INTENT], confidence=0.1)
    case = case_of(story)
    place = place_of(ApprovalDecided)
    edit(b'"ada"', b'"eve"', place)(case)
    report = case.verify()
    assert [(one.rule, one.seq) for one in report.violations] == [
        ("confidence_too_low", INTENT + 1),
        ("chain_broken", place + 1),
    ]
    assert report.events == place
    assert report.head_checked
    assert LOG in report.outputs_checked
    assert SUMMARY not in report.outputs_checked


def test_after_a_broken_line_outputs_are_compared_as_far_as_it_goes() -> None:
    case = case_of(told())
    edit(b"done", b"gone", -1)(case)
    assert case.found() == {"chain_broken"}
    log = case.outputs[LOG]
    assert log is not None
    case.outputs[LOG] = log.replace(b"PASSED", b"FAILED", 1)
    assert case.found() == {"chain_broken", "output_differs"}


@settings(max_examples=80, deadline=None)
@given(st.data())
def test_no_byte_of_a_journal_can_be_changed_unseen(data: st.DataObject) -> None:
    case = case_of(told())
    whole = b"".join(case.lines)
    place = data.draw(st.integers(0, len(whole) - 1))
    byte = data.draw(st.integers(0, 255).filter(lambda value: value != whole[place]))
    case.lines = (whole[:place] + bytes([byte]) + whole[place + 1 :]).splitlines(keepends=True)
    assert case.found() & {"chain_broken", "line_torn"}


@settings(max_examples=30, deadline=None)
@given(st.lists(st.binary(max_size=200), max_size=4), st.lists(st.integers(0, 40), max_size=4))
def test_nonsense_is_reported_and_not_stumbled_over(junk: list[bytes], places: list[int]) -> None:
    case = case_of(told())
    for line, place in zip(junk, places, strict=False):
        case.lines.insert(place, line)
    known = CHECKS.keys() | RULES.keys()
    assert case.found() <= known


# a journal written anew, with a chain that holds and outputs that fit


def edited(kind: type[AnyEvent], **changes: Any) -> Story:
    return told().last(kind, **changes)


def dropped(kind: type[AnyEvent], which: Callable[[Any], bool] = lambda event: True) -> Story:
    return told().drop(kind, which)


def reversed_pair(place: int) -> Story:
    story = told()
    story.events[place], story.events[place + 1] = story.events[place + 1], story.events[place]
    return story


WRITTEN_ANEW: dict[str, tuple[Callable[[], Story], set[str]]] = {
    "nothing but a word": (lambda: edited(Outcome, duration_ms=1.0), set()),
    "a confidence raised": (lambda: edited(Intent, confidence=1.0), set()),
    "the rehearsals dropped": (lambda: dropped(Rung, on(Mode.DRY_RUN)), {"live_without_rehearsal"}),
    "the intents dropped": (lambda: dropped(Intent), {"outcome_without_intent"}),
    "an outcome dropped": (
        lambda: dropped(Outcome, lambda event: event.step == "fill"),
        {"intent_without_outcome"},
    ),
    "intent and outcome swapped": (lambda: reversed_pair(INTENT), {"outcome_without_intent"}),
    "the request dropped": (
        lambda: dropped(ApprovalRequested, lambda event: event.request.step_id == "send"),
        {"live_without_approval", "approval_not_journaled"},
    ),
    "another approver": (lambda: edited(ApprovalDecided, by=["eve"]), {"approval_differs"}),
    "another approval": (lambda: edited(Intent, approval="a1"), {"approval_reused", "approval_differs"}),
    "the lock dropped": (
        lambda: dropped(LockSeen),
        {"live_under_lock"},
    ),
}


@pytest.mark.parametrize("name", WRITTEN_ANEW)
def test_a_journal_written_anew_is_found(name: str) -> None:
    tell, expected = WRITTEN_ANEW[name]
    case = case_of(told())
    rechained(tell())(case)
    assert case.found() >= expected | {"head_differs"}
    assert replace(case, head=None).found() >= expected


def test_the_head_tells_shorter_longer_and_rewritten_apart() -> None:
    def message(change: Callable[[Case], None]) -> str:
        case = case_of(told())
        change(case)
        [only] = [one.message for one in case.verify().violations if one.rule == "head_differs"]
        return only

    assert "cut" in message(cut_end(2))
    assert "goes on" in message(add_an_event)
    assert "written anew" in message(rechained(edited(Outcome, duration_ms=1.0)))
    assert "written anew" in message(rechained(edited(Outcome, duration_ms=1.0).settled("find", SUCCEEDED)))
    assert "goes on" in message(lambda case: setattr(case, "head", Head()))


def test_of_a_run_under_way_the_home_knows_a_line_and_the_journal_may_go_on() -> None:
    def messages(change: Callable[[Case], None], kept: int) -> list[str]:
        case = case_of(told())
        [*_, (_, head)] = records(case.lines[:kept])
        change(case)
        report = verify(
            case.lines,
            case.outputs.get,
            head,
            case.locks,
            case.approvals,
            case.blobs.__getitem__,
            at_rest=False,
        )
        return [one.message for one in report.violations if one.rule == "head_differs"]

    last = len(case_of(told()).lines)
    assert messages(lambda case: None, last) == messages(lambda case: None, last - 3) == []
    assert messages(cut_end(2), last - 2) == []
    [cut] = messages(cut_end(3), last - 2)
    assert "cut" in cut
    [anew] = messages(rechained(edited(Outcome, duration_ms=1.0)), last - 1)
    assert "written anew" in anew


# the auditor, and the table


def test_the_auditors_rules_are_part_of_it() -> None:
    story = told()
    story.live("again", args={"of": "fill"})
    assert "duplicate_live" in case_of(story).found()
    assert "intent_without_outcome" in case_of(Story().rehearsed("s", "fill").intent("s", "fill")).found()


def test_the_journal_is_read_once_and_as_it_comes() -> None:
    case = case_of(told())
    taken: list[int] = []

    def lines() -> Iterator[bytes]:
        for number, line in enumerate(case.lines):
            taken.append(number)
            yield line

    assert verify(lines(), case.outputs.get, case.head, case.locks, case.approvals, case.blobs.__getitem__)
    assert taken == list(range(len(case.lines)))
