"""The main job on the shipped office: three agents at once, LIVE, and what Buddy does about it."""

import os
import sqlite3
import sys
import textwrap
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

import buddy
from buddy.adapters.inputs.canonical import StoredPlans
from buddy.engine.orchestrator import EXIT_HELD, EXIT_UNKNOWN
from buddy.engine.verification import Report
from buddy.errors import BadInput
from buddy.journal.events import (
    ConflictFound,
    Intent,
    Outcome,
    Record,
    Rung,
    RunStarted,
    Settled,
    UndoOutcome,
)
from buddy.journal.times import iso
from buddy.model.approval import Approval, ApprovalState, Vote
from buddy.model.config import ExecutionConfig
from buddy.model.conflict import Conflict, Strategy
from buddy.model.mode import Mode
from buddy.model.outcome import UndoResult
from buddy.model.plan import Plan, Step
from buddy.projections.phrases import previewed, quoted, short
from buddy.projections.story import story
from buddy.wiring.commands import resume, run
from buddy.wiring.folder import PLANS
from buddy.wiring.looking import records, verify
from buddy.wiring.session import RunResult, environment_dry_run, home

INPUTS = ("sales.json", "support.json", "projects.json")
PERSON = "you"
UNDONE = {
    UndoResult.RESTORED_EXACT: "as it was",
    UndoResult.RESTORED_EQUIVALENT: "under a new id",
}
WIDTH = 100

Rows = dict[tuple[str, str], dict[str, str]]


class DemoResult(Struct, frozen=True, kw_only=True):
    """What the demo has to show.

    Attributes:
        lines: a screen of text, each line at most `WIDTH` columns unless a path or a command needs more.
        exit_code: 0; 1 where the check of the run found something or a step was left open.
    """

    lines: list[str]
    exit_code: int


def demo(out: Path | None = None) -> DemoResult:
    """Let three agents work on a fresh office, approve what waits for a person, and tell what happened.

    Args:
        out: folder for the office, the run and a home of its own; `buddy-demo`, or the first of
            `buddy-demo-2`, ... that is free, where it is left out.

    Raises:
        BadInput: the folder is in use or cannot be made, the office is not installed, or `DRY_RUN` is set.
    """
    if environment_dry_run():
        raise BadInput("demo: expected an environment without DRY_RUN, which keeps every step at MOCK")
    office = _office()
    folder = _folder(out)
    tools = [str(office / "tools.py")]
    here = {
        "BUDDY_HOME": str((folder / "home").absolute()),
        "OFFICE_DB": str((folder / "office.sqlite").absolute()),
        "OFFICE_DATA": None,
    }
    with _environment(here):
        config = ExecutionConfig(mode=Mode.LIVE, output_dir=str(folder / "run"))
        first = run([str(office / "demo" / name) for name in INPUTS], tools, config, granted_by=PERSON)
        held = list(records(first.folder))
        approved = _approve(first.run_id)
        last = resume(first.folder, tools, by=PERSON)
        report = verify(last.folder)
    after = list(records(last.folder))
    sections = [
        [f"Three agents work on one office at the same time, LIVE. The run is {last.run_id}."],
        _wanted(folder, held),
        _conflicts(held),
        _did(folder, held),
        _said(first, last, approved, after),
        [*_changed(folder), *_checked(folder, report)],
        _next(folder, last.run_id),
    ]
    lines = [line for section in sections for line in ("", *section)][1:]
    left_open = last.exit_code in (EXIT_HELD, EXIT_UNKNOWN)
    return DemoResult(lines=lines, exit_code=int(left_open or bool(report.violations)))


# what it needs


def _office() -> Path:
    """Return the folder of the example, beside the sources or where the package's data was installed."""
    places = (Path(buddy.__file__).parents[2], Path(sys.prefix, "share", "buddy"))
    for place in places:
        if (office := place / "examples" / "office").joinpath("demo", INPUTS[0]).is_file():
            return office
    looked = " nor ".join(str(place / "examples" / "office") for place in places)
    raise BadInput(f"demo: expected the example office, found it neither in {looked}; install Buddy again")


