"""Who decided what, as the story of a step and its journal tell it."""

from pathlib import Path
from typing import Any

import pytest

from buddy import wiring
from buddy.journal.events import ApprovalDecided
from buddy.projections.story import Story, story
from e2e import some_runs as runs

MAIL: dict[str, Any] = {"m": {"tool": "send", "args": {"to": "bob", "text": "hi"}}}


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runs.settle_in(tmp_path, monkeypatch.setenv)


def told(folder: Path, step: str) -> str:
    found = story(wiring.records(str(folder)), None, step)
    assert isinstance(found, Story)
    return "\n".join(found.sentences)


def test_a_denial_is_by_those_who_denied(tmp_path: Path) -> None:
    assert runs.run(tmp_path, runs.plan(MAIL), approval_quorum=2).exit_code == 3
    [asked] = runs.asked()
    name = asked.request.approval_id
    runs.decide(name, by="eve")
    runs.decide(name, approve=False, by="mallory")
    assert runs.resume(tmp_path).exit_code == 1
    [decided] = [record.event for record in runs.records(tmp_path / "out", ApprovalDecided)]
    assert isinstance(decided, ApprovalDecided)
    assert decided.by == ["mallory"]
    assert told(tmp_path / "out", "m").count("was denied by mallory.") == 2
    assert runs.wrong(tmp_path / "out") == []


@pytest.mark.parametrize(
    ("edits", "who"), [(["eve", "zoe"], "bert"), (["zoe", "zoe"], "ada, bert"), (["eve", None], "ada")]
)
def test_arguments_that_people_edited_are_told_with_who_did(
    tmp_path: Path, edits: list[str | None], who: str
) -> None:
    assert runs.run(tmp_path, runs.plan(MAIL), approval_quorum=2).exit_code == 3
    [asked] = runs.asked()
    for by, to in zip(("ada", "bert"), edits, strict=True):
        edited = {"to": to, "text": "hi"} if to else None
        runs.decide(asked.request.approval_id, by=by, edited=edited)
    assert runs.resume(tmp_path).exit_code == 3
    name = asked.request.approval_id
    sentence = f"That replaced approval {name}, which no longer fits: {who} edited the arguments; change 1"
    assert sentence in told(tmp_path / "out", "m")
    assert runs.wrong(tmp_path / "out") == []
