"""Seeds of the simulation: the real engine on a simulated clock, disk and world, with faults anywhere.

What is checked after each: no effect twice, nothing LIVE that is not in the journal or that nobody approved,
what the journal and the home's ledger say of each step agrees with the world, `buddy verify` finds nothing,
one process at a time, no run is held for good. The protections are also taken out one by one, to show that
each is missed. Twenty thousand seeds take some six minutes on two cores.
"""

import argparse
import os
import sys
import time
from pathlib import Path

# In place of this folder, in which there may be a file of the name of a package of the tests.
sys.path[0] = str(Path(__file__).parents[1] / "tests")

from crash import many  # noqa: E402 - the path above comes first
from crash.mutations import MUTATIONS  # noqa: E402
from crash.simulation import Outcome  # noqa: E402

CHUNK = 250


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
    last = args.first + args.seeds
    chunks = [range(first, min(first + CHUNK, last)) for first in range(args.first, last, CHUNK)]
    wrong, total = 0, Outcome()
    for done, found in enumerate(many.each(several, chunks, args.jobs), 1):
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
    for mutation, first in zip(MUTATIONS, many.each(many.first_missed, MUTATIONS, args.jobs), strict=True):
        missed += first is None
        said = "NOT NOTICED" if first is None else f"seed {first[0]}: {first[1][:90]}"
        print(f"  without: {mutation:52} {said}", flush=True)
    sys.exit(1 if wrong or missed else 0)


def several(seeds: range) -> list[tuple[int, Outcome]]:
    """Return what became of each of some seeds."""
    return list(many.outcomes(seeds))


if __name__ == "__main__":
    main()
