"""The office as a fleet of four agents, LIVE: a hundred tasks with conflicts, approvals and a rollback."""

import json
from collections import Counter
from contextlib import closing
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from buddy import ExecutionConfig, Mode, wiring
from buddy.model.approval import ApprovalState, Vote
from e2e.office_example import FOLDER, STAFF, Office

FLEET, TOOLS = FOLDER / "fleet", str(FOLDER / "tools.py")
MAILS, UNDONE, FAILED = 8, "move_sign_off", "move_room_booking"


@pytest.fixture(autouse=True)
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("BUDDY_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("OFFICE_DB", str(tmp_path / "office.sqlite"))
    for name in ("DRY_RUN", "OFFICE_DATA"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def run(out: Path, **settings: Any) -> wiring.RunResult:
    config = ExecutionConfig(mode=Mode.LIVE, output_dir=str(out), **settings)
    return wiring.run([str(FLEET)], [TOOLS], config, granted_by="ada")


def state(desk: Path) -> dict[str, list[dict[str, str]]]:
    found: dict[str, list[dict[str, str]]] = Office(desk / "office.sqlite", STAFF).state()
    return found


def steps(result: wiring.RunResult) -> dict[str, int]:
    return {status: count for status, count in result.summary["steps"]["by_status"].items() if count}


def lines(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text().splitlines()]


def executed(out: Path) -> dict[str, dict[str, Any]]:
    found = [task for file in out.glob("wave_*/*/executed_tasks.jsonl") for task in lines(file)]
    assert len(found) == len({task["task_id"] for task in found})
    return {task["task_id"]: task for task in found}


def approve_all() -> int:
    with closing(wiring.home()) as home:
        pending = home.approvals(0.0, None, ApprovalState.PENDING)
        for approval in pending:
            vote = Vote(by="grace", approve=True, at="2030-01-01T00:00:00+00:00")
            home.vote(approval.request.approval_id, vote, 0.0)
    return len(pending)


def test_a_fleet_works_in_the_office_and_goes_on_when_people_have_said_yes(desk: Path) -> None:
    out = desk / "out"
    first = run(out)
    assert first.exit_code == 3
    assert steps(first) == {"SUCCEEDED": 90, "HELD": MAILS, "FAILED": 1, "ROLLED_BACK": 1}
    assert first.summary["conflicts"]["by_type"]["RESOURCE"] == 5
    assert not wiring.verify(str(out)).violations
    held = {name for name, task in executed(out).items() if task["status"] == "PENDING"}
    assert len(held) == MAILS
    assert all(name.startswith("write_to_") for name in held)

    assert approve_all() == MAILS
    second = wiring.resume(str(out), [TOOLS], by="ada")
    assert second.exit_code == 1
    assert steps(second) == {"SUCCEEDED": 98, "FAILED": 1, "ROLLED_BACK": 1}
    assert not wiring.verify(str(out)).violations

    tasks = executed(out)
    assert len(tasks) == 100
    assert Counter(task["status"] for task in tasks.values()) == {"COMPLETED": 98, "FAILED": 2}
    assert tasks[UNDONE]["error_msg"] == f"undone: step '{FAILED}' failed"
    assert "no '00000099'" in tasks[FAILED]["error_msg"]
    assert len({task["agent_id"] for task in tasks.values()}) == 4
    [undo] = lines(out / "rollback_events.jsonl")
    assert (undo["step_id"], undo["result"], undo["verified"]) == (UNDONE, "RESTORED_EXACT", True)
    assert second.fleet is not None
    assert second.fleet["retries"] == 0
    assert second.fleet["makespan_s"] <= second.summary["duration_s"]


def test_the_office_is_as_the_tasks_say_and_each_mail_went_out_once(desk: Path) -> None:
    out = desk / "out"
    run(out)
    approve_all()
    wiring.resume(str(out), [TOOLS], by="ada")
    office, tasks = state(desk), lines(FLEET / "predicted_tasks.jsonl")
    wanted = Counter(task["args"]["recipient"] for task in tasks if task["tool"] == "email.send_email")
    sent = Counter(
        mail["sender/recipient"] for mail in office["emails"] if mail["subject"] == "Our call in December"
    )
    assert sent == wanted
    customers = {row["customer_id"]: row for row in office["customers"]}
    events = {row["event_id"]: row for row in office["events"]}
    for task in tasks:
        args = task["args"]
        if task["tool"].endswith(".update_customer"):
            assert customers[args["customer_id"]][args["field"]] == args["new_value"]
    assert events["00000015"]["event_start"] == "2023-12-01 10:00:00"
    booked = [row["event_name"] for row in office["events"] if row["event_name"].startswith("Call with")]
    assert len(booked) == len(set(booked)) == 12


def test_writes_to_one_thing_by_two_agents_never_overlap(desk: Path) -> None:
    out = desk / "out"
    assert run(out, approvals=str(FOLDER / "policy.toml")).exit_code == 1
    conflicts = json.loads((out / "tool_conflicts.json").read_text())["conflicts"]
    assert len(conflicts) == 5
    live = {
        line["step_id"]: (line["started_at"], line["ended_at"])
        for line in lines(out / "tool_execution_log.jsonl")
        if line["mode"] == "LIVE"
    }
    for conflict in conflicts:
        spans = sorted(live[step["step_id"]] for step in conflict["steps"])
        assert len(spans) > 1
        assert all(before[1] <= after[0] for before, after in pairwise(spans))


@pytest.mark.parametrize("schedule", ["waves", "continuous"])
def test_every_file_is_rebuilt_to_the_same_bytes_and_a_forged_one_is_found(desk: Path, schedule: str) -> None:
    out = desk / "out"
    run(out, approvals=str(FOLDER / "policy.toml"), schedule=schedule)

    def content() -> dict[str, bytes]:
        files = (path for path in out.rglob("*") if path.is_file())
        return {str(path.relative_to(out)): path.read_bytes() for path in files}

    before = content()
    rebuilt = wiring.rebuild_outputs(str(out))
    assert content() == before
    assert before.keys() - set(rebuilt) == {"journal.jsonl", "plans.jsonl"}
    forged = next(out.glob("wave_2/*/executed_tasks.jsonl"))
    forged.write_bytes(forged.read_bytes().replace(b"COMPLETED", b"PENDING", 1))
    [violation] = wiring.verify(str(out)).violations
    assert violation.rule == "output_differs"
    assert str(forged.relative_to(out)) in violation.message
    forged.unlink()
    [violation] = wiring.verify(str(out)).violations
    assert violation.rule == "output_missing"
    wiring.rebuild_outputs(str(out))
    (out / "wave_9" / "agent_0").mkdir(parents=True)
    (out / "wave_9" / "agent_0" / "executed_tasks.jsonl").touch()
    [violation] = wiring.verify(str(out)).violations
    assert violation.rule == "output_unexpected"
    assert "wave_9/agent_0/executed_tasks.jsonl" in violation.message


def test_feedback_goes_to_the_folders_that_are_configured(desk: Path) -> None:
    out, phase16, phase20 = desk / "out", desk / "learn" / "16", desk / "learn" / "20"
    run(
        out,
        approvals=str(FOLDER / "policy.toml"),
        phase16_output_dir=str(phase16),
        phase20_output_dir=str(phase20),
    )
    for folder, name in ((phase16, "heuristic_feedback"), (phase20, "prediction_validation_feedback")):
        copy = (folder / f"{name}.jsonl").read_bytes()
        assert copy == (out / "feedback" / f"phase{folder.name}" / f"{name}.jsonl").read_bytes()
        assert copy
    assert {line["heuristic_id"] for line in lines(phase16 / "heuristic_feedback.jsonl")} == {
        "lookup",
        "follow_up",
        "board",
        "calendar",
        "mail",
    }
