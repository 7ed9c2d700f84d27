"""What is wrong with a wave of a fleet: an agent that fails, uneven loads, predictions that drift."""

from collections.abc import Iterator, Mapping
from typing import Any

from buddy.core.standing import LEAST_TASKS, AgentStatus, fails
from buddy.journal.events import Record
from buddy.projections.anomaly import RECOMMENDATIONS, Anomaly, AnomalyType, Severity
from buddy.projections.fleet.fold import Fleet
from buddy.projections.fleet.shares import Share, Wave
from buddy.projections.metrics import drift, imbalance, places, ratio, spread

MOST_DRIFT = 0.25
MOST_IMBALANCE = 0.40
MOST_SPREAD = 1.5
LEAST_RATE = 0.50


def sensitivity_of(config: Mapping[str, Any]) -> float:
    """Return the prediction error that a run's configuration takes for drift."""
    said = config.get("anomaly_sensitivity", MOST_DRIFT)
    return float(said) if isinstance(said, int | float) else MOST_DRIFT


def judge(fleet: Fleet, wave: Wave, record: Record, sensitivity: float) -> list[Anomaly]:
    """Return what is wrong with a wave that was just closed.

    Args:
        fleet: the fold.
        wave: the wave.
        record: that closed it.
        sensitivity: prediction error above which an agent or the wave drifts.
    """

    def raised(kind: AnomalyType, severity: Severity, subject: str, observed: int, **figures: Any) -> Anomaly:
        rounded = {name: places(it) if isinstance(it, float) else it for name, it in figures.items()}
        return Anomaly(
            type=kind,
            severity=severity,
            time=record.time,
            subject=subject,
            figures={"wave": wave.number, **rounded},
            recommendation=RECOMMENDATIONS[kind],
            observations=observed,
            evidence=[record.seq],
        )

    found = []
    for share in wave.shares.values():
        severity = _failing(share)
        if severity is not None:
            figures = {"tasks": share.tried, "first_attempts_passed": share.passed, "rate": share.first_rate}
            subject = f"agent:{share.agent}"
            found.append(raised(AnomalyType.AGENT_FAILURE, severity, subject, share.tried, **figures))
    found += [
        raised(AnomalyType.PREDICTION_DRIFT, Severity.MEDIUM, subject, tasks, **figures)
        for subject, tasks, figures in _drifts(fleet, wave, sensitivity)
    ]
    found += [
        raised(kind, severity, "agents", tasks, **figures)
        for kind, severity, tasks, figures in _loads(wave)
        if not _known(fleet, wave, kind)
    ]
    return found


def _known(fleet: Fleet, wave: Wave, kind: AnomalyType) -> bool:
    """Whether what is wrong with the loads was found before: without a barrier they only ever add up."""
    others = (other for other in fleet.over if other is not wave)
    return fleet.plan.kind == "continuous" and any(
        anomaly.type is kind for other in others for anomaly in other.anomalies
    )


def _failing(share: Share) -> Severity | None:
    if not share.tried:
        return None
    before = share.standing
    if before.status is AgentStatus.QUARANTINED:
        return None
    if fails(share.tried, share.passed, before):
        return Severity.HIGH
    few = share.tried + before.tried < LEAST_TASKS
    return Severity.LOW if few and share.passed / share.tried < LEAST_RATE else None


def _drifts(fleet: Fleet, wave: Wave, most: float) -> Iterator[tuple[str, int, dict[str, Any]]]:
    tried = sum(share.tried for share in wave.shares.values())
    predicted = ratio(sum(share.predicted for share in wave.shares.values()), tried)
    actual = ratio(sum(share.passed for share in wave.shares.values()), tried)
    rows = [(f"wave:{wave.number}", tried, predicted, actual)]
    rows += [
        (f"agent:{agent}", total.tried, total.mean_predicted, total.first_rate)
        for agent, total in fleet.totals.items()
        if (share := wave.shares.get(agent)) is not None
        and share.tried
        and share.standing.status is not AgentStatus.QUARANTINED
    ]
    for subject, tasks, mean_predicted, mean_actual in rows:
        error = drift(mean_predicted, mean_actual)
        if error is not None and tasks >= LEAST_TASKS and abs(error) > most:
            yield (
                subject,
                tasks,
                {
                    "tasks": tasks,
                    "mean_predicted": mean_predicted,
                    "mean_actual": mean_actual,
                    "error": error,
                },
            )


def _loads(wave: Wave) -> Iterator[tuple[AnomalyType, Severity, int, dict[str, Any]]]:
    compared = wave.compared
    if len(compared) < 2:
        return
    apart, times = imbalance(list(compared.values())), spread(list(compared.values()))
    busiest, idlest = max(compared, key=lambda a: compared[a]), min(compared, key=lambda a: compared[a])
    figures = {
        "busiest": busiest,
        "busiest_s": compared[busiest],
        "least_busy": idlest,
        "least_busy_s": compared[idlest],
        "imbalance": apart,
        "ratio": times,
    }
    tasks = sum(wave.shares[agent].tasks for agent in compared)
    if apart > MOST_IMBALANCE:
        yield AnomalyType.COORDINATION_ISSUE, Severity.MEDIUM, tasks, figures
    if times is None or times > MOST_SPREAD:
        yield AnomalyType.LOAD_IMBALANCE, Severity.LOW, tasks, figures
