"""Whole runs against a served simulator: acted once, approved, undone, verified."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from buddy.adapters.providers.base import serving
from buddy.adapters.providers.base.simulator import Simulator
from buddy.adapters.providers.gohighlevel.simulator.app import simulator
from buddy.interfaces.cli.main import main
from providers.desk import environment


class Office:
    """A served service, a home, and the commands."""

    def __init__(self, sim: Simulator, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.sim, self.folder, self._capsys = sim, folder, capsys

    def plan(self, name: str, steps: dict[str, Any], **more: Any) -> str:
        permissions = ["crm.read", "crm.write", "crm.delete"]
        plan = {
            "plan_id": name,
            "agent_assignments": {"agent": list(steps)},
            "execution_order": list(steps),
            "confidence_scores": dict.fromkeys(steps, 0.95),
            "steps": steps,
            "agents": {"agent": {"permissions": permissions}},
            **more,
        }
        file = self.folder / f"{name}.json"
        file.write_text(json.dumps(plan))
        return str(file)

    def say(self, *words: str) -> tuple[int, Any]:
        code = main([*words, "--json"])
        return code, json.loads(self._capsys.readouterr().out)

    def run(self, plan: str, mode: str = "live") -> tuple[int, str]:
        out = str(self.folder / f"run-{len(list(self.folder.glob('run-*')))}")
        code, _ = self.say("run", plan, "--mode", mode, "--out", out)
        return code, out

    def emails(self) -> list[str]:
        return [one["email"] for one in self.sim.state()["contacts"]]


@pytest.fixture
def office(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Office]:
    sim = simulator(12, contacts=3, limit=(0, 1.0))
    with serving.running(sim) as url:
        for name in [name for name in os.environ if name.startswith("BUDDY_")]:
            monkeypatch.delenv(name)
        monkeypatch.delenv("DRY_RUN", raising=False)
        for name, value in environment(sim, url, tmp_path / "home").items():
            monkeypatch.setenv(name, value)
        yield Office(sim, tmp_path, capsys)


MAKE = {"tool": "gohighlevel.create_contact", "args": {"email": "ada@x.example", "first_name": "Ada"}}
CHANGE = {
    "tool": "gohighlevel.update_contact",
    "args": {"contact_id": {"$from": "make", "path": "/contact/id"}, "city": "Rome"},
}


@pytest.mark.parametrize("mode", ["mock", "dry-run"])
def test_a_rehearsal_of_steps_that_build_on_each_other_passes_and_writes_nothing(
    office: Office, mode: str
) -> None:
    drop = {
        "tool": "gohighlevel.delete_contact",
        "args": {"contact_id": {"$from": "make", "path": "/contact/id"}},
    }
    before = office.sim.digest()
    code, _ = office.run(office.plan("p", {"make": MAKE, "change": CHANGE, "drop": drop}), mode)
    assert code == 0
    assert (office.sim.digest(), office.sim.layer.counts.writes) == (before, 0)


def test_a_contact_is_made_once_whoever_asks_again_and_rolled_back_to_the_byte(office: Office) -> None:
    before = office.sim.digest()
    code, run = office.run(office.plan("p", {"make": MAKE, "change": CHANGE}))
    assert code == 0
    assert office.emails().count("ada@x.example") == 1
    code, _ = office.run(office.plan("q", {"make": MAKE}))
    assert code == 1, "the same again is a duplicate"
    assert office.emails().count("ada@x.example") == 1
    code, found = office.say("verify", run)
    assert (code, found["violations"]) == (0, [])
    code, _ = office.say("rollback", run)
    assert office.sim.digest() == before
    assert office.say("verify", run)[0] == 0


def test_one_failure_in_a_group_takes_back_what_the_others_did(office: Office) -> None:
    known = office.sim.state()["contacts"][0]
    before = office.sim.digest()
    taken = {"tool": "gohighlevel.update_contact", "args": {"contact_id": "nobody", "city": "Rome"}}
    steps = {
        "make": {**MAKE, "group": "g"},
        "change": {**CHANGE, "group": "g"},
        "fail": {**taken, "group": "g"},
    }
    code, run = office.run(office.plan("p", steps))
    assert code == 1
    assert office.sim.digest() == before
    assert known in office.sim.state()["contacts"]
    assert office.say("verify", run)[0] == 0


def test_a_deletion_waits_for_a_person_who_sees_what_goes(office: Office) -> None:
    known = office.sim.state()["contacts"][0]
    drop = {"tool": "gohighlevel.delete_contact", "args": {"contact_id": known["id"]}}
    code, run = office.run(office.plan("p", {"drop": drop}))
    assert code == 3
    assert known in office.sim.state()["contacts"]
    _, [asked] = office.say("approvals", "list")
    shown = json.dumps(asked)
    code, whole = office.say("approvals", "show", _id_of(asked))
    assert known["email"] in shown + json.dumps(whole)
    assert office.say("approvals", "approve", _id_of(asked), "--as", "ada")[0] == 0
    assert office.say("resume", run)[0] == 0
    assert known["email"] not in office.emails()
    assert office.say("rollback", run)[0] in (0, 1)
    back = [one for one in office.sim.state()["contacts"] if one["email"] == known["email"]]
    assert [one["firstName"] for one in back] == [known["firstName"]]
    assert back[0]["id"] != known["id"]


def _id_of(asked: Any) -> str:
    found: str = asked.get("approval_id") or asked["request"]["approval_id"]
    return found