def _folder(out: Path | None) -> Path:
    """Make the folder for all that the demo leaves."""
    if out is not None:
        try:
            out.mkdir(parents=True, exist_ok=True)
            used = any(out.iterdir())
        except OSError as problem:
            raise BadInput(f"--out: expected a folder that can be made, found {problem}") from problem
        if used:
            raise BadInput(f"--out: expected an empty folder, found files in {out}")
        return out
    for number in count(1):
        folder = Path("buddy-demo" if number == 1 else f"buddy-demo-{number}")
        try:
            folder.mkdir()
        except FileExistsError:
            continue
        except OSError as problem:
            raise BadInput(f"demo: the folder cannot be made here, {problem}; name one by --out") from problem
        return folder
    raise AssertionError("there is always a next number")


@contextmanager
def _environment(wanted: Mapping[str, str | None]) -> Iterator[None]:
    """Set variables (None: unset) and put back what they were."""
    before = {name: os.environ.get(name) for name in wanted}
    try:
        _set(wanted)
        yield
    finally:
        _set(before)


def _set(values: Mapping[str, str | None]) -> None:
    for name, value in values.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value


def _approve(run_id: str) -> list[Approval]:
    """Say yes to all that the run asks."""
    with closing(home()) as store:
        now = time.time()
        vote = Vote(by=PERSON, approve=True, at=iso(now), reason="The text is right.")
        asked = store.approvals(now, run_id, ApprovalState.PENDING)
        return [store.vote(approval.request.approval_id, vote, now) for approval in asked]


# what it tells


def _wanted(folder: Path, seen: Sequence[Record]) -> list[str]:
    started = seen[0].event
    assert isinstance(started, RunStarted)
    contracts = {contract.name: contract for contract in started.contracts}
    lines = [f"{'THEY WANT':10}{'step':8}{'sure':6}{'risk':8}{'undo':12}call"]
    for _, step in _steps(folder):
        contract = contracts[step.tool]
        words = (quoted(str(value)) for value in step.args.values())
        call = f"{step.tool.rpartition('.')[2]} {' '.join(words)}"
        lines.append(
            _cut(
                f"{step.agent:10}{step.step_id:8}{step.confidence or 0:<6.2f}{contract.risk.value:8}"
                f"{contract.undo.value:12}{call}"
            )
        )
    return lines


def _conflicts(seen: Sequence[Record]) -> list[str]:
    lines = ["CONFLICTS, found before anything ran"]
    for conflict in (record.event.conflict for record in seen if isinstance(record.event, ConflictFound)):
        names = " and ".join(ref.step for ref in conflict.steps)
        told = f"{names} on {conflict.resource} -> {_resolved(conflict, seen)}"
        lines += _folded(f"{conflict.type.value:17}{told}")
    return lines


def _resolved(conflict: Conflict, seen: Sequence[Record]) -> str:
    """Return what became of the later step; of a delay, in which order the journal has the two calls."""
    first, last = conflict.steps[0], conflict.steps[-1]
    told = f"{conflict.resolution.value} {last.step}"
    ended = _seq(seen, Outcome, first.plan, first.step)
    began = _seq(seen, Intent, last.plan, last.step)
    if conflict.resolution is Strategy.DELAY and ended and began:
        return f"{told}: it began {'after' if began > ended else 'before'} {first.step} had ended"
    return told


def _seq(seen: Iterable[Record], kind: type[Intent] | type[Outcome], plan: str, step: str) -> int:
    found = (
        record.seq
        for record in seen
        if isinstance(record.event, kind) and (record.event.plan, record.event.step) == (plan, step)
    )
    return next(found, 0)


def _did(folder: Path, seen: Sequence[Record]) -> list[str]:
    lines = ["BUDDY REHEARSED, THEN ACTED: step, status, highest rung passed, [rule that stopped it] why"]
    for plan, step in _steps(folder):
        lines += _folded(_end(plan.plan_id, step.step_id, seen))
    return lines


def _end(plan: str, step: str, seen: Sequence[Record]) -> str:
    """Return a row on where a step stands."""
    told = story(seen, plan, step)
    if told is None or isinstance(told, list) or told.status is None:
        return f"{step:7}not settled"
    rung = told.final_mode.value if told.final_mode else "none"
    rule = f"[{told.rule}] " if told.rule else ""
    return f"{step:7}{told.status.value:12}{rung:8}{rule}{_why(plan, step, seen)}"


