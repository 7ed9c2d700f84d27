import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from buddy import wiring
from buddy.interfaces.cli import people
from buddy.interfaces.cli.main import main
from buddy.journal.events import Record
from unit.projections import journals


class Demo(NamedTuple):
    lines: list[str]
    exit_code: int


class Result(NamedTuple):
    run_id: str = "r1"
    folder: str = "runs/r1"
    exit_code: int = 4
    reason: str = "because"
    summary: dict[str, Any] = {}  # noqa: RUF012 (nobody changes it)
    fleet: None = None


@pytest.fixture
def demos(monkeypatch: pytest.MonkeyPatch) -> list[Path | None]:
    asked: list[Path | None] = []

    def demo(out: Path | None) -> Demo:
        asked.append(out)
        return Demo(["one", "two"], 3)

    monkeypatch.setattr(wiring, "demo", demo, raising=False)
    return asked


def test_the_demo_prints_what_it_says(demos: list[Path | None], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["demo"]) == 3
    assert capsys.readouterr().out == "one\ntwo\n"
    assert main(["demo", "--json", "--out", "here"]) == 3
    assert json.loads(capsys.readouterr().out) == {"exit_code": 3, "lines": ["one", "two"]}
    assert demos == [None, Path("here")]


@pytest.mark.parametrize(
    ("stored", "words", "passed"),
    [("ask", [], "exit"), ("wait", [], None), ("ask", ["--approvals", "wait"], "wait"), ("x.toml", [], None)],
)
def test_resume_asks_only_where_somebody_can_answer(
    stored: str,
    words: list[str],
    passed: str | None,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    seen: list[Any] = []

    def records(run: str) -> Iterator[Record]:
        yield from journals.records([journals.started(config={"approvals": stored})])

    def resume(
        run: str, files: list[str], *, by: str, interaction: Any, approvals: str | None, config_file: Any
    ) -> Result:
        seen.append((run, files, by, approvals))
        return Result()

    monkeypatch.setattr(wiring, "records", records)
    monkeypatch.setattr(wiring, "resume", resume)
    assert main(["resume", "r1", "--tools", "a.py", "--tools", "b.toml", "--json", *words]) == 4
    assert seen == [("r1", ["a.py", "b.toml"], "ada", passed)]
    assert json.loads(capsys.readouterr().out)["reason"] == "because"


@pytest.mark.parametrize(("flag", "happened"), [("--happened", True), ("--did-not", False)])
def test_resolve_says_what_a_person_found(
    flag: str, happened: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    seen: list[Any] = []

    def resolve(run: str, step: str, happened: bool, *, by: str) -> Result:
        seen.append((run, step, happened, by))
        return Result(exit_code=0)

    monkeypatch.setattr(wiring, "resolve", resolve)
    assert main(["resolve", "r1", "p/s", flag, "--json"]) == 0
    assert seen == [("r1", "p/s", happened, "ada")]
    assert json.loads(capsys.readouterr().out)["run_id"] == "r1"


def test_a_user_without_a_name_is_a_number(monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody() -> str:
        raise KeyError("uid not found")

    monkeypatch.setattr("getpass.getuser", nobody)
    assert people.user().startswith("uid-")


def test_nobody_is_asked_where_plans_come_from_stdin() -> None:
    assert not people.at_terminal(["-"])
