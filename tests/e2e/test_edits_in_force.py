"""What people agreed to is what counts, in whatever order they say it and whoever waits for it."""

import asyncio
import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec import structs

from buddy import Harness, wiring
from buddy.journal.events import Settled, UndoOutcome
from buddy.model.approval import ApprovalState
from e2e import some_runs as runs
from e2e import some_tools

TOOLS = """
from typing import Any
from buddy import Call, Change, Preview, Restored, Risk, ToolError, tool
from e2e.some_tools import note, noted

@tool(risk=Risk.LOW, effect="write", undo="exact", permissions=["m"], resources=["log"])
async def log() -> None:
    note("logged")

@log.preview
async def _() -> Preview:
    return Preview(changes=["log"])

@log.undo
async def _(call: Call, result: object) -> Restored:
    note("undone")
    return Restored(verified=True)

@tool(risk=Risk.LOW, effect="read")
async def names() -> list[str]:
    return ["bob", "eve"]

@tool(risk=Risk.HIGH, effect="write", permissions=["m"], resources=["mail:{to}"])
async def mail(to: Any) -> None:
    note("sent", repr(to))

@mail.preview
async def _(to: Any) -> Preview:
    if [repr(to)] in noted("gone"):
        raise ToolError("no such address")
    return Preview(changes=["a mail"])

@tool(risk=Risk.HIGH, effect="write", idempotent=True, permissions=["m"], resources=["mail:{to}"])
async def put(to: str) -> None:
    note("sent", repr(to))
    if len(noted("sent")) == 1:
        raise OSError("the answer was lost")

@put.preview
async def _(to: str) -> Preview:
    return Preview(changes=[Change("mails", len(noted("sent")), None)])
"""


@pytest.fixture(autouse=True)
def tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    runs.settle_in(tmp_path, monkeypatch.setenv)
    (tmp_path / "mail.py").write_text(TOOLS)
    return str(tmp_path / "mail.py")


def vote(*edits: dict[str, Any] | None, approve: bool = True) -> None:
    """Have a person for each edit, or plain vote, decide what is asked."""
    (asked,) = runs.asked(ApprovalState.PENDING)
    for place, edited in enumerate(edits):
        runs.decide(asked.request.approval_id, approve, by=f"eve{place}", edited=edited)


def run(folder: Path, tools: str, steps: dict[str, Any], **fields: Any) -> int:
    (folder / "plan.json").write_text(json.dumps(runs.plan(steps)))
    settings = runs.live(folder / "out", **fields)
    return wiring.run([str(folder / "plan.json")], [tools], settings, granted_by="ada").exit_code


def resume(folder: Path, tools: str) -> int:
    return wiring.resume(str(folder / "out"), [tools], by="ada").exit_code


@pytest.mark.parametrize("other", ["eve", True, 1.0])
def test_one_process_takes_no_yes_to_other_arguments_for_one_to_these(
    tmp_path: Path, tools: str, other: object
) -> None:
    async def call(desk: Harness) -> str:
        return (await desk.call("a", "mail", {"to": 1}, call_id="c", confidence=0.95)).status.value

    async def main() -> None:
        async with Harness(runs.live(tmp_path / "out"), [tools], granted_by="ada") as desk:
            assert await call(desk) == "HELD"
            vote({"to": other})
            some_tools.note("gone", 1)
            assert await call(desk) == "HELD"
            vote(None)
            assert await call(desk) == "SUCCEEDED"

    asyncio.run(main())
    assert some_tools.noted("sent") == [[repr(other)]]
    assert runs.wrong(tmp_path / "out") == []


def test_of_two_who_want_different_arguments_neither_has_agreed(tmp_path: Path, tools: str) -> None:
    steps = {"m": {"tool": "mail", "args": {"to": "bob"}}}
    assert run(tmp_path, tools, steps, approval_quorum=2) == 3
    vote({"to": "eve"}, {"to": "bob"})
    assert resume(tmp_path, tools) == 3
    assert some_tools.noted("sent") == []
    vote(None, None)
    assert resume(tmp_path, tools) == 0
    assert some_tools.noted("sent") == [["'eve'"]]
    assert runs.wrong(tmp_path / "out") == []


