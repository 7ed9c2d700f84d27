"""The small examples: their plans in every mode, and the command in each README."""

import json
import shlex
from pathlib import Path
from typing import Any

import pytest

from buddy import ExecutionConfig, Mode, wiring
from buddy.interfaces.cli.main import main

EXAMPLES = Path(__file__).parents[2] / "examples"
BEGINNING = {"moisture": {"leeks": 12, "kale": 45, "beans": 25}, "notes": []}


@pytest.fixture(autouse=True)
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in ("DRY_RUN", "GARDEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("BUDDY_HOME", str(tmp_path / "home"))
    return tmp_path


def ran(example: str, tools: str, mode: Mode) -> wiring.RunResult:
    folder = EXAMPLES / example
    config = ExecutionConfig(mode=mode, output_dir="out")
    result = wiring.run([str(folder / "plan.json")], [str(folder / tools)], config, granted_by="ada")
    assert not wiring.verify(result.folder).violations
    return result


def steps(result: wiring.RunResult) -> dict[str, int]:
    counted: dict[str, int] = result.summary["steps"]["by_status"]
    return {status: number for status, number in counted.items() if number}


def garden(desk: Path) -> Any:
    path = desk / "garden.json"
    return json.loads(path.read_text()) if path.exists() else BEGINNING


def test_hello_is_simulated() -> None:
    result = ran("hello", "tools.toml", Mode.MOCK)
    assert (result.exit_code, steps(result)) == (0, {"SUCCEEDED": 2})


@pytest.mark.parametrize("mode", [Mode.DRY_RUN, Mode.LIVE])
def test_hello_has_no_handlers_and_is_held_above(mode: Mode) -> None:
    result = ran("hello", "tools.toml", mode)
    assert (result.exit_code, steps(result)) == (3, {"HELD": 2})


@pytest.mark.parametrize(("mode", "count"), [(Mode.MOCK, 3), (Mode.DRY_RUN, 4)])
def test_the_garden_is_left_alone_below_live(desk: Path, mode: Mode, count: int) -> None:
    result = ran("dataflow", "tools.py", mode)
    assert (result.exit_code, steps(result)) == (0, {"SUCCEEDED": count})
    assert garden(desk) == BEGINNING


def test_the_dry_beds_are_watered_live_and_a_rollback_dries_them(desk: Path) -> None:
    result = ran("dataflow", "tools.py", Mode.LIVE)
    assert (result.exit_code, steps(result)) == (0, {"SUCCEEDED": 4})
    assert garden(desk) == {
        "moisture": {"leeks": 60, "kale": 45, "beans": 60},
        "notes": ["2 beds were dry"],
    }
    undone = wiring.rollback(result.folder, [str(EXAMPLES / "dataflow" / "tools.py")], by="ada")
    assert steps(undone) == {"SUCCEEDED": 1, "ROLLED_BACK": 3}
    assert garden(desk) == BEGINNING


@pytest.mark.parametrize("example", ["hello", "dataflow"])
def test_the_command_of_the_readme_runs(desk: Path, example: str, capsys: pytest.CaptureFixture[str]) -> None:
    (desk / "examples").symlink_to(EXAMPLES)
    text = (EXAMPLES / example / "README.md").read_text("utf-8")
    [command] = [line.strip() for line in text.splitlines() if line.startswith("    buddy ")]
    assert main(shlex.split(command)[1:]) == 0
    assert "every step got as far as it should" in capsys.readouterr().out
