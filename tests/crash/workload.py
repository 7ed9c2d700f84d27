"""A run in which everything happens that a crash could hurt, and what has to hold after any of them.

Sixty steps in two plans over four agents: writes with and without a probe, approvals by policy, retries, a
failing step whose group is rolled back. Every effect is a line that the tools append to a file.
"""

import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any
from unittest.mock import patch

from msgspec import Struct

from buddy import wiring
from buddy.core.audit import Violation
from buddy.journal.events import Intent, Outcome, Resolved, Settled
from buddy.model.outcome import StepStatus

HERE = Path(__file__).parent
EXTRA = '''

@tool(risk=Risk.MEDIUM, effect="write", undo="exact", permissions=["e.write"], resources=["thing:{key}"])
def blind(key: str) -> dict[str, str]:
    """Have an effect of which no probe can tell."""
    act(f"put {key}")
    return {"key": key}


@blind.preview
def _(key: str) -> Preview:
    return Preview(changes=[key])


@blind.undo
def _(call: Call, result: Any) -> Restored:
    act(f"undo {call.args['key']}")
    return Restored(verified=True, exact=True)


@tool(risk=Risk.MEDIUM, effect="write", undo="exact", permissions=["e.write"], resources=["thing:{key}"])
def shaky(key: str) -> dict[str, str]:
    """Fail the first time that it is tried, and have an effect the second."""
    tried = Path(os.environ["EFFECTS"] + f".{key}.tried")
    if not tried.exists():
        tried.touch()
        raise ToolError("not the first time")
    act(f"put {key}")
    return {"key": key}


@shaky.preview
def _(key: str) -> Preview:
    return Preview(changes=[key])


@shaky.undo
def _(call: Call, result: Any) -> Restored:
    act(f"undo {call.args['key']}")
    return Restored(verified=True, exact=True)


@shaky.probe
def _(call: Call) -> bool | None:
    return told(call)
'''
POLICY = '[[rules]]\ndecision = "approve"\ntool = "*"\n'
CONFIG = """
mode = "live"
approvals = "policy.toml"
retry_strategy = "LINEAR_BACKOFF"
linear_base = 0.01
breaker = false
"""
AGENTS = ("a0", "a1", "a2", "a3")


def prepare(folder: Path) -> None:
    """Put plans, tools and settings into a folder."""
    folder.mkdir(parents=True)
    (folder / "tools.py").write_text((HERE / "effects.py").read_text() + EXTRA)
    (folder / "policy.toml").write_text(POLICY)
    (folder / "buddy.toml").write_text(CONFIG)
    kinds = ("put", "blind", "shaky", "send", "log")
    good = {
        f"s{number}": _step(kinds[number % len(kinds)], f"s{number}", AGENTS[number % 4])
        for number in range(52)
    }
    bad = {
        f"r{number}": _step(("put", "blind")[number % 2], f"r{number}", AGENTS[number % 4])
        for number in range(7)
    }
    bad["rx"] = {**_step("put", "rx", "a0"), "args": {"key": "rx", "fail": True}, "depends_on": list(bad)}
    for step in bad.values():
        step["group"] = "g"
    plans = [
        {"plan_id": "good", "order": "parallel", "steps": good},
        {"plan_id": "bad", "order": "parallel", "steps": bad},
    ]
    (folder / "plans.jsonl").write_text("".join(f"{json.dumps(plan)}\n" for plan in plans))


def _step(tool: str, key: str, agent: str) -> dict[str, Any]:
    return {"tool": tool, "agent": agent, "confidence": 0.95, "args": {"key": key}}


def journal(folder: Path) -> Path:
    """Put an empty journal where that of the run will be, so that it can be named before; returns it."""
    path = folder / "out" / "journal.jsonl"
    path.parent.mkdir()
    path.touch()
    return path


def environment(folder: Path) -> dict[str, str]:
    """Return the environment in which the run lives in its folder alone."""
    env = {name: value for name, value in os.environ.items() if not name.startswith(("BUDDY_", "DRY_RUN"))}
    return {**env, "BUDDY_HOME": str(folder / "home"), "EFFECTS": str(folder / "effects"), "PROBES": "yes"}


