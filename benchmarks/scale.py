"""Time and memory of `check` and of a MOCK run, by the number of steps; each in a process of its own.

Two plans: one in which 1 % of the steps are in conflict, and one in which all steps write one resource.
Memory is the peak above the start, and above that of a plan of one step: what every run needs is no matter
of steps.
"""

import argparse
import json
import math
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

SIZES = (1_000, 10_000, 100_000, 1_000_000)
AGENTS = 16
CATALOGUE = """[tools."crm.update"]
risk = "MEDIUM"
effect = "write"
undo = "exact"
permissions = ["crm.write"]
resources = ["contact:{contact}"]
"""


def write_plan(path: Path, steps: int, kind: str) -> None:
    """Write a parallel plan of so many steps.

    Args:
        path: where to.
        steps: how many.
        kind: `1 % conflicts` or `one resource`.
    """

    def contact(number: int) -> str:
        if kind == "one resource":
            return "c"
        return f"c{number - 1 if number % 200 == 1 and number > 1 else number}"

    def listed(numbers: range, form: str = '"s{n}"') -> str:
        return ",".join(form.format(n=n, contact=contact(n)) for n in numbers)

    everything = range(steps)
    step = '"s{n}":{{"tool":"crm.update","args":{{"contact":"{contact}","status":"{n}"}}}}'
    with path.open("w") as out:
        out.write('{"plan_id":"scale","order":"parallel","agent_assignments":{')
        out.write(",".join(f'"agent_{a}":[{listed(range(a, steps, AGENTS))}]' for a in range(AGENTS)))
        out.write('},"execution_order":[' + listed(everything) + '],"confidence_scores":{')
        out.write(listed(everything, '"s{n}":0.9') + '},"steps":{' + listed(everything, step) + "}}")


def memory_kb(field: str) -> int:
    """Return a figure of this process's memory, `VmRSS` or `VmHWM`, in KB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(field + ":"))


def measure_here(what: str, plan: str, tools: str, out: str) -> None:
    """Do it in this process and print seconds and peak memory above the start."""
    from buddy import ExecutionConfig, Mode, wiring

    # The peak that getrusage tells is that of the parent where this process was forked from a larger one.
    Path("/proc/self/clear_refs").write_text("5")
    start = memory_kb("VmRSS")
    began = time.perf_counter()
    if what == "check":
        found = wiring.check([plan], [tools], ExecutionConfig(mode=Mode.LIVE))
        count = sum(1 for _ in found.steps)
        extra = {"conflicts": len(found.conflicts)}
    else:
        run = wiring.run([plan], [tools], ExecutionConfig(output_dir=out), granted_by="bench")
        count, extra = run.summary["steps"]["settled"], {"exit": run.exit_code}
    seconds = time.perf_counter() - began
    peak = memory_kb("VmHWM") - start
    print(json.dumps({"seconds": seconds, "kb": peak, "count": count, **extra}))


def measure(what: str, kind: str, steps: int) -> dict[str, float]:
    """Measure one combination in a fresh process."""
    with tempfile.TemporaryDirectory(dir=os.environ.get("BENCH_DIR")) as name:
        folder = Path(name)
        write_plan(folder / "plan.json", steps, kind)
        (folder / "tools.toml").write_text(CATALOGUE)
        command = [
            sys.executable,
            __file__,
            "--here",
            what,
            str(folder / "plan.json"),
            str(folder / "tools.toml"),
            str(folder / "out"),
        ]
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            check=True,
            env={**os.environ, "BUDDY_HOME": str(folder / "home")},
        )
        found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
        assert found["count"] == steps, found
        return found


def exponent(points: list[tuple[int, float]]) -> float:
    """Return the exponent of time over steps: the slope of the least squares line through the logarithms."""
    if len(points) < 2:
        return math.nan
    logs = [(math.log(steps), math.log(seconds)) for steps, seconds in points]
    x, y = (statistics.fmean(column) for column in zip(*logs, strict=True))
    return sum((a - x) * (b - y) for a, b in logs) / sum((a - x) ** 2 for a, _ in logs)


def table(sizes: tuple[int, ...] = SIZES) -> None:
    """Measure everything and print it line by line; the exponent is that of all sizes so far."""
    print(
        f"{'what':<6} {'plan':<15} {'steps':>9} {'seconds':>8} {'us/step':>8} {'KB/step':>8} {'beyond 1':>8}"
        f" {'exponent':>8}"
    )
    for what in ("check", "run"):
        for kind in ("1 % conflicts", "one resource"):
            points: list[tuple[int, float]] = []
            least = measure(what, kind, 1)["kb"]
            for steps in sizes:
                found = measure(what, kind, steps)
                points.append((steps, found["seconds"]))
                print(
                    f"{what:<6} {kind:<15} {steps:>9,} {found['seconds']:>8.2f}"
                    f" {found['seconds'] / steps * 1e6:>8.1f} {found['kb'] / steps:>8.2f}"
                    f" {(found['kb'] - least) / (steps - 1):>8.2f} {exponent(points):>8.2f}",
                    flush=True,
                )


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--here", nargs=4)
    parser.add_argument("--most", type=int, default=SIZES[-1])
    chosen = parser.parse_args()
    if chosen.here:
        measure_here(*chosen.here)
    else:
        table(tuple(size for size in SIZES if size <= chosen.most))


if __name__ == "__main__":
    main()
