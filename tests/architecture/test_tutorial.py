"""The tutorial is followed to the letter."""

import json
import re
import shlex
from pathlib import Path

import pytest

from architecture.pages import text
from buddy.interfaces.cli.main import main

PAGE = text("tutorial.md")
FENCE = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)
BLOCKS = dict(FENCE.findall(PAGE))
COMMANDS = re.findall(r"^    (buddy .+)$", PAGE, re.MULTILINE)


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BUDDY_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("DRY_RUN", raising=False)
    (tmp_path / "contacts.py").write_text(BLOCKS["python"])
    (tmp_path / "plan.json").write_text(BLOCKS["json"])
    return tmp_path


def lines(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def test_the_tutorial(desk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = iter(COMMANDS)
    contacts = desk / "contacts.json"

    def follow(start: str) -> tuple[int, str]:
        command = next(said)
        assert command.startswith(start)
        code = main(shlex.split(command)[1:])
        return code, capsys.readouterr().out

    code, out = follow("buddy check")
    assert code == 0
    assert re.search(r"\bada\b.*\bLIVE\b", out)
    assert re.search(r"\bbob\b.*\bDRY_RUN\b.*\bconfidence\b", out)

    assert follow("buddy run plan.json --tools contacts.py --out rehearsal")[0] == 0
    assert follow("buddy run plan.json --tools contacts.py --mode dry-run")[0] == 0
    assert any(line.get("preview") for line in lines(desk / "dry" / "tool_execution_log.jsonl"))
    assert not contacts.exists()

    assert follow("buddy run plan.json --tools contacts.py --mode live --out live")[0] == 0
    assert json.loads(contacts.read_text()) == {"ada@example.com": "Ada"}
    code, out = follow("buddy explain live ada")
    assert code == 0
    assert all(rung in out for rung in ("MOCK", "DRY_RUN", "LIVE"))

    assert follow("buddy run plan.json --tools contacts.py --mode live --out again")[0] == 1
    found = json.loads((desk / "again" / "tool_conflicts.json").read_text())
    assert [conflict["type"] for conflict in found["conflicts"]] == ["DUPLICATE_ACTION"]
    steps = json.loads((desk / "again" / "orchestration_summary.json").read_text())["steps"]
    assert (steps["by_status"]["FAILED"], steps["by_status"]["SKIPPED"]) == (1, 1)

    assert follow("buddy rollback live")[0] == 1
    assert json.loads(contacts.read_text()) == {}
    undone = lines(desk / "live" / "rollback_events.jsonl")
    assert [(line["result"], line["verified"]) for line in undone] == [("RESTORED_EXACT", True)]

    assert follow("buddy verify live")[0] == 0
    journal = desk / "live" / "journal.jsonl"
    journal.write_text(journal.read_text("utf-8").replace("Ada", "Eve", 1), "utf-8")
    assert main(["verify", "live"]) == 1
    assert next(said, None) is None
