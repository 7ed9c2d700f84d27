"""Journals of past versions, read by this one; see README.md."""

import asyncio
import json
import shutil
import sqlite3
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from buddy import Harness, Mode, wiring
from buddy.engine.verification import Report
from buddy.interfaces.cli.main import main
from buddy.journal.codec import Head, encode
from buddy.journal.events import FORMAT, PlanStarted, RunStarted
from buddy.projections.story import Story, story
from replay import record

HERE = Path(__file__).parent
STORED = sorted(str(file.parent.relative_to(HERE)) for file in HERE.glob("*/*/facts.json"))
HELD = [name for name in STORED if name.endswith("/held")]
FORMS = ("mock", "fan_out", "undone", "held", "calls", "fleet")


class Stored:
    """A stored run, put where it can go on: in `out`, with the home that it had."""

    def __init__(self, name: str, folder: Path) -> None:
        self.kind = name.partition("/")[2]
        self.journal = folder / "out" / "journal.jsonl"
        self.facts: dict[str, Any] = json.loads((HERE / name / "facts.json").read_text())
        shutil.copytree(HERE / name, folder / "out", ignore=shutil.ignore_patterns("facts.json", "home.sql"))
        shutil.copy(HERE / "tools.py", folder)
        (folder / "home").mkdir()
        script = (HERE / name / "home.sql").read_text().replace(record.RUN_FOLDER, str(folder / "out"))
        with closing(sqlite3.connect(folder / "home" / "buddy.db")) as connection:
            connection.executescript(script)

    def steps(self) -> list[tuple[str, str]]:
        events = [one.event for one in wiring.records("out")]
        named = {(event.plan, event.step) for event in events if hasattr(event, "step")}
        assert named
        return sorted(named)


def broken(report: Report) -> list[str]:
    return [f"{violation.seq} {violation.rule}" for violation in report.violations]


@pytest.fixture(autouse=True)
def _desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BUDDY_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("REPLAY_NOTES", str(tmp_path / "notes"))
    monkeypatch.delenv("DRY_RUN", raising=False)


@pytest.fixture
def stored(request: pytest.FixtureRequest, tmp_path: Path) -> Stored:
    return Stored(request.param, tmp_path)


every = partial(pytest.mark.parametrize, "stored", indirect=True)


def format_of(folder: str) -> int:
    first = json.loads((HERE / folder / "journal.jsonl").read_bytes().partition(b"\n")[0])
    assert isinstance(first["format"], int)
    return first["format"]


def test_runs_of_every_format_and_of_every_kind_are_stored() -> None:
    assert {format_of(name) for name in STORED} == set(range(1, FORMAT + 1))
    for number in range(1, FORMAT + 1):
        assert {name.partition("/")[2] for name in STORED if format_of(name) == number} == set(FORMS)


@every(argvalues=STORED)
def test_chain_head_approvals_and_safety_rules_hold(stored: Stored) -> None:
    wiring.rebuild_outputs("out")
    report = wiring.verify("out")
    assert broken(report) == stored.facts.get("violations", [])
    assert report.head_checked
    assert report.events == stored.facts["lines"]


@every(argvalues=STORED)
def test_the_outputs_say_what_they_said_then(stored: Stored) -> None:
    before = stored.journal.read_bytes()
    wiring.rebuild_outputs("out")
    assert record.told() == stored.facts["told"]
    assert stored.journal.read_bytes() == before


@every(argvalues=STORED)
def test_every_step_has_a_story(stored: Stored, capsys: pytest.CaptureFixture[str]) -> None:
    for plan, step in stored.steps():
        told = story(wiring.records("out"), plan, step)
        assert isinstance(told, Story)
        assert len(told.sentences) > 1
    assert main(["explain", "out", stored.steps()[0][1]]) == 0
    assert stored.steps()[0][1] in capsys.readouterr().out


def resume(stored: Stored) -> int:
    """Take a run up again; what its journal held before stays as it is."""
    before = stored.journal.read_bytes()
    code = wiring.resume("out", ["tools.py"], by="ada").exit_code
    assert stored.journal.read_bytes().startswith(before)
    assert len(stored.journal.read_bytes()) > len(before)
    assert broken(wiring.verify("out")) == stored.facts.get("violations", [])
    return code


@every(argvalues=[name for name in STORED if not name.endswith("/calls")])
def test_a_run_that_is_resumed_does_nothing_twice(stored: Stored) -> None:
    assert resume(stored) == stored.facts["exit_code"]
    assert record.notes() == []
    assert record.told() == stored.facts["told"]


