"""What an execution in the sandbox costs, beside a Python process of its own in the same run.

The reference is `python3 -I -c pass` of the interpreter that Buddy's own environment was made from, and
bubblewrap around it where that is installed. Exits with 1 where a ratio is missed.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from buddy.adapters.sandbox import Sandbox
from buddy.adapters.sandbox.execution import Execution
from buddy.adapters.sandbox.worker import Child

WORK = """
total = 0
for number in range({count}):
    total += number * number % 7
total
"""
SMALL = "sum(range(10))"
BASE = os.path.realpath(sys.executable)


def timed(what: Callable[[], object]) -> float:
    """Return how many seconds something takes."""
    started = time.perf_counter()
    what()
    return time.perf_counter() - started


def spread(seconds: list[float]) -> tuple[float, float]:
    """Return the median and the 99th percentile in milliseconds."""
    ordered = sorted(seconds)
    return ordered[len(ordered) // 2] * 1000, ordered[int(len(ordered) * 0.99)] * 1000


def process(*command: str) -> Callable[[], object]:
    """Return what runs a command and waits for its end."""
    return lambda: subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL)


def bubblewrap() -> Callable[[], object] | None:
    """Return what runs the reference in bubblewrap, None where there is none or it may not."""
    program = shutil.which("bwrap")
    if program is None:
        return None
    run = process(
        program, "--unshare-all", "--ro-bind", "/", "/", "--tmpfs", "/tmp", BASE, "-I", "-c", "pass"
    )
    try:
        run()
    except subprocess.CalledProcessError:
        return None
    return run


def throughput(box: Sandbox, threads: int, seconds: float) -> float:
    """Return executions a second with so many callers."""
    until = time.perf_counter() + seconds

    def call() -> int:
        done = 0
        while time.perf_counter() < until:
            assert box.execute(SMALL).value == 45
            done += 1
        return done

    with ThreadPoolExecutor(threads) as pool:
        started = time.perf_counter()
        total = sum(future.result() for future in [pool.submit(call) for _ in range(threads)])
        return total / (time.perf_counter() - started)


def cpu_bound(box: Sandbox, count: int, rounds: int) -> tuple[float, float]:
    """Return the best seconds of a loop inside and outside, in turns."""
    code = WORK.format(count=count)
    clock = "time.perf_counter()"
    program = f"import time\nstarted = {clock}\n{code}\nprint({clock} - started)"
    inside, outside = [], []
    for _ in range(rounds):
        said = subprocess.run([BASE, "-I", "-c", program], check=True, capture_output=True, text=True)
        outside.append(float(said.stdout))
        result = box.execute(code, timeout_s=60)
        assert result.ok, result
        inside.append(result.usage.cpu_s)
    return min(inside), min(outside)


def lateness(box: Sandbox, times: int) -> list[float]:
    """Return how many seconds after their deadline hanging executions were gone."""
    late = []
    for _ in range(times):
        late.append(timed(lambda: box.execute("while True: pass", timeout_s=0.05)) - 0.05)
    return late


def private_kb(box: Sandbox) -> int:
    """Return the KB of memory that an execution has to itself at its end."""
    found: list[int] = []

    def look(child: Child) -> None:
        pid = Path(f"/proc/self/fdinfo/{child.pidfd}").read_text().split("Pid:")[1].split()[0]
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
        found.append(sum(int(line.split()[1]) for line in lines if line.startswith("Private_")))

    def begun(execution: Execution) -> None:
        threading.Timer(0.2, look, [execution._child]).start()

    box._execute("import json, time\nx = json.dumps(list(range(100)))\ntime.sleep(0.4)", None, None, begun)
    return found[0]


def main() -> int:
    """Measure everything and print it as a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=1000, help="executions that are timed one by one")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    args = parser.parse_args()
    python = process(BASE, "-I", "-c", "pass")
    wrapped = bubblewrap()
    rows: dict[str, tuple[float, float]] = {}
    with Sandbox(workers=2) as box:
        for _ in range(20):
            box.execute(SMALL)
        rows["sandbox, hot"] = spread([timed(lambda: box.execute(SMALL)) for _ in range(args.count)])
        rows["python3 -I -c pass"] = spread([timed(python) for _ in range(args.count // 5)])
        if wrapped is not None:
            rows["bwrap python3 -I -c pass"] = spread([timed(wrapped) for _ in range(args.count // 5)])
        rate = throughput(box, 2, 5.0)
        inside, outside = cpu_bound(box, 3_000_000, 5)
        late = spread(lateness(box, 50))
        private = private_kb(box)
        isolation = box.isolation.value
    hot, reference = rows["sandbox, hot"], rows["python3 -I -c pass"]
    figures = [
        ("p50, of the reference", hot[0] / reference[0], 1 / 12),
        ("p99, of the reference", hot[1] / reference[1], 1 / 4),
        ("seconds for 300 executions, 2 workers", 300 / rate, 1.0),
        ("CPU-bound code, inside / outside", inside / outside, 1.10),
        ("ms after the deadline, p99", late[1], 50.0),
        ("MB private to an execution", private / 1024, 4.0),
    ]
    if args.json:
        print(json.dumps({"rows": rows, "figures": figures, "per_s": rate, "isolation": isolation}))
    else:
        print(f"{'isolation: ' + isolation:<42}{'p50 ms':>10}{'p99 ms':>10}")
        for name, (middle, high) in rows.items():
            print(f"{name:<42}{middle:>10.2f}{high:>10.2f}")
        print(f"\n{'executions a second, 2 workers':<42}{rate:>10.0f}")
        print(f"\n{'':<42}{'measured':>10}{'at most':>10}")
        for name, measured, most in figures:
            print(f"{name:<42}{measured:>10.3f}{most:>10.3f}{'' if measured <= most else '   MISSED'}")
    return int(any(measured > most for _, measured, most in figures))


if __name__ == "__main__":
    sys.exit(main())
