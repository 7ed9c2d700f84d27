"""A run's folder: what is opened in it when a run begins, and when it goes on."""

from pathlib import Path

from buddy.adapters.journal import FileJournal, FileSink, ScribeSink, blobs
from buddy.engine.recovery import Past
from buddy.journal.events import Record
from buddy.model.mode import Mode
from buddy.ports import OutputSink
from buddy.projections.anomalies import Watch
from buddy.projections.outputs import together

PLANS = "plans.jsonl"
SCRIBE_FROM = 8_000
"""Journal lines from which a second process is worth its start."""
_LINES = {Mode.MOCK: 1, Mode.DRY_RUN: 2, Mode.LIVE: 4}
"""Lines that a step takes in a run of this mode."""


def outputs_of(folder: Path, mode: Mode, steps: int) -> tuple[OutputSink, Watch]:
    """Return what writes the outputs of a run, and the run's own fold: a long run has a scribe.

    Args:
        folder: of the run.
        mode: of the run.
        steps: that its plans declare.
    """
    if steps * _LINES[mode] >= SCRIBE_FROM and ScribeSink.possible():
        return ScribeSink(folder), Watch(audited=False)
    fold = Watch()
    return FileSink(folder, together(fold)), fold


def read_again(folder: Path, fold: Watch, past: Past) -> tuple[FileJournal, FileSink]:
    """Open a journal again and bring outputs, anomalies and the past up to its end."""
    records: list[Record] = []
    journal = FileJournal.open(folder, seen=records.append)
    sink = FileSink(folder, together(fold))
    for record in records:
        past.feed(record)
        sink.feed(record)
        fold.feed(record)
    return journal, sink


def blob(folder: Path, digest: str) -> bytes:
    """Return a large result of a run."""
    return blobs.read(folder, digest)
