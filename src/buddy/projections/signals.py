"""`learning_signals.jsonl`: what the phases that learn are told, at rest and after each wave of a fleet.

Each signal is a function of the journal. Its confidence is `n / (n + 5)` for n observations: 0.17 after
one, 0.5 after five, 0.95 after a hundred. What a single record proves has confidence 1.
"""

from collections import Counter
from collections.abc import Iterator
from typing import Any

from buddy.journal.events import Record, RunFinished, WaveFinished
from buddy.model.conflict import ConflictType, Strategy
from buddy.model.mode import Mode
from buddy.model.outcome import StepStatus
from buddy.projections.anomalies import Watch
from buddy.projections.approvals import EVIDENCE, Judgement
from buddy.projections.conflicts import Pattern
from buddy.projections.fleet.signals import Teller
from buddy.projections.lines import encode_line
from buddy.projections.metrics import TOP, Tally, drift, places, ranked, ratio, recurring, tallies
from buddy.projections.run import Work
from buddy.projections.signal_types import (
    TELLS,
    AgentPerformance,
    AnySignal,
    ApprovalMismatch,
    ConflictPattern,
    ConflictUse,
    Disagreement,
    ExecutionModeAnalysis,
    ModeUse,
    Pair,
    Performance,
    Reliability,
    ToolReliability,
    anomaly_found,
    trust,
)
from buddy.projections.steps import RUNGS, Steps


class Signals:
    """The signals of a run; one that rests twice is told about twice, of each anomaly once."""

    EVENTS = frozenset({RunFinished, WaveFinished})
    """Events that it has to hear of when another output keeps the fold going."""

    def __init__(self, watch: Watch) -> None:
        self._watch = watch
        self._told = 0
        self._anomalies = 0
        self._teller = Teller()

    def feed(self, record: Record) -> bytes:
        """Return the signals of a record with which the run comes to rest, or a wave is over."""
        self._watch.follow(record)
        if not isinstance(record.event, RunFinished | WaveFinished):
            return b""
        assert record.seq == self._watch.run.seq, "the watch has gone ahead of the outputs"
        if isinstance(record.event, RunFinished):
            return b"".join(encode_line(signal) for signal in self._signals(record))
        return b"".join(encode_line(signal) for signal in self._teller.hear(self._watch))

    def close(self) -> None:
        """Return nothing: the file grew."""
        return

    def _stamp(self, record: Record, phase: int, evidence: list[int]) -> dict[str, Any]:
        self._told += 1
        return {
            "signal_id": f"{self._watch.run.run_id}-signal-{self._told}",
            "target_phase": phase,
            "evidence": evidence[:EVIDENCE],
            "generated_at": record.time,
        }

    def _signals(self, record: Record) -> Iterator[AnySignal]:
        run = self._watch.run
        cells = run.counted().cells
        tools = tallies(cells, lambda state: state.tool)
        agents = tallies(cells, lambda state: state.agent)
        for tool, tally in tools.items():
            if tally.finished:
                work = run.tools.get(tool, Work())
                stamp = self._stamp(record, 16, work.evidence)
                yield ToolReliability(
                    tool_name=tool,
                    confidence=trust(tally.finished),
                    content=reliability(tally, work),
                    **stamp,
                )
        for tool, judgement in sorted(run.approvals.judgements.items()):
            if judgement.mismatches:
                stamp = self._stamp(record, 16, judgement.evidence)
                confidence = trust(judgement.mismatches)
                content = disagreement(judgement)
                yield ApprovalMismatch(tool_name=tool, confidence=confidence, content=content, **stamp)
        for tool, tally in tools.items():
            stamp = self._stamp(record, 19, run.tools.get(tool, Work()).evidence)
            yield ExecutionModeAnalysis(
                tool_name=tool, confidence=trust(tally.steps), content=mode_use(tally), **stamp
            )
        for kind, pattern in run.conflicts.patterns.items():
            if pattern.count:
                stamp = self._stamp(record, 19, pattern.evidence)
                used = conflict_use(kind, pattern, run.steps)
                yield ConflictPattern(confidence=trust(pattern.count), content=used, **stamp)
        for agent, tally in agents.items():
            if tally.finished:
                work = run.agents.get(agent, Work())
                stamp = self._stamp(record, 18, work.evidence)
                yield AgentPerformance(
                    agent_id=agent,
                    confidence=trust(tally.finished),
                    content=performance(tally, work),
                    **stamp,
                )
        yield from self._anomalous(record)

    def _anomalous(self, record: Record) -> Iterator[AnySignal]:
        fresh = self._watch.found[self._anomalies :]
        self._anomalies += len(fresh)
        for anomaly in fresh:
            stamp = self._stamp(record, TELLS[anomaly.type], anomaly.evidence)
            yield anomaly_found(anomaly, stamp)


