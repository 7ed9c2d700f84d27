"""A home, a folder for notes, and runs of the small tools; what a second process does to them."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest.mock import patch

from buddy import ExecutionConfig, Mode, wiring
from buddy.journal.events import AnyEvent, Record
from buddy.model.approval import Approval, ApprovalState, Vote

TOOLS = str(Path(__file__).with_name("some_tools.py"))


def settle_in(folder: Path, setenv: Any) -> None:
    """Have a home and a folder for notes of one's own."""
    (folder / "some").mkdir()
    setenv("BUDDY_HOME", str(folder / "home"))
    setenv("SOME_DIR", str(folder / "some"))


def live(folder: Path, **fields: Any) -> ExecutionConfig:
    return ExecutionConfig(mode=Mode.LIVE, output_dir=str(folder), max_retries=0, **fields)


def plan(steps: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """A plan of steps, all of the agent `a` and sure of themselves unless they say otherwise."""
    told = {name: {"agent": "a", "confidence": 0.95, **step} for name, step in steps.items()}
    return {"plan_id": "p", "order": "parallel", "steps": told, **fields}


def run(folder: Path, document: dict[str, Any], out: str = "out", **fields: Any) -> wiring.RunResult:
    path = folder / f"{out}.json"
    path.write_text(json.dumps(document))
    return wiring.run([str(path)], [TOOLS], live(folder / out, **fields), granted_by="ada")


def resume(folder: Path, out: str = "out") -> wiring.RunResult:
    return wiring.resume(str(folder / out), [TOOLS], by="ada")


def records(folder: Path, kind: type[AnyEvent]) -> list[Record]:
    return [record for record in wiring.records(str(folder)) if isinstance(record.event, kind)]


def wrong(folder: Path) -> list[Any]:
    return list(wiring.verify(str(folder)).violations)


def asked(state: ApprovalState | None = None) -> list[Approval]:
    with closing(wiring.home()) as home:
        return home.approvals(0.0, None, state)


def decide(
    approval: str, approve: bool = True, by: str = "eve", edited: dict[str, Any] | None = None
) -> Approval:
    with closing(wiring.home()) as home:
        vote = Vote(by=by, approve=approve, at="2030-01-01T00:00:00+00:00", edited_args=edited)
        return home.vote(approval, vote, 0.0)


def project(out: Path) -> None:
    """Write the outputs of a forged journal, where no home knows how long it was."""
    with TemporaryDirectory() as elsewhere, patch.dict(os.environ, BUDDY_HOME=elsewhere):
        wiring.rebuild_outputs(str(out))


@contextmanager
def another(script: str, *args: str) -> Iterator["subprocess.Popen[str]"]:
    """Run a script in a process on the same home, and see that it ends well."""
    tests = str(Path(__file__).parents[1])
    env = {**os.environ, "PYTHONPATH": tests}
    words = [sys.executable, "-c", script, *args]
    with subprocess.Popen(words, env=env, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
            assert process.wait(60) == 0
        finally:
            process.kill()
