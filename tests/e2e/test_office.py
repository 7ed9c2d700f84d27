"""The example office on the staff that it ships with: every tool, every refusal, every undo."""

import sqlite3
import tempfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from buddy import ChangedSince, InvalidArguments
from e2e import office_replayer as replayer
from e2e.office_cases import DOMAIN, EVENT, MAIL, PM, READS, REFUSED, WRITES
from e2e.office_example import STAFF, Office, changed, example

office_module = example("office")
UNDOABLE = [case for case in WRITES if case[0] in office_module.CREATES | office_module.UPDATES]
DELETES = [case for case in WRITES if case[0] in office_module.DELETES]


def label(value: Any) -> str | None:
    return value if isinstance(value, str) else None


@pytest.fixture
def office(tmp_path: Path) -> Any:
    return Office(tmp_path / "office.sqlite")


def test_the_tables_here_try_every_tool() -> None:
    assert {case[0] for case in READS} == set(office_module.READS)
    assert {case[0] for case in WRITES} == set(office_module.WRITES)
    assert set(office_module.READS) | set(office_module.WRITES) == set(replayer.TOOLS)


@pytest.mark.parametrize(("tool", "args", "found"), READS, ids=label)
def test_a_read_finds_what_is_there(tool: str, args: dict[str, str], found: Any, office: Any) -> None:
    before = office.state()
    got = office.call(tool, args)
    if isinstance(got, list) and got and isinstance(got[0], dict):
        assert [next(iter(row.values())) for row in got] == found
    else:
        assert got == found
    assert office.state() == before


@pytest.mark.parametrize(("tool", "args", "effect"), WRITES, ids=label)
def test_a_write_does_what_its_preview_says(
    tool: str, args: dict[str, str], effect: Any, office: Any
) -> None:
    start = office.state()
    edit = office.preview(tool, args)
    assert office.state() == start
    result = office.call(tool, args)
    real = edit.before != edit.after
    assert changed(start, office.state()) == ({edit.table: [(edit.before, edit.after)]} if real else {})
    assert result == edit.result
    table, before, after = effect
    assert table == edit.table
    for expected, row in ((before, edit.before), (after, edit.after)):
        assert row is None if expected is None else row == row | expected
    state = replayer.load(STAFF)
    replayer.call(state, tool, args)
    assert office.state() == {name: state[name] for name in start}


@pytest.mark.parametrize(("tool", "args", "reason"), REFUSED, ids=label)
def test_a_refused_call_changes_nothing(tool: str, args: dict[str, str], reason: str, office: Any) -> None:
    before = office.state()
    with pytest.raises(InvalidArguments, match=reason):
        office.call(tool, args)
    if tool in office_module.WRITES:
        with pytest.raises(InvalidArguments, match=reason):
            office.preview(tool, args)
    assert office.state() == before
    with pytest.raises(replayer.Refused):
        replayer.call(replayer.load(STAFF), tool, args)


@pytest.mark.parametrize(("tool", "args", "reason"), REFUSED, ids=label)
def test_mock_refuses_what_needs_no_office(tool: str, args: dict[str, str], reason: str) -> None:
    if reason.startswith(("no '", "no visitor", "nobody")):  # only the office itself knows
        assert office_module.mock(tool, args)
    else:
        with pytest.raises(InvalidArguments, match=reason):
            office_module.mock(tool, args)


@pytest.mark.parametrize(("tool", "args", "_"), [*READS, *WRITES], ids=label)
def test_mock_makes_up_a_result_of_the_same_shape(
    tool: str, args: dict[str, str], _: Any, office: Any
) -> None:
    made_up, real = office_module.mock(tool, args), office.call(tool, args)
    assert type(made_up) is type(real)
    if tool in office_module.WRITES:
        assert made_up.keys() == real.keys()


@pytest.mark.parametrize(("tool", "args", "_"), UNDOABLE, ids=label)
def test_undoing_a_create_or_an_update_is_exact(tool: str, args: dict[str, str], _: Any, office: Any) -> None:
    before = office.state()
    result = office.call(tool, args)
    assert office.undo(tool, result)
    assert office.state() == before


