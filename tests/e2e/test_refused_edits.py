"""A vote that cannot stand is refused where it is given, and does not take a run down."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from buddy import BadInput, Harness, wiring
from buddy.adapters.people.deciders import Quiet
from buddy.interfaces.cli.main import main
from buddy.model.approval import Approval, ApprovalRequest, ApprovalState, Vote
from e2e import some_runs as runs
from e2e import some_tools

TOOLS = """
from typing import Any
from buddy import Preview, Risk, tool
from e2e.some_tools import note

@tool(risk=Risk.HIGH, effect="write", permissions=["m"], resources=["mail"])
async def mail(to: Any) -> None:
    note("sent", to)

@mail.preview
async def _(to: Any) -> Preview:
    return Preview(changes=["a mail"])

@tool(risk=Risk.HIGH, effect="write", permissions=["m"], resources=["mail:{to}"], secret_args=["key"])
async def post(to: str, key: str = "", copies: int = 1) -> None:
    note("sent", to, copies)

@post.preview
async def _(to: str, key: str = "", copies: int = 1) -> Preview:
    return Preview(changes=["a letter"])
"""


@pytest.fixture(autouse=True)
def tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    runs.settle_in(tmp_path, monkeypatch.setenv)
    (tmp_path / "mail.py").write_text(TOOLS)
    return str(tmp_path / "mail.py")


def run(folder: Path, tools: str, steps: dict[str, Any], **fields: Any) -> str:
    """Begin a run that waits for a person; returns the request."""
    (folder / "plan.json").write_text(json.dumps(runs.plan(steps)))
    settings = runs.live(folder / "out", **fields)
    assert wiring.run([str(folder / "plan.json")], [tools], settings, granted_by="ada").exit_code == 3
    return waiting().request.approval_id


def waiting() -> Approval:
    (asked,) = runs.asked(ApprovalState.PENDING)
    return asked


def resume(folder: Path, tools: str, **around: Any) -> int:
    return wiring.resume(str(folder / "out"), [tools], by="ada", **around).exit_code


@pytest.mark.parametrize("by_command", [False, True])
def test_an_edit_that_is_too_deep_leaves_a_run_that_goes_on(
    tmp_path: Path, tools: str, by_command: bool
) -> None:
    asked = run(tmp_path, tools, {"m": {"tool": "mail", "args": {"to": "bob"}}})
    deep: Any = "eve"
    for _ in range(400):
        deep = [deep]
    if by_command:
        assert main(["approvals", "approve", asked, "--as", "eve", "--edit", json.dumps({"to": deep})]) == 2
    else:
        with pytest.raises(BadInput, match="nested levels"):
            runs.decide(asked, edited={"to": deep})
    assert resume(tmp_path, tools) == 3
    runs.decide(asked)
    assert resume(tmp_path, tools) == 0
    assert some_tools.noted("sent") == [["bob"]]
    assert runs.wrong(tmp_path / "out") == []


def policy(folder: Path) -> str:
    (folder / "policy.toml").write_text('[[rules]]\ndecision = "approve"\n')
    return str(folder / "policy.toml")


def test_a_policy_that_asks_itself_has_no_answer(tmp_path: Path, tools: str) -> None:
    steps = {"m": {"tool": "mail", "args": {"to": "bob"}, "agent": "Policy"}}
    asked = run(tmp_path, tools, steps, approvals=policy(tmp_path))
    assert resume(tmp_path, tools, approvals=policy(tmp_path)) == 3
    assert waiting().votes == ()
    runs.decide(asked)
    assert resume(tmp_path, tools) == 0
    assert some_tools.noted("sent") == [["bob"]]
    assert runs.wrong(tmp_path / "out") == []


def test_a_policy_under_whose_name_somebody_has_voted_has_no_answer(tmp_path: Path, tools: str) -> None:
    asked = run(tmp_path, tools, {"m": {"tool": "mail", "args": {"to": "bob"}}}, approval_quorum=2)
    runs.decide(asked, by="Policy")
    assert resume(tmp_path, tools, approvals=policy(tmp_path)) == 3
    assert len(waiting().votes) == 1
    runs.decide(asked)
    assert resume(tmp_path, tools, approvals=policy(tmp_path)) == 0
    assert runs.wrong(tmp_path / "out") == []


def test_a_callback_has_no_answer_for_an_agent_of_its_name(tmp_path: Path, tools: str) -> None:
    settings = runs.live(tmp_path / "out")

    async def main() -> list[str]:
        told = []
        async with Harness(settings, [tools], granted_by="ada", approval_callback=lambda *_: True) as desk:
            for agent in ("callback", "callback", "a"):
                made = await desk.call(agent, "mail", {"to": agent}, call_id=agent, confidence=0.95)
                told.append(made.status.value)
        return told

    assert asyncio.run(main()) == ["HELD", "HELD", "SUCCEEDED"]
    assert some_tools.noted("sent") == [["a"]]
    assert runs.wrong(tmp_path / "out") == []


class Late(Quiet):
    """Says yes when somebody else has decided meanwhile."""

    def __init__(self, approve: bool) -> None:
        self.approve = approve
        self.announced: list[str] = []

    async def decide(self, request: ApprovalRequest, confidence: float | None) -> Vote | None:
        runs.decide(request.approval_id, self.approve)
        return Vote(by="late", approve=True, at=request.requested_at)

    def approval_requested(self, request: ApprovalRequest) -> None:
        self.announced.append(request.approval_id)


@pytest.mark.parametrize("approve", [False, True])
def test_who_answers_when_it_is_decided_changes_nothing(tmp_path: Path, tools: str, approve: bool) -> None:
    asked = run(tmp_path, tools, {"m": {"tool": "mail", "args": {"to": "bob"}}})
    assert resume(tmp_path, tools, interaction=Late(approve)) == (0 if approve else 1)
    (decided,) = runs.asked()
    assert [vote.by for vote in decided.votes] == ["eve"]
    assert decided.request.approval_id == asked
    assert some_tools.noted("sent") == ([["bob"]] if approve else [])
    assert runs.wrong(tmp_path / "out") == []


class Requester(Late):
    """Answers in the name of who asks."""

    async def decide(self, request: ApprovalRequest, confidence: float | None) -> Vote | None:
        return Vote(by=request.agent.upper(), approve=self.approve, at=request.requested_at)


@pytest.mark.parametrize("approve", [False, True])
def test_people_are_told_of_what_the_requester_alone_has_answered(
    tmp_path: Path, tools: str, approve: bool
) -> None:
    (tmp_path / "plan.json").write_text(json.dumps(runs.plan({"m": {"tool": "mail", "args": {"to": "bob"}}})))
    settings, around = runs.live(tmp_path / "out"), Requester(approve)
    told = wiring.run([str(tmp_path / "plan.json")], [tools], settings, granted_by="ada", interaction=around)
    assert told.exit_code == 3
    assert around.announced == [waiting().request.approval_id]


@pytest.mark.parametrize(
    ("edited", "problem"),
    [
        ({"to": 5}, "/to: expected string, found 5"),
        ({"to": "eve", "copies": "two"}, '/copies: expected integer, found "two"'),
        ({"copies": 2}, "/to: expected a value, found none"),
        ({"to": "eve", "key": "hunter2"}, '/key: expected a secret as {"$secret": "env:NAME"}'),
    ],
)
def test_an_edit_fits_the_types_of_the_tool(
    tmp_path: Path, tools: str, capsys: pytest.CaptureFixture[str], edited: dict[str, Any], problem: str
) -> None:
    asked = run(tmp_path, tools, {"m": {"tool": "post", "args": {"to": "bob"}}})
    assert main(["approvals", "approve", asked, "--as", "eve", "--edit", json.dumps(edited)]) == 2
    told = capsys.readouterr().err
    assert f"--edit of {asked}: {problem}" in told
    assert "hunter2" not in told
    assert waiting().votes == ()


def test_an_edit_may_name_a_secret(tmp_path: Path, tools: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_KEY", "hunter2")
    asked = run(tmp_path, tools, {"m": {"tool": "post", "args": {"to": "bob"}}})
    edit = json.dumps({"to": "eve", "key": {"$secret": "env:SOME_KEY"}, "copies": 2})
    assert main(["approvals", "approve", asked, "--as", "eve", "--edit", edit]) == 0
    assert resume(tmp_path, tools) == 3
    runs.decide(waiting().request.approval_id)
    assert resume(tmp_path, tools) == 0
    assert some_tools.noted("sent") == [["eve", "2"]]


def test_an_edit_of_a_lone_call_fits_the_types_of_its_tool(tmp_path: Path, tools: str) -> None:
    async def call() -> str:
        async with Harness(runs.live(tmp_path / "out"), [tools], granted_by="ada") as desk:
            return (await desk.call("a", "post", {"to": "bob"}, confidence=0.95)).status.value

    assert asyncio.run(call()) == "HELD"
    assert list(wiring.wrong_edit(waiting().request, {"to": "eve"})) == []
    (told,) = wiring.wrong_edit(waiting().request, {"to": 5})
    assert told.endswith("/to: expected string, found 5")


def test_an_edit_fits_the_contract_of_today(tmp_path: Path, tools: str) -> None:
    asked = run(tmp_path, tools, {"m": {"tool": "mail", "args": {"to": "bob"}}})
    (tmp_path / "mail.py").write_text(
        TOOLS.replace("async def mail(to: Any)", "async def mail(to: str | int)")
    )
    assert resume(tmp_path, tools) == 3
    assert waiting().request.supersedes == asked
    assert list(wiring.wrong_edit(waiting().request, {"to": 5})) == []
    assert len(list(wiring.wrong_edit(waiting().request, {"to": [5]}))) == 1
