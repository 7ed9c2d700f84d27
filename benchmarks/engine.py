"""LIVE calls a second through the whole pipeline, beside a bare journal with two durable records a call.

The tool is a MEDIUM, non-idempotent, undoable write with a preview; claims and ledger are on, the live
budget is 64. The reference is a group commit as simple as it can be: many writers, one thread that writes
and calls fdatasync, two records of 400 bytes a call.
"""

import argparse
import asyncio
import gc
import json
import os
import resource
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from typing import Any

CALLS = 6_000


class BareJournal:
    """Group commit: records collect while the last fsync runs."""

    def __init__(self, path: Path) -> None:
        self.file = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_APPEND)
        self.buffer = bytearray()
        self.waiters: list[asyncio.Future[None]] = []
        self.flusher: asyncio.Task[None] | None = None
        self.executor = ThreadPoolExecutor(1)

    def durable(self, record: bytes) -> "asyncio.Future[None]":
        loop = asyncio.get_running_loop()
        self.buffer += record
        waiter: asyncio.Future[None] = loop.create_future()
        self.waiters.append(waiter)
        if self.flusher is None or self.flusher.done():
            self.flusher = loop.create_task(self.flush())
        return waiter

    def write(self, data: bytes) -> None:
        os.write(self.file, data)
        os.fdatasync(self.file)

    async def flush(self) -> None:
        loop = asyncio.get_running_loop()
        while self.buffer:
            data, waiters = bytes(self.buffer), self.waiters
            self.buffer, self.waiters = bytearray(), []
            await loop.run_in_executor(self.executor, self.write, data)
            for waiter in waiters:
                waiter.set_result(None)


async def bare(writers: int, calls: int, path: Path) -> float:
    """Return calls a second of the bare journal, in a file of its own."""
    journal = BareJournal(path)
    record = b"x" * 399 + b"\n"

    async def writer() -> None:
        for _ in range(calls // writers):
            await journal.durable(record)
            await journal.durable(record)

    started = time.perf_counter()
    await asyncio.gather(*(writer() for _ in range(writers)))
    return calls / (time.perf_counter() - started)


def plan(agents: int, calls: int) -> dict[str, Any]:
    """Return a plan in which each agent makes its share of the calls."""
    names = [f"agent_{number}" for number in range(agents)]
    steps = {
        f"s{n}": {"tool": "crm.update", "args": {"contact": f"c{n}", "status": "won"}} for n in range(calls)
    }
    return {
        "plan_id": "bench",
        "order": "parallel",
        "agent_assignments": {
            name: [f"s{n}" for n in range(calls) if n % agents == i] for i, name in enumerate(names)
        },
        "execution_order": list(steps),
        "confidence_scores": dict.fromkeys(steps, 0.95),
        "steps": steps,
    }


def tools() -> list[Any]:
    """Return the tool."""
    from buddy import Change, Preview, Restored, Risk, tool

    @tool(
        name="crm.update",
        risk=Risk.MEDIUM,
        effect="write",
        undo="exact",
        permissions={"crm.write"},
        resources=["contact:{contact}"],
    )
    async def update(contact: str, status: str) -> dict[str, Any]:
        return {"contact": contact, "before": "lead", "after": status}

    @update.preview
    async def _(contact: str, status: str) -> Preview:
        return Preview(changes=[Change(f"contact:{contact}", {"status": "lead"}, {"status": status})])

    @update.undo
    async def _(call: Any, result: Any) -> Restored:
        return Restored(verified=True)

    return [update]


def through_buddy(agents: int, calls: int, mode: str, folder: Path) -> float:
    """Return calls a second through the whole pipeline, from the first plan event to the last output.

    Finding the conflicts, which comes before the first event, is measured by the benchmark `scale`.
    """
    from buddy import ExecutionConfig, Harness, Mode

    config = ExecutionConfig(
        mode=Mode[mode], max_live_escalations=64, output_dir=str(folder / f"{mode}-{agents}")
    )
    run = Harness(config, tools()).run_sync(plan(agents, calls))
    assert run.exit_code == 0, run.summary["steps"]
    ended = time.time()
    last = Path(run.folder, "journal.jsonl").read_bytes().splitlines()[-1]
    at = datetime.fromisoformat(json.loads(last)["time"]).timestamp()
    return calls / (float(run.summary["duration_s"]) + ended - at)


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=CALLS)
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    chosen = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory(dir=os.environ.get("BENCH_DIR")) as name:
        folder = Path(name)
        os.environ["BUDDY_HOME"] = str(folder / "home")
        for agents in (1, 16, 64):
            calls = chosen.calls if agents > 1 else chosen.calls // 3
            pairs = []
            for turn in range(chosen.repeat):
                place = folder / f"{agents}-{turn}"
                place.mkdir()
                os.environ["BUDDY_HOME"] = str(place / "home")
                before = asyncio.run(bare(agents, calls * 4, place / "bare-before"))
                gc.collect()
                live = through_buddy(agents, calls, "LIVE", place)
                # On both sides of what is held against it: the disk changes from one moment to another.
                reference = (before + asyncio.run(bare(agents, calls * 4, place / "bare-after"))) / 2
                mock = through_buddy(agents, calls, "MOCK", place)
                pairs.append((live / reference, live, mock, reference))
            pairs.sort()
            ratio, live, mock, reference = pairs[len(pairs) // 2]
            rows.append(
                {
                    "agents": agents,
                    "bare_calls_s": round(reference),
                    "live_calls_s": round(live),
                    "mock_calls_s": round(mock),
                    "ratio": round(ratio, 3),
                }
            )
    if chosen.json:
        print(json.dumps(rows))
        return
    print(f"{'agents':>6} {'bare journal/s':>15} {'LIVE/s':>9} {'ratio':>7} {'MOCK/s':>9}")
    for row in rows:
        print(
            f"{row['agents']:>6} {row['bare_calls_s']:>15,} {row['live_calls_s']:>9,} {row['ratio']:>7}"
            f" {row['mock_calls_s']:>9,}"
        )
    print(
        f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB; Python"
        f" {sys.version.split()[0]}; medians of {chosen.repeat}"
    )


if __name__ == "__main__":
    main()
