import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from buddy.errors import BadInput, JournalDamaged, UnknownFormat
from buddy.journal.codec import Head, Reader, encode
from buddy.journal.events import FORMAT, BreakerMoved, LockSeen, PlanStarted, RunResumed, RunStarted
from buddy.journal.upcast import UPCASTS, Fields, Table, older
from buddy.model.mode import Mode
from unit.core.journals import CONTRACTS
from unit.journal.test_codec import signed

TIME = "2026-01-01T00:00:00.000000+00:00"
FLEET = {
    "agents": ["a"],
    "strategy": "ROUND_ROBIN",
    "kind": "waves",
    "parallel": 1,
    "critical_path": [],
    "critical_path_s": 1.0,
    "work_s": 2.0,
    "lower_bound_s": 1.0,
    "expected_s": 3.0,
}


def renamed(event: Fields) -> Fields:
    return event | {"type": "fuse"}


def fused(event: Fields) -> Fields:
    return {**event, "type": "breaker", "subject": f"tool:{event['tool']}", "reason": "none was given"}


TABLE: Table = {1: {"switch": renamed}, 2: {}, 3: {"fuse": fused}}
"""Of a world in which `breaker` was `fuse` up to format 3, and `switch` in format 1."""


def begin(number: Any, **fields: Any) -> dict[str, Any]:
    started = RunStarted(
        run_id="r",
        format=1,
        version="0.3.1",
        mode=Mode.MOCK,
        granted_by="ada",
        config={},
        inputs=[],
        plans=0,
        steps=0,
        contracts=list(CONTRACTS.values())[:1],
        handlers={},
    )
    line, _ = encode(started, Head(), TIME)
    told: dict[str, Any] = json.loads(line) | {"format": number, **fields}
    return told


def resumed(**fields: Any) -> dict[str, Any]:
    line, _ = encode(RunResumed(by="ada", contracts=[], handlers={}), Head(), TIME)
    told: dict[str, Any] = json.loads(line)
    return told | fields


def written(*events: dict[str, Any]) -> list[bytes]:
    """The lines of a journal that says what is given, with a chain that holds."""
    head, lines = Head(), []
    for number, event in enumerate(events, 1):
        told = {"seq": number, "time": TIME, **{k: v for k, v in event.items() if k not in ("seq", "hash")}}
        line = signed(json.dumps(told)[:-1].encode(), head)
        lines.append(line)
        head = Head(number, line[-67:-3].decode())
    return lines


def read(lines: list[bytes], table: Table = UPCASTS) -> list[Any]:
    reader = Reader(upcasts=table)
    return [reader.read(line).event for line in lines]


def test_there_is_a_way_from_every_older_format_to_todays() -> None:
    assert set(UPCASTS) == set(range(1, FORMAT))
    assert all(UPCASTS.values())


# the mechanism, on a table of a world that never was


@pytest.mark.parametrize(
    ("number", "event"),
    [
        (1, {"type": "switch", "tool": "t", "open": True}),
        (2, {"type": "fuse", "tool": "t", "open": True}),
        (3, {"type": "fuse", "tool": "t", "open": True}),
        (4, {"type": "breaker", "subject": "tool:t", "open": True, "reason": "none was given"}),
    ],
)
def test_an_event_of_any_format_is_read_as_todays(number: int, event: dict[str, Any]) -> None:
    lines = written(begin(number), event, {"type": "lock", "epoch": 1, "engaged": True})
    started, moved, lock = read(lines, TABLE)
    assert started.format == number
    assert moved == BreakerMoved(subject="tool:t", open=True, reason="none was given")
    assert lock == LockSeen(epoch=1, engaged=True)


def test_an_event_is_raised_by_the_format_it_was_written_in_and_no_other() -> None:
    event = {"type": "fuse", "tool": "t", "open": True}
    with pytest.raises(JournalDamaged, match="line 2 is not an event"):
        read(written(begin(4), event), TABLE)


def test_where_a_newer_buddy_goes_on_its_format_holds() -> None:
    lines = written(
        begin(1),
        {"type": "switch", "tool": "t", "open": True},
        resumed(format=4, version="9"),
        {"type": "breaker", "subject": "tool:t", "open": False, "reason": "r"},
        resumed(),
        {"type": "switch", "tool": "t", "open": True},
    )
    opened = BreakerMoved(subject="tool:t", open=True, reason="none was given")
    _, first, again, second, before, third = read(lines, TABLE)
    assert (first, second, third) == (opened, BreakerMoved(subject="tool:t", open=False, reason="r"), opened)
    assert (again.format, again.version) == (4, "9")
    assert (before.format, before.version) == (1, "")


