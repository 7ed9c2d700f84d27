"""`buddy simulate`, `buddy providers check`, and the built-in tools in the catalogue."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from buddy.adapters.providers.base import serving
from buddy.adapters.providers.gohighlevel.simulator.app import simulator
from buddy.interfaces.cli.main import main
from providers.desk import environment


@pytest.fixture(autouse=True)
def _nothing_configured(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in [name for name in os.environ if name.startswith("BUDDY_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("BUDDY_HOME", str(tmp_path / "home"))


def document(capsys: pytest.CaptureFixture[str], *words: str, code: int = 0) -> Any:
    assert main([*words, "--json"]) == code
    return json.loads(capsys.readouterr().out)


def told(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert main(words) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "Traceback" not in shown.err
    return shown.err


# simulate


@pytest.fixture
def served() -> Iterator[subprocess.Popen[str]]:
    words = ["simulate", "gohighlevel", "--seed", "4", "--faults", "503=1", "--latency", "1-2"]
    server = subprocess.Popen(
        [sys.executable, "-m", "buddy", *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    yield server
    server.kill()
    server.communicate()


def test_a_simulator_says_in_one_line_what_a_client_needs_and_ends_on_a_signal(
    served: subprocess.Popen[str],
) -> None:
    assert served.stdout is not None
    greeting = json.loads(served.stdout.readline())
    assert greeting == {**simulator(4).greeting(greeting["base_url"])}
    assert httpx.get(greeting["base_url"] + "/contacts/x", trust_env=False).status_code == 503
    served.send_signal(signal.SIGTERM)
    out, err = served.communicate(timeout=10)
    assert (out, "Traceback" in err) == ("", False)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["nothing"], "expected one of gohighlevel"),
        (["gohighlevel", "--faults", "teapot=1"], "--faults: expected seeds, none, lag=SECONDS or KIND=RATE"),
        (["gohighlevel", "--latency", "soon"], "--latency: expected milliseconds"),
        (["gohighlevel", "--latency", "9-3"], "--latency: expected milliseconds"),
        (["gohighlevel", "--port", "70000"], "expected an address to listen at"),
        (["gohighlevel", "--host", "203.0.113.9"], "expected an address to listen at"),
        (["gohighlevel", "--port", "x"], "expected a whole number"),
    ],
)
def test_what_cannot_be_served_is_said_in_a_sentence(
    capsys: pytest.CaptureFixture[str], words: list[str], sentence: str
) -> None:
    assert sentence in told(capsys, "simulate", *words)


# providers check


def test_nothing_configured_is_said_and_is_no_failure(capsys: pytest.CaptureFixture[str]) -> None:
    [found] = [one for one in document(capsys, "providers", "check") if one["provider"] == "gohighlevel"]
    assert found["configured"] is False
    assert found["reachable"] is None
    assert "BUDDY_GOHIGHLEVEL_TOKEN" in found["problem"]
    assert main(["providers", "check"]) == 0
    shown = capsys.readouterr()
    assert "missing" in shown.out
    assert "BUDDY_GOHIGHLEVEL_LOCATION_ID" in shown.err


@pytest.mark.parametrize(
    ("change", "code", "found"),
    [
        (
            {},
            0,
            {
                "reachable": True,
                "token_valid": True,
                "scopes": {"contacts.readonly": True, "contacts.write": None},
            },
        ),
        ({"TOKEN": "wrong"}, 1, {"reachable": True, "token_valid": False}),
        ({"LOCATION_ID": "another"}, 1, {"reachable": True, "token_valid": True}),
        ({"BASE_URL": "http://127.0.0.1:9"}, 1, {"reachable": False, "token_valid": None}),
    ],
)
def test_each_provider_is_looked_at_by_reading_alone(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    change: dict[str, str],
    code: int,
    found: dict[str, Any],
) -> None:
    sim = simulator(4)
    with serving.running(sim) as url:
        for name, value in environment(sim, url, tmp_path / "home").items():
            monkeypatch.setenv(name, value)
        for name, value in change.items():
            monkeypatch.setenv(f"BUDDY_GOHIGHLEVEL_{name}", value)
        [one] = [
            one
            for one in document(capsys, "providers", "check", code=code)
            if one["provider"] == "gohighlevel"
        ]
    assert one | found == one
    assert one["configured"] is True
    assert bool(one["problem"]) == bool(code)
    assert sim.layer.counts.writes == 0


# the catalogue


def test_the_built_in_tools_come_after_those_of_files_and_can_be_overridden(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    file = tmp_path / "t.toml"
    file.write_text(
        '[tools.mine]\nrisk = "LOW"\neffect = "read"\n[tools."gohighlevel.delete_contact"]\ntimeout_s = 5\n'
    )
    listed = document(capsys, "tools", "list", "--tools", str(file))
    names = [one["name"] for one in listed]
    assert names[0] == "mine"
    assert {"gohighlevel.create_contact", "gohighlevel.search_contact"} <= set(names)
    [overridden] = [one for one in listed if one["name"] == "gohighlevel.delete_contact"]
    assert (overridden["timeout_s"], overridden["risk"], "undo" in overridden["handlers"]) == (
        5.0,
        "HIGH",
        True,
    )
    assert document(capsys, "tools", "validate", "--tools", str(file))["tools"] == ["mine"]


def test_a_tool_of_ones_own_cannot_take_the_name_of_a_built_in_one(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    file = tmp_path / "mine.py"
    file.write_text(
        "from buddy import tool\n\n"
        '@tool(name="gohighlevel.get_contact", risk="LOW", effect="read")\n'
        'def get(contact_id: str) -> dict:\n    "Mine."\n    return {}\n'
    )
    assert "expected one tool gohighlevel.get_contact" in told(
        capsys, "tools", "validate", "--tools", str(file)
    )


def test_the_catalogue_imports_nothing_of_the_extra() -> None:
    code = (
        "import sys; from buddy.interfaces.cli.main import main; main(['tools', 'list', '--json']);"
        "heavy = {'httpx', 'starlette', 'uvicorn', 'stamina', 'msal'};"
        "print({name.split('.')[0] for name in sys.modules} & heavy, file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "set()"


WITHOUT = """
import asyncio, sys
sys.modules["httpx"] = None
from buddy.model.mode import Mode
from buddy.wiring.offered import offered
from buddy.wiring.providers import get_gohighlevel_client, simulate
from providers.desk import context
tool = {one.name: one for one in offered({})}["gohighlevel.test_connection"]
calls = (
    lambda: asyncio.run(tool.mock({}, context(Mode.MOCK))),
    lambda: simulate("gohighlevel", host="", port=0, seed=0, faults="", latency="0", say=print),
    get_gohighlevel_client,
)
for call in calls:
    try:
        call()
    except Exception as problem:
        print(type(problem).__name__, problem)
"""


def test_without_the_extra_each_way_in_names_it_and_the_catalogue_is_whole() -> None:
    tests = Path(__file__).parents[1]
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT],
        env={**os.environ, "PYTHONPATH": str(tests)},
        capture_output=True,
        text=True,
        timeout=30,
    )
    lines = done.stdout.splitlines()
    assert [line.split()[0] for line in lines] == ["ExtraMissing", "BadInput", "BadInput"], done.stderr
    assert all("pip install 'buddy-control[providers]'" in line for line in lines)
