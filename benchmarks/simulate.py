"""Seeds of the simulation: the real engine on a simulated clock, disk and world, with faults anywhere.

What is checked after each: no effect twice, nothing LIVE that is not in the journal or that nobody approved,
what the journal says agrees with the world, `buddy verify` finds nothing, one process at a time. The
protections are also taken out one by one, to show that each is missed. Twenty thousand seeds take some five
minutes on two cores.
"""

import argparse
import gc
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

# In place of this folder, in which there may be a file of the name of a package of the tests.
sys.path[0] = str(Path(__file__).parents[1] / "tests")

from crash.mutations import MUTATIONS  # noqa: E402 - the path above comes first
from crash.simulation import Outcome, Simulation  # noqa: E402

CHUNK = 250
MEMORY = Path("/dev/shm")


def main() -> None:
    """Run the seeds and print what was found."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", metavar="N", type=int, default=20_000)
    parser.add_argument("--first", metavar="SEED", type=int, default=0)
    parser.add_argument("--jobs", metavar="N", type=int, default=os.cpu_count() or 1)
    args = parser.parse_args()
    began = time.monotonic()
    wrong, total = 0, Outcome()
    with ProcessPoolExecutor(args.jobs) as pool:
        chunks = range(args.first, args.first + args.seeds, CHUNK)
        last = args.first + args.seeds
        for done, found in enumerate(pool.map(_seeds, chunks, [last] * len(chunks)), 1):
            for seed, outcome in found:
                total.faults += outcome.faults
                total.effects += outcome.effects
                wrong += bool(outcome.wrong)
                for sentence in outcome.wrong:
                    print(f"seed {seed}: {sentence}", flush=True)
            if done % 10 == 0:
                print(f"{done * CHUNK:,} of {args.seeds:,}, {wrong} wrong", file=sys.stderr, flush=True)
        seconds = time.monotonic() - began
        print(
            f"{args.seeds:,} seeds, {total.faults:,} faults, {total.effects:,} effects,"
            f" {wrong} in which something did not hold, {seconds:,.0f} s"
        )
        missed = 0
        for mutation, sentence in pool.map(_first, MUTATIONS, chunksize=1):
            missed += not sentence
            print(f"  without: {mutation:52} {sentence or 'NOT NOTICED'}", flush=True)
    sys.exit(1 if wrong or missed else 0)


def _seeds(first: int, last: int) -> list[tuple[int, Outcome]]:
    return list(_run(range(first, min(first + CHUNK, last))))


def _first(mutation: str) -> tuple[str, str]:
    """Return a protection, and when it was first missed and how."""
    with MUTATIONS[mutation]():
        for seed, outcome in _run(range(400)):
            if outcome.wrong:
                return mutation, f"seed {seed}: {outcome.wrong[0][:90]}"
    return mutation, ""


def _run(seeds: range) -> Iterator[tuple[int, Outcome]]:
    gc.freeze()
    with tempfile.TemporaryDirectory(dir=MEMORY if os.access(MEMORY, os.W_OK) else None) as place:
        for seed in seeds:
            yield seed, Simulation(seed, Path(place) / "run").run()


if __name__ == "__main__":
    main()
