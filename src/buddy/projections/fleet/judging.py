"""What is wrong with a wave of a fleet: an agent that fails, uneven loads, predictions that drift."""

from collections.abc import Iterator, Mapping
from math import sqrt
from typing import Any

from buddy.core.standing import LEAST_TASKS, AgentStatus, fails
from buddy.journal.events import Record
from buddy.projections.anomaly import RECOMMENDATIONS, Anomaly, AnomalyType, Severity
from buddy.projections.fleet.fold import Fleet
from buddy.projections.fleet.shares import Share, Wave
from buddy.projections.metrics import imbalance, places, spread

MOST_DRIFT = 0.25
MOST_IMBALANCE = 0.40
MOST_SPREAD = 1.5
LEAST_RATE = 0.50
SURE = 4.0
"""Standard errors beyond which nobody takes an error for chance: 1 in 15,000 of a normal distribution."""


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
        if kind not in fleet.told
    ]
    if fleet.plan.kind == "continuous":
        # Without a barrier loads only ever add up: what is wrong with them is told once.
        fleet.told |= {anomaly.type for anomaly in found} & {
            AnomalyType.COORDINATION_ISSUE,
            AnomalyType.LOAD_IMBALANCE,
        }
    return found


def _failing(share: Share) -> Severity | None:
    if not share.tried:
        return None
    before = share.standing
    if before.status is AgentStatus.QUARANTINED:
        return None
    if fails(share.tried, share.passed, before):
        return Severity.HIGH
    tried, passed = share.tried + before.tried, share.passed + before.passed
    return Severity.LOW if tried < LEAST_TASKS and passed / tried < LEAST_RATE else None


def _drifts(fleet: Fleet, wave: Wave, most: float) -> Iterator[tuple[str, int, dict[str, Any]]]:
    """Yield whose predictions drift: those of the wave, and of agents over all waves.

    An agent whose error in this wave alone is far beyond chance drifts by that, however good it was before.
    """
    every = Share(agent="")
    for share in wave.shares.values():
        every.tried += share.tried
        every.passed += share.passed
        every.predicted += share.predicted
    rows = [(f"wave:{wave.number}", every)]
    for agent, share in wave.shares.items():
        if share.tried and share.standing.status is not AgentStatus.QUARANTINED:
            rows.append((f"agent:{agent}", share if _beyond_chance(share) else fleet.totals[agent]))
    for subject, measured in rows:
        error = measured.error
        if error is not None and measured.tried >= LEAST_TASKS and abs(error) > most:
            figures = {
                "tasks": measured.tried,
                "mean_predicted": measured.mean_predicted,
                "mean_actual": measured.first_rate,
                "error": error,
            }
            yield subject, measured.tried, figures


def _beyond_chance(share: Share) -> bool:
    """Whether an error is beyond `SURE` standard errors, each task succeeding at the mean predicted rate."""
    predicted, error = share.mean_predicted, share.error
    if predicted is None or error is None or share.tried < LEAST_TASKS:
        return False
    return abs(error) > SURE * sqrt(max(0.0, predicted * (1.0 - predicted)) / share.tried)


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
    tasks = sum(share.tasks for share in wave.shares.values())
    if apart > MOST_IMBALANCE:
        yield AnomalyType.COORDINATION_ISSUE, Severity.MEDIUM, tasks, figures
    if times is None or times > MOST_SPREAD:
        yield AnomalyType.LOAD_IMBALANCE, Severity.LOW, tasks, figures