def reliability(tally: Tally, work: Work) -> Reliability:
    """Say how a tool did."""
    by = tally.by_status
    return Reliability(
        steps=tally.finished,
        succeeded=by.get(StepStatus.SUCCEEDED, 0),
        failed=by.get(StepStatus.FAILED, 0),
        unknown=by.get(StepStatus.UNKNOWN, 0),
        rolled_back=by.get(StepStatus.ROLLED_BACK, 0),
        success_rate=places(tally.success_rate),
        rollback_frequency=places(tally.rollback_frequency),
        avg_latency=places(tally.mean_latency),
        attempts=work.attempts,
        failed_attempts=work.failed,
        error_patterns=recurring(work.errors),
    )


def disagreement(judgement: Judgement) -> Disagreement:
    """Say where people and confidence scores disagree about a tool."""
    return Disagreement(
        decided=judgement.decided,
        approved=judgement.approved,
        denied=judgement.denied,
        approved_unsure=judgement.approved_unsure,
        denied_sure=judgement.denied_sure,
        threshold=round(judgement.threshold, 6),
        approved_confidence=places(ratio(judgement.approved_confidence, judgement.approved)),
        denied_confidence=places(ratio(judgement.denied_confidence, judgement.denied)),
    )


def by_final_mode(tally: Tally) -> dict[str, int]:
    """Count steps by the highest rung passed, `NONE` where none was."""
    return {_rung_name(mode): count for mode, count in zip(RUNGS, tally.by_mode, strict=True)}


def _rung_name(mode: Mode | None) -> str:
    return mode.value if mode else "NONE"


def mode_use(tally: Tally) -> ModeUse:
    """Say how far the steps of a tool climbed."""
    return ModeUse(
        steps=tally.steps,
        by_final_mode=by_final_mode(tally),
        live_ratio=places(ratio(tally.live, tally.steps)),
        stopped_by=dict(sorted(tally.stopped.items())),
        mean_confidence=places(tally.mean_confidence),
        success_rate=places(tally.success_rate),
        confidence_drift=places(drift(tally.mean_confidence, tally.success_rate)),
    )


def conflict_use(kind: ConflictType, pattern: Pattern, steps: Steps) -> ConflictUse:
    """Say what the conflicts of one type have in common."""
    states = steps.states
    tools: Counter[tuple[str, str]] = Counter()
    agents: Counter[tuple[str, str]] = Counter()
    rows = iter(pattern.pairs)
    for one, other in zip(rows, rows, strict=True):
        first, second = states[one], states[other]
        if first.tool and second.tool:
            tools[first.tool, second.tool] += 1
            agents[first.agent, second.agent] += 1
    by_resolution = {name: pattern.by_resolution[name] for name in Strategy if name in pattern.by_resolution}
    return ConflictUse(
        conflict_type=kind,
        conflicts=pattern.count,
        unresolved=pattern.unresolved,
        by_resolution=by_resolution,
        tool_pairs=_pairs(tools),
        agent_pairs=_pairs(agents),
        resources=dict(ranked(pattern.resources)),
    )


def _pairs(counts: Counter[tuple[str, str]]) -> list[Pair]:
    best = sorted(counts.items(), key=lambda entry: (-entry[1], entry[0]))[:TOP]
    return [Pair(first=first, second=second, count=count) for (first, second), count in best]


def performance(tally: Tally, work: Work) -> Performance:
    """Say how an agent did."""
    return Performance(
        tasks=tally.steps,
        finished=tally.finished,
        success_rate=places(tally.success_rate),
        first_attempt_success_rate=places(tally.first_rate),
        avg_latency=places(tally.mean_latency),
        mean_predicted=places(tally.mean_confidence),
        prediction_error=places(tally.prediction_error),
        load_s=round(work.ms / 1000, 6),
        attempts=work.attempts,
        failed_attempts=work.failed,
        error_patterns=recurring(work.errors),
    )
