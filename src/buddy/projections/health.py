"""Health: one score from 0 to 100, what went into it, and what it should be."""

from collections.abc import Mapping, Sequence
from enum import Enum
from typing import Any, Literal

import msgspec
from msgspec import Struct

from buddy.model.config import HEALTH_WEIGHTS
from buddy.model.plan import Fraction
from buddy.projections.metrics import PLACES, Latency, Metrics, places, ratio


class Tier(Enum):
    """What a score means: >= 90, >= 70, >= 50, below; `NO_DATA` where nothing finished."""

    EXCELLENT = "EXCELLENT"
    GOOD = "GOOD"
    FAIR = "FAIR"
    POOR = "POOR"
    NO_DATA = "NO_DATA"


TIERS: tuple[tuple[float, Tier], ...] = (
    (90.0, Tier.EXCELLENT),
    (70.0, Tier.GOOD),
    (50.0, Tier.FAIR),
    (0.0, Tier.POOR),
)
"""Least score of each tier, best first."""


def tier(score: float | None) -> Tier:
    """Say what a score means.

    Args:
        score: 0 to 100, None is no data.
    """
    if score is None:
        return Tier.NO_DATA
    return next((name for least, name in TIERS if score >= least), Tier.POOR)


def weigh(parts: Mapping[str, float | None], weights: Mapping[str, float]) -> float | None:
    """Return 100 x the weighted mean of the parts that have data, None where none has.

    The weight of a part without data goes to the others in proportion to theirs.

    Args:
        parts: name -> 0 to 1, None is no data.
        weights: name -> its weight; a part without one does not count.
    """
    known = [(weights.get(name, 0.0), value) for name, value in parts.items() if value is not None]
    mean = ratio(sum(weight * value for weight, value in known), sum(weight for weight, _ in known))
    return None if mean is None else round(100 * mean, PLACES)


def tool_parts(metrics: Metrics) -> dict[str, float | None]:
    """Return what tool health is made of, each from 0 (bad) to 1 (good)."""
    return {
        "success_rate": metrics.success_rate,
        "rollback_frequency": _rest(metrics.rollback_frequency),
        "conflict_rate": _rest(metrics.conflict_rate),
        "confidence_drift": None if metrics.confidence_drift is None else 1.0 - abs(metrics.confidence_drift),
        "approval_rate": metrics.approval_rate,
    }


def _rest(share: float | None) -> float | None:
    return None if share is None else 1.0 - share


def tool_health(metrics: Metrics, weights: Mapping[str, float]) -> float | None:
    """Return the health of a run's tools, 0 to 100; None where nothing finished.

    100 x (0.40 success_rate + 0.20 (1 - rollback_frequency) + 0.15 (1 - conflict_rate)
    + 0.15 (1 - |confidence_drift|) + 0.10 approval_rate), with the weights given.
    """
    return None if metrics.success_rate is None else weigh(tool_parts(metrics), weights)


def weights_of(
    config: Mapping[str, Any], name: str = "health_weights", default: Mapping[str, float] = HEALTH_WEIGHTS
) -> dict[str, float]:
    """Return the weights that a run's configuration sets, the defaults where it sets none.

    Args:
        config: of the run.
        name: of the setting.
        default: weights by part.
    """
    try:
        weights = msgspec.convert(config.get(name), dict[str, Fraction])
    except msgspec.ValidationError:
        return dict(default)
    return weights if sum(weights.values()) > 0 else dict(default)


Comparison = Literal[">=", "<=", "|x| <="]


class Target(Struct, frozen=True):
    """What a metric should be."""

    comparison: Comparison
    value: float

    def met(self, value: float | None) -> bool | None:
        """Whether a value reaches it, None where there is no data."""
        if value is None:
            return None
        if self.comparison == ">=":
            return value >= self.value
        return (abs(value) if self.comparison == "|x| <=" else value) <= self.value


MOST_ROLLBACKS = 0.20
MOST_CONFLICTS = 0.30

TARGETS: dict[str, Target] = {
    "success_rate": Target(">=", 0.90),
    "rollback_frequency": Target("<=", MOST_ROLLBACKS),
    "conflict_rate": Target("<=", MOST_CONFLICTS),
    "confidence": Target(">=", 0.80),
    "confidence_drift": Target("|x| <=", 0.10),
    "availability": Target(">=", 0.95),
    "accuracy": Target(">=", 0.90),
    "load_balance": Target(">=", 0.70),
    "health_score": Target(">=", 90.0),
}
"""What the metrics should be; those of rollbacks and conflicts are the limits of their anomalies."""


class Gauge(Struct, frozen=True, kw_only=True):
    """A metric beside its target.

    Attributes:
        value: None is no data; of `latency_ms` the four numbers.
        target, comparison: what it should be, None where nothing is asked of it.
        met: None where there is no data or no target.
    """

    value: float | Latency | None
    target: float | None
    comparison: Comparison | None
    met: bool | None


def gauges(metrics: Struct) -> dict[str, Gauge]:
    """Put every metric beside its target."""
    return {name: _gauge(name, getattr(metrics, name)) for name in metrics.__struct_fields__}


def _gauge(name: str, value: float | Latency | None) -> Gauge:
    target = TARGETS.get(name)
    if isinstance(value, Latency) or target is None:
        shown = value if isinstance(value, Latency) else places(value)
        return Gauge(value=shown, target=None, comparison=None, met=None)
    shown = places(value)
    return Gauge(value=shown, target=target.value, comparison=target.comparison, met=target.met(shown))


class Component(Struct, frozen=True, kw_only=True):
    """One part of a health score.

    Attributes:
        value: 0 (bad) to 1 (good), None is no data.
        weight: as configured.
        counted: the weight that it has here, with that of parts without data shared out.
        points: what it adds to the score.
    """

    value: float | None
    weight: float
    counted: float
    points: float


def components(parts: Mapping[str, float | None], weights: Mapping[str, float]) -> dict[str, Component]:
    """Break a score down; the points of all components sum to the score that `weigh` gives."""
    known: Sequence[str] = [name for name, value in parts.items() if value is not None]
    whole = sum(weights.get(name, 0.0) for name in known)
    found = {}
    for name, value in parts.items():
        weight = weights.get(name, 0.0)
        counted = weight / whole if value is not None and whole else 0.0
        found[name] = Component(
            value=places(value),
            weight=round(weight, PLACES),
            counted=round(counted, PLACES),
            points=round(100 * counted * (value or 0.0), PLACES),
        )
    return found
