import argparse
import os
import subprocess
import sys
from collections.abc import Callable

import pytest

from buddy.errors import BadConfig, BadInput, BuddyError, ClosedStop, HomeUnavailable, JournalDamaged
from buddy.interfaces.cli import grammar
from buddy.interfaces.cli.main import main

Command = Callable[[argparse.Namespace], int]


def does(monkeypatch: pytest.MonkeyPatch, command: Command) -> None:
    monkeypatch.setattr(grammar, "read", lambda words: argparse.Namespace(command=command))


def raises(problem: BaseException) -> Command:
    def command(args: argparse.Namespace) -> int:
        raise problem

    return command


@pytest.mark.parametrize(
    ("problem", "code", "told"),
    [
        (BadInput(["one", "two"], 3), 2, "buddy: one\nbuddy: two\nbuddy: ... and 3 more\n"),
        (BadConfig("three"), 2, "buddy: three\n"),
        (ClosedStop("full"), 74, "buddy: full\n"),
        (HomeUnavailable("busy"), 74, "buddy: busy\n"),
        (JournalDamaged("line 3", 3), 74, "buddy: line 3\n"),
        (BuddyError(""), 1, "buddy: BuddyError\n"),
        (BadInput("a\x1b[2Jb"), 2, "buddy: a\\x1b[2Jb\n"),
        (KeyboardInterrupt(), 130, "buddy: interrupted\n"),
    ],
)
def test_what_goes_wrong_is_a_sentence_and_a_code(
    problem: BaseException,
    code: int,
    told: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    does(monkeypatch, raises(problem))
    assert main([]) == code
    shown = capsys.readouterr()
    assert (shown.out, shown.err) == ("", told)


def test_a_defect_is_told_with_its_place(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    does(monkeypatch, raises(ZeroDivisionError("by zero")))
    if sys.flags.dev_mode:
        pytest.skip("development mode shows the traceback")
    assert main([]) == 1
    told = capsys.readouterr().err
    assert "test_main.py, line" in told
    assert told.endswith("ZeroDivisionError: by zero\n")
    assert "Traceback" not in told


def test_the_code_of_a_command_is_returned(monkeypatch: pytest.MonkeyPatch) -> None:
    does(monkeypatch, lambda args: 3)
    assert main([]) == 3


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (["--help"], 0, ""),
        (["--version"], 0, ""),
        ([], 2, "expected a command"),
        (["approvals"], 2, "expected"),
        (["nonsense"], 2, "expected a command"),
        (["resolve", "r", "s"], 2, "expected"),
        (["resolve", "r", "s", "--happened", "--did-not"], 2, "found both"),
        (["run", "\udcff.json"], 2, "argument 2: expected UTF-8"),
    ],
)
def test_usage(words: list[str], code: int, told: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words) == code
    assert told in capsys.readouterr().err


def test_a_reader_that_leaves_early_is_no_error() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    words = [sys.executable, "-m", "buddy", "schema", "plan"]
    done = subprocess.run(words, stdout=writing, stderr=subprocess.PIPE, check=False)
    os.close(writing)
    assert (done.returncode, done.stderr) == (141, b"")
