"""Whole plans and recorded runs, live in offices of their own, against the independent replayer."""

import json
from collections import Counter
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from buddy import ExecutionConfig, Mode, wiring
from buddy.journal.events import Intent
from buddy.model.config import DEFAULT_STRATEGIES, RetryStrategy
from buddy.model.conflict import ConflictType, Strategy
from e2e import office_replayer as replayer
from e2e.office_cases import EVENT, PM, TASK
from e2e.office_example import SHARED
from e2e.office_live import POLICY, TOOLS, Start, surroundings

SAMPLE = 5  # every fifth recorded run; benchmarks/protections.py replays them all
LIVE: dict[str, Any] = {"mode": Mode.LIVE, "isolate": True, "approvals": str(POLICY)}
UNPROTECTED: dict[str, Any] = {
    "enable_rollback_on_failure": False,
    "retry_strategy": RetryStrategy.NO_RETRY,
    "breaker": False,
    "conflicts": {**DEFAULT_STRATEGIES, ConflictType.DUPLICATE_ACTION: Strategy.ALLOW},
    "on_failure": "continue",
}


@pytest.fixture(scope="module")
def start() -> Start:
    if not (SHARED / "runs.jsonl").exists():
        pytest.skip("the shared data is not here")
    return Start(SHARED / "db")


def lines(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (SHARED / name).read_text(encoding="utf-8").splitlines()]


def run(plans: Path, folder: Path, **settings: Any) -> wiring.RunResult:
    config = ExecutionConfig(output_dir=str(folder / "run"), **LIVE, **settings)
    result = wiring.run([str(plans)], [str(TOOLS)], config, granted_by="tester")
    assert not wiring.verify(result.folder).violations
    return result


def ground_truth(start: Start) -> dict[str, replayer.State]:
    states = {}
    for plan in lines("plans.jsonl"):
        states[plan["plan_id"]] = state = replayer.fresh(start.state)
        assert set(replayer.replay(state, replayer.calls_of(plan))) <= {"ok"}
    return states


def test_every_plan_leaves_its_office_as_the_plan_says(start: Start, tmp_path: Path) -> None:
    with surroundings(tmp_path, SHARED / "db"):
        result = run(SHARED / "plans.jsonl", tmp_path)
    steps = sum(len(plan["execution_order"]) for plan in lines("plans.jsonl"))
    counts = result.summary["steps"]["by_status"]
    assert result.exit_code == 0
    assert counts["SUCCEEDED"] == sum(counts.values()) == steps > 0
    expected = ground_truth(start)
    assert len(expected) == 480
    for plan_id, state in expected.items():
        assert start.after(tmp_path, plan_id) == state, plan_id


def test_unprotected_replays_end_as_the_recordings_did(start: Start, tmp_path: Path) -> None:
    recorded = list(islice(lines("runs.jsonl"), 0, None, SAMPLE))
    plans = tmp_path / "runs.jsonl"
    plans.write_text("".join(f"{json.dumps(one)}\n" for one in recorded), encoding="utf-8")
    with surroundings(tmp_path, SHARED / "db"):
        run(plans, tmp_path, **UNPROTECTED)
    expected, agree = ground_truth(start), Counter[str]()
    for one in recorded:
        meta = one["meta"]
        right = expected[f"workbench:{meta['domain']}:{meta['task']}"]
        correct, harmful = replayer.judge(
            start.state, right, start.after(tmp_path, one["plan_id"]), meta["error"]
        )
        agree.update(runs=1, correct=correct == meta["correct"], harmful=harmful == meta["harmful"])
        agree.update(harms=harmful, rights=correct)
    assert agree["runs"] == len(recorded) > 300
    assert min(agree["harms"], agree["rights"]) > 50
    assert agree["correct"] == agree["harmful"] == agree["runs"]


def test_what_is_undone_of_recorded_runs_is_as_it_claims(start: Start, tmp_path: Path) -> None:
    """In an office of its own nobody else writes, so an undo is either done and verified or impossible."""
    failing = [one for one in lines("runs.jsonl") if not all(one["meta"]["call_ok"]) and deletes(one)]
    plans = tmp_path / "runs.jsonl"
    plans.write_text("".join(f"{json.dumps(one)}\n" for one in failing), encoding="utf-8")
    with surroundings(tmp_path, SHARED / "db"):
        result = run(plans, tmp_path, breaker=False)
    undone: dict[str, list[dict[str, Any]]] = {}
    for line in (Path(result.folder) / "rollback_events.jsonl").read_text().splitlines():
        event = json.loads(line)
        undone.setdefault(event["plan_id"], []).append(event)
    restored = 0
    for plan_id, events in undone.items():
        claims = {event["result"] for event in events}
        assert claims <= {"RESTORED_EXACT", "RESTORED_EQUIVALENT", "NOT_REVERSIBLE"}
        assert all(event["verified"] == (event["result"] != "NOT_REVERSIBLE") for event in events)
        state = start.after(tmp_path, plan_id)
        as_before = without_ids(state) == without_ids(start.state)
        assert as_before == ("NOT_REVERSIBLE" not in claims), plan_id
        assert (state == start.state) == (claims == {"RESTORED_EXACT"}), plan_id
        restored += as_before
    assert restored > 10


def deletes(plan: dict[str, Any]) -> bool:
    return any(".delete_" in (tool or "") for tool, _ in replayer.calls_of(plan))


# --- on the shipped staff ---------------------------------------------------------------------------

WRONG_FORM = (f"{PM}.create_task", TASK | {"board": "Kitchen"})  # its rehearsal finds out
WRONG_PERSON = (f"{PM}.create_task", TASK | {"assigned_to_email": "a@b.example"})  # only the office does


def intents(calls: list[tuple[str, dict[str, Any]]], folder: Path) -> list[str]:
    """The steps that were called live, in a run that goes on after failures."""
    names = [f"s{number}" for number in range(1, len(calls) + 1)]
    steps = {name: {"tool": tool, "args": args} for name, (tool, args) in zip(names, calls, strict=True)}
    plan = {"plan_id": "plan", "agent_assignments": {"clerk": names}, "steps": steps}
    plan["confidence_scores"] = dict.fromkeys(names, 0.95)
    (folder / "plan.json").write_text(json.dumps(plan), encoding="utf-8")
    with surroundings(folder):
        result = run(
            folder / "plan.json",
            folder,
            on_failure="continue",
            enable_rollback_on_failure=False,
            breaker=False,
        )
        events = [record.event for record in wiring.records(result.folder)]
    return [event.step for event in events if isinstance(event, Intent)]


def test_a_step_after_a_failed_rehearsal_is_called_once(tmp_path: Path) -> None:
    calls = [WRONG_FORM, (f"{PM}.create_task", TASK), WRONG_FORM, ("calendar.create_event", EVENT)]
    assert intents(calls, tmp_path) == ["s2", "s4"]


def test_a_repeat_is_found_where_the_write_in_between_failed(tmp_path: Path) -> None:
    calls = [(f"{PM}.create_task", TASK), WRONG_PERSON, (f"{PM}.create_task", TASK)]
    assert intents(calls, tmp_path) == ["s1"]


def without_ids(state: replayer.State) -> dict[str, list[list[str]]]:
    return {name: sorted(list(row.values())[1:] for row in rows) for name, rows in state.items()}
