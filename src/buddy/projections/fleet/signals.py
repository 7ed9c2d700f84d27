"""The signals of a fleet: what the phases that learn are told after each wave."""

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from buddy.model.outcome import StepStatus
from buddy.projections.fleet.fold import Fleet
from buddy.projections.fleet.shares import Share, Task, Wave
from buddy.projections.metrics import places, ratio, recurring
from buddy.projections.signal_types import (
    TELLS,
    AgentPerformance,
    Calibration,
    Coordination,
    FleetSignal,
    HeuristicFeedback,
    HeuristicResult,
    MultiAgentCoordination,
    Performance,
    PredictionValidation,
    anomaly_found,
    trust,
)

if TYPE_CHECKING:
    from buddy.projections.anomalies import Watch

UNATTRIBUTED = "unattributed"
"""Stands for the heuristic of tasks that name none."""

_HINDERED = (StepStatus.SKIPPED, StepStatus.HELD, StepStatus.ABORTED)


class Teller:
    """Makes the signals of a fleet, wave by wave."""

    def __init__(self) -> None:
        self._accuracy: dict[str, float] = {}
        self._run_id = ""
        self._told = 0

    def hear(self, watch: "Watch") -> Iterator[FleetSignal]:
        """Yield the signals of the wave that the last record closed."""
        fleet = watch.fleet
        if fleet is not None and fleet.closed is not None:
            self._run_id = watch.run.run_id
            yield from self._wave(fleet, fleet.closed)

    def _wave(self, fleet: Fleet, wave: Wave) -> Iterator[FleetSignal]:
        shares = [share for share in wave.shares.values() if share.tasks]
        for share in shares:
            yield AgentPerformance(
                agent_id=share.agent,
                confidence=trust(share.tried),
                content=performance(wave, share),
                **self._stamp(wave, 18),
            )
        yield MultiAgentCoordination(
            confidence=trust(len(wave.tasks)),
            content=coordination(wave, shares, len(fleet.plan.agents)),
            **self._stamp(wave, 18),
        )
        tried = [task for name in wave.tasks if (task := fleet.tasks[name]).tried]
        for heuristic, tasks in _grouped(tried, "heuristic_id").items():
            result = self._heuristic(wave, heuristic or UNATTRIBUTED, tasks)
            yield HeuristicFeedback(confidence=trust(len(tasks)), content=result, **self._stamp(wave, 16))
        if tried:
            yield self._validation(wave, None, tried)
        for prediction, tasks in _grouped(tried, "prediction_id").items():
            if prediction is not None:
                yield self._validation(wave, prediction, tasks)
        for anomaly in wave.anomalies:
            yield anomaly_found(anomaly, self._stamp(wave, TELLS[anomaly.type]))

    def _stamp(self, wave: Wave, phase: int) -> dict[str, Any]:
        self._told += 1
        return {
            "signal_id": f"{self._run_id}-fleet-{self._told}",
            "target_phase": phase,
            "evidence": [wave.seq],
            "generated_at": wave.ended_at,
        }

    def _validation(self, wave: Wave, prediction: str | None, tasks: list[Task]) -> PredictionValidation:
        return PredictionValidation(
            confidence=trust(len(tasks)),
            content=calibration(wave, prediction, tasks),
            **self._stamp(wave, 20),
        )

    def _heuristic(self, wave: Wave, heuristic: str, tasks: list[Task]) -> HeuristicResult:
        found = calibration(wave, None, tasks)
        before = self._accuracy.get(heuristic)
        accuracy = self._accuracy[heuristic] = found.confidence_calibration
        return HeuristicResult(
            wave=wave.number,
            heuristic_id=heuristic,
            tasks=len(tasks),
            accuracy=accuracy,
            error_rate=round(1.0 - found.actual_success, 6),
            accuracy_improvement=None if before is None else round(accuracy - before, 6),
        )


def performance(wave: Wave, share: Share) -> Performance:
    """Say how an agent did in a wave."""
    latency = ratio(1000 * share.busy_s, share.tasks)
    failed = sum(share.errors.values())
    return Performance(
        wave=wave.number,
        standing=share.standing.status.value,
        tasks=share.tasks,
        finished=share.finished,
        success_rate=places(share.success_rate),
        first_attempt_success_rate=places(share.first_rate),
        avg_latency=places(latency),
        mean_predicted=places(share.mean_predicted),
        prediction_error=places(share.error),
        assigned_s=round(share.assigned_s, 6),
        load_s=round(share.busy_s, 6),
        attempts=share.attempts,
        failed_attempts=failed,
        error_patterns=recurring(share.errors),
        anomalies=[a.type.value for a in wave.anomalies if a.subject == f"agent:{share.agent}"],
    )


def coordination(wave: Wave, shares: list[Share], agents: int) -> Coordination:
    """Say how agents worked together in a wave.

    Args:
        wave: that is over.
        shares: of the agents with tasks in it.
        agents: of the fleet.
    """
    busy = sum(share.busy_s for share in shares)
    return Coordination(
        wave=wave.number,
        agents=len(shares),
        tasks=len(wave.tasks),
        load_balance=places(wave.measured.load_balance),
        availability=places(wave.measured.availability),
        interference_count=sum(share.by_status.get(status, 0) for share in shares for status in _HINDERED),
        moved=wave.moved,
        rebalanced=wave.rebalanced,
        duration_s=round(wave.duration_s, 6),
        idle_s=round(max(0.0, agents * wave.duration_s - busy), 6),
        issues=[anomaly.type.value for anomaly in wave.anomalies if anomaly.subject == "agents"],
    )


def calibration(wave: Wave, prediction: str | None, tasks: list[Task]) -> Calibration:
    """Compare what was predicted of tasks with what became of their first attempts.

    Args:
        wave: in which they were.
        prediction: its id, None for several.
        tasks: that were tried, at least one.
    """
    predicted = sum(task.rate for task in tasks) / len(tasks)
    actual = sum(task.passed for task in tasks) / len(tasks)
    squared = sum((task.rate - task.passed) ** 2 for task in tasks) / len(tasks)
    return Calibration(
        wave=wave.number,
        prediction_id=prediction,
        tasks=len(tasks),
        mean_predicted=round(predicted, 6),
        actual_success=round(actual, 6),
        calibration_error=round(predicted - actual, 6),
        confidence_calibration=round(1.0 - abs(predicted - actual), 6),
        error_analysis={
            "squared_error": round(squared, 6),
            "too_optimistic": sum(task.rate >= 0.5 and not task.passed for task in tasks),
            "too_pessimistic": sum(task.rate < 0.5 and task.passed for task in tasks),
        },
    )


def _grouped(tasks: Iterable[Task], key: str) -> dict[str | None, list[Task]]:
    found: dict[str | None, list[Task]] = {}
    for task in tasks:
        found.setdefault(getattr(task.assigned, key), []).append(task)
    return found