@pytest.mark.parametrize(("tool", "args", "_"), DELETES, ids=label)
def test_undoing_a_delete_brings_the_record_back_under_a_new_id(
    tool: str, args: dict[str, str], _: Any, office: Any
) -> None:
    before = office.state()
    result = office.call(tool, args)
    assert office.undo(tool, result)
    ((table, changes),) = changed(before, office.state()).items()
    (old, gone), (nothing, back) = changes
    key = next(iter(old))
    assert gone is None
    assert nothing is None
    assert back == old | {key: f"{len(before[table]) + 1:08}"}


@pytest.mark.parametrize(("tool", "args", "_"), UNDOABLE, ids=label)
@pytest.mark.parametrize("how", ["update", "delete"])
def test_an_undo_leaves_alone_what_somebody_changed(
    tool: str, args: dict[str, str], _: Any, how: str, office: Any
) -> None:
    result = office.call(tool, args)
    key, id_ = next(iter(result.items()))
    area = tool.split(".")[0]
    if how == "delete":
        office.call(f"{area}.delete_{key[:-3]}", {key: id_})
    else:
        field = result.get(
            "field", {"event_id": "duration", "customer_id": "status", "task_id": "board"}[key]
        )
        value = {"status": "Lost", "board": "Design", "product_interest": "Services", "list_name": "Backlog"}
        new_value = value.get(field, "x@example.com")
        office.call(f"{area}.update_{key[:-3]}", {key: id_, "field": field, "new_value": new_value})
    state = office.state()
    with pytest.raises(ChangedSince):
        office.undo(tool, result)
    assert office.state() == state


def test_an_update_of_another_field_does_not_stop_an_undo(office: Any) -> None:
    one = {"event_id": "00000001", "field": "duration", "new_value": "45"}
    result = office.call("calendar.update_event", one)
    office.call("calendar.update_event", one | {"field": "event_name", "new_value": "Wiring"})
    assert office.undo("calendar.update_event", result)
    (row,) = office.call("calendar.search_events", {"query": "wiring"})
    assert row["duration"] == "90"


def test_a_key_makes_a_write_happen_once(office: Any) -> None:
    first = office.call("email.send_email", MAIL, "key")
    once = office.state()
    assert office.call("email.send_email", MAIL, "key") == first
    assert office.state() == once
    assert office.happened("key")
    assert not office.happened("another")


def test_a_refused_write_did_not_happen(office: Any) -> None:
    with pytest.raises(InvalidArguments):
        office.call("email.send_email", {}, "key")
    assert not office.happened("key")


@pytest.mark.parametrize(("tool", "args", "_"), [*UNDOABLE, *DELETES], ids=label)
def test_an_undo_needs_no_result_and_happens_once(
    tool: str, args: dict[str, str], _: Any, office: Any
) -> None:
    office.call(tool, args, "key")
    assert office.undo(tool, None, "key")
    assert not office.happened("key")
    undone = office.state()
    assert not office.undo(tool, None, "key")
    assert office.state() == undone


def test_an_undo_of_a_call_that_left_no_trace_is_refused(office: Any) -> None:
    with pytest.raises(ChangedSince, match="no record"):
        office.undo("calendar.create_event", None, "key")


def test_a_call_may_be_made_again_after_its_undo(office: Any) -> None:
    office.call("calendar.create_event", EVENT, "key")
    once = office.state()
    office.undo("calendar.create_event", None, "key")
    office.call("calendar.create_event", EVENT, "key")
    assert office.state() == once
    assert office.happened("key")


