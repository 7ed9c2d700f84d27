"""`buddy rollback` after other commands, without tools, and where nobody knows how a call ended."""

import json
from pathlib import Path
from typing import Any

import pytest

from buddy import BadInput, ExecutionConfig, Mode, wiring
from e2e.some_runs import records, settle_in, wrong

TOOLS = """
from pathlib import Path
from buddy import Preview, Restored, Risk, ToolError, tool

def note(line):
    with open("notes", "a") as file:
        file.write(line + "\\n")

@tool(risk=Risk.MEDIUM, effect="write", undo="exact", permissions=["w"], resources=["thing:{key}"])
def put(key: str) -> str:
    note(f"put {key}")
    if key.startswith("lost"):
        raise OSError("the connection was lost")
    if key.startswith("bad"):
        raise ToolError("no")
    return key

@put.preview
def _(key: str) -> Preview:
    return Preview(changes=[key])

@put.undo
def _(call, result) -> Restored:
    note(f"undo {call.args['key']}")
    return Restored(verified=True, exact=True)

@tool(risk=Risk.MEDIUM, effect="write", permissions=["w"], resources=["other:{key}"])
def burn(key: str) -> str:
    return key

@burn.preview
def _(key: str) -> Preview:
    return Preview(changes=[key])
"""
OUT = "out"


@pytest.fixture(autouse=True)
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    settle_in(tmp_path, monkeypatch.setenv)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DRY_RUN", raising=False)
    Path("tools.py").write_text(TOOLS)
    Path("others.py").write_text(TOOLS.replace("def put", "def other").replace("@put.", "@other."))
    return tmp_path


def run(*keys: str, **fields: Any) -> wiring.RunResult:
    steps = {
        key: {"tool": "burn" if key.startswith("burn") else "put", "agent": "a", "confidence": 0.95}
        | {"args": {"key": key}}
        for key in keys
    }
    plan = {"plan_id": "p", "order": "strict", "execution_order": list(keys), "steps": steps}
    Path("plan.json").write_text(json.dumps(plan))
    config = ExecutionConfig(mode=Mode.LIVE, output_dir=OUT, max_retries=0, **fields)
    return wiring.run(["plan.json"], ["tools.py"], config, granted_by="ada")


def rollback(*files: str, step: str | None = None) -> wiring.RunResult:
    return wiring.rollback(OUT, files, by="ada", step=step)


def undone() -> list[str]:
    return [line for line in Path("notes").read_text().splitlines() if line.startswith("undo")]


def test_what_was_done_is_undone_after_a_command_that_takes_no_tools() -> None:
    assert run("one", "lost", "last").exit_code == 4
    wiring.resolve(OUT, "lost", True, by="ada")
    rollback("tools.py")
    assert undone() == ["undo lost", "undo one"]
    assert wrong(Path(OUT)) == []


def test_a_step_that_fails_after_a_command_without_tools_undoes_what_came_before() -> None:
    assert run("one", "lost", "bad").exit_code == 4
    wiring.resolve(OUT, "lost", False, by="ada")
    wiring.resume(OUT, ["tools.py"], by="ada")
    assert undone() == ["undo one"]
    assert wrong(Path(OUT)) == []
