"""Journals that are not whole: no outputs are written from them, and each command says what is wrong."""

from pathlib import Path

import pytest

from buddy import BadInput, wiring
from buddy.errors import JournalDamaged
from buddy.interfaces.cli.main import main
from e2e.some_runs import TOOLS, plan, run, settle_in

STEPS = {"one": {"tool": "put", "args": {"key": "k", "value": 1}}}


@pytest.fixture
def out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    settle_in(tmp_path, monkeypatch.setenv)
    assert run(tmp_path, plan(STEPS)).exit_code == 0
    return tmp_path / "out"


def contents(out: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in out.iterdir() if path.name != "journal.jsonl"}


@pytest.mark.parametrize("kept", [0, 1, -1])
def test_a_shortened_journal_writes_no_outputs(out: Path, kept: int) -> None:
    before = contents(out)
    journal = out / "journal.jsonl"
    lines = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(b"".join(lines[:kept]))
    number = len(lines[:kept])
    with pytest.raises(BadInput, match=f"expected {len(lines)} lines, as the home knows of, found {number}:"):
        wiring.rebuild_outputs(str(out))
    assert contents(out) == before


@pytest.mark.parametrize("words", [("runs", "show"), ("explain",), ("outputs",), ("resume",)])
def test_a_shortened_journal_is_told_by_every_command(
    out: Path, words: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    journal = out / "journal.jsonl"
    journal.write_bytes(b"".join(journal.read_bytes().splitlines(keepends=True)[:-1]))
    more = {"explain": ["one"], "resume": ["--tools", TOOLS]}.get(words[0], [])
    assert main([*words, str(out), *more]) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.startswith(f"buddy: {journal}: expected ")
    assert "it was cut off, or it is an old copy, and what was done since is not in it" in shown.err
    assert f"`buddy verify {out}`" in shown.err


@pytest.mark.parametrize("words", [("runs", "show"), ("explain",), ("outputs",), ("resume",), ("rollback",)])
def test_a_damaged_journal_is_told_with_its_file_and_what_to_do(
    out: Path, words: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    journal = out / "journal.jsonl"
    journal.write_bytes(journal.read_bytes().replace(b'"value":1', b'"value":2', 1))
    more = {"explain": ["one"], "resume": ["--tools", TOOLS], "rollback": ["--tools", TOOLS]}
    assert main([*words, str(out), *more.get(words[0], [])]) == 74
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.startswith(f"buddy: {journal}: line ")
    assert shown.err.endswith(f"; `buddy verify {out}` says more\n")


def test_an_emptied_journal_that_the_home_does_not_know_is_no_run(
    out: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BUDDY_HOME", str(tmp_path / "elsewhere"))
    before = contents(out)
    (out / "journal.jsonl").write_bytes(b"")
    with pytest.raises(BadInput, match="holds no run"):
        wiring.rebuild_outputs(str(out))
    assert contents(out) == before


def test_a_damaged_line_leaves_the_outputs_as_they_are(out: Path) -> None:
    before = contents(out)
    journal = out / "journal.jsonl"
    journal.write_bytes(journal.read_bytes().replace(b'"value":1', b'"value":2', 1))
    with pytest.raises(JournalDamaged):
        wiring.rebuild_outputs(str(out))
    assert contents(out) == before