def test_a_file_is_made_by_the_first_call_and_kept(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "office.sqlite"
    office = Office(path)
    assert not path.parent.exists()
    office.call("email.send_email", MAIL)
    assert len(Office(path).state()["emails"]) == 21
    assert len(Office.create(path).state()["emails"]) == 20


def test_a_folder_of_offices_can_be_moved(tmp_path: Path) -> None:
    Office(tmp_path / "here" / "office.sqlite").state()
    (tmp_path / "here").rename(tmp_path / "there")
    moved = Office(tmp_path / "there" / "office.sqlite")
    assert moved.call("company_directory.find_email_address", {"name": "ines"}) == [f"ines.moreau@{DOMAIN}"]


def test_data_with_other_columns_is_refused(tmp_path: Path) -> None:
    for file in STAFF.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes().replace(b"event_name", b"title"))
    with pytest.raises(ValueError, match=r"calendar_events\.csv: expected the columns"):
        Office.create(tmp_path / "office.sqlite", tmp_path)


def test_threads_and_other_connections_share_an_office(tmp_path: Path) -> None:
    offices = [Office(tmp_path / "office.sqlite") for _ in range(2)]
    with ThreadPoolExecutor(8) as pool:
        results = pool.map(lambda n: offices[n % 2].call("calendar.create_event", EVENT), range(40))
        ids = {row["event_id"] for row in results}
    assert ids == {f"{n:08}" for n in range(16, 56)}


def test_an_error_in_a_write_leaves_no_half(office: Any, tmp_path: Path) -> None:
    before = office.state()
    with closing(sqlite3.connect(tmp_path / "office.sqlite")) as db:
        db.execute("CREATE TRIGGER full BEFORE INSERT ON done BEGIN SELECT RAISE(FAIL, 'disk full'); END")
    with pytest.raises(sqlite3.IntegrityError, match="disk full"):
        office.call("calendar.create_event", EVENT, "key")
    assert office.state() == before


IDS = st.integers(0, 20).map(lambda number: f"{number:08}")
CALLS = st.one_of(
    st.sampled_from([case[:2] for case in WRITES]),
    st.sampled_from([case[:2] for case in REFUSED]),
    st.builds(
        lambda key, n: ("calendar.update_event", {"event_id": key, "field": "duration", "new_value": n}),
        IDS,
        IDS,
    ),
    st.builds(lambda key: ("calendar.delete_event", {"event_id": key}), IDS),
    st.builds(lambda key: (f"{PM}.delete_task", {"task_id": key}), IDS),
    st.builds(
        lambda key, board: (f"{PM}.update_task", {"task_id": key, "field": "board", "new_value": board}),
        IDS,
        st.sampled_from([*replayer.BOARDS, "Kitchen"]),
    ),
)


@settings(max_examples=60, deadline=None)
@given(st.lists(CALLS, max_size=12))
def test_any_calls_undone_in_reverse(calls: list[tuple[str, dict[str, str]]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        office, twin = Office(Path(folder) / "office.sqlite"), replayer.load(STAFF)
        start, done = office.state(), []
        for tool, args in calls:
            kind = replayer.replay(twin, [(tool, args)])
            before = office.state()
            try:
                result = office.call(tool, args)
            except InvalidArguments:
                assert kind != ["ok"]
                assert office.state() == before
            else:
                done.append((tool, result, before))
            assert office.state() == {table: twin[table] for table in before}
        undo_all(office, start, done)


def undo_all(office: Any, start: dict[str, Any], done: list[tuple[str, Any, Any]]) -> None:
    """Every undo restores what its call changed; only a record re-created under a new id cannot be."""
    renamed = set()
    for tool, result, _ in reversed(done):
        table = (office_module.CREATES | office_module.UPDATES | office_module.DELETES).get(tool)
        if table is None:
            continue
        key, id_ = next(iter(result.items()))
        if tool in office_module.DELETES:
            before = office.state()[table]
            assert office.undo(tool, result)
            back = office.state()[table][-1]
            assert office.state()[table] == [*before, back]
            assert back == result | {key: back[key]}
            renamed |= {(table, id_), (table, back[key])}
        elif (table, id_) in renamed:
            before = office.state()
            try:
                office.undo(tool, result)
            except ChangedSince:
                assert office.state() == before
        else:
            assert office.undo(tool, result)
    if not renamed:
        ended = office.state()
        assert {t: ended[t] for t in ("events", "customers", "tasks")} == {
            t: start[t] for t in ("events", "customers", "tasks")
        }
