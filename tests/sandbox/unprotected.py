"""The same attacks in a Python without a sandbox, where they have to succeed."""

import json
import subprocess
import sys
import time

from sandbox.attack import Attack
from sandbox.world import World

_START = """
import json, sys
task = json.load(sys.stdin)
exec(compile(task["code"], "<code>", "exec"), task["inputs"])
"""


def achieved(attack: Attack, world: World) -> list[str]:
    """Run an attack in a process of its own and return what it got or did."""
    task = json.dumps({"code": attack.code, "inputs": {"__name__": "__main__", **world.inputs()}})
    done = subprocess.run(
        [sys.executable, "-I", "-c", _START], input=task, capture_output=True, text=True, timeout=20, cwd="/"
    )
    leaked = ["leaked"] if "LEAK:" in done.stdout or world.secret in done.stdout else []
    if found := [*world.reached(), *leaked]:
        return found
    time.sleep(0.1)  # what was signalled takes a moment to die
    return world.reached()
