"""Faults at every system call by which a run writes: SIGKILL at each, EIO at each sync, ENOSPC at each write.

After each fault the run is resumed, and what has to hold is checked: every effect at most once, every intent
settled or told as UNKNOWN, no approval consumed twice, `buddy verify` clean, and the same end as a run to
which nothing happened but for what is UNKNOWN. Needs `strace`. Two thousand runs; some forty minutes on two
cores. `--every N` takes every n-th call.
"""

import argparse
import os
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from crash import injection, workload

Fault = tuple[str, str, int]


def main() -> None:
    """Inject every fault and print what was found."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--every", metavar="N", type=int, default=1, help="take every n-th call of a kind")
    parser.add_argument("--jobs", metavar="N", type=int, default=os.cpu_count() or 1)
    args = parser.parse_args()
    if not injection.possible():
        parser.error("expected an strace that may trace, found none")
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="buddy-crash-") as temporary:
        base = Path(temporary) / "undisturbed"
        workload.prepare(base)
        calls = injection.counted(base)
        state = workload.state_of(base)
        faults = faults_of(calls, args.every)
        print(
            f"{sum(calls.values()):,} calls of the main thread: {dict(calls)}; {len(faults):,} faults",
            flush=True,
        )

        def inject(numbered: tuple[int, Fault]) -> tuple[Fault, list[str]]:
            place, (kind, call, number) = numbered
            folder = Path(temporary) / f"f{place}"
            try:
                if kind == "SIGKILL":
                    return (kind, call, number), injection.killed(folder, call, number, state)
                return (kind, call, number), injection.failed(folder, call, kind, number, state)
            finally:
                workload.remove(folder)

        wrong = 0
        counts: dict[tuple[str, str], int] = {}
        with ThreadPoolExecutor(args.jobs) as pool:
            for place, (fault, found) in enumerate(pool.map(inject, enumerate(faults)), 1):
                counts[fault[:2]] = counts.get(fault[:2], 0) + 1
                if found:
                    wrong += 1
                    print(f"{fault[0]} at {fault[1]} {fault[2]}:", *found, sep="\n  ", flush=True)
                if place % 100 == 0:
                    print(f"{place:,} of {len(faults):,}, {wrong} with a fault", file=sys.stderr, flush=True)
    print(f"{'fault':10}{'at':12}{'runs':>8}")
    for (kind, call), count in counts.items():
        print(f"{kind:10}{call:12}{count:>8,}")
    print(f"{len(faults):,} runs, {wrong} in which something did not hold, {time.monotonic() - began:,.0f} s")
    sys.exit(1 if wrong else 0)


def faults_of(calls: "dict[str, int]", every: int) -> list[Fault]:
    """Return every fault: a kill at each call, and an error at each call on the journal."""
    faults = [("SIGKILL", call, n) for call in injection.CALLS for n in range(1, calls[call] + 1, every)]
    faults += [("EIO", "fdatasync", n) for n in range(1, calls["fdatasync"] // 2, every)]
    faults += [("ENOSPC", "write", n) for n in range(1, calls["write"], every)]
    return faults


if __name__ == "__main__":
    main()
