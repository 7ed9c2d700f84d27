"""A run's folder: what is opened in it when a run begins, and when it goes on."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from buddy.adapters.journal import FileJournal, FileSink, ScribeSink, blobs
from buddy.adapters.journal.disk import Disk, write_whole
from buddy.adapters.journal.file import NAME, read
from buddy.engine.orchestrator import Survey
from buddy.engine.recovery import Past
from buddy.errors import ClosedStop, JournalDamaged
from buddy.journal.events import Record
from buddy.model.config import ExecutionConfig
from buddy.model.mode import Mode
from buddy.ports import PLANS as PLANS
from buddy.ports import OutputSink
from buddy.projections.alarms import Alarms
from buddy.projections.anomalies import Watch
from buddy.projections.fleet.feedback import PHASE_16, PHASE_18, PHASE_20
from buddy.projections.fleet.files import SUMMARY, FleetFiles
from buddy.projections.lookout import Lookout
from buddy.projections.outputs import together
from buddy.projections.phrases import quoted

SCRIBE_FROM = 8_000
"""Journal lines from which a second process is worth its start."""
_LINES = {Mode.MOCK: 1, Mode.DRY_RUN: 2, Mode.LIVE: 4}
"""Lines that a step takes in a run of this mode."""


def outputs_of(folder: Path, mode: Mode, known: Survey) -> tuple[OutputSink, Alarms]:
    """Return what writes the outputs of a run, and the run's own fold: a long run has a scribe.

    Args:
        folder: of the run.
        mode: of the run.
        known: what is known of its plans.
    """
    if known.steps * _LINES[mode] >= SCRIBE_FROM and ScribeSink.possible():
        return ScribeSink(folder), Lookout() if known.fleet is None else Watch(audited=False)
    fold = Watch()
    return FileSink(folder, together(fold), fleet=FleetFiles(fold)), fold


@contextmanager
def damage_told(folder: Path) -> Iterator[None]:
    """Have the damage that is found in a run's journal name the file, and what to do.

    Raises:
        JournalDamaged: with both.
    """
    try:
        yield
    except JournalDamaged as damage:
        told = f"{folder / NAME}: {damage}; `buddy verify {quoted(str(folder))}` says more"
        raise JournalDamaged(told, damage.line) from damage


def read_again(folder: Path, fold: Watch, past: Past, opened: ExitStack) -> tuple[FileJournal, FileSink]:
    """Open a journal again and bring outputs, anomalies and the past up to its end.

    Args:
        folder: of the run.
        fold: finds its anomalies.
        past: takes in what was done.
        opened: lets go of both where what follows fails.
    """
    records: list[Record] = []
    with damage_told(folder):
        journal = FileJournal.open(folder, seen=records.append)
        opened.callback(journal.close)
        sink = FileSink(folder, together(fold), fleet=FleetFiles(fold))
        opened.callback(sink.drop)
        for record in records:
            past.feed(record)
            sink.feed(record)
            fold.feed(record)
    return journal, sink


def blob(folder: Path, digest: str) -> bytes:
    """Return a large result of a run."""
    return blobs.read(folder, digest)


def looked_back(folder: Path) -> Past:
    """Return what the journal of a run tells, as far as it is written."""
    return Past(partial(blob, folder)).read(record for record, _ in read(folder))


def fleet_summary(folder: Path) -> dict[str, Any] | None:
    """Return what `phase21_execution_summary.json` says, None where the run is none of a fleet."""
    file = folder / SUMMARY
    return msgspec.json.decode(file.read_bytes()) if file.is_file() else None


def deliver_feedback(folder: Path, config: ExecutionConfig) -> None:
    """Copy what the phases that learn are told into the folders that they read, where any are configured.

    Raises:
        ClosedStop: a copy cannot be written; the run itself is whole.
    """
    for name, chosen in (
        (PHASE_16, config.phase16_output_dir),
        (PHASE_18, config.phase18_output_dir),
        (PHASE_20, config.phase20_output_dir),
    ):
        source = folder / name
        if chosen is None or not source.is_file():
            continue
        target = Path(chosen) / source.name
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            write_whole(Disk(), target, source.read_bytes())
        except OSError as problem:
            raise ClosedStop(
                f"{target}: copying the feedback failed ({problem.strerror or problem}); the run is whole,"
                f" and {source} holds it"
            ) from problem


def fleet_files(folder: Path) -> list[str]:
    """Return the names of the files in a run's folder that a reader of a fleet's outputs would come upon."""
    patterns = ("wave_*/**/*", "feedback/**/*", "phase21_*", "PHASE_21_*")
    found = (path for pattern in patterns for path in folder.glob(pattern) if path.is_file())
    return sorted(str(path.relative_to(folder)) for path in found)
