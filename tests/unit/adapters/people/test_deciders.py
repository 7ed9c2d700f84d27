"""Who answers at once, and who is told: policy files, callbacks, a real command and a real HTTP server."""

import asyncio
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from buddy.adapters.people import Around, Quiet, read_policy
from buddy.errors import BadInput
from buddy.model.approval import ApprovalRequest
from buddy.model.mode import Risk

REQUEST = ApprovalRequest(
    approval_id="ap_1", run_id="r", plan_id="p", step_id="s", tool="email.send", agent="ann",
    args={"to": "a@b.c"}, preview=None, risk=Risk.HIGH, reasons=("why",), binding="b", contract="c",
    requested_at="2026-01-01T00:00:00.000000+00:00", expires_at="2026-01-08T00:00:00.000000+00:00",
)  # fmt: skip


def written(path: Path) -> Any:
    for _ in range(200):
        if path.is_file() and path.read_text().endswith("}"):
            return json.loads(path.read_text())
        time.sleep(0.02)
    raise AssertionError("nobody was told")


def decided(around: Around) -> Any:
    return asyncio.run(around.decide(REQUEST, 0.9))


@pytest.mark.parametrize(
    ("answer", "yes"), [(True, True), (False, False), (1, False), ("yes", False), (None, False)]
)
def test_only_true_is_a_yes(answer: Any, yes: bool) -> None:
    assert decided(Around(Quiet(), callback=lambda tool, confidence: answer)).approve is yes


def test_a_callback_that_raises_denies_and_says_why() -> None:
    def broken(tool: str, confidence: float) -> bool:
        raise RuntimeError("no network")

    vote = decided(Around(Quiet(), callback=broken))
    assert not vote.approve
    assert "no network" in vote.reason


def test_a_policy_decides_before_the_callback_and_the_rest_waits(tmp_path: Path) -> None:
    path = tmp_path / "policy.toml"
    path.write_text('[[rules]]\ndecision = "deny"\ntool = "email.*"\nreason = "no mail"\n')
    assert decided(Around(Quiet(), policy=read_policy(path), callback=lambda *_: True)).reason == "no mail"
    path.write_text('[[rules]]\ndecision = "approve"\ntool = "crm.*"\n')
    assert decided(Around(Quiet(), policy=read_policy(path))) is None


@pytest.mark.parametrize(
    "text", ["rules = 3", '[[rules]]\ndecision = "maybe"\n', "[[rules]]\n", "][", "typo = 1"]
)
def test_a_policy_that_cannot_be_used_is_refused_with_its_name(text: str, tmp_path: Path) -> None:
    path = tmp_path / "policy.toml"
    path.write_text(text)
    with pytest.raises(BadInput, match=r"policy\.toml"):
        read_policy(path)
    with pytest.raises(BadInput, match="found nothing"):
        read_policy(tmp_path / "absent.toml")


def test_a_command_is_told_of_alerts_and_requests(tmp_path: Path) -> None:
    around = Around(Quiet(), on_alert=f"tee {tmp_path / 'alert'}", on_approval=f"tee {tmp_path / 'asked'}")
    around.alert("three failures")
    around.approval_requested(REQUEST)
    assert written(tmp_path / "alert") == {"alert": "three failures"}
    assert written(tmp_path / "asked")["approval_id"] == "ap_1"


def test_a_url_is_told_and_one_that_nobody_serves_harms_nothing() -> None:
    heard: list[Any] = []
    arrived = threading.Event()

    class Listener(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            heard.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(204)
            self.end_headers()
            arrived.set()

        def log_message(self, *_: Any) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Listener) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        Around(Quiet(), on_alert=f"http://127.0.0.1:{server.server_port}/hook").alert("stop")
        assert arrived.wait(10)
        server.shutdown()
        thread.join()
    assert heard == [{"alert": "stop"}]
    Around(Quiet(), on_alert="http://127.0.0.1:9/nobody").alert("stop")
    Around(Quiet(), on_alert="/no/such/command").alert("stop")
