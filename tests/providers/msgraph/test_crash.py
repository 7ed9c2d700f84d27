"""A process that dies while a mail is being sent, and the run that goes on: one mail, and the truth told."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from buddy.journal.events import Resolved
from e2e import some_runs as runs
from providers.msgraph.bench import COLLEAGUE, Served, served

MAIL = {"to": [COLLEAGUE], "subject": "Hello", "body": "Are you in on Friday?"}
POLICY = '[[rules]]\ndecision = "approve"\n'


def buddy(graph: Served, folder: Path, *words: str) -> "subprocess.Popen[str]":
    clean = {name: value for name, value in os.environ.items() if not name.startswith("BUDDY_")}
    given = {"BUDDY_MSGRAPH_TOKEN": graph.simulator.token(), "BUDDY_MSGRAPH_BASE_URL": graph.url}
    env = {**clean, **given, "BUDDY_HOME": str(folder / "home")}
    (folder / "policy.toml").write_text(POLICY)
    command = [sys.executable, "-m", "buddy", *words, "--approvals", str(folder / "policy.toml")]
    return subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


@pytest.mark.parametrize(("fault", "sent"), [("stall", 0), ("stall-after", 1)])
def test_a_run_that_was_killed_at_the_order_to_send_goes_on_and_sends_one_mail(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: str, sent: int
) -> None:
    plan, out = tmp_path / "plan.json", tmp_path / "out"
    plan.write_text(json.dumps(runs.plan({"send": {"tool": "msgraph.send", "args": MAIL}})))
    with served() as graph:
        orders: list[Any] = []

        def kind(scope: Any, writes: bool) -> str:
            if scope["path"].endswith("/send"):
                orders.append(scope)
            return fault if scope["path"].endswith("/send") and len(orders) == 1 else ""

        monkeypatch.setattr(graph.simulator.layer, "_kind", kind)
        first = buddy(graph, tmp_path, "run", str(plan), "--mode", "live", "--out", str(out))
        until = time.monotonic() + 30
        while not orders and first.poll() is None and time.monotonic() < until:
            time.sleep(0.02)
        first.kill()
        told, _ = first.communicate()
        assert len(orders) == 1, told
        assert len(graph.sent) == sent

        again = buddy(graph, tmp_path, "resume", str(out))
        told, _ = again.communicate(timeout=60)
        assert again.returncode == 0, told
        assert len(graph.sent) == 1
    monkeypatch.setenv("BUDDY_HOME", str(tmp_path / "home"))
    (resolved,) = runs.records(out, Resolved)
    assert (resolved.event.happened, resolved.event.by) == (bool(sent), "probe")
    assert runs.wrong(out) == []
