"""Approvals: who is asked, what a yes binds, and what comes of a no."""

import json
import os
import random
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from buddy import BadInput, ExecutionConfig, Harness, wiring
from buddy.journal.events import ApprovalRequested, Intent, Moved, Settled
from buddy.model.approval import ApprovalState
from buddy.model.mode import Mode
from e2e import some_runs as runs
from e2e import some_tools

MANY = 200
DECIDE = """
import random, sys, time
from e2e import some_runs as runs
from buddy.model.approval import ApprovalState
chance, left = random.Random(7), set(range(int(sys.argv[1])))
while left:
    waiting = runs.asked(ApprovalState.PENDING)
    chance.shuffle(waiting)
    for one in waiting[:chance.randint(1, 20)]:
        number = int(one.request.args["to"])
        runs.decide(one.request.approval_id, number % 5 != 0)
        left.discard(number)
    time.sleep(0.01)
"""


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runs.settle_in(tmp_path, monkeypatch.setenv)


def mails(count: int) -> dict[str, Any]:
    return {
        f"m{number}": {"tool": "send", "args": {"to": str(number), "text": "hi"}, "agent": f"a{number % 4}"}
        for number in range(count)
    }


def one_mail(**fields: Any) -> dict[str, Any]:
    return runs.plan({"m": {"tool": "send", "args": {"to": "bob", "text": "hi"}, **fields}})


def requests(folder: Path) -> list[Any]:
    found = [record.event for record in runs.records(folder, ApprovalRequested)]
    return [event.request for event in found if isinstance(event, ApprovalRequested)]


def ends(folder: Path) -> list[str]:
    found = [record.event for record in runs.records(folder, Settled)]
    return [event.reason for event in found if isinstance(event, Settled)]


def test_many_are_decided_by_another_process_while_the_rest_goes_on(tmp_path: Path) -> None:
    puts = {
        f"s{number}": {"tool": "put", "args": {"key": str(number), "value": 1}, "agent": f"a{number % 4}"}
        for number in range(300)
    }
    with runs.another(DECIDE, str(MANY)):
        done = runs.run(tmp_path, runs.plan({**mails(MANY), **puts}), approvals="wait")
    denied = {str(number) for number in range(0, MANY, 5)}
    assert done.exit_code == 1
    assert done.summary["steps"]["by_status"]["SUCCEEDED"] == 300 + MANY - len(denied)
    assert done.summary["steps"]["by_status"]["ABORTED"] == len(denied)
    sent = Counter(to for to, _ in some_tools.noted("sent"))
    assert sent == Counter(str(number) for number in range(MANY) if str(number) not in denied)
    assert Counter(key for key, _ in some_tools.noted("put")) == Counter(str(number) for number in range(300))
    for approval in runs.asked():
        action = f"p/{approval.request.step_id}"
        assert approval.consumed_by == (() if approval.request.args["to"] in denied else (action,))
    assert len(runs.asked()) == MANY
    assert runs.wrong(tmp_path / "out") == []


def test_a_run_that_does_not_wait_is_gone_on_with(tmp_path: Path) -> None:
    held = runs.run(
        tmp_path, runs.plan({**mails(20), "s": {"tool": "put", "args": {"key": "k", "value": 1}}})
    )
    assert held.exit_code == 3
    assert held.summary["steps"]["by_status"] == {
        **held.summary["steps"]["by_status"],
        "HELD": 20,
        "SUCCEEDED": 1,
    }
    assert some_tools.noted("sent") == []
    names = [approval.request.approval_id for approval in runs.asked(ApprovalState.PENDING)]
    assert len(names) == 20
    random.Random(3).shuffle(names)
    for name in names[:10]:
        runs.decide(name)
    assert runs.resume(tmp_path).exit_code == 3
    for name in names[10:]:
        runs.decide(name, approve=name != names[-1])
    done = runs.resume(tmp_path)
    assert done.exit_code == 1
    assert done.summary["steps"]["by_status"]["ABORTED"] == 1
    assert len(some_tools.noted("sent")) == len({to for to, _ in some_tools.noted("sent")}) == 19
    assert len(runs.asked()) == 20
    assert runs.wrong(tmp_path / "out") == []


