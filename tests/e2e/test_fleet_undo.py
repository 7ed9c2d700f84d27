"""Rollback in a fleet: each write of a group that failed is undone once, whatever goes on beside it."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from buddy import ExecutionConfig, Mode, wiring
from buddy.journal.events import UndoOutcome
from buddy.model.config import RetryStrategy
from buddy.model.plan import ScheduleKind

TOOLS = """
import asyncio
from buddy import Call, Preview, Restored, ToolError, tool

@tool(name="write", risk="MEDIUM", effect="write", undo="exact", resources=["thing:{thing}"])
async def write(thing: str, takes: float = 0.0) -> str:
    await asyncio.sleep(takes)
    return thing

@write.preview
async def _(thing: str, takes: float = 0.0) -> Preview:
    return Preview(changes=[thing])

@write.undo
async def _(call: Call, result: object) -> Restored:
    await asyncio.sleep(0.6)
    return Restored(verified=True, exact=True)

@tool(name="fail", risk="LOW", effect="read")
async def fail(takes: float) -> str:
    await asyncio.sleep(takes)
    raise ToolError("it was to fail")

@tool(name="wait", risk="LOW", effect="read")
async def wait(takes: float) -> str:
    await asyncio.sleep(takes)
    return "there"
"""


@pytest.fixture(autouse=True)
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BUDDY_HOME", str(tmp_path / "home"))
    Path("tools.py").write_text(TOOLS)


def task(name: str, wave: int, tool: str, **fields: Any) -> dict[str, Any]:
    args = {key: fields.pop(key) for key in ("thing", "takes") if key in fields}
    return {
        "task_id": name, "tool": tool, "args": args, "wave": wave, "predicted_success_rate": 0.95, **fields
    }  # fmt: skip


def undone(schedule: ScheduleKind, *tasks: dict[str, Any]) -> Counter[str]:
    """Run tasks LIVE and return how often each was undone."""
    Path("fleet").mkdir()
    Path("fleet/predicted_tasks.jsonl").write_text("".join(f"{json.dumps(one)}\n" for one in tasks))
    config = ExecutionConfig(
        mode=Mode.LIVE,
        output_dir="out",
        num_agents=4,
        schedule=schedule,
        retry_strategy=RetryStrategy.NO_RETRY,
    )
    result = wiring.run(["fleet"], ["tools.py"], config, granted_by="ada")
    assert result.exit_code == 1
    assert not wiring.verify("out").violations
    events = (record.event for record in wiring.records("out"))
    return Counter(event.step for event in events if isinstance(event, UndoOutcome))


@pytest.mark.parametrize("schedule", ["waves", "continuous"])
def test_waves_that_end_during_an_undo_do_not_begin_it_again(schedule: ScheduleKind) -> None:
    waits = [task(f"wait{wave}", wave, "wait", takes=0.1 * wave) for wave in (2, 3, 4)]
    writes = [task(name, 1, "write", thing=name, group="g") for name in ("one", "two")]
    assert undone(schedule, *writes, task("bad", 1, "fail", takes=0.1, group="g"), *waits) == {
        "one": 1,
        "two": 1,
    }


@pytest.mark.parametrize("schedule", ["waves", "continuous"])
def test_a_write_that_ends_after_the_undo_of_its_group_is_undone_too(schedule: ScheduleKind) -> None:
    tasks = [
        task("early", 1, "write", thing="early", group="g"),
        task("bad", 1, "fail", takes=0.1, group="g"),
        task("late", 2, "write", thing="late", takes=1.2, group="g"),
        task("other", 3, "wait", takes=0.1),
    ]
    expected = {"early": 1, "late": 1} if schedule == "continuous" else {"early": 1}
    assert undone(schedule, *tasks) == expected
