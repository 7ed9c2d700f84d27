"""The files of a fleet, beside those of every run: a folder an agent and wave, and those about the whole."""

import hashlib
import re
from collections.abc import Iterable, Iterator

from msgspec import Struct

from buddy.journal.events import Record, WaveFinished
from buddy.projections.anomalies import Watch
from buddy.projections.fleet.feedback import PHASE_16, PHASE_18, PHASE_20, told
from buddy.projections.fleet.fold import Fleet
from buddy.projections.fleet.gantt import chart
from buddy.projections.fleet.health import examine
from buddy.projections.fleet.lines import assignment, executed, metrics
from buddy.projections.fleet.report import GANTT, report
from buddy.projections.fleet.shares import Share, Wave
from buddy.projections.fleet.signals import Teller
from buddy.projections.fleet.summary import summarise
from buddy.projections.lines import encode_file, encode_line
from buddy.projections.signal_types import FleetSignal

ASSIGNMENTS = "agent_assignments.jsonl"
TASKS = "executed_tasks.jsonl"
METRICS = "agent_metrics.jsonl"
FEEDBACK = "agent_feedback.jsonl"
HEALTH = "phase21_system_health.json"
SUMMARY = "phase21_execution_summary.json"
SIGNALS = "phase21_learning_signals.jsonl"
REPORT = "PHASE_21_AUTONOMOUS_EXECUTION.md"

_PLAIN = re.compile(r"[A-Za-z0-9_ -]{1,80}")


class Part(Struct, frozen=True):
    """Something to write.

    Attributes:
        name: of the file, folders included.
        data: to append, or the whole content.
        grows: it is to be appended; else it stands for all that was there.
    """

    name: str
    data: bytes
    grows: bool = False


class FleetFiles:
    """Makes the files of a fleet; of a run without one it makes nothing.

    Fed like any other output. What it returns is to be written at once; the same records always give
    the same files in the end.

    Args:
        watch: the fold.
    """

    EVENTS = frozenset({WaveFinished})
    """Events that it has to hear of when another output keeps the fold going."""

    def __init__(self, watch: Watch) -> None:
        self._watch = watch
        self._teller = Teller()
        self._feedback: dict[int, dict[str, list[bytes]]] = {}
        self._folders: dict[int, list[str]] = {}

    def feed(self, record: Record) -> list[Part]:
        """Take in the next record; returns what it adds: mostly nothing, a lot when a wave is over."""
        self._watch.follow(record)
        if not isinstance(record.event, WaveFinished):
            return []
        fleet = self._watch.fleet
        if fleet is None or fleet.closed is None:
            return []
        assert record.seq == self._watch.run.seq, "the watch has gone ahead of the outputs"
        signals = list(self._teller.hear(self._watch))
        self._feedback[fleet.closed.number] = _by_agent(signals)
        return [*_grown(signals), *self._wave(fleet, fleet.closed)]

    def close(self) -> list[Part]:
        """Return every file that is not appended to, as it stands."""
        fleet, run = self._watch.fleet, self._watch.run
        if fleet is None:
            return []
        summary = summarise(fleet, run.run_id, run.config)
        health = examine(fleet, run.run_id, run.time, run.config)
        return [
            *(part for wave in fleet.over for part in self._wave(fleet, wave)),
            # Appending nothing makes those that nobody has written to.
            *(Part(name, b"", grows=True) for name in (SIGNALS, PHASE_16, PHASE_18, PHASE_20)),
            Part(HEALTH, encode_file(health)),
            Part(SUMMARY, encode_file(summary)),
            Part(GANTT, chart(fleet)),
            Part(REPORT, report(fleet, summary, health)),
        ]

    def _wave(self, fleet: Fleet, wave: Wave) -> Iterator[Part]:
        # An agent whose tasks moved to another after a resume keeps its folder.
        tasks: dict[str, tuple[list[bytes], list[bytes]]] = {
            agent: ([], []) for agent in self._folders.get(wave.number, ())
        }
        for task_id in wave.tasks:
            task = fleet.tasks[task_id]
            given, done = tasks.setdefault(task.agent, ([], []))
            given.append(encode_line(assignment(task)))
            done.append(encode_line(executed(task)))
        self._folders[wave.number] = list(tasks)
        for agent, (given, done) in tasks.items():
            folder = f"wave_{wave.number}/{folder_of(agent)}"
            share = wave.shares.get(agent) or Share(agent=agent)
            measured = [encode_line(line) for line in metrics(wave, share)]
            yield Part(f"{folder}/{ASSIGNMENTS}", b"".join(given))
            yield Part(f"{folder}/{TASKS}", b"".join(done))
            yield Part(f"{folder}/{METRICS}", b"".join(measured))
            yield Part(f"{folder}/{FEEDBACK}", b"".join(self._feedback[wave.number].get(agent, [])))


def folder_of(agent: str) -> str:
    """Return the name of an agent's folder: its own where that is plain, else one with its digest."""
    if _PLAIN.fullmatch(agent):
        return agent
    plain = re.sub(r"[^A-Za-z0-9_-]", "_", agent)[:60]
    return f"{plain}.{hashlib.sha256(agent.encode()).hexdigest()[:12]}"


def _by_agent(signals: Iterable[FleetSignal]) -> dict[str, list[bytes]]:
    found: dict[str, list[bytes]] = {}
    for signal in signals:
        if signal.agent_id is not None:
            found.setdefault(signal.agent_id, []).append(encode_line(signal))
    return found


def _grown(signals: Iterable[FleetSignal]) -> Iterator[Part]:
    """Append each signal to the file of all, and in its own form to that of the phase that it is for."""
    lines: dict[str, list[bytes]] = {}
    for signal in signals:
        lines.setdefault(SIGNALS, []).append(encode_line(signal))
        if (line := told(signal)) is not None:
            lines.setdefault(line[0], []).append(line[1])
    for name, content in lines.items():
        yield Part(name, b"".join(content), grows=True)
