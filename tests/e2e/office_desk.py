"""A desk in the example office: plans run live in it, and what they left."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

from buddy import ExecutionConfig, Harness, Mode, Tool, wiring
from buddy.interfaces.harness import HarnessRun
from e2e.office_example import example
from e2e.office_live import POLICY, Rows, dump

office_module, tools_module = example("office"), example("tools")
Calls = list[tuple[str, dict[str, Any]]]

FAILS = ("calendar.delete_event", {"event_id": "99999999"})  # its rehearsal passes: only the office knows


def plan_of(calls: Calls) -> dict[str, Any]:
    """A plan that makes these calls one after another."""
    names = [f"s{number}" for number in range(1, len(calls) + 1)]
    steps = {name: {"tool": it[0], "args": it[1]} for name, it in zip(names, calls, strict=True)}
    return {
        "plan_id": "plan",
        "agent_assignments": {"clerk": names},
        "confidence_scores": dict.fromkeys(names, 0.95),
        "steps": steps,
    }


class Desk:
    """An office of its own with its home, and plans run in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = folder / "office.sqlite"
        self.office = office_module.Office.create(self.path)
        self.start = dump(self.path)
        self.runs = 0

    def run(self, calls: Calls, more: list[Tool] | None = None, **config: Any) -> HarnessRun:
        """Run the calls one after another, live; the run is verified."""
        self.runs += 1
        chosen = ExecutionConfig(
            mode=Mode.LIVE,
            approvals=str(POLICY),
            output_dir=str(self.folder / f"run{self.runs}"),
            **config,
        )
        result = Harness(chosen, [*tools_module.tools_for(self.office), *(more or [])]).run_sync(
            plan_of(calls)
        )
        assert not wiring.verify(str(result.folder)).violations
        return result

    def now(self) -> Rows:
        return dump(self.path)

    def somebody(self, statement: str, *values: str) -> None:
        """Another connection writes."""
        with closing(sqlite3.connect(self.path)) as db, db:
            assert db.execute(statement, values).rowcount == 1


def rolled(run: Any) -> list[tuple[str, str, bool]]:
    """Step, result and whether it was verified, in the order of the undos."""
    lines = (Path(run.folder) / "rollback_events.jsonl").read_text(encoding="utf-8").splitlines()
    events = [json.loads(line) for line in lines]
    return [(event["step_id"], event["result"], event["verified"]) for event in events]


def by_content(rows: Rows) -> dict[str, list[tuple[Any, ...]]]:
    """Rows without the place they are stored at and without their id."""
    return {name: sorted(row[2:] for row in found) for name, found in rows.items()}
