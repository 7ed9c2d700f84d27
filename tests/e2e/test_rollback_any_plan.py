"""Any plan on the example office that fails at its end is undone, as far as its rollback claims."""

import json
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from e2e import office_replayer as replayer
from e2e.office_cases import PM, WRITES
from e2e.office_desk import FAILS, Calls, Desk, by_content, office_module, rolled
from e2e.office_example import STAFF
from e2e.office_live import TABLES, surroundings

IDS = st.integers(1, 17).map(lambda number: f"{number:08}")
ANY_CALL = st.one_of(
    st.sampled_from([case[:2] for case in WRITES]),
    st.builds(
        lambda key, n: ("calendar.update_event", {"event_id": key, "field": "duration", "new_value": str(n)}),
        IDS,
        st.integers(1, 3),
    ),
    st.builds(lambda key: ("calendar.delete_event", {"event_id": key}), IDS),
    st.builds(lambda key: (f"{PM}.delete_task", {"task_id": key}), IDS),
    st.builds(
        lambda key, board: (f"{PM}.update_task", {"task_id": key, "field": "board", "new_value": board}),
        IDS,
        st.sampled_from(replayer.BOARDS),
    ),
)
CLAIMS = {
    **dict.fromkeys([*office_module.CREATES, *office_module.UPDATES], "RESTORED_EXACT"),
    **dict.fromkeys(office_module.DELETES, "RESTORED_EQUIVALENT"),
}


@settings(max_examples=40, deadline=None)
@given(st.lists(ANY_CALL, max_size=8))
def test_any_failed_plan_is_undone_as_far_as_it_claims(calls: Calls) -> None:
    with tempfile.TemporaryDirectory() as name, surroundings(Path(name)):
        desk = Desk(Path(name))
        run = desk.run([*calls, FAILS])
        lines = [json.loads(line) for line in (run.folder / "journal.jsonl").read_text().splitlines()]
        done = [it for it in lines if it["type"] == "outcome" and it["outcome"] == "succeeded"]
        claimed = rolled(run)
        assert [step for step, _, _ in claimed] == [it["step"] for it in reversed(done)]
        state = expected_after(calls, done, claimed)
        ended = {name: [row[1:] for row in rows] for name, rows in desk.now().items()}
        assert {name: sorted(rows) for name, rows in ended.items()} == state
        claims = {result for _, result, _ in claimed}
        if claims <= {"RESTORED_EXACT"}:
            assert desk.now() == desk.start
        elif claims <= {"RESTORED_EXACT", "RESTORED_EQUIVALENT"}:
            assert by_content(desk.now()) == by_content(desk.start)


def expected_after(
    calls: Calls, done: list[dict[str, Any]], claimed: list[tuple[str, str, bool]]
) -> dict[str, list[tuple[str, ...]]]:
    """Play the live calls on the independent replayer, and take back what was claimed to be undone."""
    twin = replayer.load(STAFF)
    taken: list[tuple[str, str, dict[str, str] | None, dict[str, str] | None]] = []
    for outcome in done:
        tool_name, args = calls[int(outcome["step"][1:]) - 1]
        before = {name: {next(iter(row.values())): row for row in rows} for name, rows in twin.items()}
        assert replayer.replay(twin, [(tool_name, args)]) == ["ok"]
        taken.append((tool_name, *change_of(before, twin, outcome["result"])))
    lost: set[str] = set()
    for (tool_name, table, old, new), (_, result, verified) in zip(reversed(taken), claimed, strict=True):
        key = next(iter((old or new or {"": ""}).values()))
        assert verified == result.startswith("RESTORED")
        if tool_name not in CLAIMS:
            assert result == "NOT_REVERSIBLE"
        elif f"{table}/{key}" in lost:
            assert result in (CLAIMS[tool_name], "CHANGED_SINCE")
        else:
            assert result == CLAIMS[tool_name]
        if not result.startswith("RESTORED"):
            continue
        take_back(twin, table, old, new)
        if new is None:
            lost.add(f"{table}/{key}")
    return {name: sorted(tuple(row.values()) for row in twin[name]) for name in TABLES}


def change_of(
    before: dict[str, dict[str, Any]], twin: replayer.State, result: dict[str, Any]
) -> tuple[str, dict[str, str] | None, dict[str, str] | None]:
    """Table, row before and row after of what one call changed."""
    key = next(iter(result.values()))
    table = {"event_id": "events", "customer_id": "customers", "task_id": "tasks"}.get(
        next(iter(result)), "emails"
    )
    after = next((row for row in twin[table] if next(iter(row.values())) == key), None)
    return table, before[table].get(key), after


def take_back(
    twin: replayer.State, table: str, old: dict[str, str] | None, new: dict[str, str] | None
) -> None:
    """Undo one change on plain rows: a record that was deleted comes back under the next id."""
    rows = twin[table]
    if new is None:
        assert old is not None
        row = dict(old)
        key = row.pop(replayer.ID[table])
        assert key
        replayer.add(twin, table, row)
        return
    key = next(iter(new.values()))
    place = next(n for n, row in enumerate(rows) if next(iter(row.values())) == key)
    if old is None:
        del rows[place]
    else:
        field = [name for name in new if new[name] != old[name]]
        rows[place] = {**rows[place], **{name: old[name] for name in field}}
