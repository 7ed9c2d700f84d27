"""DRY_RUN never writes, whatever the client does; MOCK opens no socket; secrets stay where they are."""

import asyncio
import contextlib
import logging
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from buddy.adapters.providers.base import serving
from buddy.adapters.providers.base.api import Bearer, real_transport
from buddy.adapters.providers.base.errors import Captured, ProviderError
from buddy.adapters.providers.base.faults import Faults
from buddy.adapters.providers.base.simulator import Simulator
from buddy.adapters.providers.base.transport import ModeTransport
from buddy.adapters.providers.gohighlevel.client import Account, GoHighLevelClient
from buddy.adapters.providers.gohighlevel.simulator.app import simulator
from buddy.adapters.providers.gohighlevel.wire import READS, SIGNS_IN
from buddy.interfaces.cli.main import main
from buddy.model.mode import Mode
from providers.desk import environment


@pytest.fixture(scope="module")
def served() -> Iterator[tuple[Simulator, str]]:
    sim = simulator(8, contacts=3, limit=(0, 1.0))
    with serving.running(sim) as url:
        yield sim, url


METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "post", "TRACE", "PROPFIND"]
PARTS = [
    "contacts",
    "search",
    "duplicate",
    "upsert",
    "bulk",
    "tags",
    "ID",
    "notes",
    "..",
    ".",
    "",
    "%2e%2e",
    "a b",
    "oauth",
]


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    method=st.sampled_from(METHODS),
    parts=st.lists(st.sampled_from(PARTS), max_size=5),
    end=st.sampled_from(["", "/", "?x=1", "//", "/?contactId=1"]),
    headers=st.dictionaries(
        st.sampled_from(["X-HTTP-Method-Override", "X-Method-Override", "X-Other"]),
        st.sampled_from(["DELETE", "PUT", "GET"]),
        max_size=1,
    ),
    body=st.sampled_from([None, {"city": "Rome"}, {"locationId": "L"}]),
)
def test_no_request_of_a_fuzzed_client_writes_in_dry_run(
    served: tuple[Simulator, str], method: str, parts: list[str], end: str, headers: dict[str, str], body: Any
) -> None:
    sim, url = served
    before, written = sim.digest(), sim.layer.counts.writes
    contact = sim.state()["contacts"][0]["id"]
    path = "/" + "/".join(contact if part == "ID" else part for part in parts)
    signed = {"Version": "v3", "Authorization": f"Bearer {sim.greeting(url)['token']}", **headers}

    async def go() -> None:
        guard = ModeTransport(Mode.DRY_RUN, real=real_transport(), allow=READS + SIGNS_IN)
        async with httpx.AsyncClient(transport=guard) as http:
            with contextlib.suppress(Captured):
                await http.request(method, f"{url}{path}{end}", json=body, headers=signed)

    asyncio.run(go())
    assert sim.digest() == before
    signs_in = sim.layer.counts.by["POST /oauth/token"]
    assert sim.layer.counts.writes - signs_in <= written


def test_no_method_of_the_client_writes_in_dry_run_and_each_write_is_captured(
    served: tuple[Simulator, str],
) -> None:
    sim, url = served
    sim.reset()
    greeting = sim.greeting(url)
    known = Account(base_url=url, location_id=greeting["location_id"], auth=Bearer(greeting["token"]))
    client = GoHighLevelClient(known, mode=Mode.DRY_RUN).sync
    contact = sim.state()["contacts"][0]["id"]
    before = sim.digest()
    writes = {
        "create_contact": ("POST", "/contacts/", lambda: client.create_contact(email="a@b.example")),
        "upsert_contact": ("POST", "/contacts/upsert", lambda: client.upsert_contact(email="a@b.example")),
        "update_contact": (
            "PUT",
            f"/contacts/{contact}",
            lambda: client.update_contact(contact, city="Rome"),
        ),
        "delete_contact": ("DELETE", f"/contacts/{contact}", lambda: client.delete_contact(contact)),
    }
    for method, path, call in writes.values():
        with pytest.raises(Captured) as stopped:
            call()
        assert (stopped.value.request.method, stopped.value.request.url) == (method, f"{url}{path}")
    reads = {
        "get_contact": lambda: client.get_contact(contact),
        "search_contact": lambda: client.search_contact(email="a@b.example"),
        "list_contacts": lambda: client.list_contacts(limit=1),
        "test_connection": client.test_connection,
    }
    for call in reads.values():
        call()
    ours = {
        name for name in vars(GoHighLevelClient) if not name.startswith("_") and name not in ("bound", "sync")
    }
    assert ours == writes.keys() | reads.keys()
    assert (sim.digest(), sim.layer.counts.writes) == (before, 0)


# MOCK

PLAN: dict[str, Any] = {
    "plan_id": "p",
    "agent_assignments": {"a": ["make", "change", "find", "list", "drop"]},
    "steps": {
        "make": {"tool": "gohighlevel.create_contact", "args": {"email": "a@b.example"}},
        "change": {
            "tool": "gohighlevel.update_contact",
            "args": {"contact_id": {"$from": "make", "path": "/contact/id"}, "city": "Rome"},
        },
        "find": {"tool": "gohighlevel.search_contact", "args": {"email": "a@b.example"}},
        "list": {"tool": "gohighlevel.list_contacts"},
        "drop": {
            "tool": "gohighlevel.delete_contact",
            "args": {"contact_id": {"$from": "make", "path": "/contact/id"}},
        },
    },
    "agents": {"a": {"permissions": ["crm.read", "crm.write", "crm.delete"]}},
}
WATCHED = """
import sys, socket
def hook(event, args):
    if event == "socket.__new__" and args[1] not in (socket.AF_UNIX,):
        sys.stderr.write(f"SOCKET {args[1]!r}\\n")
    if event in ("socket.getaddrinfo", "socket.connect"):
        sys.stderr.write(f"SOCKET {event} {args!r}\\n")
sys.addaudithook(hook)
from buddy.interfaces.cli.main import main
sys.exit(main(sys.argv[1:]))
"""


