"""A folder of predictions: `predicted_tasks.jsonl`, and `predicted_schedule.jsonl` where there is one."""

import hashlib
import stat
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import msgspec

from buddy.core import parsing, planning
from buddy.core.fleet import Crew, Predictions, plan_of
from buddy.errors import BadInput
from buddy.model.fleet import PredictedTask, ScheduledTask
from buddy.model.plan import Plan

TASKS = "predicted_tasks.jsonl"
SCHEDULE = "predicted_schedule.jsonl"
_BOM = b"\xef\xbb\xbf"

D = TypeVar("D", bound=msgspec.Struct)


def read_folder(path: Path, label: str, plan_id: str, crew: Crew) -> tuple[Plan, str]:
    """Read a folder of predictions as the plan of a fleet.

    Args:
        path: of the folder.
        label: its name in errors.
        plan_id: of the plan.
        crew: the agents.

    Returns:
        The plan, and the SHA-256 of both files.

    Raises:
        BadInput: with every problem of both files; the first `MAX_PROBLEMS` are listed.
    """
    digest = hashlib.sha256()
    problems: list[str] = []
    omitted = 0

    def refuse(refused: BadInput) -> None:
        nonlocal omitted
        room = planning.MAX_PROBLEMS - len(problems)
        problems.extend(refused.problems[:room])
        omitted += len(refused.problems[room:]) + refused.omitted

    def lines(name: str, kind: type[D], *, optional: bool = False) -> dict[int, D]:
        found: dict[int, D] = {}
        file = f"{label}/{name}"
        try:
            given = _lines(path / name, file, digest.update, optional=optional)
        except BadInput as refused:
            refuse(refused)
            return found
        for number, line in enumerate(given, 1):
            text = (line.removeprefix(_BOM) if number == 1 else line).rstrip()
            if not text:
                continue
            try:
                found[number] = parsing.document_of(text, kind, f"{file} line {number}")
            except BadInput as refused:
                refuse(refused)
        return found

    tasks = lines(TASKS, PredictedTask)
    schedule = lines(SCHEDULE, ScheduledTask, optional=True)
    if problems:
        raise BadInput(problems, omitted)
    return plan_of(
        Predictions(label=label, tasks=tasks, schedule=schedule), crew, plan_id
    ), digest.hexdigest()


def _lines(path: Path, label: str, take: Callable[[bytes], None], *, optional: bool) -> list[bytes]:
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise BadInput(f"{label}: expected a file of predictions, found a folder, pipe or device")
        data = path.read_bytes()
    except FileNotFoundError as problem:
        if optional:
            return []
        raise BadInput(f"{label}: expected a file of predictions, found nothing there") from problem
    except OSError as problem:
        reason = problem.strerror or problem
        raise BadInput(
            f"{label}: expected predictions that can be read, found that they cannot: {reason}"
        ) from problem
    take(data)
    return data.split(b"\n")
