"""A call whose arguments a person has edited is made, told and undone with these, whoever goes on with it."""

import asyncio
import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from buddy import Harness, Mode, wiring
from buddy.journal.events import Intent, Rung
from buddy.model.approval import ApprovalRequest, ApprovalState, Vote
from e2e import some_runs as runs
from e2e import some_tools

MAIL = """
from buddy import Risk, tool
from e2e.some_tools import note

@tool(risk=Risk.HIGH, effect="write", permissions=["m"], resources=["mail"])
async def mail(to: str) -> None:
    note("sent", to)
"""
LOST = """
from buddy import Call, Change, Preview, Restored, Risk, tool
from e2e.some_tools import note, noted

@tool(risk=Risk.LOW, effect="read")
async def names() -> list[str]:
    return ["bob"]

@tool(
    risk=Risk.HIGH, effect="write", undo="exact", idempotent=True, permissions=["m"], resources=["mail:{to}"]
)
async def mail(to: str) -> None:
    note("sent", to)
    raise OSError("the answer was lost")

@mail.preview
async def _(to: str) -> Preview:
    return Preview(changes=[Change("mails", len(noted("sent")), None)])

@mail.undo
async def _(call: Call, result: object) -> Restored:
    note("undone", call.args["to"])
    return Restored(verified=True)
"""


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runs.settle_in(tmp_path, monkeypatch.setenv)


def decide(edited: dict[str, Any] | None = None) -> None:
    (asked,) = runs.asked(ApprovalState.PENDING)
    runs.decide(asked.request.approval_id, edited=edited)


def begun(folder: Path, tools: str, steps: dict[str, Any]) -> Callable[[], int]:
    """Begin a run; returns what goes on with it and tells its exit code."""
    (folder / "mail.py").write_text(tools)
    (folder / "plan.json").write_text(json.dumps(runs.plan(steps)))
    files = [str(folder / "mail.py")]
    assert (
        wiring.run([str(folder / "plan.json")], files, runs.live(folder / "out"), granted_by="ada").exit_code
        == 3
    )
    return lambda: wiring.resume(str(folder / "out"), files, by="ada").exit_code


def test_a_preview_that_shows_no_difference_does_not_bring_the_planned_arguments_back(tmp_path: Path) -> None:
    resume = begun(tmp_path, MAIL, {"m": {"tool": "mail", "args": {"to": "bob"}}})
    decide(edited={"to": "eve"})
    assert resume() == 3
    decide()
    assert resume() == 0
    assert some_tools.noted("sent") == [["eve"]]
    (intent,) = runs.records(tmp_path / "out", Intent)
    rehearsed = [one.event for one in runs.records(tmp_path / "out", Rung) if one.event.mode is Mode.MOCK]
    assert rehearsed[-1].args == {"to": "eve"}
    assert intent.event.digest == rehearsed[-1].digest
    assert runs.wrong(tmp_path / "out") == []


def test_nor_does_another_process_that_makes_the_same_call(tmp_path: Path) -> None:
    (tmp_path / "mail.py").write_text(MAIL)

    async def call() -> Any:
        async with Harness(runs.live(tmp_path / "out"), [tmp_path / "mail.py"], granted_by="ada") as harness:
            return (await harness.call("a", "mail", {"to": "bob"}, call_id="c", confidence=0.95)).status.value

    assert asyncio.run(call()) == "HELD"
    decide(edited={"to": "eve"})
    assert asyncio.run(call()) == "HELD"
    decide()
    assert asyncio.run(call()) == "SUCCEEDED"
    assert some_tools.noted("sent") == [["eve"]]


PICKY = """
from buddy import Preview, Risk, ToolError, tool
from e2e.some_tools import note, noted

@tool(risk=Risk.LOW, effect="read")
async def names() -> list[str]:
    return ["bob"]

@tool(risk=Risk.HIGH, effect="write", permissions=["m"], resources=["mail:{to}"])
async def mail(to: str) -> None:
    note("sent", to)

@mail.preview
async def _(to: str) -> Preview:
    if [to] in noted("gone"):
        raise ToolError("no such address")
    return Preview(changes=[to])
"""