def bare(home: Path) -> dict[str, str]:
    """An environment in which nothing is configured."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("BUDDY_")}
    clean.pop("DRY_RUN", None)
    return {**clean, "BUDDY_HOME": str(home)}


@pytest.fixture
def plan(tmp_path: Path) -> Path:
    file = tmp_path / "plan.json"
    file.write_bytes(msgspec.json.encode(PLAN))
    return file


@pytest.mark.parametrize("clock", ["real", "virtual"])
def test_mock_opens_no_internet_socket_and_needs_nothing_configured(
    plan: Path, tmp_path: Path, clock: str
) -> None:
    words = ["run", str(plan), "--out", str(tmp_path / "out"), "--clock", clock]
    done = subprocess.run(
        [sys.executable, "-c", WATCHED, *words], env=bare(tmp_path / "home"), capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "SOCKET" not in done.stderr
    assert "SUCCEEDED 5" in done.stdout


def test_mock_gives_the_same_bytes_in_virtual_time(plan: Path, tmp_path: Path) -> None:
    journals = []
    for number in (1, 2):
        out = tmp_path / f"out-{number}"
        subprocess.run(
            [sys.executable, "-m", "buddy", "run", str(plan), "--out", str(out), "--clock", "virtual"],
            env=bare(tmp_path / "home"),
            capture_output=True,
            check=True,
        )
        journals.append((out / "journal.jsonl").read_bytes())
    assert journals[0] == journals[1]


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
def test_the_kernel_sees_no_internet_socket_in_mock(plan: Path, tmp_path: Path) -> None:
    log = tmp_path / "strace.log"
    command = [sys.executable, "-m", "buddy", "run", str(plan), "--out", str(tmp_path / "out")]
    done = subprocess.run(
        ["strace", "-f", "-qq", "-e", "trace=socket,connect", "-o", str(log), *command],
        env=bare(tmp_path / "home"),
        capture_output=True,
        text=True,
    )
    if "PTRACE" in done.stderr or "not permitted" in done.stderr:
        pytest.skip("this machine lets nobody trace")
    assert done.returncode == 0, done.stderr
    assert re.findall(r".*AF_INET.*", log.read_text("utf-8")) == []


# secrets


def test_no_secret_is_in_anything_that_is_written(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Canaries in each place where one can be, errors of every kind, and then a search through all output."""
    caplog.set_level(logging.DEBUG)
    sure = {**PLAN, "confidence_scores": dict.fromkeys(PLAN["steps"], 0.95), "on_failure": "continue"}
    text = msgspec.json.encode(sure).decode()
    plan = tmp_path / "plan.json"
    sim = simulator(8, contacts=3, limit=(0, 0.1))
    with serving.running(sim) as url:
        right = environment(sim, url, tmp_path / "home")
        canaries = [
            right["BUDDY_GOHIGHLEVEL_TOKEN"],
            "canary-wrong-token",
            "canary-client-secret",
            "canary-refresh",
        ]
        app = {"CLIENT_ID": "canary-id", "CLIENT_SECRET": canaries[2], "REFRESH_TOKEN": canaries[3]}
        oauth = {**right, **{f"BUDDY_GOHIGHLEVEL_{name}": value for name, value in app.items()}}
        del oauth["BUDDY_GOHIGHLEVEL_TOKEN"]
        wrong = {**right, "BUDDY_GOHIGHLEVEL_TOKEN": canaries[1]}
        turns = [(right, kind) for kind in ("", "401", "400", "cut-after")]
        for number, (environ, kind) in enumerate([*turns, (wrong, ""), (oauth, "")]):
            sim.layer.set(Faults(rates={kind: 1.0} if kind else {}, on="writes", most=2))
            plan.write_text(text.replace("a@b.example", f"{number}@b.example"))  # else they are duplicates
            with monkeypatch.context() as around:
                for name in [name for name in os.environ if name.startswith("BUDDY_")]:
                    around.delenv(name)
                for name, value in environ.items():
                    around.setenv(name, value)
                main(["run", str(plan), "--mode", "live", "--out", str(tmp_path / f"out-{number}")])
                main(["providers", "check", "--json"])
    shown = capsys.readouterr()
    everything = [shown.out, shown.err, caplog.text, *files(tmp_path)]
    for expected in ("AuthError", "InvalidRequest", "Uncertain"):
        assert any(expected in text for text in everything), f"{expected} was told"
    for canary in canaries:
        assert [text[:200] for text in everything if canary in text] == []


def files(folder: Path) -> list[str]:
    return [one.read_bytes().decode("utf-8", "replace") for one in folder.rglob("*") if one.is_file()]


def test_what_the_service_says_of_a_secret_is_redacted(tmp_path: Path) -> None:
    sim = simulator(8, contacts=1)
    token = sim.greeting("")["token"]
    client = GoHighLevelClient(simulator=sim, mode=Mode.LIVE)
    with pytest.raises(ProviderError) as failure:
        client.sync.get_contact(token)  # an id that happens to be the token comes back in the vendor's words
    assert token not in str(failure.value)
    assert token not in str(failure.value.raw)
    assert "***" in str(failure.value)
