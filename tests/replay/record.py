"""Runs what `tests/replay` stores with the Buddy that is importable: `python tests/replay/record.py NAME`.

Uses only what every version has had, so that it runs with old ones too.
"""

import asyncio
import json
import os
import shutil
import sqlite3
import sys
import tempfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

from buddy import ExecutionConfig, Harness, Mode, wiring
from buddy.model.approval import ApprovalState, Vote

HERE = Path(__file__).parent
TOOLS = "tools.py"
FACTS = ("plans_processed", "steps", "conflicts", "approvals", "rollbacks")
RUN_FOLDER = "/RUN"
"""Stands in a stored home where the folder of the run stood."""


def step(tool: str, args: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"agent": "ann", "confidence": 0.95, "tool": tool, "args": args, **fields}


MAIL = {"to": "bob", "text": "All is on the shelf."}
LOOK = step("shelf.list", {"shelf": "old"})
FAN = {
    "look": LOOK,
    "each": step(
        "shelf.put", {"title": {"$item": "/title"}}, for_each={"$from": "look", "path": "/books"}
    ),
    "unsure": step("shelf.put", {"title": "Ulysses"}, confidence=0.1),
}  # fmt: skip
UNDONE = {
    "look": LOOK,
    "put": step("shelf.put", {"title": "Dracula"}, depends_on=["look"]),
    "tell": step("mail.send", MAIL, depends_on=["put"]),
    "burn": step("shelf.burn", {"title": "Dracula"}, depends_on=["tell"]),
}
HELD = {
    "put": step("shelf.put", {"title": "Persuasion"}),
    "tell": step("mail.send", {**MAIL, "to": "eve"}, depends_on=["put"]),
}
TASKS: list[dict[str, Any]] = [
    {"task_id": f"t{number}", "predicted_success_rate": 0.9, "wave": 1 + number // 3,
     "estimated_duration_s": seconds, "tool": "shelf.put", "args": {"title": f"Volume {number}"}}
    for number, seconds in enumerate((1, 2, 6, 4, 5))
] + [
    {"task_id": "ash", "predicted_success_rate": 0.8, "wave": 2, "tool": "shelf.burn",
     "args": {"title": "Volume 1"}, "depends_on": ["t1"], "heuristic_id": "h1", "prediction_id": "p1"},
    {"task_id": "sum", "predicted_success_rate": 0.95, "wave": 2, "depends_on": ["t2"]},
]  # fmt: skip


def config(mode: Mode, **fields: Any) -> ExecutionConfig:
    return ExecutionConfig(mode=mode, output_dir="out", max_retries=0, **fields)


def run(steps: dict[str, Any], mode: Mode) -> int:
    plan = {"plan_id": "p", "order": "parallel", "steps": steps}
    Path("plan.json").write_text(json.dumps(plan))
    return wiring.run(["plan.json"], [TOOLS], config(mode), granted_by="ada").exit_code


def approve() -> None:
    """Say yes to everything that waits."""
    with closing(wiring.home()) as home:
        for one in home.approvals(0.0, None, ApprovalState.PENDING):
            vote = Vote(by="eve", approve=True, at="2026-12-01T00:00:00+00:00")
            home.vote(one.request.approval_id, vote, 0.0)


def mock() -> int:
    return run(FAN, Mode.MOCK)


def fan_out() -> int:
    return run(FAN, Mode.LIVE)


def undone() -> int:
    assert run(UNDONE, Mode.LIVE) == 3
    approve()
    return wiring.resume("out", [TOOLS], by="ada").exit_code


def held() -> int:
    code = run(HELD, Mode.LIVE)
    assert code == 3
    return code


def calls() -> int:
    async def all_of_them() -> None:
        async with Harness(config(Mode.LIVE), tools=[TOOLS], granted_by="ada") as desk:
            await desk.call("ann", "shelf.list", {"shelf": "old"}, confidence=0.9, call_id="look")
            await desk.call("ann", "shelf.put", {"title": "Walden"}, confidence=0.9, call_id="put")
            await desk.call("ann", "mail.send", MAIL, confidence=0.9, call_id="tell")
            await desk.call("ann", "shelf.burn", {"title": "Walden"}, confidence=0.9, call_id="burn")
            await desk.call("bob", "shelf.put", {"title": "Emma"}, confidence=0.1, call_id="unsure")

    asyncio.run(all_of_them())
    return int(json.loads(Path("out/orchestration_summary.json").read_text())["exit_code"])


def fleet() -> int:
    Path("fleet").mkdir()
    Path("fleet/predicted_tasks.jsonl").write_text("".join(f"{json.dumps(task)}\n" for task in TASKS))
    settings = config(Mode.LIVE, num_agents=2)
    return wiring.run(["fleet"], [TOOLS], settings, granted_by="ada").exit_code


RUNS: dict[str, Callable[[], int]] = {
    "mock": mock, "fan_out": fan_out, "undone": undone, "held": held, "calls": calls, "fleet": fleet,
}  # fmt: skip


def notes() -> list[str]:
    """What the tools did."""
    return Path("notes").read_text().splitlines() if Path("notes").exists() else []


def told() -> dict[str, Any]:
    """What the outputs say of the run, without what they count none of."""
    summary = json.loads(Path("out/orchestration_summary.json").read_text())
    found: dict[str, Any] = _some({name: summary[name] for name in FACTS})
    return found


def _some(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    kept = {name: _some(one) for name, one in value.items()}
    return {name: one for name, one in kept.items() if one not in (0, {})}


def facts(code: int) -> dict[str, Any]:
    """What the version that made the run said of it."""
    lines = len(Path("out/journal.jsonl").read_bytes().splitlines())
    return {"lines": lines, "exit_code": code, "notes": notes(), "told": told()}


def dump(database: Path) -> str:
    """Return a home as text."""
    with closing(sqlite3.connect(database)) as connection:
        marks = [
            f"PRAGMA {name}={connection.execute(f'PRAGMA {name}').fetchone()[0]};"
            for name in ("application_id", "user_version")
        ]
        return "\n".join([*connection.iterdump(), *marks, ""])


def record(name: str, place: Path) -> None:
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        os.environ |= {"BUDDY_HOME": f"{folder}/home", "REPLAY_NOTES": f"{folder}/notes"}
        shutil.copy(HERE / TOOLS, folder)
        known = facts(RUNS[name]())
        place.mkdir(parents=True)
        for file in ("journal.jsonl", "plans.jsonl"):
            if Path("out", file).exists():
                shutil.copy(Path("out", file), place)
        home = dump(Path("home/buddy.db")).replace(str(Path("out").absolute()), RUN_FOLDER)
        (place / "home.sql").write_text(home)
        (place / "facts.json").write_text(json.dumps(known, indent=1) + "\n")
        os.chdir(HERE)


if __name__ == "__main__":
    for each in sys.argv[2:] or RUNS:
        record(each, HERE / sys.argv[1] / each)
