import json
import re
import time
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

from buddy.interfaces.cli.main import main
from buddy.journal.times import iso
from buddy.model.approval import ApprovalState, Vote
from buddy.ports import Breaker, HomeStore
from buddy.projections.outputs import FLEET_SCHEMAS, SCHEMAS
from unit.interfaces.cli.asked import request

CATALOGUE = """
[tools."mail.send"]
summary = "Send a mail."
risk = "HIGH"
permissions = ["mail"]
resources = ["mailbox:{to}"]
input = { type = "object", properties = { to = { type = "string" } } }
"""


def said(capsys: pytest.CaptureFixture[str], *words: str, code: int = 0) -> str:
    assert main(words) == code
    return capsys.readouterr().out


def told(capsys: pytest.CaptureFixture[str], *words: str, code: int = 2) -> str:
    assert main(words) == code
    return capsys.readouterr().err


def document(capsys: pytest.CaptureFixture[str], *words: str, code: int = 0) -> Any:
    return json.loads(said(capsys, *words, "--json", code=code))


# the system


def test_lock_and_unlock_say_who_and_what(capsys: pytest.CaptureFixture[str]) -> None:
    assert "locked by ada: fire" in said(capsys, "lock", "--reason", "fire")
    assert "already locked by ada: fire" in said(capsys, "lock", "--reason", "again")
    assert "engaged by ada: fire" in said(capsys, "status")
    assert document(capsys, "status")["lock"]["engaged"] is True
    assert document(capsys, "unlock")["changed"] is True
    assert said(capsys, "unlock") == "the system is already open\n"


def test_status_of_an_empty_home(capsys: pytest.CaptureFixture[str]) -> None:
    assert said(capsys, "status").splitlines() == [
        "lock       open",
        "runs       none",
        "approvals  0 waiting",
        "breakers   none open",
        "sandbox    no violation",
    ]


@pytest.mark.parametrize("reason", ["", "  "])
def test_a_lock_has_a_reason(reason: str, home: HomeStore, capsys: pytest.CaptureFixture[str]) -> None:
    assert "--reason: expected why the system is locked" in told(capsys, "lock", "--reason", reason)
    assert not home.lock_state().engaged


def test_breakers_are_listed_and_closed(home: HomeStore, capsys: pytest.CaptureFixture[str]) -> None:
    assert said(capsys, "breaker", "list") == "no breaker is open\n"
    home.open_breaker(Breaker("tool:mail.send", 0.0, "3 failures"))
    assert "tool:mail.send  1970-01-01T00:00:00  3 failures" in said(capsys, "breaker", "list")
    assert document(capsys, "status")["open_breakers"][0]["subject"] == "tool:mail.send"
    assert main(["breaker", "close", "tool:mail.send", "agent:x"]) == 2
    shown = capsys.readouterr()
    assert shown.out == "closed tool:mail.send\n"
    assert "none on 'agent:x'" in shown.err
    assert home.breakers() == []


# approvals


def test_requests_are_listed_and_shown(home: HomeStore, capsys: pytest.CaptureFixture[str]) -> None:
    assert said(capsys, "approvals", "list") == "nothing waits for a person\n"
    assert said(capsys, "approvals", "list", "--all") == "nobody was asked anything\n"
    home.ask(request("ap1"))
    home.ask(request("ap2", run_id="r2"))
    assert "ap1       PENDING  HIGH  mail.send  agent1" in said(capsys, "approvals", "list")
    assert [it["request"]["approval_id"] for it in document(capsys, "approvals", "list", "--run", "r2")] == [
        "ap2"
    ]
    assert "to: x@y.z" in said(capsys, "approvals", "show", "ap1")
    assert document(capsys, "approvals", "show", "ap1", "ap2")[1]["state"] == "PENDING"
    assert "none called 'nope'" in told(capsys, "approvals", "show", "ap1", "nope")