def test_one_of_two_who_wants_other_arguments_waits_for_the_other(tmp_path: Path, tools: str) -> None:
    steps = {"m": {"tool": "mail", "args": {"to": "bob"}}}
    assert run(tmp_path, tools, steps, approval_quorum=2) == 3
    vote({"to": "eve"})
    assert resume(tmp_path, tools) == 3
    (asked,) = runs.asked()
    assert (asked.state, asked.request.args) == (ApprovalState.PENDING, {"to": "bob"})
    runs.decide(asked.request.approval_id, by="joe")
    assert resume(tmp_path, tools) == 3
    (again,) = runs.asked(ApprovalState.PENDING)
    assert (again.request.args, again.votes) == ({"to": "eve"}, ())


def test_a_vote_for_other_arguments_lets_no_item_of_a_fan_out_through(tmp_path: Path, tools: str) -> None:
    steps = {
        "r": {"tool": "names"},
        "m": {"tool": "mail", "for_each": {"$from": "r"}, "args": {"to": {"$item": ""}}},
    }
    assert run(tmp_path, tools, steps) == 3
    vote(None)
    # The home takes no such vote; one of an older version did.
    (said,) = runs.asked()[0].votes
    votes = msgspec.json.encode([structs.replace(said, edited_args={"to": "zoe"})])
    with closing(sqlite3.connect(tmp_path / "home" / "buddy.db")) as database, database:
        database.execute("UPDATE approvals SET votes = ?", (votes,))
    assert [one.edited_args for one in runs.asked()[0].votes] == [{"to": "zoe"}]
    for _ in range(2):
        assert resume(tmp_path, tools) == 3
    assert some_tools.noted("sent") == []
    assert [one.consumed_by for one in runs.asked()] == [()]
    assert runs.wrong(tmp_path / "out") == []


def test_what_was_denied_is_not_looked_at_again(tmp_path: Path, tools: str) -> None:
    steps = {"log": {"tool": "log"}, "m": {"tool": "mail", "args": {"to": "bob"}}}
    assert run(tmp_path, tools, steps) == 3
    vote(None, approve=False)
    some_tools.note("gone", "'bob'")
    assert resume(tmp_path, tools) == 1
    summary = json.loads((tmp_path / "out" / "orchestration_summary.json").read_text())
    assert summary["steps"]["by_status"]["ABORTED"] == 1
    assert summary["steps"]["by_status"]["SUCCEEDED"] == 1
    assert (some_tools.noted("logged"), some_tools.noted("undone")) == ([[]], [])
    assert runs.records(tmp_path / "out", UndoOutcome) == []


@pytest.mark.parametrize("happened", [True, False])
def test_a_call_in_doubt_is_made_again_with_its_own_arguments_alone(
    tmp_path: Path, tools: str, happened: bool
) -> None:
    assert run(tmp_path, tools, {"m": {"tool": "put", "args": {"to": "bob"}}}) == 3
    vote(None)
    assert resume(tmp_path, tools) == 4
    assert resume(tmp_path, tools) == 4  # what was seen is not there any more
    vote({"to": "zoe"})
    assert resume(tmp_path, tools) == 4
    (told,) = [one.event for one in runs.records(tmp_path / "out", Settled)][-1:]
    assert told.reason == (
        "an attempt before may have happened; it had other arguments, so 'buddy resolve' has to say first"
        " whether it did"
    )
    assert runs.wrong(tmp_path / "out") == []
    wiring.resolve(str(tmp_path / "out"), "m", happened, by="ada")
    assert resume(tmp_path, tools) == (0 if happened else 1)
    assert some_tools.noted("sent") == [["'bob'"]]
    assert runs.wrong(tmp_path / "out") == []
