"""The outputs of a run: file name -> projection of the journal.

An output is fed every record, in order. What it returns is appended to its file at once; a file that can
only be written whole comes from `close`. The same records always give the same bytes.
"""

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, Protocol

import msgspec

from buddy.errors import BadInput
from buddy.journal.events import Record
from buddy.projections.anomalies import Watch
from buddy.projections.calls import CallLine, Calls
from buddy.projections.conflicts import ConflictFile
from buddy.projections.files import ConflictLog, HealthFile, SummaryFile, SystemHealth
from buddy.projections.fleet import feedback
from buddy.projections.fleet import files as fleet
from buddy.projections.fleet.feedback import CoordinationLine, HeuristicLine, ValidationLine
from buddy.projections.fleet.files import FleetFiles
from buddy.projections.fleet.health import FleetHealth
from buddy.projections.fleet.lines import AssignmentLine, MetricLine, TaskLine
from buddy.projections.fleet.summary import FleetSummary
from buddy.projections.moves import MoveLine, Moves, UndoLine, Undos
from buddy.projections.signal_types import AnySignal, FleetSignal
from buddy.projections.signals import Signals
from buddy.projections.summary import Summary


class Output(Protocol):
    """One projection of the journal."""

    def feed(self, record: Record) -> bytes:
        """Take in the next record; returns what to append to the file, mostly nothing."""
        ...

    def close(self) -> bytes | None:
        """Return the whole content of a `.json` file, None for a `.jsonl` file, which grew.

        It may be asked for again after more records.
        """
        ...


_MADE_BY: dict[str, Callable[[Watch], Output]] = {
    "tool_execution_log.jsonl": Calls,
    "orchestration_summary.json": SummaryFile,
    "execution_state_transitions.jsonl": Moves,
    "tool_conflicts.json": ConflictLog,
    "rollback_events.jsonl": Undos,
    "learning_signals.jsonl": Signals,
    "system_health.json": HealthFile,
}


def _alone(make: Callable[[Watch], Output]) -> Output:
    return make(Watch())


OUTPUTS: dict[str, Callable[[], Output]] = {name: partial(_alone, make) for name, make in _MADE_BY.items()}
"""Each output on its own."""


def together(watch: Watch | None = None) -> dict[str, Output]:
    """Return every output, all on one fold of the journal: far cheaper than each on its own.

    Args:
        watch: the fold; the engine's own where the outputs are fed each record before the next is
            written, so that the run is folded once.
    """
    shared = Watch() if watch is None else watch
    return {name: make(shared) for name, make in _MADE_BY.items()}


def project(records: Iterable[Record]) -> dict[str, bytes]:
    """Return the content of every output, as it was written while the records were."""
    watch = Watch()
    outputs, fleet_files = together(watch), FleetFiles(watch)
    grown = {name: bytearray() for name in outputs}
    feeds = [(output.feed, grown[name]) for name, output in outputs.items()]
    for record in records:
        for feed, content in feeds:
            content += feed(record)
        for part in fleet_files.feed(record):
            if part.grows:
                grown.setdefault(part.name, bytearray()).extend(part.data)
    found = {}
    for name, output in outputs.items():
        whole = output.close()
        found[name] = bytes(grown[name]) if whole is None else whole
    for part in fleet_files.close():
        found[part.name] = bytes(grown.get(part.name, b"")) if part.grows else part.data
    return found


def grows(name: str) -> bool:
    """Whether an output only ever grows, so that an earlier state of it is a beginning of a later one."""
    return name.endswith(".jsonl") and not name.startswith("wave_")


SCHEMAS: dict[str, Any] = {
    "tool_execution_log.jsonl": CallLine,
    "orchestration_summary.json": Summary,
    "execution_state_transitions.jsonl": MoveLine,
    "tool_conflicts.json": ConflictFile,
    "rollback_events.jsonl": UndoLine,
    "learning_signals.jsonl": AnySignal,
    "system_health.json": SystemHealth,
}
"""File name -> what it holds; of a `.jsonl` file, what each line holds."""

FLEET_SCHEMAS: dict[str, Any] = {
    fleet.ASSIGNMENTS: AssignmentLine,
    fleet.TASKS: TaskLine,
    fleet.METRICS: MetricLine,
    fleet.FEEDBACK: FleetSignal,
    fleet.HEALTH: FleetHealth,
    fleet.SUMMARY: FleetSummary,
    fleet.SIGNALS: FleetSignal,
    feedback.PHASE_16.rpartition("/")[2]: HeuristicLine,
    feedback.PHASE_18.rpartition("/")[2]: CoordinationLine,
    feedback.PHASE_20.rpartition("/")[2]: ValidationLine,
}
"""The same for the files of a fleet, folders left out."""


def schema(name: str) -> dict[str, Any]:
    """Return the JSON Schema of an output; of a `.jsonl` file, that of each line.

    Raises:
        BadInput: no output has this name.
    """
    known = SCHEMAS | FLEET_SCHEMAS
    if name not in known:
        raise BadInput(f"no output is called '{name}'; there are {', '.join(sorted(known))}")
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **msgspec.json.schema(known[name])}
