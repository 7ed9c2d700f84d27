"""Many executions, good and hostile mixed, in sandboxes that stay open: nothing that they hold may grow.

The hostile ones are the attacks of the test suite. Descriptors, processes, threads and mounts of this process
and its zygotes are counted at intervals, and their memory; what counts is whether they grow once all is warm.
A hostile execution may take no longer than its deadline and `GRACE_S`. Ends with 1 where something grew,
passed for harmless, was reached, or took too long.
"""

import argparse
import os
import random
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

# In place of this folder.
sys.path[0] = str(Path(__file__).parents[1] / "tests")

from buddy.adapters.sandbox import Sandbox  # noqa: E402
from buddy.model.sandbox import Isolation, Layer  # noqa: E402
from sandbox.attack import Attack, Setting  # noqa: E402 - the path above comes first
from sandbox.judge import policy_of  # noqa: E402
from sandbox.suite import ATTACKS  # noqa: E402
from sandbox.world import World, family  # noqa: E402

WORKERS = 2
HOSTILE = 0.3
"""Share of executions that are attacks."""
SLOW = 0.05
"""Share of the attacks that take time by what they are: hangs and floods."""
GRACE_S = 2.0
SETTLED_S = 0.3
"""Seconds after which what ends by itself has ended."""
GROWTH = {"descriptors": 0, "processes": 0, "threads": 0, "mounts": 0, "own MB": 10.0, "zygotes MB": 10.0}
"""What may be there more at the end than once all is warm: memory until two of the largest results met."""

GOOD = (
    ("sum(n * n for n in range(1000))", 332833500),
    ("import json\njson.loads(json.dumps({'a': [1, 2]}))['a'][1]", 2),
    ("import re\nlen(re.findall('a', 'banana'))", 3),
    ("from collections import Counter\nCounter('banana').most_common(1)[0][1]", 3),
    ("class A:\n    def __init__(self, x):\n        self.x = x\nA(7).x", 7),
    ("import datetime\nstr(datetime.date(2026, 1, 1) + datetime.timedelta(days=31))", "2026-02-01"),
)


class Sample(NamedTuple):
    """What this process and its zygotes hold."""

    descriptors: int
    processes: int
    threads: int
    mounts: int
    own_mb: float
    zygotes_mb: float


class Tally:
    """What went wrong, and how long the slowest took."""

    def __init__(self) -> None:
        self.wrong: list[str] = []
        self.hostile = 0
        self.slowest_s = 0.0

    def note(self, attack: Attack, ok: bool, took_s: float) -> None:
        """Record one attack."""
        self.hostile += 1
        self.slowest_s = max(self.slowest_s, took_s)
        if ok:
            self.wrong.append(f"{attack.name} passed for harmless code")
        if took_s > attack.timeout_s + GRACE_S:
            self.wrong.append(f"{attack.name} took {took_s:.1f} s")


def sampled() -> Sample:
    """Count what this process and those below it hold."""
    time.sleep(SETTLED_S)
    below = family(os.getpid())
    everybody = [os.getpid(), *below]
    return Sample(
        descriptors=sum(len(os.listdir(f"/proc/{pid}/fd")) for pid in everybody),
        processes=len(everybody),
        threads=sum(below.values()) + len(os.listdir("/proc/self/task")),
        mounts=sum(len(Path(f"/proc/{pid}/mountinfo").read_text().splitlines()) for pid in everybody),
        own_mb=resident_mb(os.getpid()),
        zygotes_mb=sum(map(resident_mb, below)),
    )