def test_the_chain_is_over_the_bytes_as_they_stand() -> None:
    first, line = written(begin(1), {"type": "switch", "tool": "t", "open": True})
    with pytest.raises(JournalDamaged, match="line 2 does not follow from the line before it"):
        read([first, line.replace(b'"switch"', b'"fuse"')], TABLE)


def test_a_journal_without_a_beginning_is_of_todays_format() -> None:
    assert read(written({"type": "lock", "epoch": 1, "engaged": True}), TABLE) == [
        LockSeen(epoch=1, engaged=True)
    ]


# what cannot be read


@pytest.mark.parametrize(
    ("version", "name"),
    [
        ("7.1.0", "Buddy 7.1.0"),
        ("7.1.0rc1+local", "Buddy 7.1.0rc1+local"),
        ("", "a Buddy that does not say its version"),
        ("\x1b[31m", "a Buddy that does not say its version"),
        ("9" * 41, "a Buddy that does not say its version"),
        ("two lines\n", "a Buddy that does not say its version"),
        (7, "a Buddy that does not say its version"),
        (None, "a Buddy that does not say its version"),
    ],
)
def test_a_newer_format_names_the_buddy_that_wrote_it(version: Any, name: str) -> None:
    with pytest.raises(UnknownFormat) as refused:
        read(written(begin(5, version=version)), TABLE)
    assert str(refused.value) == (
        f"line 1, written by {name}, says that the journal is of format 5: this Buddy reads formats up to 4;"
        " use that version or a newer one"
    )
    assert isinstance(refused.value, BadInput)


def test_a_newer_buddy_that_went_on_is_refused_where_it_did() -> None:
    lines = written(begin(FORMAT), resumed(format=FORMAT + 1, version="7.1.0"))
    reader = Reader()
    reader.read(lines[0])
    with pytest.raises(UnknownFormat, match=r"line 2, written by Buddy 7\.1\.0, says"):
        reader.read(lines[1])
    assert reader.head.seq == 1


@pytest.mark.parametrize(
    ("number", "shown"),
    [
        (0, "'0'"),
        (-1, "'-1'"),
        (1.0, "'1.0'"),
        (True, "'true'"),
        (None, "'null'"),
        ("1", "'\"1\"'"),
        ([1], "'[1]'"),
        ({}, "'{}'"),
        (10**30, f"'1{'0' * 30}'"),
        (10**4000, f"'1{'0' * 39}'"),
    ],
)
def test_a_format_that_is_none_is_refused(number: Any, shown: str) -> None:
    with pytest.raises(UnknownFormat) as refused:
        read(written(begin(number)))
    assert str(refused.value) == (
        f"line 1, written by Buddy 0.3.1, says that the journal is of format {shown}: expected a number"
        f" from 1 to {FORMAT}"
    )


def test_a_format_that_is_no_text_is_refused() -> None:
    with pytest.raises(UnknownFormat, match="of format '\N{REPLACEMENT CHARACTER}'"):
        older(b"\xff", b"\xff", 1)


def test_a_journal_that_names_no_format_is_refused() -> None:
    told = begin(1)
    del told["format"]
    with pytest.raises(JournalDamaged, match=r"line 1 is not an event: .*`format`"):
        read(written(told))


# format 1


def plan_started(**fields: Any) -> dict[str, Any]:
    return {"type": "plan_started", "plan": "p", "steps": 1, **fields}


def test_a_fleet_of_format_1_that_tells_nothing_of_the_barrier_claims_no_cost_of_it() -> None:
    _, event = read(written(begin(1), plan_started(fleet=FLEET)))
    assert event.fleet.without_barrier_s == event.fleet.expected_s == 3.0


def test_a_fleet_that_tells_what_the_barrier_costs_is_left_alone() -> None:
    _, event = read(written(begin(1), plan_started(fleet={**FLEET, "without_barrier_s": 2.5})))
    assert event.fleet.without_barrier_s == 2.5


def test_a_plan_without_a_fleet_is_left_alone() -> None:
    assert read(written(begin(1), plan_started()))[1] == PlanStarted(plan="p", steps=1)


def test_a_fleet_of_today_has_to_tell() -> None:
    with pytest.raises(JournalDamaged, match="without_barrier_s"):
        read(written(begin(FORMAT), plan_started(fleet=FLEET)))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from([*FLEET, "x"]), inner),
    max_leaves=6,
)


@given(JSON)
def test_what_nobody_checked_yet_is_no_surprise(value: Any) -> None:
    upcast = older(b"1", b"", 1)["plan_started"]
    upcast({"type": "plan_started", "fleet": value})
    with pytest.raises(JournalDamaged, match="line 2 is not an event"):
        read(written(begin(1), plan_started(fleet=[value])))