def _why(plan: str, step: str, seen: Sequence[Record]) -> str:
    """Return the last thing that the journal says about a step's end; of a rule's reason the first clause."""
    why = ""
    for record in seen:
        match record.event:
            case Rung(error=error) as event if (event.plan, event.step) == (plan, step):
                why = error.message if error else _clause(event.reason) or why
            case Outcome(result=result) as event if (event.plan, event.step) == (plan, step):
                why = event.reason or _result(result)
            case Settled() as event if (event.plan, event.step) == (plan, step):
                why = _clause(event.reason)
            case UndoOutcome() as event if (event.plan, event.step) == (plan, step):
                how = UNDONE.get(event.result, event.error)
                checked = "verified" if event.verified else "not verified"
                why = f"{event.result.value} ({how}), {checked}: {event.trigger}"
    return why


def _clause(reason: str) -> str:
    return reason.partition(";")[0]


def _result(result: Any) -> str:
    if isinstance(result, dict) and {"field", "before", "after"} <= result.keys():
        return f"{result['field']}: {result['before']} -> {result['after']}"
    return ", ".join(map(str, result.values())) if isinstance(result, dict) else short(result)


def _said(
    first: RunResult, last: RunResult, approved: Sequence[Approval], seen: Sequence[Record]
) -> list[str]:
    lines = [_cut(f"EXIT {first.exit_code}: {first.reason}")]
    for approval in approved:
        it = approval.request
        would = previewed(it.preview) if it.preview else "What would change is not known."
        lines.append(_cut(f"{it.step_id:7}asks you: {would}"))
        by = ", ".join(vote.by for vote in approval.votes)
        lines.append(f"{it.step_id:7}{approval.state.value} by {by} ({it.approval_id}); then `buddy resume`:")
        lines.append(_cut(_end(it.plan_id, it.step_id, seen)))
    lines.append(_cut(f"EXIT {last.exit_code}: {last.reason}"))
    return lines


def _changed(folder: Path) -> list[str]:
    """Return how the office differs from the one that it began as."""
    (base,) = folder.glob(".office-*/base.sqlite")
    before, after = _rows(base), _rows(folder / "office.sqlite")
    same = sum(after.get(place) == row for place, row in before.items())
    lines = [f"THE OFFICE, before and after ({same} other records are as they were)"]
    for table, key in sorted({*before, *after}):
        old, new = before.get((table, key)), after.get((table, key))
        if old == new:
            continue
        name = f"{table} {key}"
        if old and new:
            fields = (f"{field}: {old[field]} -> {new[field]}" for field in old if old[field] != new[field])
            lines.append(_cut(f"{name:20}{', '.join(fields)}"))
        else:
            values = ", ".join(list((old or new or {}).values())[1:])
            lines.append(_cut(f"{name:20}{'gone: ' if old else 'new:  '}{values}"))
    return lines


def _rows(path: Path) -> Rows:
    """Read every record of an office: table and first column -> columns."""
    found: Rows = {}
    with closing(sqlite3.connect(path)) as db:
        db.row_factory = sqlite3.Row
        for table in ("customers", "emails", "events", "plots", "tasks"):
            for row in db.execute(f"SELECT * FROM {table} ORDER BY rowid"):  # noqa: S608 - names from above
                found[table, str(row[0])] = {name: str(row[name]) for name in row.keys()}  # noqa: SIM118
    return found


def _checked(folder: Path, report: Report) -> list[str]:
    health = msgspec.json.decode((folder / "run" / "system_health.json").read_bytes())
    missed = sum(metric["met"] is False for metric in health["metrics"].values())
    return [
        f"`buddy verify`: {report.events} events, {len(report.violations)} violations;"
        f" health {health['health_score']:.1f} {health['status']}: {missed} metrics miss their targets"
    ]


def _next(folder: Path, run_id: str) -> list[str]:
    buddy_here = f"BUDDY_HOME={quoted(str(folder / 'home'))} buddy"
    return [
        f"LOOK AROUND in {folder}: office.sqlite is the office, run/ the journal and outputs. Then try:",
        f"  {buddy_here} explain {run_id} remind",
        f"  {buddy_here} approvals list --all",
        f"  {buddy_here} verify {run_id}",
    ]


def _steps(folder: Path) -> Iterator[tuple[Plan, Step]]:
    for plan in StoredPlans(folder / "run" / PLANS).plans():
        for step in plan.steps:
            yield plan, step


def _cut(line: str) -> str:
    return line if len(line) <= WIDTH else f"{line[: WIDTH - 3].rstrip()}..."


def _folded(line: str) -> list[str]:
    return textwrap.wrap(
        line, WIDTH, subsequent_indent=" " * 27, drop_whitespace=True, break_on_hyphens=False
    )
