"""Buddy's own column, by its command line: `buddy run`, `buddy approvals approve`, `buddy resume`.

docs/how-to/approve.md and docs/how-to/resume.md describe the use. The saved state is the run's folder,
`state`; the home beside it is what all runs of a machine share.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

from world import CALLS, gate, main

HERE = Path(__file__).parent


def buddy(folder: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    """Run a command on the home of a case."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("BUDDY_")}
    env |= {
        "BUDDY_HOME": str(folder / "home"),
        "PYTHONPATH": os.pathsep.join([str(HERE), env.get("PYTHONPATH", "")]),
    }
    env.pop("DRY_RUN", None)
    command = [str(Path(sys.executable).with_name("buddy")), *words]
    return subprocess.run(command, env=env, capture_output=True, text=True, check=False)


def start(folder: Path, kind: str) -> str:
    """Run until a person is needed."""
    steps = {name: {"tool": name, "agent": "a", "confidence": 0.95, "args": {}} for name in CALLS[kind]}
    plan = folder / "plan.json"
    plan.write_text(json.dumps({"plan_id": "p", "order": "parallel", "steps": steps}))
    words = ["--tools", str(HERE / "buddy_tools.py"), "--mode", "live", "--approvals", "exit"]
    ran = buddy(folder, "run", str(plan), *words, "--out", str(folder / "state"))
    if ran.returncode != 3:
        return f"refused: exit {ran.returncode}: {ran.stderr}"
    [asked] = json.loads(buddy(folder, "approvals", "list", "--json").stdout)
    (folder / "approval").write_text(asked["request"]["approval_id"])
    return "done"


def resume(folder: Path) -> str:
    """Go on with the saved state."""
    gate()
    ran = buddy(folder, "resume", str(folder / "state"), "--tools", str(HERE / "buddy_tools.py"))
    if ran.returncode == 4:
        return "UNKNOWN, exit 4: asks a person whether the call happened"
    if ran.returncode:
        return f"refused: exit {ran.returncode}: {ran.stderr.replace(str(folder), '')}"
    return "done"


def deliver(folder: Path, _kind: str) -> str:
    """Take an approval, as a webhook would, and go on."""
    voted = buddy(folder, "approvals", "approve", (folder / "approval").read_text(), "--as", "eve")
    went = resume(folder)
    return f"refused: exit 2: {voted.stderr}" if voted.returncode and went == "done" else went


def again(folder: Path, _kind: str) -> str:
    """Go on with the run, whether it was approved before or is now."""
    buddy(folder, "approvals", "approve", (folder / "approval").read_text(), "--as", "eve")
    return resume(folder)


if __name__ == "__main__":
    main({"start": start, "deliver": deliver, "again": again})
