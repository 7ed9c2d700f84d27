"""What is found out about a run from its folder and the home, without going on with it."""

import io
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from buddy.adapters.home import home_folder
from buddy.adapters.journal import FileSink, read
from buddy.adapters.journal.file import NAME
from buddy.adapters.tools.contracted import ContractTool
from buddy.core.approvals import edit_problem
from buddy.core.planning import shown
from buddy.core.violations import tally
from buddy.engine.verification import Report
from buddy.engine.verification import verify as check_all
from buddy.errors import BadInput, BuddyError, JournalDamaged
from buddy.journal.codec import Head, is_torn
from buddy.journal.events import Record, RunStarted
from buddy.model.approval import ApprovalRequest
from buddy.model.contract import ToolContract
from buddy.model.violations import NAME as VIOLATIONS
from buddy.model.violations import ViolationTally
from buddy.ports import RunRow
from buddy.projections.anomalies import Watch
from buddy.projections.fleet.files import FleetFiles
from buddy.projections.outputs import together
from buddy.wiring.folder import blob, damage_told, fleet_files
from buddy.wiring.session import home
from buddy.wiring.signing import signatures_of, whole, with_signatures


def folder_of(run: str) -> Path:
    """Return the folder of a run.

    Args:
        run: its id, or its folder.

    Raises:
        BadInput: the home knows no such run, and there is no such folder.
    """
    if (Path(run) / NAME).is_file():
        return Path(run)
    with closing(home()) as store:
        rows = {row.run_id: row for row in store.runs()}
    if run in rows:
        return Path(rows[run].folder)
    raise BadInput(f"expected the id or the folder of a run, found {run!r}; 'buddy runs list' names them")


def records(run: str) -> Iterator[Record]:
    """Yield the records of a run's journal."""
    folder = folder_of(run)
    with damage_told(folder):
        for record, _ in read(folder, allow_torn=True):
            yield record


def expect_whole(run: str) -> None:
    """Refuse a run whose journal ends before the line that the home knows of.

    Raises:
        BadInput: it does.
    """
    folder = folder_of(run)
    with closing(home()) as store:
        _, row = _known_as(folder, store.runs())
    journal = folder / NAME
    with journal.open("rb") if journal.is_file() else io.BytesIO() as lines:
        number = sum(not is_torn(line) for line in lines)
    whole(folder, number, row.head if row else Head())


def opened(run: str) -> tuple[Path, RunStarted]:
    """Return the folder of a run and how it began.

    Raises:
        BadInput: there is no run.
    """
    folder = folder_of(run)
    first = next(iter(records(str(folder))), None)
    if first is None or not isinstance(first.event, RunStarted):
        raise BadInput(f"{folder} holds no run: its journal does not begin with run_started")
    return folder, first.event


def wrong_edit(request: ApprovalRequest, edited: dict[str, Any]) -> Iterator[str]:
    """Yield why other arguments cannot take the place of a request's: they have to fit its tool.

    Args:
        request: that is edited.
        edited: the arguments that a person wants instead.
    """
    place = f"--edit of {request.approval_id}"
    problem = edit_problem(request.args, edited)
    if problem:
        yield f"{place}: {problem}"
        return
    contract = _contract_of(request)
    schema = (contract.input if contract is not None else None) or {}
    known = list(dict.fromkeys([*request.args, *schema.get("properties", ())]))
    unknown = [] if schema.get("additionalProperties") else [name for name in edited if name not in known]
    for name in unknown:
        listed = ", ".join(known) or "none"
        yield f"{place}: expected arguments of {request.tool} ({listed}), found {shown(name)}"
    # Of a contract that is another one by now nobody can say here what it asks for.
    if not unknown and contract is not None and contract.digest == request.contract:
        problem = ContractTool(contract).check(edited)
        if problem:
            yield f"{place}: {problem}"


def _contract_of(request: ApprovalRequest) -> ToolContract | None:
    """Return the contract of a request's tool, as its run knows it."""
    watch = Watch(audited=False)
    try:
        for record in records(request.run_id):
            watch.follow(record)
    except BuddyError:
        return None
    return watch.run.contracts.get(request.tool)


def rebuild_outputs(run: str) -> list[str]:
    """Write a run's outputs again from its journal; returns the files written.

    Raises:
        BadInput: the journal holds no run, or ends before the line that the home knows of.
        JournalDamaged: a line does not hold; no output was touched.
    """
    expect_whole(run)
    folder, _ = opened(run)
    with damage_told(folder):
        for _ in read(folder):
            pass
    watch = Watch()
    sink = FileSink(folder, together(watch), fleet=FleetFiles(watch))
    for record, _ in read(folder):
        sink.feed(record)
    sink.close()
    return sink.names


def verify(run: str, keys: Sequence[str] = ()) -> Report:
    """Check a run: chain, head, outputs, lock, approvals, the safety rules, and signatures if keys are given.

    Args:
        run: its id or folder.
        keys: public keys that may have signed it, or files of them.
    """
    folder = folder_of(run)
    signatures = signatures_of(folder, keys)
    journal = folder / NAME
    with closing(home()) as store:
        run_id, row = _known_as(folder, store.runs())
        with journal.open("rb") if journal.is_file() else io.BytesIO() as lines:
            report = check_all(
                lines if signatures is None else signatures.watch(lines),
                lambda name: path.read_bytes() if (path := folder / name).is_file() else None,
                row.head if row else None,
                store.lock_history(),
                store.approvals(time.time(), run_id),
                lambda digest: blob(folder, digest),
                fleet_files(folder),
                at_rest=row is None or row.at_rest,
            )
    return with_signatures(report, signatures)


def _known_as(folder: Path, rows: Sequence[RunRow]) -> tuple[str, RunRow | None]:
    """Return a run's id and what the home knows of it: by its first line, else by its folder."""
    try:
        _, started = opened(str(folder))
        row = next((row for row in rows if row.run_id == started.run_id), None)
        return started.run_id, row
    except (BadInput, JournalDamaged):
        row = next((row for row in rows if row.folder == str(folder.absolute())), None)
        return row.run_id if row else "", row


def violations(rows: Sequence[RunRow]) -> ViolationTally:
    """Count what code tried in the sandbox: in calls of runs, and outside of any run.

    Args:
        rows: the runs that the home knows.
    """
    folders = [home_folder(os.environ), *(Path(row.folder) for row in rows)]
    return tally(line for folder in folders for line in _lines(folder / VIOLATIONS))


def _lines(log: Path) -> Iterator[bytes]:
    try:
        with log.open("rb") as lines:
            yield from lines
    except (FileNotFoundError, NotADirectoryError):
        return
    except OSError:
        yield b""  # one that is there and cannot be read must not look like one that is empty
