"""Schemathesis over the description that the Graph simulator publishes."""

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip(
    "schemathesis", reason="schemathesis is not installed; it comes with the group conformance"
)

from buddy.adapters.providers.msgraph.simulator.openapi import document
from providers.msgraph.bench import Served, served

CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"
OWNER = "alex.rivera@contoso.example"
PROGRAM = Path(sys.executable).with_name("schemathesis")


def messages(graph: Served) -> list[str]:
    """Give the mailbox enough messages and drafts that some are there to the end."""
    for number in range(120):
        graph.simulator.deliver(OWNER, f"Mail {number}", "Hello", "dana@northwind.example")
    box = graph.simulator.store.open(OWNER, "")
    draft = {"subject": "A draft", "toRecipients": [box.as_recipient]}
    drafts = [box.id_of(box.add(draft, "drafts"), lasting=True) for _ in range(120)]
    return [*graph.inbox(), *drafts]


def with_what_is_there(published: dict[str, Any], ids: list[str]) -> dict[str, Any]:
    """Return the description with the values that its parameters have here, for the signed-in person."""
    known = {
        "item": ids,
        "folder": ["inbox", "drafts", "nowhere"],
        "destinationId": ["archive", "inbox", "x"],
    }
    whole: dict[str, Any] = json.loads(json.dumps(published))
    whole["paths"] = {path: of for path, of in whole["paths"].items() if path.startswith("/v1.0/me")}
    for operation in (one for of in whole["paths"].values() for one in of.values()):
        for parameter in operation["parameters"]:
            if parameter["name"] in known:
                parameter["schema"] = {"enum": known[parameter["name"]]}
        body = operation.get("requestBody", {"content": {}})["content"]
        for content in body.values():
            properties = content["schema"].get("properties", {})
            if "destinationId" in properties:
                properties["destinationId"] = {"enum": known["destinationId"]}
    return whole


def test_schemathesis_finds_no_server_error_and_no_undocumented_answer(tmp_path: Path) -> None:
    with served(limit=(1_000_000, 1.0)) as graph:
        ids = messages(graph)
        file = tmp_path / "openapi.json"
        file.write_text(json.dumps(with_what_is_there(document(OWNER, ids[0]), ids)))
        command = [
            *(str(PROGRAM), "run", str(file), "--url", graph.base),
            *("--header", f"Authorization: Bearer {graph.simulator.token()}"),
            *("--checks", CHECKS, "--phases", "fuzzing", "--max-examples", "10", "--warnings", "off"),
            *("--generation-deterministic", "--continue-on-failure"),
        ]
        done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False, cwd=tmp_path)
        assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
        answers = Counter(status for _, _, status in graph.simulator.layer.counts.log)
        assert {200, 201, 202, 204, 400, 404} <= answers.keys(), "every kind of answer was reached"
        assert graph.sent, "mails were sent"
