"""A run long enough for a scribe: the same outputs, the same proof, the same promise after a crash."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from buddy import wiring
from buddy.journal.events import BreakerMoved, Outcome
from buddy.projections.outputs import project
from buddy.wiring.folder import SCRIBE_FROM
from e2e import some_runs as runs
from e2e.some_tools import noted

MANY = SCRIBE_FROM // 4 + 10


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runs.settle_in(tmp_path, monkeypatch.setenv)


def document() -> dict[str, Any]:
    steps = {
        f"s{number}": {
            "tool": "put",
            "args": {"key": f"k{number}", "value": number},
            "agent": f"a{number % 8}",
        }
        for number in range(MANY)
    }
    agents = {f"a{number}": {"permissions": ["some.write"]} for number in range(8)}
    return runs.plan(steps, agents=agents)


def test_its_outputs_are_its_projections_and_it_is_verified(tmp_path: Path) -> None:
    run = runs.run(tmp_path, document(), max_live_escalations=8)
    assert run.exit_code == 0
    assert run.summary["steps"]["by_status"]["SUCCEEDED"] == MANY
    found = project(wiring.records(str(tmp_path / "out")))
    assert {name: (tmp_path / "out" / name).read_bytes() for name in found} == found
    assert runs.wrong(tmp_path / "out") == []


FAILING = """
from buddy import Preview, Risk, ToolError, tool

@tool(risk=Risk.MEDIUM, effect="write", undo="exact", permissions=["some.write"], resources=["record:{key}"])
async def fails(key: str) -> None:
    raise ToolError("no")

@fails.preview
async def _(key: str) -> Preview:
    return Preview()

@fails.undo
async def _(call, result) -> None:
    return None
"""


def test_its_breakers_open_at_the_third_failure_though_another_process_writes_its_outputs(
    tmp_path: Path,
) -> None:
    (tmp_path / "failing.py").write_text(FAILING)
    wanted = document()
    wanted["agents"]["b"] = {"permissions": ["some.write"]}
    wanted["steps"] |= {
        f"f{number}": {"tool": "fails", "args": {"key": f"f{number}"}, "agent": "b", "confidence": 0.95}
        for number in range(9)
    }
    path = tmp_path / "plan.json"
    path.write_text(json.dumps({**wanted, "on_failure": "continue"}))
    config = runs.live(tmp_path / "out", max_live_escalations=8, enable_rollback_on_failure=False)
    tools = [runs.TOOLS, str(tmp_path / "failing.py")]
    run = wiring.run([str(path)], tools, config, granted_by="ada")
    by_status = {status: steps for status, steps in run.summary["steps"]["by_status"].items() if steps}
    assert by_status == {"SUCCEEDED": MANY, "FAILED": 3, "HELD": 6}
    records = list(wiring.records(str(tmp_path / "out")))
    failed = [record.seq for record in records if isinstance(record.event, Outcome) and record.event.error]
    opened = [record for record in records if isinstance(record.event, BreakerMoved)]
    assert {record.event.subject for record in opened} == {"tool:fails", "agent:b"}
    assert opened[0].seq == failed[2] + 1
    assert runs.wrong(tmp_path / "out") == []


def test_killed_in_the_middle_it_is_resumed_and_nothing_happens_twice(tmp_path: Path) -> None:
    script = (
        "import json, sys\n"
        "from pathlib import Path\n"
        "from e2e import some_runs, test_long_run\n"
        "some_runs.run(Path(sys.argv[1]), test_long_run.document(), max_live_escalations=8)\n"
    )
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    with subprocess.Popen([sys.executable, "-c", script, str(tmp_path)], env=env) as process:
        end = time.monotonic() + 30
        while len(noted("put")) < 200:
            assert time.monotonic() < end
            assert process.poll() is None
            time.sleep(0.005)
        process.send_signal(signal.SIGKILL)
    again = runs.resume(tmp_path)
    assert again.exit_code in (0, 4)
    keys = [words[0] for words in noted("put")]
    assert len(keys) == len(set(keys))
    assert len(keys) + again.summary["steps"]["by_status"]["UNKNOWN"] >= MANY
    assert runs.wrong(tmp_path / "out") == []
