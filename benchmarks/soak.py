"""A day of work in minutes, in one process: a million calls in MOCK, two hundred thousand LIVE no-ops.

The work comes in runs of a thousand calls, as plans of twenty steps or one by one from sixteen agents through
`harness.call`. Memory, descriptors and threads of the process and its children are sampled from outside. What
counts is whether they grow from run to run once the process is warm: the mean over the last fifth of the time
is set beside that over its second tenth.
"""

import argparse
import asyncio
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

RUN = 1_000
STEPS = 20
AGENTS = 16
FLAT = 1.10
FEWEST = 20
"""Samples of a process below which nobody can tell whether it grows."""
WORKLOADS = {"MOCK plans": 1_000_000, "LIVE plans": 100_000, "LIVE calls": 100_000}


class Sample(NamedTuple):
    """What a process and its children hold.

    Attributes:
        kb: resident memory.
        files: open descriptors.
        threads: of execution.
    """

    kb: int
    files: int
    threads: int


def tools() -> list[Any]:
    """Return the tool that does nothing."""
    from buddy import Preview, Restored, Risk, tool

    @tool(name="note", risk=Risk.MEDIUM, effect="write", undo="exact", resources=["page:{page}"])
    async def note(page: str, line: int) -> int:
        return line

    @note.preview
    async def _(page: str, line: int) -> Preview:
        return Preview(changes=[line])

    @note.undo
    async def _(call: Any, result: Any) -> Restored:
        return Restored(verified=True, exact=True)

    return [note]


def plans(first: int) -> list[dict[str, Any]]:
    """Return the plans of a run, whose calls nobody made before."""
    return [_plan(start) for start in range(first, first + RUN, STEPS)]


def _plan(first: int) -> dict[str, Any]:
    steps = {
        f"s{number}": {
            "tool": "note",
            "agent": f"agent_{number % AGENTS}",
            "confidence": 0.95,
            "args": {"page": f"p{number}", "line": number},
        }
        for number in range(first, first + STEPS)
    }
    return {"plan_id": f"plan_{first}", "order": "parallel", "steps": steps}


async def work(workload: str, calls: int, folder: Path) -> None:
    """Do the work, in this process."""
    from buddy import ExecutionConfig, Harness, Mode

    mode, kind = workload.split()
    for first in range(0, calls, RUN):
        out = folder / "out"
        config = ExecutionConfig(mode=Mode[mode], output_dir=str(out), max_live_escalations=64)
        harness = Harness(config, tools(), granted_by="soak")
        if kind == "plans":
            run = await harness.run(plans(first))
            assert run.summary["steps"]["settled"] == RUN, run.summary
        else:
            await asyncio.gather(
                *(agent(harness, n, range(first + n, first + RUN, AGENTS)) for n in range(AGENTS))
            )
            await harness.close()
        shutil.rmtree(out)


async def agent(harness: Any, name: int, numbers: range) -> None:
    """Make some calls, one after another."""
    for number in numbers:
        args = {"page": f"p{number}", "line": number}
        result = await harness.call(f"agent_{name}", "note", args, confidence=0.95)
        assert result.final_mode.name == "LIVE", result


def sampled(pid: int) -> Sample | None:
    """Look at a process and its children; None where it has ended."""
    found = []
    for one in [pid, *_children(pid)]:
        try:
            status = dict(
                line.split(":", 1)
                for line in Path(f"/proc/{one}/status").read_text().splitlines()
                if ":" in line
            )
            files = len(os.listdir(f"/proc/{one}/fd"))
            found.append(Sample(int(status["VmRSS"].split()[0]), files, int(status["Threads"])))
        except (OSError, KeyError):
            continue
    return Sample(*map(sum, zip(*found, strict=True))) if found else None


def _children(pid: int) -> list[int]:
    try:
        return [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


def soak(workload: str, calls: int, every_s: float) -> bool:
    """Do a workload in a process of its own and print how what it holds grows; returns whether it is flat."""
    with tempfile.TemporaryDirectory(prefix="buddy-soak-") as name:
        folder = Path(name)
        began = time.monotonic()
        process = subprocess.Popen(
            [sys.executable, __file__, "--here", workload, str(calls), name],
            env={**os.environ, "BUDDY_HOME": str(folder / "home")},
        )
        samples = []
        while process.poll() is None:
            sample = sampled(process.pid)
            if sample is not None:
                samples.append(sample)
            time.sleep(every_s)
        seconds = time.monotonic() - began
        assert process.returncode == 0, process.returncode
    count = len(samples)
    if count < FEWEST:
        sys.exit(
            f"{workload}: {count} samples in {seconds:.1f} s are too few of {FEWEST}; use a larger --share"
        )
    warm, late = samples[count // 10 : count // 5], samples[count * 4 // 5 : count - count // 20]
    before, after = statistics.fmean(one.kb for one in warm), statistics.fmean(one.kb for one in late)
    files = [max(one.files for one in part) for part in (warm, late)]
    threads = [max(one.threads for one in part) for part in (warm, late)]
    print(
        f"{workload:<12} {calls:>10,} {seconds:>8.0f} {before / 1024:>8.1f} {after / 1024:>8.1f}"
        f" {after / before:>7.3f} {files[0]:>6} {files[1]:>6} {threads[0]:>6} {threads[1]:>6}",
        flush=True,
    )
    return after <= FLAT * before and files[1] <= files[0] and threads[1] <= threads[0]


def main() -> None:
    """Soak and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--share", type=float, default=1.0, metavar="X", help="of the calls, for a look")
    parser.add_argument("--only", choices=WORKLOADS)
    parser.add_argument("--here", nargs=3, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.here:
        asyncio.run(work(args.here[0], int(args.here[1]), Path(args.here[2])))
        return
    print(
        f"{'workload':<12} {'calls':>10} {'seconds':>8} {'warm MB':>8} {'late MB':>8} {'ratio':>7}"
        f" {'files':>6} {'late':>6} {'thread':>6} {'late':>6}"
    )
    flat = [
        soak(workload, int(calls * args.share), 0.1 if args.share < 1 else 0.25)
        for workload, calls in WORKLOADS.items()
        if args.only in (None, workload)
    ]
    sys.exit(0 if all(flat) else 1)


if __name__ == "__main__":
    main()
