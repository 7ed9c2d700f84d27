"""Mail from the outside: the client that Python is handed, and the commands about providers."""

import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import httpx
import pytest

import buddy
from buddy.adapters.providers.base.errors import AuthError
from buddy.interfaces.cli.main import main
from providers.msgraph.bench import COLLEAGUE, OWNER, Served


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("BUDDY_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("BUDDY_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("DRY_RUN", raising=False)


def configure(graph: Served, monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    greeting = graph.simulator.greeting(graph.base)
    for name in ("base_url", "login_url", *names):
        monkeypatch.setenv(f"BUDDY_MSGRAPH_{name.upper()}", greeting[name])


def test_the_client_of_dry_run_is_a_simulators_and_keeps_what_it_did(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DRY_RUN", "true")
    client = buddy.get_msgraph_client().sync
    assert client.test_connection() == {"ok": True, "mailbox": OWNER, "messages": 5, "unread": 4}
    sent = client.send_email([COLLEAGUE], "Hello", "Are you in?")
    assert [one["id"] for one in client.get_messages(folder="sentitems")] == [sent["id"]]
    (first, *_) = client.search_messages("dental")
    client.read_message(first["id"])
    assert client.get_message(first["id"])["isRead"] is True
    assert client.delete_message(first["id"])["moved"] is True
    assert client.delete_message(first["id"])["moved"] is False
    client.reply_to_message(first["id"], "Dental is in.", everybody=True)
    assert len(client.get_messages()) == 4


def test_without_credentials_the_client_says_what_is_missing() -> None:
    with pytest.raises(AuthError, match="BUDDY_MSGRAPH_CLIENT_ID"):
        buddy.get_msgraph_client()


def test_the_client_of_credentials_is_the_services(graph: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    configure(graph, monkeypatch, "token")
    buddy.get_msgraph_client().sync.send_email([COLLEAGUE], "Hello", "Are you in?")
    assert [one.recipients for one in graph.sent] == [(COLLEAGUE,)]


def test_the_check_command_tells_what_it_found(
    graph: Served, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    configure(graph, monkeypatch, "tenant_id", "client_id", "client_secret", "mailbox")
    assert main(["providers", "check", "--json"]) == 0
    found = {one["provider"]: one for one in json.loads(capsys.readouterr().out)}["msgraph"]
    assert found["scopes"] == {"Mail.ReadWrite": True, "Mail.Send": True}
    monkeypatch.setenv("BUDDY_MSGRAPH_CLIENT_SECRET", "wrong")
    monkeypatch.setenv("BUDDY_HOME", os.environ["BUDDY_HOME"] + "-2")
    assert main(["providers", "check"]) == 1
    assert "AADSTS7000215" in capsys.readouterr().err


@pytest.mark.parametrize(("decision", "code"), [("allow", 0), ("deny", 2)])
def test_the_login_command_lets_a_person_sign_in(
    graph: Served,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    decision: str,
    code: int,
) -> None:
    configure(graph, monkeypatch, "tenant_id", "client_id")
    devices = graph.simulator._login._devices

    def decide() -> None:
        (device,) = devices.values()
        form = {"user_code": device.user_code, "account": COLLEAGUE, "decision": decision}
        httpx.post(f"{graph.base}/devicelogin", data=form)

    timer = threading.Timer(0.5, decide)
    timer.start()
    ended = main(["providers", "login", "msgraph"])
    timer.join()
    told = capsys.readouterr()
    assert "enter the code" in told.err
    assert (ended == 0) == (code == 0)
    if not code:
        assert told.out == "signed in to msgraph\n"
        assert buddy.get_msgraph_client().sync.get_messages() == []


def test_the_login_command_names_the_services_that_have_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["providers", "login", "gohighlevel"]) == 2
    assert "expected one of msgraph, found 'gohighlevel'" in capsys.readouterr().err


def test_a_platform_that_cannot_be_reached_is_told_in_a_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("BUDDY_MSGRAPH_CLIENT_ID", "mine")
    monkeypatch.setenv("BUDDY_MSGRAPH_LOGIN_URL", "http://127.0.0.1:9")
    assert main(["providers", "login", "msgraph"]) == 1
    told = capsys.readouterr().err
    assert told.startswith("buddy: msgraph: signing in failed: http://127.0.0.1:9: ")


def test_a_served_simulator_says_in_one_line_all_that_a_client_needs() -> None:
    words = [sys.executable, "-m", "buddy", "simulate", "msgraph", "--seed", "4", "--faults", "seeds"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            told: dict[str, Any] = json.loads(process.stdout.readline())
            headers = {"Authorization": f"Bearer {told['token']}"}
            with httpx.Client(headers=headers) as http:
                address = f"{told['base_url']}/me/messages?$top=1"
                answers = [http.get(address).status_code for _ in range(60)]
        finally:
            process.terminate()
    assert told["mailbox"] == OWNER
    assert set(answers) <= {200, 401, 404, 408, 429}
    assert len(set(answers)) > 1, "faults at the seeds' rates"
