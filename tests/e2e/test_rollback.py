"""Rollback on the example office: what is undone is as it was, and the journal claims no more than that."""

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from buddy import (
    BadInput,
    ExecutionConfig,
    InvalidArguments,
    Mode,
    Preview,
    Risk,
    Tool,
    tool,
    wiring,
)
from buddy.model.approval import Vote
from buddy.model.home import LeaseWant
from e2e import office_replayer as replayer
from e2e.office_cases import CRM, CUSTOMER, EVENT, PM, TASK, WRITES
from e2e.office_desk import FAILS, Calls, Desk, by_content, plan_of, rolled
from e2e.office_example import STAFF
from e2e.office_live import TOOLS, Rows, surroundings

DURATION = ("calendar.update_event", {"event_id": "00000001", "field": "duration", "new_value": "45"})
STATUS = (f"{CRM}.update_customer", {"customer_id": "00000007", "field": "status", "new_value": "Lost"})
EXACT: Calls = [
    ("calendar.create_event", EVENT),
    DURATION,
    STATUS,
    (f"{CRM}.add_customer", CUSTOMER),
    (f"{PM}.create_task", TASK),
    (f"{PM}.update_task", {"task_id": "00000008", "field": "list_name", "new_value": "Completed"}),
]
DELETES: Calls = [
    ("calendar.delete_event", {"event_id": "00000002"}),
    (f"{CRM}.delete_customer", {"customer_id": "00000003"}),
    (f"{PM}.delete_task", {"task_id": "00000015"}),
]
FOR_GOOD: Calls = [case[:2] for case in WRITES if case[0].startswith(("email.", "analytics."))]


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with surroundings(tmp_path):
        yield Desk(tmp_path)


def statuses(run: Any) -> dict[str, int]:
    return {name: count for name, count in run.summary["steps"]["by_status"].items() if count}


def pausing(act: Callable[[], None]) -> Tool:
    """A tool that waits while somebody outside of the run acts."""

    @tool(name="outside.wait", risk=Risk.LOW, effect="read", idempotent=True)
    async def wait() -> dict[str, Any]:
        await asyncio.to_thread(act)
        return {}

    return wait


# --- a failed plan ----------------------------------------------------------------------------------


def test_exact_tools_leave_the_office_as_it_was(desk: Desk) -> None:
    run = desk.run([*EXACT, FAILS])
    assert rolled(run) == [(f"s{n}", "RESTORED_EXACT", True) for n in range(len(EXACT), 0, -1)]
    assert statuses(run) == {"ROLLED_BACK": len(EXACT), "FAILED": 1}
    assert run.exit_code == 1
    assert desk.now() == desk.start


def test_deleted_records_come_back_under_other_ids(desk: Desk) -> None:
    run = desk.run([*DELETES, FAILS])
    assert rolled(run) == [(f"s{n}", "RESTORED_EQUIVALENT", True) for n in (3, 2, 1)]
    assert desk.now() != desk.start
    assert by_content(desk.now()) == by_content(desk.start)


def test_what_cannot_be_undone_says_so_and_stays(desk: Desk) -> None:
    run = desk.run([DURATION, *FOR_GOOD, FAILS])
    assert rolled(run) == [
        *((f"s{n}", "NOT_REVERSIBLE", False) for n in range(len(FOR_GOOD) + 1, 1, -1)),
        ("s1", "RESTORED_EXACT", True),
    ]
    assert statuses(run) == {"SUCCEEDED": len(FOR_GOOD), "ROLLED_BACK": 1, "FAILED": 1}
    twin = replayer.load(STAFF)
    assert replayer.replay(twin, FOR_GOOD) == ["ok"] * len(FOR_GOOD)
    assert {name: [row[1:] for row in rows] for name, rows in desk.now().items()} == {
        name: [tuple(row.values()) for row in twin[name]] for name in desk.start
    }


