"""Nothing writes in DRY_RUN, whatever the client does; MOCK opens no socket."""

import asyncio
import contextlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from buddy.adapters.providers.base.api import real_transport
from buddy.adapters.providers.base.errors import Captured
from buddy.adapters.providers.base.transport import ModeTransport
from buddy.adapters.providers.msgraph.allowed import ALLOWED
from buddy.adapters.providers.msgraph.client import GraphClient
from buddy.adapters.providers.msgraph.once import SentOnce
from buddy.model.mode import Mode
from providers.msgraph.bench import COLLEAGUE, OWNER, Served

METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "post", "MERGE", "TRACE"]
PARTS = [
    *("me", "users", "OWNER", "messages", "ID", "mailFolders", "inbox", "send", "sendMail", "reply", "move"),
    *("createReply", "permanentDelete", "$count", "..", ".", "", "%2e%2e", "a b", "oauth2", "v2.0", "token"),
]
ENDS = [
    *("", "/", "?$top=1", "//", "/?x=/oauth2/v2.0/token"),
    *("/../t/oauth2/v2.0/token", "/t%2Foauth2%2Fv2.0%2Ftoken"),
]


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    method=st.sampled_from(METHODS),
    start=st.sampled_from(["/v1.0/me", "/v1.0", "", "/_sim", "/v1.0/me/messages/ID"]),
    parts=st.lists(st.sampled_from(PARTS), max_size=4),
    end=st.sampled_from(ENDS),
    headers=st.dictionaries(
        st.sampled_from(["X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override", "If-Match"]),
        st.sampled_from(["DELETE", "PATCH", "*"]),
        max_size=1,
    ),
    body=st.sampled_from([None, {"isRead": True}, {"destinationId": "archive"}, {"comment": "x"}]),
)
def test_no_request_of_a_fuzzed_client_writes_in_dry_run(
    one_server: Served,
    method: str,
    start: str,
    parts: list[str],
    end: str,
    headers: dict[str, str],
    body: Any,
) -> None:
    graph = one_server
    before = graph.simulator.digest()
    path = (
        "/".join([start, *parts])
        .replace("ID", graph.inbox()[0])
        .replace("OWNER", "alex.rivera@contoso.example")
    )
    signed = {"Authorization": f"Bearer {graph.simulator.token()}", **headers}

    async def go() -> None:
        guard = ModeTransport(Mode.DRY_RUN, real=SentOnce(real_transport()), allow=ALLOWED)
        async with httpx.AsyncClient(transport=guard) as http:
            with contextlib.suppress(Captured):
                await http.request(method, f"{graph.base}{path}{end}", json=body, headers=signed)

    asyncio.run(go())
    assert graph.simulator.layer.counts.writes == 0
    assert graph.simulator.digest() == before


async def test_no_method_of_the_client_writes_in_dry_run(graph: Served) -> None:
    first = graph.inbox()[0]
    client = graph.client(Mode.DRY_RUN)
    writes = {
        "create_draft": lambda: client.create_draft([COLLEAGUE], "s", "b"),
        "send_email": lambda: client.send_email([COLLEAGUE], "s", "b"),
        "order_to_send": lambda: client.order_to_send(first),
        "reply_to_message": lambda: client.reply_to_message(first, "b"),
        "read_message": lambda: client.read_message(first),
        "delete_message": lambda: client.delete_message(first),
        "move_message": lambda: client.move_message(first, "archive"),
        "purge_message": lambda: client.purge_message(first),
    }
    for write in writes.values():
        with pytest.raises(Captured):
            await write()
    box = graph.simulator.store.open(OWNER, "")
    draft = box.id_of(box.add({"subject": "d"}, "drafts"), lasting=True)
    with pytest.raises(Captured):
        await client.send_draft(draft)
    reads = {
        "test_connection": client.test_connection,
        "get_messages": client.get_messages,
        "search_messages": lambda: client.search_messages("x"),
        "get_message": lambda: client.get_message(first),
        "find_by_key": lambda: client.find_by_key("x"),
        "folder_id": lambda: client.folder_id("inbox"),
    }
    for read in reads.values():
        await read()
    other = {"again", "is_open", "sync", "send_draft"}
    ours = {name for name in vars(GraphClient) if not name.startswith("_")} - other
    assert ours == writes.keys() | reads.keys()
    assert graph.simulator.layer.counts.writes == 0


WATCHED = """
import sys, socket
def hook(event, args):
    outside = event == "socket.__new__" and args[1] != socket.AF_UNIX
    if outside or event in ("socket.getaddrinfo", "socket.connect"):
        sys.stderr.write(f"SOCKET {event} {args!r}\\n")
sys.addaudithook(hook)
from buddy.interfaces.cli.main import main
sys.exit(main(sys.argv[1:]))
"""


def test_mock_opens_no_internet_socket_and_needs_nothing_configured(tmp_path: Path) -> None:
    mail = {"to": [COLLEAGUE], "subject": "Hello", "body": "Are you in?"}
    first, made = {"$from": "list", "path": "/messages/0/id"}, {"$from": "draft", "path": "/id"}
    steps: dict[str, Any] = {
        "test": {"tool": "msgraph.test_connection"},
        "list": {"tool": "msgraph.list"},
        "search": {"tool": "msgraph.search", "args": {"query": "dental"}},
        "get": {"tool": "msgraph.get", "args": {"message_id": first}},
        "draft": {"tool": "msgraph.draft", "args": mail},
        "send": {"tool": "msgraph.send", "args": mail},
        "order": {"tool": "msgraph.send_draft", "args": {"message_id": made}},
        "reply": {"tool": "msgraph.reply", "args": {"message_id": first, "body": "Yes."}},
        "mark": {"tool": "msgraph.mark_read", "args": {"message_id": first}},
        "bin": {"tool": "msgraph.delete", "args": {"message_id": first}},
    }
    told = {name: {"agent": "a", "confidence": 0.95, **step} for name, step in steps.items()}
    file = tmp_path / "plan.json"
    file.write_text(json.dumps({"plan_id": "p", "steps": told}))
    clean = {name: value for name, value in os.environ.items() if not name.startswith("BUDDY_")}
    clean |= {"BUDDY_HOME": str(tmp_path / "home")}
    words = ["run", str(file), "--out", str(tmp_path / "out")]
    done = subprocess.run(
        [sys.executable, "-c", WATCHED, *words], env=clean, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "SOCKET" not in done.stderr
    assert f"SUCCEEDED {len(steps)}" in done.stdout
