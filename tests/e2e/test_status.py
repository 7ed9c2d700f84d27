"""Status and rung of a step move by their tables, also where calls end late or in parts."""

import threading
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from buddy import (
    ExecutionConfig,
    Harness,
    InvalidArguments,
    Mode,
    Preview,
    Restored,
    Risk,
    Tool,
    tool,
    wiring,
)
from buddy.core.findings import Findings
from buddy.core.ordering import Schedule
from buddy.engine.plans import PlanState
from buddy.errors import IllegalMove
from buddy.journal.events import Moved, Outcome, UndoOutcome
from buddy.model.outcome import OutcomeKind, StepStatus
from buddy.model.plan import Agent, Plan, Step
from e2e import some_runs as runs

READ: dict[str, Any] = {"name": "list.read", "risk": Risk.LOW, "effect": "read", "idempotent": True}
WRITE: dict[str, Any] = {
    "risk": Risk.MEDIUM,
    "effect": "write",
    "undo": "exact",
    "resources": ["item:{item}"],
}


class Toolless:
    def get(self, name: str) -> None:
        return None

    def names(self) -> list[str]:
        return []


def items(*values: str) -> Tool:
    @tool(**READ)
    async def read() -> dict[str, Any]:
        return {"items": list(values)}

    return read


def previewed(made: Tool) -> Tool:
    @made.preview
    async def _(item: str) -> Preview:
        return Preview(changes=[])

    @made.undo
    async def _(call: Any, result: Any) -> Restored:
        return Restored(verified=True)

    return made


def fan_out(tool_name: str) -> dict[str, Any]:
    each = {
        "tool": tool_name,
        "args": {"item": {"$item": ""}},
        "for_each": {"$from": "all", "path": "/items"},
    }
    return runs.plan({"all": {"tool": "list.read"}, "each": each}, agents={"a": {"permissions": ["w"]}})


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runs.settle_in(tmp_path, monkeypatch.setenv)


def run(folder: Path, document: dict[str, Any], *tools: Tool, **fields: Any) -> Any:
    config = ExecutionConfig(mode=Mode.LIVE, output_dir=str(folder / "out"), max_retries=0, **fields)
    return Harness(config, list(tools), granted_by="ada").run_sync(document)


def test_a_step_cannot_come_back_from_the_end() -> None:
    step = Step(step_id="s", tool="t", agent="a")
    plan = Plan(plan_id="p", steps=(step,), agents={"a": Agent()})
    state = PlanState(0, Schedule(plan, lambda name: ()), Toolless(), Findings())
    state.put(0, StepStatus.FAILED, None)
    with pytest.raises(IllegalMove, match="FAILED cannot become SUCCEEDED"):
        state.put(0, StepStatus.SUCCEEDED, Mode.LIVE)
    assert state.status(0) is StepStatus.FAILED


def test_a_fan_out_of_which_an_item_failed_stays_failed_when_the_others_are_undone(tmp_path: Path) -> None:
    @tool(name="one.write", **WRITE)
    async def write(item: str) -> dict[str, Any]:
        if item == "bad":
            raise InvalidArguments("no such item")
        return {}

    done = run(tmp_path, fan_out("one.write"), items("good", "bad"), previewed(write))
    undone = [record.event.step for record in runs.records(tmp_path / "out", UndoOutcome)]
    assert undone == ["each[0]"]
    assert done.exit_code == 1
    assert runs.wrong(tmp_path / "out") == []


def test_an_item_that_answers_late_settles_itself_and_not_its_fan_out(tmp_path: Path) -> None:
    answer = threading.Event()

    @tool(name="one.write", timeout_s=0.2, **WRITE)
    def write(item: str) -> dict[str, Any]:
        if item == "slow":
            answer.wait(10)
        else:
            answer.set()
        return {}

    done = run(tmp_path, fan_out("one.write"), items("slow", "quick"), previewed(write))
    assert done.exit_code == 4
    outcomes = [record.event for record in runs.records(tmp_path / "out", Outcome)]
    told = [(e.step, e.outcome, e.late) for e in outcomes if isinstance(e, Outcome)]
    assert sorted(told, key=str) == [
        ("each[0]", OutcomeKind.SUCCEEDED, True),
        ("each[0]", OutcomeKind.UNKNOWN, False),
        ("each[1]", OutcomeKind.SUCCEEDED, False),
    ]
    assert runs.wrong(tmp_path / "out") == []


def test_the_way_down_is_journaled_one_rung_at_a_time(tmp_path: Path) -> None:
    @tool(name="one.write", **WRITE)
    async def write(item: str) -> dict[str, Any]:
        return {}

    @write.preview
    async def _(item: str) -> Preview:
        with closing(wiring.home()) as home:
            home.set_lock(True, "eve", "stop", 0.0)
        return Preview(changes=[])

    @write.undo
    async def _(call: Any, result: Any) -> Restored:
        return Restored(verified=True)

    document = runs.plan({"s": {"tool": "one.write", "args": {"item": "x"}}}, agents={"a": {}})
    run(tmp_path, document, write)
    moved = [record.event for record in runs.records(tmp_path / "out", Moved)]
    assert [(e.from_mode, e.to_mode, e.trigger) for e in moved if isinstance(e, Moved)] == [
        (Mode.DRY_RUN, Mode.MOCK, "lock")
    ]
