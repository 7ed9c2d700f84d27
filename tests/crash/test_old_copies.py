"""An old copy of the folder of a run that crashed: the home knows how far its journal had come."""

import asyncio
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from buddy import BadInput, ExecutionConfig, Harness, Mode, wiring
from buddy.errors import JournalDamaged
from buddy.interfaces.cli.main import main
from buddy.journal import codec
from buddy.journal.events import Intent, Outcome, RunStarted, UndoIntent

TOOLS = str(Path(__file__).with_name("effects.py"))
JOURNAL = Path("out/journal.jsonl")
CHILD = """
import asyncio, sys
from buddy import ExecutionConfig, Harness, Mode, wiring
what, tools = sys.argv[1:]
config = ExecutionConfig(mode=Mode.LIVE, output_dir="out", approvals="policy.toml", max_retries=0)
async def calls():
    async with Harness(config, tools=[tools], granted_by="ada") as desk:
        for key in ("one", "two"):
            await desk.call("a", "put", {"key": key}, confidence=0.95, call_id=key)
if what == "run":
    wiring.run(["plan.json"], [tools], config, granted_by="ada")
elif what == "rollback":
    wiring.rollback("out", [tools], by="ada")
else:
    asyncio.run(calls())
"""


@pytest.fixture(autouse=True)
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("DRY_RUN", "CRASH", "PROBES", "FAILS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("BUDDY_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("EFFECTS", str(tmp_path / "effects"))
    Path("policy.toml").write_text('[[rules]]\ndecision = "approve"\ntool = "*"\n')
    steps = {
        key: {"tool": "put", "agent": "a", "confidence": 0.95, "args": {"key": key}}
        for key in ("one", "two", "three")
    }
    plan = {"plan_id": "p", "execution_order": list(steps), "steps": steps}
    Path("plan.json").write_bytes(msgspec.json.encode(plan))


def do(what: str, point: str = "") -> None:
    """Do something in a process of its own, which is killed at a point."""
    done = subprocess.run(
        [sys.executable, "-c", CHILD, what, TOOLS],
        env={**os.environ, "CRASH": point},
        check=False,
        timeout=60,
    )
    assert done.returncode == (-9 if point else 0)


def lines() -> list[bytes]:
    return JOURNAL.read_bytes().splitlines(keepends=True)


def before(kind: type[Any], step: str) -> int:
    """How many lines there are before an event of a step."""
    return next(
        number
        for number, (record, _) in enumerate(codec.records(lines()))
        if isinstance(record.event, kind) and record.event.step == step
    )


def effects() -> Counter[str]:
    path = Path("effects")
    return Counter(path.read_text().splitlines() if path.exists() else [])


def heads() -> list[str]:
    """What verify says of heads."""
    return [one.message for one in wiring.verify("out").violations if one.rule == "head_differs"]


def resume() -> wiring.RunResult:
    return wiring.resume("out", [TOOLS], by="ada")


def refused(go_on: Callable[[], object], number: int, torn: bytes = b"") -> None:
    """Cut the journal back to some lines: nobody goes on with it, and nothing acts."""
    whole, acted = JOURNAL.read_bytes(), effects()
    JOURNAL.write_bytes(b"".join(lines()[:number]) + torn)
    copy = JOURNAL.read_bytes()
    [said] = heads()
    assert said.startswith(f"it has {number} lines, and the home knows of ")
    with pytest.raises(BadInput if not torn else (BadInput, JournalDamaged), match="the home knows of"):
        go_on()
    assert (effects(), JOURNAL.read_bytes()) == (acted, copy)
    JOURNAL.write_bytes(whole)


@pytest.mark.parametrize("point", ["before", "after"])
@pytest.mark.parametrize("kind", [Intent, Outcome])
@pytest.mark.parametrize("step", ["one", "two"])
def test_of_a_run_that_was_killed_in_a_call(
    point: str, kind: type[Any], step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    do("run", f"{point}:two")
    assert heads() == []
    if (kind, step) != (Outcome, "two"):
        refused(resume, before(kind, step))
        refused(resume, before(kind, step), torn=lines()[before(kind, step)][:9])
    # The folder as the crash left it goes on.
    monkeypatch.setenv("PROBES", "yes")
    assert resume().exit_code == 0
    assert wiring.verify("out").violations == ()
    assert effects() == {"put one": 1, "put two": 1, "put three": 1}


@pytest.mark.parametrize("words", [("resume",), ("rollback",), ("cancel",), ("resolve",), ("runs", "show")])
def test_every_command_tells(words: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    do("run", "after:two")
    JOURNAL.write_bytes(b"".join(lines()[: before(Intent, "two")]))
    acted = effects()
    more = {"resolve": ["two", "--happened"], "cancel": [], "runs": []}.get(words[0], ["--tools", TOOLS])
    assert main([*words, "out", *more]) == 2
    told = capsys.readouterr().err
    assert "as the home knows of" in told
    assert "it was cut off, or it is an old copy, and what was done since is not in it" in told
    assert effects() == acted


def test_of_a_run_that_was_written_anew_since() -> None:
    do("run", "after:two")
    head, forged = codec.Head(), []
    for record, _ in codec.records(lines()):
        event = record.event
        if isinstance(event, RunStarted):
            event = msgspec.structs.replace(event, granted_by="eve")
        line, head = codec.encode(event, head, record.time)
        forged.append(line)
    JOURNAL.write_bytes(b"".join(forged))
    [said] = heads()
    assert said.endswith("is not the one that the home knows of: the journal was written anew")
    acted = effects()
    with pytest.raises(JournalDamaged, match="is not the one that the home knows of"):
        resume()
    assert effects() == acted


@pytest.mark.parametrize("point", ["undo-before", "undo-after"])
def test_of_a_run_that_was_killed_in_an_undo(point: str) -> None:
    do("run")
    do("rollback", f"{point}:two")
    assert heads() == []
    refused(lambda: wiring.rollback("out", [TOOLS], by="ada"), before(UndoIntent, "three"))
    refused(lambda: wiring.rollback("out", [TOOLS], by="ada"), before(UndoIntent, "two"))
    assert effects()["undo three"] == 1


def test_of_calls_that_were_killed() -> None:
    do("calls", "after:two")
    assert heads() == []
    calls = {
        record.event.step: number
        for number, (record, _) in enumerate(codec.records(lines()))
        if isinstance(record.event, Intent)
    }
    config = ExecutionConfig(mode=Mode.LIVE, output_dir="out", approvals="policy.toml", max_retries=0)

    async def again() -> str:
        async with Harness(config, tools=[TOOLS], granted_by="ada") as desk:
            done = await desk.call("a", "put", {"key": "two"}, confidence=0.95, call_id="two")
            return done.status.value

    for number in calls.values():
        refused(lambda: asyncio.run(again()), number)
    assert asyncio.run(again()) == "UNKNOWN"
    assert effects() == {"put one": 1, "put two": 1}