@every(argvalues=HELD)
def test_a_held_step_goes_on_after_a_yes(stored: Stored) -> None:
    record.approve()
    assert resume(stored) == 0
    assert record.notes() == ["sent eve"]
    assert resume(stored) == 0
    assert record.notes() == ["sent eve"]


@every(argvalues=[name for name in STORED if name.endswith("/calls")])
def test_a_run_of_calls_goes_on(stored: Stored) -> None:
    async def again() -> list[str]:
        async with Harness(record.config(Mode.LIVE), tools=["tools.py"], granted_by="ada") as desk:
            put = await desk.call("ann", "shelf.put", {"title": "Walden"}, confidence=0.9, call_id="put")
            tell = await desk.call("ann", "mail.send", record.MAIL, confidence=0.9, call_id="tell")
            return [put.status.value, tell.status.value]

    assert asyncio.run(again()) == ["SUCCEEDED", "HELD"]
    record.approve()
    assert asyncio.run(again()) == ["SUCCEEDED", "SUCCEEDED"]
    assert record.notes() == ["sent bob"]
    assert wiring.verify("out").violations == ()


# the first upcast


@every(argvalues=[name for name in STORED if name.endswith("/fleet")])
def test_a_fleet_that_told_nothing_of_the_barrier_claims_no_cost_of_it(stored: Stored) -> None:
    [plan] = [one.event.fleet for one in wiring.records("out") if isinstance(one.event, PlanStarted)]
    assert plan is not None
    if b"without_barrier_s" not in stored.journal.read_bytes():
        assert plan.without_barrier_s == plan.expected_s > 0
    else:
        assert plan.without_barrier_s < plan.expected_s


def test_a_fleet_is_stored_that_told_nothing_of_the_barrier() -> None:
    fleets = [HERE / name / "journal.jsonl" for name in STORED if name.endswith("/fleet")]
    assert [b"without_barrier_s" in file.read_bytes() for file in fleets].count(False) == 1


# what this version cannot read

COMMANDS = [
    ["verify", "out"],
    ["outputs", "out"],
    ["explain", "out", "put"],
    ["resume", "out", "--tools", "tools.py"],
    ["rollback", "out", "--tools", "tools.py"],
    ["cancel", "out"],
    ["resolve", "out", "put", "--happened"],
]


def rewrite(journal: Path, **changes: Any) -> None:
    """Have another Buddy write a journal."""
    head, lines = Head(), []
    for one in list(wiring.records("out")):
        event = one.event
        if isinstance(event, RunStarted):
            event = replace(event, **changes)
        line, head = encode(event, head, one.time)
        lines.append(line)
    journal.write_bytes(b"".join(lines))


@every(argvalues=HELD[-1:])
@pytest.mark.parametrize("words", COMMANDS, ids=lambda words: words[0])
def test_a_newer_format_is_refused_in_a_sentence(
    stored: Stored, words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    rewrite(stored.journal, format=FORMAT + 1, version="7.1.0")
    before = stored.journal.read_bytes()
    assert main(words) == 2
    assert capsys.readouterr().err == (
        f"buddy: line 1, written by Buddy 7.1.0, says that the journal is of format {FORMAT + 1}: this Buddy"
        f" reads formats up to {FORMAT}; use that version or a newer one\n"
    )
    assert stored.journal.read_bytes() == before
    assert record.notes() == []


@every(argvalues=HELD[-1:])
def test_a_format_that_is_none_is_refused_in_a_sentence(
    stored: Stored, capsys: pytest.CaptureFixture[str]
) -> None:
    rewrite(stored.journal, format=-3, version="\x1b[2J")
    assert main(["verify", "out"]) == 2
    assert capsys.readouterr().err == (
        "buddy: line 1, written by a Buddy that does not say its version, says that the journal is of format"
        f" '-3': expected a number from 1 to {FORMAT}\n"
    )


@every(argvalues=HELD[-1:])
def test_a_run_with_settings_of_a_newer_version_does_not_go_on(
    stored: Stored, capsys: pytest.CaptureFixture[str]
) -> None:
    rewrite(stored.journal, config={"luck": 7}, version="7.1.0")
    before = stored.journal.read_bytes()
    assert main(["resume", "out", "--tools", "tools.py"]) == 2
    assert capsys.readouterr().err == (
        "buddy: out was begun by Buddy '7.1.0', with settings that this version does not take: Object"
        " contains unknown field `luck`; go on with that version or a newer one\n"
    )
    assert stored.journal.read_bytes() == before
