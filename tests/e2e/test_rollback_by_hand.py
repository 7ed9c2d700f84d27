"""`buddy rollback` after other commands, without tools, and where nobody knows how a call ended."""

import json
from pathlib import Path

import pytest

from buddy import BadInput, ExecutionConfig, Mode, wiring
from e2e.some_runs import settle_in, wrong

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


def run(*keys: str) -> wiring.RunResult:
    steps = {
        key: {"tool": "burn" if key.startswith("burn") else "put", "agent": "a", "confidence": 0.95}
        | {"args": {"key": key}}
        for key in keys
    }
    plan = {"plan_id": "p", "order": "strict", "execution_order": list(keys), "steps": steps}
    Path("plan.json").write_text(json.dumps(plan))
    Path("policy.toml").write_text("[[rules]]\ndecision = 'approve'\n")
    config = ExecutionConfig(mode=Mode.LIVE, output_dir=OUT, max_retries=0, approvals="policy.toml")
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


@pytest.mark.parametrize("files", [(), ("others.py",), ("put.toml",)])
@pytest.mark.parametrize("step", [None, "one"])
def test_without_the_tools_nothing_is_undone_and_nothing_told(
    files: tuple[str, ...], step: str | None
) -> None:
    contract = 'risk = "MEDIUM"\neffect = "write"\nundo = "none"\nresources = ["thing:{key}"]'
    Path("put.toml").write_text(f"[tools.put]\n{contract}\n")
    run("one", "burn")
    before = Path(OUT, "journal.jsonl").read_bytes()
    with pytest.raises(BadInput, match="rollback: expected --tools files with put, which the run uses"):
        rollback(*files, step=step)
    assert Path(OUT, "journal.jsonl").read_bytes() == before
    assert rollback("tools.py", step=step).exit_code == 1
    assert undone() == ["undo one"]


def test_without_the_tools_nothing_is_undone_after_a_command_that_takes_none() -> None:
    run("one", "lost")
    wiring.resolve(OUT, "lost", True, by="ada")
    with pytest.raises(BadInput, match="expected --tools files with put"):
        rollback()


def test_what_cannot_be_undone_takes_no_tools() -> None:
    run("burn")
    undone = rollback().summary["rollbacks"]["by_result"]
    assert undone["NOT_REVERSIBLE"] == 1


@pytest.mark.parametrize("step", [None, "lost", "p/lost"])
def test_where_nobody_knows_how_calls_ended_they_are_named(step: str | None) -> None:
    run("lost", "last")
    with pytest.raises(BadInput) as problem:
        rollback("tools.py", step=step)
    [told] = problem.value.problems
    assert told.endswith(
        "found only calls of which nobody knows how they ended: p/lost; look, then say"
        " `buddy resolve RUN STEP --happened` or `--did-not`"
    )
    with pytest.raises(BadInput, match=r"found none$"):
        rollback("tools.py", step="last")
