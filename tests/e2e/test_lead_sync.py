"""The lead-sync example: three agents find, file and write to leads, through Chromium and over real HTTP."""

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from buddy import ExecutionConfig, Mode, wiring
from buddy.adapters.providers.base.faults import Receive, Scope, Send
from buddy.adapters.providers.base.serving import running
from buddy.adapters.providers.gohighlevel.simulator import app as crm
from buddy.adapters.providers.mployer.simulator import portal
from buddy.adapters.providers.msgraph.simulator import app as mail
from buddy.interfaces.cli.main import main
from providers.browser import site

LEADS = Path(__file__).parents[2] / "examples" / "lead-sync"
PLAN = LEADS / "plan.json"
UPSERT = "gohighlevel.upsert_contact"
FOUND = 4
"""People that the plan's search finds in the simulated portal."""


class Refusing(mail.GraphSimulator):
    """A mailbox that takes no draft."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] == "POST" and scope["path"].endswith("/messages"):
            headers = [(b"x-buddy-fault", b"403"), *scope["headers"]]
            scope = {**scope, "headers": headers}
        await super().__call__(scope, receive, send)


class Services:
    """The three services, served."""

    def __init__(self, mailbox: mail.GraphSimulator) -> None:
        self.mail = mailbox
        self.crm = crm.simulator()
        self.portal = portal.simulator(deliver=self._deliver)

    async def _deliver(self, mailbox: str, subject: str, body: str) -> None:
        self.mail.deliver(self.mail.greeting("")["mailbox"], subject, body)

    @property
    def contacts(self) -> list[Any]:
        return list(self.crm.state()["contacts"])

    @property
    def sent(self) -> list[Any]:
        return list(self.mail.state()["sent"])


@pytest.fixture(autouse=True)
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DRY_RUN", raising=False)
    monkeypatch.setenv("BUDDY_HOME", str(tmp_path / "home"))
    return tmp_path


@contextmanager
def services(
    monkeypatch: pytest.MonkeyPatch, mailbox: mail.GraphSimulator | None = None
) -> Iterator[Services]:
    site.chromium()
    all_three = Services(mailbox or mail.GraphSimulator())
    with ExitStack() as opened:
        known = {
            one.name: one.greeting(opened.enter_context(running(one)))
            for one in (all_three.crm, all_three.mail, all_three.portal)
        }
        login = known["mployer"]["login"]
        for name, value in {
            "GOHIGHLEVEL_BASE_URL": known["gohighlevel"]["base_url"],
            "GOHIGHLEVEL_TOKEN": known["gohighlevel"]["token"],
            "GOHIGHLEVEL_LOCATION_ID": known["gohighlevel"]["location_id"],
            "MSGRAPH_BASE_URL": known["msgraph"]["base_url"],
            "MSGRAPH_TOKEN": known["msgraph"]["token"],
            "MSGRAPH_MAILBOX": known["msgraph"]["mailbox"],
            "MPLOYER_BASE_URL": known["mployer"]["base_url"],
            "MPLOYER_USERNAME": login["username"],
            "MPLOYER_PASSWORD": login["password"],
        }.items():
            monkeypatch.setenv(f"BUDDY_{name}", value)
        yield all_three


def run(mode: Mode, out: str, source: Path = PLAN, **more: Any) -> wiring.RunResult:
    config = ExecutionConfig(mode=mode, output_dir=out, **more)
    result = wiring.run([str(source)], [], config, granted_by="ada")
    assert not wiring.verify(result.folder).violations
    return result


def steps(result: wiring.RunResult) -> dict[str, int]:
    counted: dict[str, int] = result.summary["steps"]["by_status"]
    return {status: number for status, number in counted.items() if number}


def secrets(all_three: Services) -> list[str]:
    greetings = [one.greeting("") for one in (all_three.crm, all_three.mail, all_three.portal)]
    return [greetings[0]["token"], greetings[1]["token"], greetings[2]["login"]["password"]]


@pytest.mark.parametrize("source", [PLAN, LEADS / "predictions"], ids=["plan", "predictions"])
def test_with_nothing_configured_it_is_rehearsed(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("GOHIGHLEVEL_TOKEN", "MSGRAPH_TOKEN", "MPLOYER_USERNAME"):
        monkeypatch.delenv(f"BUDDY_{name}", raising=False)
    more = {} if source is PLAN else {"num_agents": 3, "clock": "virtual"}
    result = run(Mode.MOCK, "out", source, **more)
    assert (result.exit_code, set(steps(result))) == (0, {"SUCCEEDED"})


def test_dry_run_finds_leads_and_writes_nothing(monkeypatch: pytest.MonkeyPatch, desk: Path) -> None:
    with services(monkeypatch) as served:
        before = served.crm.digest(), served.portal.digest(), len(served.sent)
        result = run(Mode.DRY_RUN, "out")
        assert (result.exit_code, steps(result)) == (0, {"SUCCEEDED": 4 + 3 * FOUND})
        assert (served.crm.digest(), served.portal.digest(), len(served.sent)) == before
        assert [one.layer.counts.writes for one in (served.crm, served.mail, served.portal)] == [0, 0, 0]
        lines = (desk / "out" / "tool_execution_log.jsonl").read_text().splitlines()
        log = [json.loads(line) for line in lines]
        filed = [one for one in log if (one["mode"], one["tool_name"]) == ("DRY_RUN", UPSERT)]
        shown = [change for one in filed for change in one["preview"]["changes"]]
        assert {change["request"]["method"] for change in shown} == {"POST"}
        assert len(shown) == FOUND


def test_live_files_leads_once_and_writes_to_them_once_a_person_has_agreed(
    monkeypatch: pytest.MonkeyPatch, desk: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with services(monkeypatch) as served:
        before = len(served.contacts)
        held = run(Mode.LIVE, "first", approvals="exit")
        assert held.exit_code == 3
        assert len(served.contacts) == before + FOUND
        assert served.sent == [], "nobody has agreed yet"
        assert main(["approvals", "list", "--json"]) == 0
        asked = [one["request"] for one in json.loads(capsys.readouterr().out)]
        assert [one["tool"] for one in asked] == ["msgraph.send_draft"], "asked once, for all of them"
        assert main(["approvals", "approve", asked[0]["approval_id"]]) == 0
        resumed = wiring.resume(held.run_id, [], by="ada")
        assert resumed.exit_code == 0
        assert not wiring.verify(resumed.folder).violations
        recipients = [address for one in served.sent for address in one["recipients"]]
        assert len(recipients) == len(set(recipients)) == FOUND
        assert set(recipients) <= {contact["email"] for contact in served.contacts}

        again = run(Mode.LIVE, "second", approvals=str(LEADS / "policy.toml"))
        assert again.exit_code == 0
        assert len(served.contacts) == before + FOUND, "filed once"
        assert len(served.sent) == FOUND, "written to once"
        kept = [path.read_bytes() for path in desk.rglob("*") if path.is_file()]
        assert not [secret for secret in secrets(served) for data in kept if secret.encode() in data]


def test_a_mailbox_that_refuses_takes_the_leads_back(monkeypatch: pytest.MonkeyPatch) -> None:
    with services(monkeypatch, Refusing()) as served:
        before = served.crm.digest()
        result = run(Mode.LIVE, "out")
        assert result.exit_code == 1
        found = steps(result)
        assert found["ROLLED_BACK"] == FOUND
        assert found["FAILED"] >= 1
        assert served.crm.digest() == before, "equal to the byte"
        assert served.crm.layer.counts.effects == 2 * FOUND, "they were there in between"
        assert served.sent == []
