"""The default install, without the packages of the extra: all is listed, and what is missing is named."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

WITHOUT = """
import sys
for name in ("httpx", "starlette", "uvicorn", "msal", "stamina", "jinja2", "playwright"):
    sys.modules[name] = None
from buddy.interfaces.cli.main import main
raise SystemExit(main(sys.argv[1:]))
"""
INSTALL = "install it with `pip install 'buddy-control[providers]'`"


def buddy(home: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    env = {"PATH": os.environ["PATH"], "BUDDY_HOME": str(home / "home")}
    command = [sys.executable, "-c", WITHOUT, *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, env=env, cwd=home)


def test_the_tools_are_listed(tmp_path: Path) -> None:
    said = buddy(tmp_path, "tools", "list", "--json")
    names = {tool["name"] for tool in json.loads(said.stdout)}
    assert {"gohighlevel.create_contact", "msgraph.send", "mployer.login", "browser.navigate"} <= names


@pytest.mark.parametrize("name", ["gohighlevel", "msgraph", "mployer"])
def test_a_simulator_names_what_it_needs(tmp_path: Path, name: str) -> None:
    said = buddy(tmp_path, "simulate", name)
    assert (said.returncode, said.stdout) == (2, "")
    assert said.stderr.startswith(f"buddy: {name} needs the package ")
    assert INSTALL in said.stderr


def test_a_step_names_what_it_needs_and_the_others_go_on(tmp_path: Path) -> None:
    steps = {
        "mail": {"tool": "msgraph.list", "args": {}},
        "code": {"tool": "python.execute", "args": {"code": "1 + 1"}},
    }
    plan = {
        "plan_id": "p",
        "order": "parallel",
        "on_failure": "continue",
        "agent_assignments": {"a": ["mail"], "b": ["code"]},
        "execution_order": ["mail", "code"],
        "confidence_scores": dict.fromkeys(steps, 0.9),
        "steps": steps,
    }
    (tmp_path / "plan.json").write_text(json.dumps(plan))
    said = buddy(tmp_path, "run", "plan.json", "--out", "out")
    assert said.returncode == 1, said.stderr
    told = buddy(tmp_path, "explain", "out", "mail").stdout
    assert INSTALL in " ".join(told.split())
    summary = json.loads((tmp_path / "out" / "orchestration_summary.json").read_text())
    assert summary["steps"]["by_status"]["SUCCEEDED"] == 1