def test_a_preview_that_changed_voids_the_yes_and_says_how(tmp_path: Path) -> None:
    some_tools.set_state("signature", "Ada")
    assert runs.run(tmp_path, one_mail()).exit_code == 3
    [first] = runs.asked()
    runs.decide(first.request.approval_id)
    some_tools.set_state("signature", "Bob")
    assert runs.resume(tmp_path).exit_code == 3
    [before, second] = runs.asked()
    assert before.state is ApprovalState.SUPERSEDED
    assert second.request.supersedes == before.request.approval_id
    [told] = second.request.difference
    assert '"Ada"' in told
    assert '"Bob"' in told
    assert some_tools.noted("sent") == []
    runs.decide(second.request.approval_id)
    assert runs.resume(tmp_path).exit_code == 0
    assert some_tools.noted("sent") == [["bob", "hi"]]
    assert runs.wrong(tmp_path / "out") == []


def test_a_field_that_may_change_does_not_void_the_yes(tmp_path: Path) -> None:
    some_tools.set_state("stamp", 1)
    assert runs.run(tmp_path, one_mail()).exit_code == 3
    runs.decide(runs.asked()[0].request.approval_id)
    some_tools.set_state("stamp", 2)
    assert runs.resume(tmp_path).exit_code == 0
    assert len(runs.asked()) == 1
    assert some_tools.noted("sent") == [["bob", "hi"]]


def test_edited_arguments_are_asked_about_again_and_hold_over_resumes(tmp_path: Path) -> None:
    some_tools.set_state("staff", ["bob"])
    steps = {
        "read": {"tool": "names", "args": {"name": "staff"}},
        "m": {"tool": "send", "args": {"to": {"$from": "read", "path": "/names/0"}, "text": "hi"}},
    }
    assert runs.run(tmp_path, runs.plan(steps)).exit_code == 3
    [first] = runs.asked()
    assert first.request.args == {"to": "bob", "text": "hi"}
    runs.decide(first.request.approval_id, edited={"to": "eve", "text": "hi"})
    assert runs.resume(tmp_path).exit_code == 3
    [_, second] = runs.asked()
    assert second.request.args == {"to": "eve", "text": "hi"}
    assert "eve edited the arguments" in second.request.difference
    assert some_tools.noted("sent") == []
    assert runs.resume(tmp_path).exit_code == 3
    runs.decide(second.request.approval_id)
    assert runs.resume(tmp_path).exit_code == 0
    assert some_tools.noted("sent") == [["eve", "hi"]]
    assert len(runs.asked()) == 2
    assert runs.wrong(tmp_path / "out") == []


def test_a_contract_that_changed_voids_the_yes(tmp_path: Path) -> None:
    assert runs.run(tmp_path, one_mail()).exit_code == 3
    runs.decide(runs.asked()[0].request.approval_id)
    changed = tmp_path / "changed.toml"
    changed.write_text('[tools.send]\nsummary = "Send a mail to everybody."\n')
    held = wiring.resume(str(tmp_path / "out"), [runs.TOOLS, str(changed)], by="ada")
    assert held.exit_code == 3
    [_, second] = runs.asked()
    assert second.request.difference == ("the tool's contract is different",)
    assert some_tools.noted("sent") == []
    runs.decide(second.request.approval_id)
    assert wiring.resume(str(tmp_path / "out"), [runs.TOOLS, str(changed)], by="ada").exit_code == 0
    assert some_tools.noted("sent") == [["bob", "hi"]]
    assert runs.wrong(tmp_path / "out") == []


def test_edited_arguments_that_are_wrong_fail_in_the_rehearsal(tmp_path: Path) -> None:
    assert runs.run(tmp_path, one_mail()).exit_code == 3
    runs.decide(runs.asked()[0].request.approval_id, edited={"to": 7, "text": "hi"})
    failed = runs.resume(tmp_path)
    assert failed.exit_code == 1
    assert failed.summary["steps"]["by_status"]["FAILED"] == 1
    assert some_tools.noted("sent") == []
    assert runs.wrong(tmp_path / "out") == []


ASKING = """
from buddy import Preview, Risk, tool

@tool(risk=Risk.HIGH, effect="write", permissions=["m"], resources=["mail:{to}"])
async def mail(to: str, cc: str = "") -> None: ...

@mail.preview
async def _(to: str, cc: str = "") -> Preview:
    return Preview()
"""


def test_an_edit_may_name_what_the_tool_takes_and_the_request_lacks(tmp_path: Path) -> None:
    tools, plan = tmp_path / "asking.py", tmp_path / "plan.json"
    tools.write_text(ASKING)
    plan.write_text(json.dumps(runs.plan({"m": {"tool": "mail", "args": {"to": "bob"}}})))
    wiring.run([str(plan)], [str(tools)], runs.live(tmp_path / "out"), granted_by="ada")
    [asked] = runs.asked()
    assert list(wiring.wrong_edit(asked.request, {"to": "eve", "cc": "bob"})) == []
    [told] = wiring.wrong_edit(asked.request, {"to": "eve", "bcc": "bob"})
    assert told.endswith("expected arguments of mail (to, cc), found 'bcc'")


