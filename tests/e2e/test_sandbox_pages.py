"""What docs/how-to/run-code.md shows, done as it stands there, one after another in one folder."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from architecture.pages import text
from buddy.adapters.sandbox import capabilities
from buddy.interfaces.cli.main import main

PAGE = text("how-to/run-code.md")
COMMAND = re.compile(r"^    (echo .*|buddy .*)$", re.MULTILINE)


def block(language: str, start: str = "") -> str:
    [found, *_] = [
        body
        for body in re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.M | re.S)
        if body.startswith(start)
    ]
    return str(found)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    if capabilities().isolation is None:
        pytest.skip("this machine cannot hold code")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BUDDY_HOME", str(tmp_path / "home"))
    return tmp_path


def test_every_command_works_and_the_first_shows_what_the_page_says(folder: Path) -> None:
    (folder / "numbers.toml").write_text(block("toml"))
    commands = COMMAND.findall(PAGE)
    assert len(commands) == 4
    for command in commands:
        line = command.replace("buddy ", f"{sys.executable} -m buddy ", 1)
        done = subprocess.run(["sh", "-c", line], capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, (command, done.stderr)
        if "--input" in command and "--policy" not in command:
            usage = re.sub(r"[\d.]+ (?=s|MB)|exec_\w+|full|standard", "N ", done.stdout + done.stderr)
            assert usage == re.sub(r"[\d.]+ (?=s|MB)|exec_\w+|full|standard", "N ", block("text"))


def test_the_plan_runs_on_every_rung(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "plan.json").write_text(block("json"))
    for mode in ("mock", "dry-run", "live"):
        assert main(["run", "plan.json", "--mode", mode, "--out", mode]) == 0
        assert "SUCCEEDED 2" in capsys.readouterr().out
    assert main(["explain", "live", "tell"]) == 0
    assert '"value":"42 in all"' in capsys.readouterr().out


def test_the_program_prints_what_the_page_says(folder: Path) -> None:
    (folder / "program.py").write_text(block("python"))
    done = subprocess.run(
        [sys.executable, "-W", "error", "program.py"], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert f"It prints `{done.stdout.strip()}`" in PAGE
