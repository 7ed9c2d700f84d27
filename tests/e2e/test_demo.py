"""The demo: what it shows is true, fits a screen, and what it offers to try works."""

import importlib
import os
import re
import shlex
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from buddy import BadInput, wiring

ROOT = Path(__file__).parents[2]
GOLDEN = Path(__file__).parents[1] / "golden" / "demo.txt"
MODULE: Any = importlib.import_module("buddy.wiring.demo")  # the package has the function under this name


@pytest.fixture(autouse=True)
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DRY_RUN", raising=False)
    return tmp_path


def normalised(lines: list[str]) -> str:
    text = re.sub(r"\b(run|ap)_[a-z0-9]+", r"\1_ID", "\n".join(lines))
    return re.sub(r"\d+ events", "N events", text) + "\n"


def office(path: Path, query: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(path)) as db:
        return db.execute(query).fetchall()


def test_what_it_tells_is_this_text_and_fits_a_screen() -> None:
    result = wiring.demo(None)
    assert result.exit_code == 0
    assert normalised(result.lines) == GOLDEN.read_text("utf-8")
    assert len(result.lines) <= 45
    assert max(map(len, result.lines)) <= 100


def test_the_readme_shows_it() -> None:
    [shown] = re.findall(r"^```text\n(.*?)^```", (ROOT / "README.md").read_text("utf-8"), re.M | re.S)
    assert normalised(shown.splitlines()) == GOLDEN.read_text("utf-8")


def test_it_is_true_of_the_office(desk: Path) -> None:
    wiring.demo(desk / "out")
    path = desk / "out" / "office.sqlite"
    assert office(path, "SELECT status, follow_up_by FROM customers WHERE customer_id = '00000007'") == [
        ("Won", "2023-12-13")
    ]
    assert office(path, "SELECT product_interest FROM customers WHERE customer_id = '00000005'") == [
        ("Software",)
    ]
    mails = "SELECT count(*) FROM emails WHERE subject = 'Welcome aboard'"
    assert office(path, mails) == [(1,)]
    assert office(path, "SELECT list_name FROM tasks WHERE task_id = '00000002'") == [("In Review",)]
    assert office(path, "SELECT task_id FROM tasks WHERE task_name = 'Icons for valve states'") == [
        ("00000016",)
    ]


def test_the_commands_that_it_ends_with_work_as_they_stand(desk: Path) -> None:
    lines = wiring.demo(None).lines
    commands = [line.strip() for line in lines if line.startswith("  BUDDY_HOME=")]
    env = {name: value for name, value in os.environ.items() if not name.startswith("BUDDY_")}
    env["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{env['PATH']}"
    told = []
    for command in commands:
        done = subprocess.run(command, shell=True, env=env, capture_output=True, text=True, check=False)
        assert done.returncode == 0, command + done.stdout + done.stderr
        told.append(done.stdout)
    assert len(told) == 3
    assert "RESOURCE" in told[0]
    assert "APPROVED" in told[1]
    assert "all is as it should be" in told[2]


def test_a_path_with_blanks_is_quoted(desk: Path) -> None:
    lines = wiring.demo(desk / "my demo").lines
    assert f"  BUDDY_HOME={shlex.quote(str(desk / 'my demo' / 'home'))} buddy approvals list --all" in lines


def test_the_environment_is_as_it_was(desk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OFFICE_DATA", "/nowhere")
    monkeypatch.setenv("BUDDY_HOME", str(desk / "mine"))
    monkeypatch.delenv("OFFICE_DB", raising=False)
    before = dict(os.environ)
    assert wiring.demo(None).exit_code == 0
    assert dict(os.environ) == before
    assert not (desk / "mine").exists()


def test_the_next_demo_has_a_folder_of_its_own(desk: Path) -> None:
    (desk / "buddy-demo").mkdir()
    assert any("buddy-demo-2/home" in line for line in wiring.demo(None).lines)
    assert not any((desk / "buddy-demo").iterdir())


@pytest.mark.parametrize("taken", ["a file", "a full folder"])
def test_a_folder_in_use_is_refused(desk: Path, taken: str) -> None:
    out = desk / "out"
    if taken == "a file":
        out.write_text("mine")
    else:
        out.mkdir()
        (out / "mine").write_text("mine")
    with pytest.raises(BadInput, match="--out: expected"):
        wiring.demo(out)


def test_dry_run_in_the_environment_is_not_overruled(desk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DRY_RUN", "true")
    with pytest.raises(BadInput, match="DRY_RUN"):
        wiring.demo(None)
    assert not any(desk.iterdir())


def test_an_office_that_is_not_installed_is_told_with_the_places(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(MODULE, "INPUTS", ("nothing.json",))
    with pytest.raises(BadInput, match="examples/office nor "):
        wiring.demo(None)


def test_a_step_that_is_left_open_shows_in_the_exit_code(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(MODULE, "_approve", lambda run_id: [])
    result = wiring.demo(None)
    assert result.exit_code == 1
    assert sum(line.startswith("EXIT 3: ") for line in result.lines) == 2