def test_a_live_call_that_fails_undoes_what_came_before(desk: Desk) -> None:
    @tool(name="outside.refuse", risk=Risk.MEDIUM, effect="write", undo="exact", permissions={"outside"})
    async def refuse() -> dict[str, Any]:
        raise InvalidArguments("the other side said no")

    @refuse.preview
    async def _() -> Preview:
        return Preview()

    @refuse.undo
    async def _(call: Any, result: Any) -> None:
        raise AssertionError("what never happened is not undone")

    run = desk.run([*EXACT, ("outside.refuse", {})], [refuse])
    assert '"outcome":"failed"' in (run.folder / "journal.jsonl").read_text(encoding="utf-8")
    assert len(rolled(run)) == len(EXACT)
    assert desk.now() == desk.start


def test_without_rollback_nothing_is_undone(desk: Desk) -> None:
    run = desk.run([*EXACT, FAILS], enable_rollback_on_failure=False)
    assert rolled(run) == []
    assert statuses(run) == {"SUCCEEDED": len(EXACT), "FAILED": 1}
    assert desk.now() != desk.start


def test_an_undone_action_may_be_taken_again(desk: Desk) -> None:
    desk.run([DURATION, FAILS])
    run = desk.run([DURATION])
    assert statuses(run) == {"SUCCEEDED": 1}
    assert run.summary["steps"]["by_final_mode"]["LIVE"] == 1
    assert desk.now() != desk.start


# --- somebody else was there ------------------------------------------------------------------------

SOMEBODY: list[tuple[tuple[str, dict[str, Any]], str, str]] = [
    (DURATION, "UPDATE events SET duration = '120' WHERE event_id = ?", "00000001"),
    (DURATION, "DELETE FROM events WHERE event_id = ?", "00000001"),
    (
        ("calendar.create_event", EVENT),
        "UPDATE events SET event_name = 'Ours' WHERE event_id = ?",
        "00000016",
    ),
    (("calendar.create_event", EVENT), "DELETE FROM events WHERE event_id = ?", "00000016"),
    (STATUS, "UPDATE customers SET status = 'Won' WHERE customer_id = ?", "00000007"),
]


@pytest.mark.parametrize(("call", "statement", "key"), SOMEBODY)
def test_a_record_that_somebody_changed_is_left_alone(
    call: tuple[str, dict[str, Any]], statement: str, key: str, desk: Desk
) -> None:
    task = EXACT[-1]
    left: list[Rows] = []

    def act() -> None:
        desk.somebody(statement, key)
        left.append(desk.now())

    run = desk.run([call, task, ("outside.wait", {}), FAILS], [pausing(act)])
    assert rolled(run) == [("s2", "RESTORED_EXACT", True), ("s1", "CHANGED_SINCE", False)]
    assert statuses(run) == {"ROLLED_BACK": 1, "SUCCEEDED": 2, "FAILED": 1}
    assert desk.now() == {**left[0], "tasks": desk.start["tasks"]}


def test_a_change_of_another_field_is_kept_and_ours_undone(desk: Desk) -> None:
    waiting = pausing(
        lambda: desk.somebody("UPDATE events SET event_name = 'Ours' WHERE event_id = '00000001'")
    )
    run = desk.run([DURATION, ("outside.wait", {}), FAILS], [waiting])
    assert rolled(run) == [("s1", "RESTORED_EXACT", True)]
    after = {row[1]: row for row in desk.now()["events"]}["00000001"]
    before = {row[1]: row for row in desk.start["events"]}["00000001"]
    assert after == (*before[:2], "Ours", *before[3:])


# --- later, and by hand -----------------------------------------------------------------------------