def test_edits_while_the_run_waits(tmp_path: Path) -> None:
    script = """
import time
from e2e import some_runs as runs
from buddy.model.approval import ApprovalState
seen = 0
while seen < 2:
    for one in runs.asked(ApprovalState.PENDING):
        edited = {"to": "eve", "text": "hi"} if seen == 0 else None
        runs.decide(one.request.approval_id, edited=edited)
        seen += 1
    time.sleep(0.01)
"""
    with runs.another(script):
        assert runs.run(tmp_path, one_mail(), approvals="wait").exit_code == 0
    assert some_tools.noted("sent") == [["eve", "hi"]]
    assert [request.args["to"] for request in requests(tmp_path / "out")] == ["bob", "eve"]
    assert runs.wrong(tmp_path / "out") == []


@pytest.mark.parametrize(
    ("approved", "what"),
    [(False, "expired"), (True, "expired although eve had voted")],
    ids=["open", "approved"],
)
def test_a_request_expires(tmp_path: Path, approved: bool, what: str) -> None:
    assert runs.run(tmp_path, one_mail(), approval_expiry_s=0.05).exit_code == 3
    [asked] = runs.asked()
    if approved:
        runs.decide(asked.request.approval_id)
    time.sleep(0.06)
    done = runs.resume(tmp_path)
    assert done.exit_code == 1
    assert done.summary["steps"]["by_status"]["ABORTED"] == 1
    assert some_tools.noted("sent") == []
    assert f"approval {asked.request.approval_id} {what}" in ends(tmp_path / "out")
    assert runs.wrong(tmp_path / "out") == []


def test_a_run_that_waits_sees_a_request_expire(tmp_path: Path) -> None:
    done = runs.run(tmp_path, one_mail(), approvals="wait", approval_expiry_s=0.1)
    assert done.exit_code == 1
    assert done.summary["steps"]["by_status"]["ABORTED"] == 1
    assert runs.wrong(tmp_path / "out") == []


def test_a_quorum_of_two_distinct_people(tmp_path: Path) -> None:
    assert runs.run(tmp_path, one_mail(), approval_quorum=2).exit_code == 3
    name = runs.asked()[0].request.approval_id
    runs.decide(name, by="eve")
    assert runs.resume(tmp_path).exit_code == 3
    with pytest.raises(BadInput, match="already"):
        runs.decide(name, by="Eve")
    with pytest.raises(BadInput, match="cannot decide"):
        runs.decide(name, by="a")
    runs.decide(name, by="mallory")
    assert runs.resume(tmp_path).exit_code == 0
    assert len(some_tools.noted("sent")) == 1
    assert runs.wrong(tmp_path / "out") == []


def test_a_denial_skips_what_depends_on_it_and_nothing_else(tmp_path: Path) -> None:
    put = {"tool": "put", "args": {"key": "k", "value": 1}}
    steps = {
        "m": {"tool": "send", "args": {"to": "bob", "text": "hi"}},
        "after": {**put, "depends_on": ["m"]},
        "beside": {"tool": "put", "args": {"key": "other", "value": 1}},
    }
    runs.run(tmp_path, runs.plan(steps))
    runs.decide(runs.asked()[0].request.approval_id, approve=False)
    done = runs.resume(tmp_path)
    assert done.exit_code == 1
    status = done.summary["steps"]["by_status"]
    assert (status["SUCCEEDED"], status["ABORTED"], status["SKIPPED"]) == (1, 1, 1)
    assert some_tools.noted("put") == [["other", "1"]]
    assert some_tools.noted("undone") == []


def callback(answer: Any) -> Any:
    def says(tool: str, confidence: float) -> Any:
        assert (tool, confidence) == ("send", 0.95)
        if isinstance(answer, Exception):
            raise answer
        return answer

    return says


@pytest.mark.parametrize(
    ("answer", "code"), [(True, 0), (False, 1), (1, 1), ("yes", 1), (None, 1), (RuntimeError("no idea"), 1)]
)
def test_only_true_from_the_callback_lets_it_through(tmp_path: Path, answer: Any, code: int) -> None:
    harness = Harness(
        runs.live(tmp_path / "out"),
        tools=some_tools.TOOLS,
        approval_callback=callback(answer),
        granted_by="ada",
    )
    done = harness.run_sync(one_mail())
    assert done.exit_code == code
    assert len(some_tools.noted("sent")) == (code == 0)
    assert runs.wrong(tmp_path / "out") == []


