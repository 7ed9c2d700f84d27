"""A vote that cannot stand is refused where it is given, and does not take a run down."""

import json
from pathlib import Path
from typing import Any

import pytest

from buddy import BadInput, wiring
from buddy.interfaces.cli.main import main
from buddy.model.approval import ApprovalState
from e2e import some_runs as runs
from e2e import some_tools

TOOLS = """
from typing import Any
from buddy import Preview, Risk, tool
from e2e.some_tools import note

@tool(risk=Risk.HIGH, effect="write", permissions=["m"], resources=["mail"])
async def mail(to: Any) -> None:
    note("sent", to)

@mail.preview
async def _(to: Any) -> Preview:
    return Preview(changes=["a mail"])
"""


@pytest.fixture(autouse=True)
def tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    runs.settle_in(tmp_path, monkeypatch.setenv)
    (tmp_path / "mail.py").write_text(TOOLS)
    return str(tmp_path / "mail.py")


def run(folder: Path, tools: str, steps: dict[str, Any], **fields: Any) -> str:
    """Begin a run that waits for a person; returns the request."""
    (folder / "plan.json").write_text(json.dumps(runs.plan(steps)))
    settings = runs.live(folder / "out", **fields)
    assert wiring.run([str(folder / "plan.json")], [tools], settings, granted_by="ada").exit_code == 3
    (asked,) = runs.asked(ApprovalState.PENDING)
    return asked.request.approval_id


def resume(folder: Path, tools: str, **around: Any) -> int:
    return wiring.resume(str(folder / "out"), [tools], by="ada", **around).exit_code


@pytest.mark.parametrize("by_command", [False, True])
def test_an_edit_that_is_too_deep_leaves_a_run_that_goes_on(
    tmp_path: Path, tools: str, by_command: bool
) -> None:
    asked = run(tmp_path, tools, {"m": {"tool": "mail", "args": {"to": "bob"}}})
    deep: Any = "eve"
    for _ in range(400):
        deep = [deep]
    if by_command:
        assert main(["approvals", "approve", asked, "--as", "eve", "--edit", json.dumps({"to": deep})]) == 2
    else:
        with pytest.raises(BadInput, match="nested levels"):
            runs.decide(asked, edited={"to": deep})
    assert resume(tmp_path, tools) == 3
    runs.decide(asked)
    assert resume(tmp_path, tools) == 0
    assert some_tools.noted("sent") == [["bob"]]
    assert runs.wrong(tmp_path / "out") == []
