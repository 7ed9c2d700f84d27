"""Faults at every system call by which a run writes: SIGKILL at each, EIO at each sync, ENOSPC at each write.

After each fault the run is resumed, and what has to hold is checked: every effect at most once, every intent
settled or told as UNKNOWN, no approval consumed twice, `buddy verify` clean, and the same end as a run to
which nothing happened but for what is UNKNOWN. Needs `strace`. Two thousand runs; some twenty-five minutes on
two cores. `--every N` takes every n-th call.
"""

import argparse
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

# In place of this folder, in which `crash` is this file.
sys.path[0] = str(Path(__file__).parents[1] / "tests")

from crash import injection, workload  # noqa: E402 - the path above comes first

Fault = tuple[str, str, int]
KINDS = ("SIGKILL", "EIO", "ENOSPC")


def main() -> None:
    """Inject every fault and print what was found."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--every", metavar="N", type=int, default=1, help="take every n-th call of a kind")
    parser.add_argument("--kind", choices=KINDS, help="inject only these")
    parser.add_argument("--jobs", metavar="N", type=int, default=os.cpu_count() or 1)
    args = parser.parse_args()
    if not injection.possible():
        parser.error("expected an strace that may trace, found none")
    with tempfile.TemporaryDirectory(prefix="buddy-crash-") as temporary:
        kinds = (args.kind,) if args.kind else KINDS
        sys.exit(1 if inject_all(Path(temporary), args.every, args.jobs, kinds) else 0)


def inject_all(place: Path, every: int, jobs: int, kinds: tuple[str, ...]) -> int:
    """Inject faults and tell what came of them; returns in how many runs something did not hold."""
    began = time.monotonic()
    workload.prepare(place / "undisturbed")
    calls = injection.counted(place / "undisturbed")
    state = workload.state_of(place / "undisturbed")
    workload.prepare(place / "watched")
    lines = injection.counted(place / "watched", workload.journal(place / "watched"))
    faults = [fault for fault in faults_of(calls, lines, every) if fault[0] in kinds]
    print(f"calls of the main thread: {dict(calls)}; {len(faults):,} faults", flush=True)

    def inject(numbered: tuple[int, Fault]) -> list[str] | None:
        number, (kind, call, nth) = numbered
        folder = place / f"f{number}"
        try:
            if kind == "SIGKILL":
                return injection.killed(folder, call, nth, state)
            return injection.failed(folder, call, kind, nth, state)
        finally:
            workload.remove(folder)

    wrong = unreached = 0
    with ThreadPoolExecutor(jobs) as pool:
        for number, found in enumerate(pool.map(inject, enumerate(faults))):
            unreached += found is None
            if found:
                wrong += 1
                print(*faults[number], *found, sep="\n  ", flush=True)
            if number % 100 == 99:
                print(f"{number + 1:,} of {len(faults):,}, {wrong} wrong", file=sys.stderr, flush=True)
    print(f"{'fault':10}{'at':12}{'runs':>8}")
    for (kind, call), count in Counter(fault[:2] for fault in faults).items():
        print(f"{kind:10}{call:12}{count:>8,}")
    seconds = time.monotonic() - began
    print(
        f"{len(faults):,} runs, {wrong} in which something did not hold, {unreached} that ended before their"
        f" fault, {seconds:,.0f} s"
    )
    return wrong


def faults_of(calls: Mapping[str, int], lines: Mapping[str, int], every: int) -> list[Fault]:
    """Return every fault: a kill at each call, and an error at each call on the journal.

    Args:
        calls: how often a run makes each, and
        lines: on its journal alone.
        every: take every n-th.
    """
    faults = [("SIGKILL", call, nth) for call in injection.CALLS for nth in range(1, calls[call] + 1, every)]
    for kind, call in (("EIO", "fdatasync"), ("ENOSPC", "write")):
        faults += [(kind, call, nth) for nth in range(1, lines[call] + 1, every)]
    return faults


if __name__ == "__main__":
    main()