def test_a_policy_decides_what_it_names_and_the_rest_waits(tmp_path: Path) -> None:
    policy = tmp_path / "policy.toml"
    policy.write_text(
        '[[rules]]\ndecision = "approve"\ntool = "send"\nargs = { to = "1*" }\n'
        '[[rules]]\ndecision = "deny"\ntool = "send"\nargs = { to = "2*" }\n'
    )
    done = runs.run(tmp_path, runs.plan(mails(4)), approvals=str(policy))
    assert done.exit_code == 3
    status = done.summary["steps"]["by_status"]
    assert (status["SUCCEEDED"], status["ABORTED"], status["HELD"]) == (1, 1, 2)
    assert some_tools.noted("sent") == [["1", "hi"]]


def test_every_live_call_can_be_made_to_need_a_person(tmp_path: Path) -> None:
    steps = {"s": {"tool": "put", "args": {"key": "k", "value": 1}}}
    assert runs.run(tmp_path, runs.plan(steps), approval_required="all").exit_code == 3
    runs.decide(runs.asked()[0].request.approval_id)
    assert runs.resume(tmp_path).exit_code == 0
    [intent] = [record.event for record in runs.records(tmp_path / "out", Intent)]
    assert isinstance(intent, Intent)
    assert intent.approval == runs.asked()[0].request.approval_id
    assert runs.wrong(tmp_path / "out") == []


def test_a_cancelled_run_withdraws_its_requests(tmp_path: Path) -> None:
    runs.run(tmp_path, runs.plan(mails(3)))
    cancelled = wiring.cancel(str(tmp_path / "out"), by="ada")
    assert cancelled.exit_code == 1
    approvals = cancelled.summary["approvals"]
    assert (approvals["requested"], approvals["pending"], approvals["cancelled"]) == (3, 0, 3)
    assert runs.wrong(tmp_path / "out") == []
    assert {approval.state for approval in runs.asked()} == {ApprovalState.CANCELLED}
    assert runs.records(tmp_path / "out", Moved) == []
    assert some_tools.noted("sent") == []


def test_a_step_below_live_asks_nobody(tmp_path: Path) -> None:
    done = runs.run(tmp_path, one_mail(confidence=0.82))
    assert done.exit_code == 0
    assert done.summary["steps"]["by_final_mode"][Mode.DRY_RUN.value] == 1
    assert runs.asked() == []


@pytest.mark.parametrize(("more", "code"), [((), 3), (("--approvals", "ask"), 2)])
def test_without_a_terminal_nobody_is_waited_for(tmp_path: Path, more: tuple[str, ...], code: int) -> None:
    path = tmp_path / "plan.json"
    path.write_text(json.dumps(one_mail()))
    words = ["run", str(path), "--tools", runs.TOOLS, "--mode", "live", "--out", str(tmp_path / "out"), *more]
    done = subprocess.run(
        [sys.executable, "-m", "buddy", *words],
        env={**os.environ, "PYTHONPATH": str(Path(runs.TOOLS).parents[1])},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == code, done.stderr
    assert len(runs.asked()) == (code == 3)
    assert some_tools.noted("sent") == []


def test_a_resume_puts_an_open_request_to_its_policy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BUDDY_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("OFFICE_DB", str(tmp_path / "office.sqlite"))
    monkeypatch.delenv("DRY_RUN", raising=False)
    office = Path(__file__).parents[2] / "examples" / "office"
    mail = {"recipient": "ada@example.com", "subject": "hello", "body": "there"}
    plan = {
        "plan_id": "p",
        "agent_assignments": {"a": ["x"]},
        "confidence_scores": {"x": 0.9},
        "steps": {"x": {"tool": "email.send_email", "args": mail}},
    }
    (tmp_path / "plan.json").write_text(json.dumps(plan))
    config = ExecutionConfig(mode=Mode.LIVE, output_dir=str(tmp_path / "out"))
    tools = [str(office / "tools.py")]
    held = wiring.run([str(tmp_path / "plan.json")], tools, config, granted_by="test")
    assert held.exit_code == 3
    policy = str(office / "policy.toml")
    assert wiring.resume(held.folder, tools, by="test", approvals=policy).exit_code == 0
    assert wiring.verify(held.folder).violations == ()
