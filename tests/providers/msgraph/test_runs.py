"""Mail in whole runs: rehearsed with nothing configured, approved, undone, in doubt, and without a secret."""

import asyncio
import os
from pathlib import Path
from typing import Any

import httpx
import pytest

from buddy import ExecutionConfig, Harness, Mode, wiring
from buddy.adapters.providers.msgraph import account, operations
from buddy.interfaces.harness import HarnessRun
from buddy.journal.events import Outcome, Resolved
from e2e import some_runs as runs
from providers.msgraph.bench import COLLEAGUE, Served, Wrong

MAIL = {"to": [COLLEAGUE], "subject": "Hello", "body": "Are you in on Friday?"}
CANARY = "canary-7d1f0c"


@pytest.fixture(autouse=True)
def _home(graph: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("BUDDY_")]:
        monkeypatch.delenv(name)
    runs.settle_in(tmp_path, monkeypatch.setenv)
    monkeypatch.setattr(operations, "PAUSE_S", 0.01)


@pytest.fixture
def configured(graph: Served, monkeypatch: pytest.MonkeyPatch) -> Served:
    monkeypatch.setenv("BUDDY_MSGRAPH_TOKEN", graph.simulator.token())
    monkeypatch.setenv("BUDDY_MSGRAPH_BASE_URL", graph.url)
    return graph


def steps(graph: Served) -> dict[str, Any]:
    first, second = graph.inbox()[:2]
    return {
        "read": {"tool": "msgraph.list", "args": {"limit": 3}},
        "draft": {"tool": "msgraph.draft", "args": MAIL},
        "mark": {"tool": "msgraph.mark_read", "args": {"message_id": first}},
        "bin": {"tool": "msgraph.delete", "args": {"message_id": second}},
    }


SEND = {"tool": "msgraph.send_draft", "args": {"message_id": {"$from": "draft", "path": "/id"}}}


async def run(folder: Path, plan: dict[str, Any], mode: Mode = Mode.LIVE, approve: bool = True) -> HarnessRun:
    config = ExecutionConfig(mode=mode, output_dir=str(folder / "out"), max_retries=0)
    desk = Harness(config, approval_callback=lambda tool, confidence: approve, granted_by="ada")
    return await desk.run(plan)


def written(folder: Path) -> dict[Path, bytes]:
    """What every file holds but those with the credentials themselves."""
    files = [file for file in folder.rglob("*") if file.is_file() and "credentials" not in file.parts]
    return {file: file.read_bytes() for file in files}


async def test_a_plan_is_rehearsed_with_nothing_configured(graph: Served, tmp_path: Path) -> None:
    done = await run(tmp_path, runs.plan({**steps(graph), "send": SEND}), Mode.MOCK)
    assert done.exit_code == 0, done.reason
    assert graph.simulator.layer.counts.requests == 0


async def test_a_plan_in_dry_run_reads_for_real_and_writes_nothing(
    configured: Served, tmp_path: Path
) -> None:
    before = configured.simulator.digest()
    done = await run(tmp_path, runs.plan({**steps(configured), "send": SEND}), Mode.DRY_RUN)
    assert done.exit_code == 0, done.reason
    assert configured.simulator.layer.counts.requests > 0
    assert configured.simulator.layer.counts.writes == 0
    assert configured.simulator.digest() == before


async def test_a_plan_is_done_after_approval_and_its_mail_sent_once(
    configured: Served, tmp_path: Path
) -> None:
    done = await run(tmp_path, runs.plan({**steps(configured), "send": SEND}))
    assert done.exit_code == 0, done.reason
    assert [one.recipients for one in configured.sent] == [(COLLEAGUE,)]
    assert runs.wrong(tmp_path / "out") == []


async def test_nothing_is_sent_where_somebody_says_no(configured: Served, tmp_path: Path) -> None:
    done = await run(
        tmp_path, runs.plan({"draft": {"tool": "msgraph.draft", "args": MAIL}, "send": SEND}), approve=False
    )
    assert done.exit_code == 1
    assert configured.sent == []


def test_a_rollback_leaves_the_mailbox_as_it_was_to_the_byte(configured: Served, tmp_path: Path) -> None:
    before = configured.simulator.digest()
    done = asyncio.run(run(tmp_path, runs.plan(steps(configured))))
    assert done.exit_code == 0, done.reason
    assert configured.simulator.digest() != before
    wiring.rollback(str(tmp_path / "out"), [], by="ada")
    assert configured.simulator.digest() == before
    assert runs.wrong(tmp_path / "out") == []


@pytest.mark.parametrize(("fault", "sent"), [("cut-after", 1), ("cut-before", 0), ("504", 0)])
@pytest.mark.parametrize("tool", ["msgraph.send", "msgraph.reply", "msgraph.send_draft"])
async def test_a_send_in_doubt_is_recorded_unknown_and_the_probe_finds_the_truth(
    configured: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tool: str, fault: str, sent: int
) -> None:
    wrong, real = Wrong(fault, "POST", "/send"), account.real_transport
    monkeypatch.setattr(account, "real_transport", lambda: wrong.over(real()))
    args = {
        "msgraph.send": MAIL,
        "msgraph.reply": {"message_id": configured.inbox()[0], "body": "Yes."},
        "msgraph.send_draft": {"message_id": ""},
    }[tool]
    if tool == "msgraph.send_draft":
        args = {"message_id": (await configured.client().create_draft(**MAIL))["id"]}
    done = await run(tmp_path, runs.plan({"send": {"tool": tool, "args": args}}))
    assert wrong.hit == 1
    assert len(configured.sent) == sent
    (outcome,) = runs.records(tmp_path / "out", Outcome)
    assert outcome.event.outcome.value == "unknown"
    (resolved,) = runs.records(tmp_path / "out", Resolved)
    assert (resolved.event.happened, resolved.event.by) == (bool(sent), "probe")
    assert done.exit_code == (0 if sent else 1)
    assert runs.wrong(tmp_path / "out") == []


async def test_no_secret_is_in_anything_that_is_written(
    graph: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    greeting = graph.simulator.greeting(graph.base)
    for name in ("base_url", "login_url", "tenant_id", "client_id", "client_secret", "mailbox"):
        monkeypatch.setenv(f"BUDDY_MSGRAPH_{name.upper()}", greeting[name])
    real, secrets = account.real_transport, {greeting["client_secret"], greeting["token"], CANARY}

    class Echo(httpx.AsyncBaseTransport):
        """Refuses a move with a body that repeats everything that was sent, and a planted token."""

        def __init__(self) -> None:
            self._inner = real()

        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            sent = request.headers.get("authorization", "")
            secrets.add(sent.removeprefix("Bearer "))
            if not request.url.path.endswith("/move"):
                return await self._inner.handle_async_request(request)
            told = f"{sent} client_secret={greeting['client_secret']} refresh_token={CANARY}"
            return httpx.Response(
                400, json={"error": {"code": "Echo", "message": told}, "access_token": CANARY}
            )

        async def aclose(self) -> None:
            await self._inner.aclose()

    monkeypatch.setattr(account, "real_transport", Echo)
    with caplog.at_level("DEBUG"):
        done = await run(tmp_path, runs.plan(steps(graph)))
    assert done.exit_code == 1
    assert "Echo" in (tmp_path / "out" / "journal.jsonl").read_text()
    secrets.discard("")
    assert len(secrets) == 4
    kept = written(tmp_path)
    assert len(kept) > 5
    for secret in secrets:
        assert [file for file in kept if secret.encode() in kept[file]] == []
        assert secret not in caplog.text