def resident_mb(pid: int) -> float:
    """Return the memory of a process that it shares with nobody, MiB."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    private = sum(int(line.split()[1]) for line in lines if line.startswith("Private_"))
    return private / 1024


def grown(samples: list[Sample]) -> list[str]:
    """Return what there is more of in the last sample than in the first, beyond what may be."""
    first, last = samples[0], samples[-1]
    return [
        f"{name}: {before:,.1f} -> {after:,.1f}"
        for (name, most), before, after in zip(GROWTH.items(), first, last, strict=True)
        if after - before > most
    ]


def drawn(chance: random.Random, attacks: list[Attack]) -> Iterator[Attack | None]:
    """Yield attacks in the mix that is wanted, and None for good code."""
    slow = [attack for attack in attacks if attack.holds is Layer.SUPERVISOR]
    fast = [attack for attack in attacks if attack.holds is not Layer.SUPERVISOR]
    while True:
        if chance.random() >= HOSTILE:
            yield None
        else:
            yield chance.choice(slow if chance.random() < SLOW else fast)


class Soak:
    """Sandboxes that stay open: the code as an agent would run it, and the kernel alone.

    Args:
        world: that is attacked.
        log: path of the violation log.
        seed: of the mix.
    """

    def __init__(self, world: World, log: Path, seed: int) -> None:
        self._inputs = world.inputs()
        self._chance = random.Random(seed)
        self._open = ExitStack()
        self.tally = Tally()
        self._boxes: dict[tuple[str, Setting], Sandbox] = {}
        for policy, setting in (("spec", Setting.AS_IS), ("spec", Setting.BARE), ("scratch", Setting.BARE)):
            if policy == "scratch" and self._boxes["spec", Setting.BARE].isolation is not Isolation.FULL:
                continue
            box = Sandbox(policy=policy_of(policy, setting), workers=WORKERS, log=log)
            self._boxes[policy, setting] = self._open.enter_context(box)
        held = {policy for policy, _ in self._boxes}
        self._draws = drawn(self._chance, [attack for attack in ATTACKS if attack.policy in held])
        self._threads = self._open.enter_context(ThreadPoolExecutor(WORKERS))

    def close(self) -> None:
        """End every sandbox."""
        self._open.close()

    def run(self, count: int) -> None:
        """Make some executions, two at once."""
        chosen = [(next(self._draws), self._chance.random()) for _ in range(count)]
        for _ in self._threads.map(lambda task: self._one(*task), chosen):
            pass

    def _one(self, attack: Attack | None, draw: float) -> None:
        if attack is None:
            code, value = GOOD[int(draw * len(GOOD))]
            result = self._boxes["spec", Setting.AS_IS].execute(code, timeout_s=30)
            if not result.ok or result.value != value:
                self.tally.wrong.append(f"{code!r} gave {result}")
            return
        places = [
            (setting, box)
            for (policy, setting), box in self._boxes.items()
            if policy == attack.policy and setting in attack.only
        ]
        if not places:
            return
        setting, box = places[int(draw * len(places))]
        began = time.monotonic()
        result = box.execute(attack.code_in(setting), inputs=self._inputs, timeout_s=attack.timeout_s)
        self.tally.note(attack, result.ok, time.monotonic() - began)


def main() -> None:
    """Soak, print a line at each interval, and say what grew."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--executions", metavar="N", type=int, default=20_000)
    parser.add_argument("--samples", metavar="N", type=int, default=20)
    parser.add_argument("--seed", metavar="N", type=int, default=1)
    args = parser.parse_args()
    if args.executions < args.samples or args.samples < 3:
        parser.error("expected at least 3 samples and an execution for each")
    with tempfile.TemporaryDirectory(prefix="buddy-soak-") as folder, World() as world:
        wrong = soak(world, Path(folder) / "log.jsonl", args.executions, args.samples, args.seed)
    print(*wrong, sep="\n")
    sys.exit(1 if wrong else 0)


def soak(world: World, log: Path, executions: int, samples: int, seed: int) -> list[str]:
    """Do the work and return what was wrong."""
    work = Soak(world, log, seed)
    seen: list[Sample] = []
    began = time.monotonic()
    try:
        print(f"{'executions':>10}{'seconds':>9}" + "".join(f"{name:>13}" for name in GROWTH))
        for number in range(1, samples + 1):
            work.run(executions // samples)
            seen.append(sampled())
            figures = "".join(
                f"{figure:>13,.1f}" if isinstance(figure, float) else f"{figure:>13,}" for figure in seen[-1]
            )
            print(
                f"{number * (executions // samples):>10,}{time.monotonic() - began:>9.1f}{figures}",
                flush=True,
            )
    finally:
        work.close()
    tally = work.tally
    print(f"{tally.hostile:,} were hostile; the slowest took {tally.slowest_s:.1f} s")
    # The first samples are of zygotes that have not been replaced once.
    return [*grown(seen[len(seen) // 5 :]), *tally.wrong, *world.reached()]


if __name__ == "__main__":
    main()