def buddy(folder: Path, *words: str, under: tuple[str, ...] = ()) -> "subprocess.CompletedProcess[str]":
    """Run a command in the folder, maybe under another program."""
    command = [*under, sys.executable, "-m", "buddy", *words]
    return subprocess.run(
        command, cwd=folder, env=environment(folder), capture_output=True, text=True, timeout=120, check=False
    )


def start(folder: Path, under: tuple[str, ...] = ()) -> "subprocess.CompletedProcess[str]":
    """Run the plans."""
    return buddy(folder, "run", "plans.jsonl", "--tools", "tools.py", "--out", "out", under=under)


def resume(folder: Path) -> "subprocess.CompletedProcess[str]":
    """Go on with the run; from the beginning where it had not begun."""
    done = buddy(folder, "resume", "out", "--tools", "tools.py")
    if done.returncode == 2 and ("holds no run" in done.stderr or "expected the id or" in done.stderr):
        return start(folder)
    return done


class State(Struct, frozen=True):
    """Where everything stands after a run.

    Attributes:
        steps: `PLAN/STEP` -> its status.
        effects: how often each line was appended.
    """

    steps: dict[str, str]
    effects: Counter[str]


def remove(folder: Path) -> None:
    """Take a folder away."""
    shutil.rmtree(folder, ignore_errors=True)


def state_of(folder: Path) -> State:
    """Read where everything stands from the journal and from the world."""
    steps: dict[str, str] = {}
    for record in wiring.records(str(folder / "out")):
        status = getattr(record.event, "status", None)
        if isinstance(status, StepStatus):
            steps[f"{record.event.plan}/{record.event.step}"] = status.value  # type: ignore[union-attr]
    path = folder / "effects"
    return State(steps, Counter(path.read_text().splitlines() if path.exists() else []))


def verified(folder: Path) -> tuple[Violation, ...]:
    """Return what `buddy verify` finds."""
    with patch.dict(os.environ, {"BUDDY_HOME": str(folder / "home")}):
        return wiring.verify(str(folder / "out")).violations


def wrongs(folder: Path, undisturbed: State, code: int) -> list[str]:
    """Return what does not hold after a run that was disturbed and resumed.

    Args:
        folder: of the run.
        undisturbed: how it ends where nothing happens to it.
        code: that the resume exited with.
    """
    found = [f"verify: {violation.rule}: {violation.message}" for violation in verified(folder)]
    state = state_of(folder)
    for line, count in state.effects.items():
        if count > 1 and not line.startswith("log "):
            found.append(f"effect {line!r} happened {count} times")
    unknown = {name for name, status in state.steps.items() if status == "UNKNOWN"}
    lost = _lost(folder)
    if unknown != lost:
        found.append(f"in doubt {sorted(lost)}, told as UNKNOWN {sorted(unknown)}")
    if code not in (1, 4) or (code == 4) is not bool(unknown):
        found.append(f"exit {code} with {len(unknown)} UNKNOWN")
    if not unknown and not _torn_undo(folder):
        for name, status in undisturbed.steps.items():
            if state.steps.get(name) != status:
                found.append(f"{name} is {state.steps.get(name)} and would have been {status}")
    return found


def _lost(folder: Path) -> set[str]:
    """Steps whose last intent has no outcome, nor anybody who said how it ended."""
    lost: set[str] = set()
    for record in wiring.records(str(folder / "out")):
        event = record.event
        name = f"{getattr(event, 'plan', '')}/{getattr(event, 'step', '')}"
        if isinstance(event, Intent):
            lost.add(name)
        elif isinstance(event, Outcome | Resolved) or (
            isinstance(event, Settled) and event.status is not StepStatus.UNKNOWN
        ):
            lost.discard(name)
    return lost


def _torn_undo(folder: Path) -> bool:
    """Whether an undo that nobody can tell of was left to a person."""
    lines = (folder / "out" / "rollback_events.jsonl").read_text()
    return "nobody knows whether it happened" in lines
