"""Strategies and schedules of a fleet against the lower bound, one line a graph and number of agents.

Each cell is makespan / lower bound in virtual time, where the bound is the larger of the critical path and
the work shared evenly: what no schedule can beat, worked out here and not by the code that is measured. All
tasks succeed and last as long as estimated, unless the graph says otherwise, so that the numbers repeat.

`--scale` measures the seconds that a run takes by the number of tasks instead, in processes of their own.

Graphs are folders of predictions; without any it takes those of the shared data (BUDDY_DATA), and generated
ones of the same shapes where that is not there.
"""

import argparse
import json
import math
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from buddy import ExecutionConfig, wiring
from buddy.model.fleet import AssignmentStrategy

REPO = Path(__file__).parents[1]
DATA = Path(os.environ.get("BUDDY_DATA") or REPO.parent / "shared" / "data") / "dags"
SHAPES = {"chain of stages": (12, 4), "fan-out": (2, 150), "pyramid": (8, 40), "wide levels": (4, 200)}
"""Name -> levels and tasks of the widest."""


def generated(folder: Path) -> Iterator[Path]:
    """Write graphs of several shapes and yield their folders."""
    for name, (levels, widest) in SHAPES.items():
        rng = random.Random(name)
        place = folder / name.replace(" ", "-")
        place.mkdir()
        tasks: list[dict[str, object]] = []
        above: list[str] = []
        for level in range(levels):
            width = widest if name != "pyramid" else max(1, widest >> level)
            here = [f"t{level}_{number}" for number in range(width)]
            for task in here:
                needs = sorted(rng.sample(above, min(2, len(above))))
                seconds = round(rng.lognormvariate(3, 1), 2)
                tasks.append(
                    {
                        "task_id": task,
                        "predicted_success_rate": 1.0,
                        "depends_on": needs,
                        "estimated_duration_s": seconds,
                    }
                )
            above = here
        (place / "predicted_tasks.jsonl").write_text("".join(f"{json.dumps(task)}\n" for task in tasks))
        yield place


def lower_bound(folder: Path, agents: int) -> tuple[int, float]:
    """Return the number of tasks of a graph, and the seconds below which no schedule comes."""
    tasks = {}
    for line in (folder / "predicted_tasks.jsonl").read_text().splitlines():
        task = json.loads(line)
        tasks[task["task_id"]] = task
    ends: dict[str, float] = {}
    waiting = list(tasks)
    while waiting:
        later = []
        for name in waiting:
            needs = tasks[name].get("depends_on", ())
            if all(need in ends for need in needs):
                ends[name] = max((ends[need] for need in needs), default=0.0) + seconds(tasks[name])
            else:
                later.append(name)
        waiting = later
    return len(tasks), max(max(ends.values()), sum(map(seconds, tasks.values())) / agents)


def seconds(task: dict[str, float]) -> float:
    """Return the estimated seconds of a task."""
    return float(task.get("estimated_duration_s", 1.0))


def makespan(folder: Path, agents: int, strategy: AssignmentStrategy, schedule: str, out: Path) -> float:
    """Run a graph and return its makespan in virtual seconds."""
    config = ExecutionConfig(
        clock="virtual",
        num_agents=agents,
        assignment_strategy=strategy,
        schedule=schedule,  # type: ignore[arg-type] - one of the two
        output_dir=str(out),
    )
    found = wiring.run([str(folder)], [], config, granted_by="bench")
    assert found.fleet is not None
    if found.exit_code:
        print(f"{folder.name}: {found.reason}", file=sys.stderr)
    return float(found.fleet["makespan_s"])


def wide(folder: Path, tasks: int, levels: int = 25) -> Path:
    """Write a graph of so many tasks in levels, each of which needs two of the level above."""
    rng = random.Random(tasks)
    folder.mkdir()
    width = tasks // levels
    with (folder / "predicted_tasks.jsonl").open("w") as file:
        for number in range(tasks):
            above = number // width - 1
            needs = (
                {f"t{rng.randrange(above * width, (above + 1) * width)}" for _ in "12"} if above >= 0 else ()
            )
            task = {
                "task_id": f"t{number}",
                "predicted_success_rate": round(rng.uniform(0.9, 1.0), 3),
                "depends_on": sorted(needs),
                "estimated_duration_s": round(rng.expovariate(1 / 30), 2),
            }
            file.write(json.dumps(task) + "\n")
    return folder