@pytest.mark.parametrize("wrong", ["nope", "ap-own", "ap-done", "ap-half"])
@pytest.mark.parametrize("decision", ["approve", "deny"])
def test_where_one_takes_no_vote_none_is_decided(
    wrong: str, decision: str, home: HomeStore, capsys: pytest.CaptureFixture[str]
) -> None:
    told_of = {"nope": "none called 'nope'", "ap-own": "cannot decide it", "ap-done": "found it DENIED"}
    for name in ("ap1", "ap2", "ap-done"):
        home.ask(request(name))
    home.ask(request("ap-own", agent="Ada"))
    home.ask(request("ap-half", quorum=2))
    home.vote("ap-done", Vote(by="bob", approve=False, at=iso(0.0)), 0.0)
    home.vote("ap-half", Vote(by="ada", approve=True, at=iso(0.0)), 0.0)
    assert main(["approvals", decision, "ap1", wrong, "ap2"]) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert told_of.get(wrong, "has voted on it already") in shown.err
    assert shown.err.endswith("buddy: nothing was decided\n")
    for name in ("ap1", "ap2"):
        found = home.approval(name, time.time())
        assert found is not None
        assert found.votes == ()


def test_several_are_decided_at_once(home: HomeStore, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("ap1", "ap2"):
        home.ask(request(name))
    told = said(capsys, "approvals", "approve", "ap1", "ap2", "--reason", "seen")
    assert "ap1 is APPROVED: mail.send for p/s" in told
    assert "ap2 is APPROVED" in told
    assert "buddy resume r1 --tools FILE" in told
    found = home.approval("ap1", time.time())
    assert found is not None
    assert [(vote.by, vote.reason) for vote in found.votes] == [("ada", "seen")]


def test_somebody_else_can_deny(home: HomeStore, capsys: pytest.CaptureFixture[str]) -> None:
    home.ask(request())
    assert document(capsys, "approvals", "deny", "ap1", "--as", "bob")[0]["state"] == "DENIED"
    found = home.approval("ap1", time.time())
    assert found is not None
    assert found.votes[0].by == "bob"
    assert "takes no more votes" in told(capsys, "approvals", "approve", "ap1")


def test_who_asks_cannot_decide(home: HomeStore, capsys: pytest.CaptureFixture[str]) -> None:
    home.ask(request())
    assert "cannot decide it" in told(capsys, "approvals", "approve", "ap1", "--as", "agent1")


def test_a_quorum_is_counted(home: HomeStore, capsys: pytest.CaptureFixture[str]) -> None:
    home.ask(request(quorum=2))
    assert "PENDING (1 of 2 have said yes)" in said(capsys, "approvals", "approve", "ap1")
    assert "ap1 is APPROVED" in said(capsys, "approvals", "approve", "ap1", "--as", "bob")


@pytest.mark.parametrize("from_file", [False, True])
def test_arguments_can_be_edited(
    from_file: bool, home: HomeStore, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    home.ask(request())
    (folder / "args.json").write_text('{"to": "a@b.c"}')
    said(capsys, "approvals", "approve", "ap1", "--edit", "@args.json" if from_file else '{"to": "a@b.c"}')
    found = home.approval("ap1", time.time())
    assert found is not None
    assert found.votes[0].edited_args == {"to": "a@b.c"}


@pytest.mark.parametrize(
    ("args", "found"), [({"to": "x", "text": "y"}, "'cc'"), ([{"to": "x"}], "a fan-out")]
)
def test_an_edit_names_arguments_of_the_request(
    args: Any, found: str, home: HomeStore, capsys: pytest.CaptureFixture[str]
) -> None:
    home.ask(request(args=args))
    said = told(capsys, "approvals", "approve", "ap1", "--edit", '{"to": "a@b.c", "cc": "d@e.f"}')
    assert f"found {found}" in said
    assert ("(to, text)" in said) == isinstance(args, dict)
    asked = home.approval("ap1", time.time())
    assert asked is not None
    assert asked.votes == ()


@pytest.mark.parametrize("edit", ["{", "[1]", "@missing.json", "@."])
def test_a_bad_edit_decides_nothing(edit: str, home: HomeStore, capsys: pytest.CaptureFixture[str]) -> None:
    home.ask(request())
    assert "--edit: expected a JSON object" in told(capsys, "approvals", "approve", "ap1", "--edit", edit)
    found = home.approval("ap1", time.time())
    assert found is not None
    assert found.state is ApprovalState.PENDING


@pytest.mark.parametrize("levels", [100, 400, 100_000])
def test_an_edit_is_no_deeper_than_a_plan(
    levels: int, home: HomeStore, capsys: pytest.CaptureFixture[str]
) -> None:
    home.ask(request())
    edit = '{"to": ' + "[" * levels + "]" * levels + "}"
    said = told(capsys, "approvals", "approve", "ap1", "--edit", edit)
    assert "expected at most 100 nested levels, found more" in said
    found = home.approval("ap1", time.time())
    assert found is not None
    assert found.votes == ()


def test_only_one_can_be_edited(capsys: pytest.CaptureFixture[str]) -> None:
    assert "expected one request" in told(capsys, "approvals", "approve", "a", "b", "--edit", "{}")


# tools and schemas


def test_tools_are_listed_shown_and_validated(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "t.toml").write_text(CATALOGUE)
    files = ("--tools", "t.toml")
    assert re.search(r"mail\.send +HIGH +write +none", said(capsys, "tools", "list", *files))
    assert document(capsys, "tools", "list", *files)[0]["undo"] == "none"
    assert 'permissions     ["mail"]' in said(capsys, "tools", "show", "mail.send", *files)
    assert document(capsys, "tools", "show", "mail.send", *files)["timeout_s"] == 30.0
    assert said(capsys, "tools", "validate", *files) == "1 tool, 0 warnings: valid\n"
    assert document(capsys, "tools", "validate", *files) == {"tools": ["mail.send"], "warnings": []}
    assert "did you mean mail.send?" in told(capsys, "tools", "show", "mail.sent", *files)


def test_a_warning_about_a_catalogue_goes_to_stderr(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "t.toml").write_text('[tools.x]\nrisk = "LOW"\n')
    assert main(["tools", "validate", "--tools", "t.toml"]) == 0
    shown = capsys.readouterr()
    assert shown.out == "1 tool, 1 warning: valid\n"
    assert shown.err.startswith("warning: ")


def test_a_bad_catalogue_is_refused(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "t.toml").write_text('[tools.x]\nrisk = "huge"\n')
    assert "risk: expected" in told(capsys, "tools", "validate", "--tools", "t.toml")


def test_every_schema_that_is_listed_is_one(capsys: pytest.CaptureFixture[str]) -> None:
    names = said(capsys, "schema").split()
    assert names == document(capsys, "schema")
    fleet = {"predicted_tasks.jsonl", "predicted_schedule.jsonl", *FLEET_SCHEMAS}
    sandbox = {"sandbox_policy", "sandbox_violation_log.jsonl"}
    assert set(names) == {"plan", "catalogue", "config", "policy", *SCHEMAS, *fleet, *sandbox}
    for name in names:
        jsonschema_rs.meta.validate(document(capsys, "schema", name))
    assert "expected one of plan, catalogue" in told(capsys, "schema", "nope")


def test_the_schema_of_catalogues_fits_one(capsys: pytest.CaptureFixture[str]) -> None:
    import tomllib

    schema = jsonschema_rs.validator_for(document(capsys, "schema", "catalogue"))
    assert schema.is_valid(tomllib.loads(CATALOGUE))
    assert not schema.is_valid({"tools": {"x": {"risk": "huge"}}})


# runs


def test_no_runs_yet(capsys: pytest.CaptureFixture[str]) -> None:
    assert said(capsys, "runs", "list").startswith("no runs yet")
    assert document(capsys, "runs", "list") == []


@pytest.mark.parametrize(
    "words",
    [
        ["run", "nope.json"],
        ["check", "nope.json"],
        ["resume", "nope"],
        ["rollback", "nope"],
        ["cancel", "nope"],
        ["outputs", "nope"],
        ["verify", "nope"],
        ["explain", "nope", "s"],
        ["resolve", "nope", "s", "--happened"],
        ["runs", "show", "nope"],
        ["run", "nope.json", "--approvals", "ask"],
        ["resume", "nope", "--approvals", "ask"],
        ["run", "nope.json", "--config", "nope.toml"],
        ["run", "nope.json", "--set", "nope=1"],
        ["run", "nope.json", "--deadline", "-1"],
        ["tools", "list", "--tools", "nope.py"],
    ],
)
def test_what_is_not_there_is_a_sentence(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.startswith("buddy: ")
    assert "Traceback" not in shown.err