@pytest.mark.parametrize("picked_up", [False, True])
def test_what_was_planned_need_not_get_through_any_more(tmp_path: Path, picked_up: bool) -> None:
    resume = begun(tmp_path, PICKY, {"m": {"tool": "mail", "args": {"to": "bob"}}})
    decide(edited={"to": "eve"})
    if not picked_up:
        some_tools.note("gone", "bob")
    assert resume() == 3
    some_tools.note("gone", "bob")
    decide()
    assert resume() == 0
    assert some_tools.noted("sent") == [["eve"]]
    rehearsed = [
        one.event.args for one in runs.records(tmp_path / "out", Rung) if one.event.mode is Mode.MOCK
    ]
    assert rehearsed == [{"to": "bob"}, {"to": "eve"}]
    assert runs.wrong(tmp_path / "out") == []


def test_what_was_planned_may_be_what_another_step_does(tmp_path: Path) -> None:
    steps = {
        "r": {"tool": "names"},
        "one": {"tool": "mail", "args": {"to": "bob"}},
        "two": {"tool": "mail", "args": {"to": {"$from": "r", "path": "/0"}}},
    }
    resume = begun(tmp_path, PICKY, steps)
    for asked in runs.asked(ApprovalState.PENDING):
        edited = {"to": "eve"} if asked.request.step_id == "two" else None
        runs.decide(asked.request.approval_id, edited=edited)
    assert resume() == 3
    decide()
    assert resume() == 0
    assert some_tools.noted("sent") == [["bob"], ["eve"]]
    assert runs.wrong(tmp_path / "out") == []


def test_what_is_undone_is_what_was_done_and_not_what_was_rehearsed_since(tmp_path: Path) -> None:
    resume = begun(
        tmp_path,
        LOST,
        {"r": {"tool": "names"}, "m": {"tool": "mail", "args": {"to": {"$from": "r", "path": "/0"}}}},
    )
    decide(edited={"to": "eve"})
    assert resume() == 3
    decide()
    assert resume() == 4
    # It may be made again, but what was seen is not there any more, and who looks now wants another.
    assert resume() == 4
    decide(edited={"to": "zoe"})
    assert resume() == 4
    rehearsed = [
        one.event.args for one in runs.records(tmp_path / "out", Rung) if one.event.mode is Mode.MOCK
    ]
    assert rehearsed[-1] == {"to": "zoe"}
    assert wiring.resolve(str(tmp_path / "out"), "m", True, by="ada").exit_code == 0
    assert wiring.rollback(str(tmp_path / "out"), [str(tmp_path / "mail.py")], by="ada").exit_code == 1
    sent = some_tools.noted("sent")
    assert set(map(tuple, sent)) == {("eve",)}
    assert some_tools.noted("undone") == [["eve"]]
    with closing(sqlite3.connect(tmp_path / "home" / "buddy.db")) as database:
        assert database.execute("SELECT step FROM actions").fetchall() == []
    assert runs.wrong(tmp_path / "out") == []


class Minds:
    """People of one mind after another: each wants other arguments, or says yes."""

    def __init__(self, *wanted: dict[str, Any] | None) -> None:
        self.wanted = list(wanted)

    async def decide(self, request: ApprovalRequest, confidence: float | None) -> Vote | None:
        return Vote(by="eve", approve=True, at=request.expires_at, edited_args=self.wanted.pop(0))

    def approval_requested(self, request: ApprovalRequest) -> None:
        pass

    def alert(self, message: str) -> None:
        pass

    def progress(self, settled: int, total: int) -> None:
        pass


def test_arguments_that_were_wanted_back_are_what_was_done(tmp_path: Path) -> None:
    (tmp_path / "mail.py").write_text(LOST.replace('    raise OSError("the answer was lost")\n', ""))
    (tmp_path / "plan.json").write_text(json.dumps(runs.plan({"m": {"tool": "mail", "args": {"to": "bob"}}})))
    files, out = [str(tmp_path / "mail.py")], tmp_path / "out"
    minds = Minds({"to": "eve"}, {"to": "bob"}, None)
    done = wiring.run(
        [str(tmp_path / "plan.json")], files, runs.live(out), granted_by="ada", interaction=minds
    )
    assert (done.exit_code, minds.wanted) == (0, [])
    rehearsed = [one.event.args for one in runs.records(out, Rung) if one.event.mode is Mode.MOCK]
    assert rehearsed == [{"to": "bob"}, {"to": "eve"}, {"to": "bob"}]
    wiring.rollback(str(out), files, by="ada")
    assert some_tools.noted("sent") == some_tools.noted("undone") == [["bob"]]
    assert runs.wrong(out) == []