def scale(sizes: list[int], agents: int) -> None:
    """Print seconds by number of tasks and schedule, and the exponent that fits them."""
    print(f"{'tasks':>9}{'agents':>8}{'continuous s':>14}{'waves s':>10}")
    found: dict[str, list[tuple[float, float]]] = {"continuous": [], "waves": []}
    for size in sizes:
        with tempfile.TemporaryDirectory(prefix="buddy-bench-") as temporary:
            folder = wide(Path(temporary) / "graph", size)
            for schedule, points in found.items():
                words = ["run", str(folder), "--agents", str(agents), "--clock", "virtual", "--seed", "1"]
                words += [
                    "--schedule",
                    schedule,
                    "--out",
                    f"{temporary}/{schedule}",
                    "--set",
                    "on_failure=continue",
                ]
                began = time.perf_counter()
                done = subprocess.run(
                    [str(Path(sys.executable).with_name("buddy")), *words],
                    env={**os.environ, "BUDDY_HOME": f"{temporary}/home"},
                    capture_output=True,
                    check=False,
                )
                if done.returncode not in (0, 1):
                    sys.exit(done.stderr.decode())
                points.append((math.log(size), math.log(time.perf_counter() - began)))
        last = [math.exp(points[-1][1]) for points in found.values()]
        print(f"{size:>9,}{agents:>8}{last[0]:>14.2f}{last[1]:>10.2f}", flush=True)
    if len(sizes) > 1:
        slopes = [statistics.linear_regression(*zip(*points, strict=True)).slope for points in found.values()]
        print(f"{'exponent':>17}{slopes[0]:>14.2f}{slopes[1]:>10.2f}")


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folders", metavar="FOLDER", nargs="*", type=Path)
    parser.add_argument("--agents", type=int, nargs="+", default=[4, 16])
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    parser.add_argument(
        "--scale", type=int, nargs="*", metavar="TASKS", help="by number of tasks, on 64 agents"
    )
    args = parser.parse_args()
    if args.scale is not None:
        scale(args.scale or [10_000, 30_000, 100_000], 64)
        return
    columns = [(s, k) for k in ("continuous", "waves") for s in AssignmentStrategy]
    with tempfile.TemporaryDirectory(prefix="buddy-bench-") as temporary:
        os.environ["BUDDY_HOME"] = f"{temporary}/home"
        shipped = sorted(path.parent for path in DATA.glob("*/predicted_tasks.jsonl"))
        folders = args.folders or shipped or list(generated(Path(temporary)))
        rows = []
        for folder in folders:
            for agents in args.agents:
                tasks, bound = lower_bound(folder, agents)
                row = {"graph": folder.name, "tasks": tasks, "agents": agents, "bound_s": round(bound, 3)}
                for number, (strategy, schedule) in enumerate(columns):
                    out = Path(temporary) / f"{folder.name}-{agents}-{number}"
                    row[f"{schedule} {strategy.value}"] = round(
                        makespan(folder, agents, strategy, schedule, out) / bound, 4
                    )
                rows.append(row)
    if args.json:
        print(json.dumps(rows, indent=2))
        return
    print(f"{'':30}{'':>14}{'':>12}  continuous                waves")
    short = {
        "ROUND_ROBIN": "turns",
        "LOAD_BALANCED": "load",
        "PRIORITY_BASED": "priority",
        "CONFIDENCE_BASED": "confid.",
    }
    names = "".join(f"{short[strategy.value]:>9}" for strategy, _ in columns)
    print(f"{'graph':24}{'tasks':>6}{'agents':>7}{'bound s':>12}{names}")
    for row in rows:
        cells = "".join(f"{row[f'{schedule} {strategy.value}']:>9.3f}" for strategy, schedule in columns)
        name = str(row["graph"])[:23]
        print(f"{name:24}{row['tasks']:>6}{row['agents']:>7}{row['bound_s']:>12,.1f}{cells}")


if __name__ == "__main__":
    main()
