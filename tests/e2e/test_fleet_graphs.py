"""Graphs of tasks that nobody here wrote, as fleets of four agents in virtual time."""

import json
import os
from collections import defaultdict
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from buddy import ExecutionConfig, wiring
from buddy.model.plan import ScheduleKind

DATA = Path(os.environ.get("BUDDY_DATA", Path(__file__).parents[3] / "shared" / "data")) / "dags"
AGENTS = 4
MOST = {
    "hic": 1.02,
    "cutandrun": 1.02,
    "viralrecon": 1.02,
    "airrflow": 1.02,
    "montage": 1.02,
    "cycles": 1.02,
    "taxprofiler": 1.25,
    "epigenomics": 1.45,
    "soykb": 1.55,
    "bwa": 1.40,
}
"""Graph -> makespan / lower bound that a good list scheduler reaches."""
GRAPHS = sorted(path.parent for path in DATA.glob("*/predicted_tasks.jsonl"))

pytestmark = pytest.mark.skipif(not GRAPHS, reason="no real graphs here")


def tasks_of(graph: Path) -> dict[str, dict[str, Any]]:
    lines = (graph / "predicted_tasks.jsonl").read_text().splitlines()
    return {task["task_id"]: task for line in lines for task in [json.loads(line)]}


def levels_of(tasks: dict[str, dict[str, Any]]) -> dict[str, int]:
    """One after the last of what a task depends on, worked out by going round until nothing changes."""
    levels = dict.fromkeys(tasks, 1)
    changed = True
    while changed:
        changed = False
        for name, task in tasks.items():
            level = 1 + max((levels[need] for need in task["depends_on"]), default=0)
            changed = changed or level != levels[name]
            levels[name] = level
    return levels


def longest_first(seconds: list[float]) -> float:
    """How long four agents take who always take the longest task that is left."""
    loads = [0.0] * AGENTS
    for length in sorted(seconds, reverse=True):
        loads[loads.index(min(loads))] += length
    return max(loads)


def simulate(
    graph: Path, out: Path, schedule: ScheduleKind, monkeypatch: pytest.MonkeyPatch
) -> dict[str, Any]:
    monkeypatch.setenv("BUDDY_HOME", str(out.parent / "home"))
    monkeypatch.delenv("DRY_RUN", raising=False)
    config = ExecutionConfig(output_dir=str(out), num_agents=AGENTS, schedule=schedule, clock="virtual")
    run = wiring.run([str(graph)], [], config, granted_by="test")
    assert run.exit_code == 0
    assert run.fleet is not None
    assert list(wiring.verify(str(out)).violations) == []
    return run.fleet


def executed(out: Path) -> dict[str, dict[str, Any]]:
    lines = [
        line for file in out.glob("wave_*/*/executed_tasks.jsonl") for line in file.read_text().splitlines()
    ]
    found = {task["task_id"]: task for line in lines for task in [json.loads(line)]}
    assert len(found) == len(lines)
    return found


@pytest.mark.parametrize("schedule", ["continuous", "waves"])
@pytest.mark.parametrize("graph", GRAPHS, ids=lambda graph: graph.name.partition("-")[0])
def test_a_graph_is_done_in_order_and_in_time(
    graph: Path, schedule: ScheduleKind, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fleet = simulate(graph, tmp_path / "out", schedule, monkeypatch)
    tasks, done = tasks_of(graph), executed(tmp_path / "out")
    assert done.keys() == tasks.keys()
    for name, task in tasks.items():
        assert all(done[need]["end_time"] <= done[name]["start_time"] for need in task["depends_on"])
    by_agent = defaultdict(list)
    for task in done.values():
        by_agent[task["agent_id"]].append((task["start_time"], task["end_time"]))
    assert len(by_agent) <= AGENTS
    for spans in by_agent.values():
        spans.sort()
        assert all(before[1] <= after[0] for before, after in pairwise(spans))

    about = json.loads((graph / "about.json").read_text())
    assert fleet["lower_bound_s"] == pytest.approx(about["lower_bound_4_agents_s"], abs=1e-5)
    assert fleet["makespan_s"] >= fleet["lower_bound_s"] - 1e-3
    if schedule == "continuous":
        assert fleet["makespan_over_lower_bound"] <= MOST[graph.name.partition("-")[0]]
    else:
        levels = levels_of(tasks)
        sizes = defaultdict(list)
        for name, task in tasks.items():
            sizes[levels[name]].append(task["estimated_duration_s"])
        assert fleet["makespan_s"] <= 1.05 * sum(map(longest_first, sizes.values()))
        report = (tmp_path / "out" / "PHASE_21_AUTONOMOUS_EXECUTION.md").read_text()
        assert "| of that, cost of waiting for the end of waves |" in report


def test_a_simulation_repeats_to_the_byte(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written = []
    for turn in ("one", "two"):
        out = tmp_path / turn / "out"
        out.parent.mkdir()
        simulate(GRAPHS[0], out, "waves", monkeypatch)
        files = sorted(path for path in out.rglob("*") if path.is_file())
        written.append({str(path.relative_to(out)): path.read_bytes() for path in files})
    assert written[0] == written[1]
