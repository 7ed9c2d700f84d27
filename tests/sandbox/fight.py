"""Tries every n-th attack on the kernel alone and prints what came of it: python fight.py N."""

import json
import sys
import tempfile
from pathlib import Path

sys.path[0] = str(Path(__file__).parents[1])

from sandbox.attack import Setting  # noqa: E402 - the path above comes first
from sandbox.judge import Arena, breaches, is_full  # noqa: E402
from sandbox.suite import ATTACKS  # noqa: E402
from sandbox.world import World  # noqa: E402


def main(every: int) -> None:
    chosen = [attack for attack in ATTACKS if attack.policy == "spec" and Setting.BARE in attack.only][
        ::every
    ]
    found = {}
    with tempfile.TemporaryDirectory() as folder, World() as world:
        with Arena(world, "spec", Setting.BARE, Path(folder) / "log.jsonl") as arena:
            fought = [arena.try_(attack) for attack in chosen if is_full() or not attack.full]
        found = {seen.attack.name: breaches(seen, world.secret) for seen in fought}
    print(
        json.dumps(
            {
                "isolation": sorted({seen.result.isolation.value for seen in fought}),
                "forensics": sorted({seen.result.forensics for seen in fought}),
                "tried": len(found),
                "breaches": {name: what for name, what in found.items() if what},
            }
        )
    )


if __name__ == "__main__":
    main(int(sys.argv[1]))
