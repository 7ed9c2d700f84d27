"""What the pages about fleets show is tried: the folders are valid, the commands do what is told of them."""

import json
import re
import shlex
from pathlib import Path

import pytest

from architecture.pages import text
from buddy.adapters.inputs.predictions import SCHEDULE, TASKS, read_folder
from buddy.core.fleet import Crew
from buddy.core.standing import FIT, OUT, AgentStatus, after_wave
from buddy.interfaces.cli.main import main

FENCE = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)
GUIDE = text("how-to/run-a-fleet.md")
COMMANDS = re.findall(r"^    (buddy .+)$", GUIDE, re.MULTILINE)
SHOWN = [body for language, body in FENCE.findall(GUIDE) if language == "text"]
SCRIPT, TOOLS = [body for language, body in FENCE.findall(GUIDE) if language == "python"]


def lines(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BUDDY_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("DRY_RUN", raising=False)
    return tmp_path


def test_the_example_of_predictions_is_valid(tmp_path: Path) -> None:
    page = text("reference/predictions.md")
    tasks, schedule = [body for language, body in FENCE.findall(page) if language == "jsonl"]
    (tmp_path / TASKS).write_text(tasks)
    (tmp_path / SCHEDULE).write_text(schedule)
    plan, _ = read_folder(tmp_path, "nightly", "nightly", Crew(agents=("agent_0", "agent_1")))
    waves = {step.step_id: step.task.wave for step in plan.steps if step.task is not None}
    assert waves == {"fetch_orders": 1, "fetch_stock": 1, "match": 3, "report": 4}
    assert plan.steps[0].agent == "agent_1"


@pytest.mark.usefixtures("desk")
def test_the_guide(desk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    exec(compile(SCRIPT, "run-a-fleet.md", "exec"), {})
    (desk / "pages.py").write_text(TOOLS)
    said = iter(COMMANDS)

    def follow(start: str) -> tuple[int, str]:
        command = next(said)
        assert command.startswith(start)
        code = main(shlex.split(command)[1:])
        return code, capsys.readouterr().out

    def is_shown(out: str, block: str) -> None:
        for line in block.splitlines():
            if not line.startswith(("ALERT", "run ")):
                assert line in out

    code, out = follow("buddy check pages")
    assert code == 0
    is_shown(out, SHOWN[0])
    code, out = follow("buddy run pages --clock virtual --out sim")
    assert code == 0
    is_shown(out, SHOWN[1])
    makespans = dict(re.findall(r"^\| (`\w+`, \w+) \| ([\d,]+) s \|$", GUIDE, re.MULTILINE))
    for start, row in (
        ("buddy run pages --clock virtual --schedule continuous", "`LOAD_BALANCED`, continuous"),
        ("buddy run pages --clock virtual --strategy ROUND_ROBIN", "`ROUND_ROBIN`, waves"),
    ):
        code, out = follow(start)
        assert code == 0
        found = re.search(r"^makespan +([\d.]+) s", out, re.MULTILINE)
        assert found is not None
        assert round(float(found[1])) == int(makespans[row])

    code, out = follow("buddy check pages --tools pages.py --mode live")
    assert code == 0
    is_shown(out, SHOWN[2])
    code, out = follow("buddy run pages --tools pages.py --mode live")
    assert code == 1
    is_shown(out, SHOWN[3])
    broken = [path.parent.name for path in (desk / "live").glob("wave_*/agent_2")]
    assert broken == ["wave_1"]
    assert len(lines(desk / "live" / "wave_1" / "agent_2" / "executed_tasks.jsonl")) == 3
    report = (desk / "live" / "PHASE_21_AUTONOMOUS_EXECUTION.md").read_text("utf-8")
    assert "Look at agent `agent_2` before the next run" in report
    assert follow("buddy breaker close agent:agent_2")[0] == 0
    assert next(said, None) is None


def test_standing_is_as_the_pages_tell() -> None:
    assert after_wave(FIT, 3, 1) == OUT
    assert (OUT.status, OUT.limit) == (AgentStatus.QUARANTINED, 1)
    standing, limits = OUT, []
    while standing.status is not AgentStatus.AVAILABLE:
        limits.append(standing.limit)
        standing = after_wave(standing, standing.limit or 0, standing.limit or 0)
    assert limits == [1, 2, 4, 8]
    for page in (GUIDE, text("explanation/fleet.md")):
        assert re.search(r"\| quarantined \| 1, a probe \|", page)
        assert re.search(r"\| failing \(on probation\) \| 2, (then )?4, (then )?8 \|", page)