def test_a_finished_run_is_undone_by_hand_once(desk: Desk) -> None:
    run = desk.run([*EXACT, *FOR_GOOD[:1]])
    assert run.exit_code == 0
    undone = wiring.rollback(str(run.folder), [str(TOOLS)], by="ada")
    assert rolled(undone)[0] == (f"s{len(EXACT) + 1}", "NOT_REVERSIBLE", False)
    assert rolled(undone)[1:] == [(f"s{n}", "RESTORED_EXACT", True) for n in range(len(EXACT), 0, -1)]
    assert statuses(undone) == {"ROLLED_BACK": len(EXACT), "SUCCEEDED": 1}
    assert {**desk.now(), "emails": []} == {**desk.start, "emails": []}
    told = len(list(wiring.records(str(run.folder))))
    with pytest.raises(BadInput, match="found none"):
        wiring.rollback(str(run.folder), [str(TOOLS)], by="ada", step="s1")
    assert len(list(wiring.records(str(run.folder)))) == told
    state = desk.now()
    resumed = wiring.resume(str(run.folder), [str(TOOLS)], by="ada")
    assert statuses(resumed) == statuses(undone)
    assert desk.now() == state
    assert not wiring.verify(str(run.folder)).violations


def test_one_step_is_undone_by_hand(desk: Desk) -> None:
    run = desk.run([DURATION, STATUS])
    undone = wiring.rollback(str(run.folder), [str(TOOLS)], by="ada", step="s1")
    assert rolled(undone) == [("s1", "RESTORED_EXACT", True)]
    assert desk.now()["events"] == desk.start["events"]
    assert desk.now()["customers"] != desk.start["customers"]
    assert not wiring.verify(str(run.folder)).violations


LOCKING = """
import asyncio, time
from buddy import InvalidArguments, Preview, Risk, tool, wiring

@tool(name="outside.lock", risk=Risk.MEDIUM, effect="write", undo="exact", resources=["outside"])
async def lock() -> None:
    \"\"\"Somebody locks the system while this call is under way, and it fails.\"\"\"
    store = wiring.home()
    store.set_lock(True, "ada", "wait", time.time())
    store.close()
    await asyncio.sleep(0.2)
    raise InvalidArguments("the other side said no")

@lock.preview
async def _() -> Preview:
    return Preview()

@lock.undo
async def _(call, result) -> None:
    raise AssertionError("what never happened is not undone")
"""


def test_under_lock_an_undo_waits_for_a_resume(desk: Desk) -> None:
    file = desk.folder / "outside.py"
    file.write_text(LOCKING, encoding="utf-8")
    files = [str(TOOLS), str(file)]
    plan = desk.folder / "plan.json"
    plan.write_text(json.dumps(plan_of([DURATION, ("outside.lock", {})])), encoding="utf-8")
    config = ExecutionConfig(mode=Mode.LIVE, output_dir=str(desk.folder / "run"))
    run = wiring.run([str(plan)], files, config, granted_by="tester")
    assert statuses(run) == {"SUCCEEDED": 1, "FAILED": 1}
    assert rolled(run) == []
    assert desk.now() != desk.start
    with pytest.raises(BadInput, match="locked"):
        wiring.rollback(run.folder, files, by="ada")
    with closing(wiring.home()) as store:
        store.set_lock(False, "ada", "go on", time.time())
    resumed = wiring.resume(run.folder, files, by="ada")
    assert rolled(resumed) == [("s1", "RESTORED_EXACT", True)]
    assert desk.now() == desk.start
    assert not wiring.verify(run.folder).violations


SHARED = """
import asyncio, time
from buddy import Call, InvalidArguments, Preview, Restored, Risk, tool, wiring

@tool(name="shared.write", risk=Risk.MEDIUM, effect="write", undo="exact", resources=["shared"])
async def write(takes: float, then: str) -> None:
    \"\"\"Write, and let somebody lock the system or fail in the end.\"\"\"
    await asyncio.sleep(takes)
    if then == "lock":
        store = wiring.home()
        store.set_lock(True, "ada", "wait", time.time())
        store.close()

@write.preview
async def _(takes: float, then: str) -> Preview:
    return Preview()

@write.undo
async def _(call: Call, result: object) -> Restored:
    return Restored(verified=True, exact=True)

@tool(name="alone.fail", risk=Risk.MEDIUM, effect="write", undo="exact")
async def fail() -> None:
    \"\"\"Fail after a while.\"\"\"
    await asyncio.sleep(0.3)
    raise InvalidArguments("the other side said no")

@fail.preview
async def _() -> Preview:
    return Preview()

@fail.undo
async def _(call: Call, result: object) -> None:
    raise AssertionError("what never happened is not undone")
"""


