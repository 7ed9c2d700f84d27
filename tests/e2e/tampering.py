"""A finished run held in memory, and what can be done to it."""

import io
import json
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from buddy import ExecutionConfig, Mode, wiring
from buddy.core.audit import Violation
from buddy.engine import verification
from buddy.journal.codec import Head
from e2e import some_runs as runs

TOOLS = str(Path(__file__).parents[1] / "replay" / "tools.py")
TASKS = [
    {"task_id": "a", "tool": "shelf.put", "args": {"title": "Émile"}, "wave": 1},
    {"task_id": "b", "tool": "mail.send", "args": {"to": "bo", "text": "It is there."}, "depends_on": ["a"]},
    {"task_id": "c", "tool": "shelf.burn", "args": {"title": "Émile"}, "wave": 2, "depends_on": ["b"]},
]
OTHERS = b'0a"\n{} \\\r\x00\xff'
"""Bytes that any byte is replaced by, beside itself with one bit flipped."""


class Held:
    """A journal and everything that knows of it."""

    def __init__(self, journal: bytes, outputs: dict[str, bytes], head: Head, approvals: Any = ()) -> None:
        self.journal = journal
        self.lines = journal.splitlines(keepends=True)
        self.outputs = outputs
        self.head = head
        self._approvals = approvals

    def verify(
        self, lines: Iterable[bytes] | None = None, outputs: dict[str, bytes] | None = None
    ) -> tuple[Violation, ...]:
        files = self.outputs if outputs is None else outputs
        told = self.lines if lines is None else lines
        return verification.verify(told, files.get, self.head, (), self._approvals, {}.__getitem__).violations

    def found(self, lines: Iterable[bytes], outputs: dict[str, bytes] | None = None) -> set[str]:
        return {violation.rule for violation in self.verify(lines, outputs)}


@contextmanager
def finished(place: Path) -> Iterator[None]:
    """Be in a folder with a home and a finished run: a fleet in LIVE, an approval, a resume, a rollback."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(place)
        patch.setenv("BUDDY_HOME", str(place / "home"))
        patch.setenv("REPLAY_NOTES", str(place / "notes"))
        patch.delenv("DRY_RUN", raising=False)
        tasks = [{"predicted_success_rate": 0.95, "group": "g", **task} for task in TASKS]
        Path("fleet").mkdir()
        Path("fleet/predicted_tasks.jsonl").write_text("".join(f"{json.dumps(task)}\n" for task in tasks))
        config = ExecutionConfig(mode=Mode.LIVE, output_dir="out", max_retries=0, num_agents=2)
        assert wiring.run(["fleet"], [TOOLS], config, granted_by="ada").exit_code == 3
        for approval in runs.asked():
            runs.decide(approval.request.approval_id)
        assert wiring.resume("out", [TOOLS], by="ada").exit_code == 1
        assert Path("notes").read_text().splitlines() == ["put Émile new", "sent bo", "back Émile"]
        yield


def held(out: Path) -> Held:
    """Take in a run and what the home knows of it."""
    files = {str(file.relative_to(out)): file.read_bytes() for file in out.rglob("*") if file.is_file()}
    with closing(wiring.home()) as home:
        [row] = home.runs()
        return Held(files.pop("journal.jsonl"), files, row.head, home.approvals(time.time(), row.run_id))


def drained(records: Iterable[Any]) -> dict[str, bytes]:
    """Stands for `project`: leaves the outputs aside, so that the journal alone shows what was done."""
    for _ in records:
        pass
    return {}


def split(data: bytes) -> list[bytes]:
    """The lines of a file, as a file has them."""
    return list(io.BytesIO(data))


def others(byte: int) -> set[int]:
    return {byte ^ 1 << bit for bit in range(8)} | set(OTHERS) - {byte}


def differing(small: Held, change: Callable[[bytes], bytes | None]) -> tuple[set[str], set[str]]:
    """Change all files at once; return which were, and which are reported."""
    outputs = {}
    changed = set()
    for name, content in small.outputs.items():
        other = change(content)
        if other is not None:
            outputs[name] = other
        if other != content:
            changed.add(name)
    violations = small.verify(outputs=outputs)
    assert {one.rule for one in violations} <= {"output_differs", "output_missing", "plans_differ"}
    return changed, {one.message.split(" ")[0] for one in violations}