def test_an_undo_that_waited_for_another_call_looks_at_the_lock_again(desk: Desk) -> None:
    file, plans = desk.folder / "shared.py", desk.folder / "plans.jsonl"
    file.write_text(SHARED, encoding="utf-8")
    first = plan_of([("shared.write", {"takes": 0.0, "then": ""}), ("alone.fail", {})])
    other = plan_of([("shared.write", {"takes": 1.0, "then": "lock"})]) | {"plan_id": "other"}
    plans.write_text(f"{json.dumps(first)}\n{json.dumps(other)}\n", encoding="utf-8")
    config = ExecutionConfig(mode=Mode.LIVE, output_dir=str(desk.folder / "run"))
    run = wiring.run([str(plans)], [str(file)], config, granted_by="tester")
    assert statuses(run) == {"SUCCEEDED": 2, "FAILED": 1}
    assert rolled(run) == []
    assert not wiring.verify(run.folder).violations
    with closing(wiring.home()) as store:
        store.set_lock(False, "ada", "go on", time.time())
    assert rolled(wiring.resume(run.folder, [str(file)], by="ada")) == [("s1", "RESTORED_EXACT", True)]


def test_under_lock_an_undo_waits_for_no_other_call(desk: Desk) -> None:
    file, plan = desk.folder / "shared.py", desk.folder / "plan.json"
    file.write_text(SHARED, encoding="utf-8")
    plan.write_text(json.dumps(plan_of([("shared.write", {"takes": 0.0, "then": "lock"})])), encoding="utf-8")
    config = ExecutionConfig(mode=Mode.LIVE, output_dir=str(desk.folder / "run"))
    run = wiring.run([str(plan)], [str(file)], config, granted_by="tester")
    with closing(wiring.home()) as other:
        assert other.acquire([LeaseWant("another", (("shared", True),))]) == [True]
        words = [sys.executable, "-m", "buddy", "rollback", run.folder, "--tools", str(file)]
        done = subprocess.run(words, capture_output=True, text=True, timeout=20, check=False)
    assert done.returncode == 2
    assert "the system is locked" in done.stderr


def test_a_failed_rehearsal_undoes_nothing_also_not_on_resume(desk: Desk) -> None:
    wrong = ("calendar.create_event", EVENT | {"duration": ""})
    plan = desk.folder / "plan.json"
    document = plan_of([wrong, DURATION, FOR_GOOD[0]]) | {"on_failure": "continue"}
    plan.write_text(json.dumps(document), encoding="utf-8")
    config = ExecutionConfig(mode=Mode.LIVE, output_dir=str(desk.folder / "run"))
    run = wiring.run([str(plan)], [str(TOOLS)], config, granted_by="tester")
    assert statuses(run) == {"FAILED": 1, "SUCCEEDED": 1, "HELD": 1}
    with closing(wiring.home()) as store:
        (asked,) = store.approvals(time.time(), run.run_id)
        store.vote(
            asked.request.approval_id,
            Vote(by="ada", approve=True, at=asked.request.requested_at),
            time.time(),
        )
    resumed = wiring.resume(run.folder, [str(TOOLS)], by="ada")
    assert rolled(resumed) == []
    assert statuses(resumed) == {"FAILED": 1, "SUCCEEDED": 2}
    assert len(desk.now()["emails"]) == len(desk.start["emails"]) + 1
    assert not wiring.verify(run.folder).violations
