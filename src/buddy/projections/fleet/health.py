"""`phase21_system_health.json`: how well a fleet is, wave by wave."""

from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from buddy.model.config import FLEET_HEALTH_WEIGHTS
from buddy.projections.anomaly import Anomaly
from buddy.projections.fleet.fold import Fleet
from buddy.projections.fleet.shares import Measured
from buddy.projections.health import Component, Gauge, Tier, components, gauges, tier, weigh, weights_of
from buddy.projections.metrics import places


class Scored(Struct, frozen=True, kw_only=True):
    """How well a fleet was in a wave, or in the whole run.

    Attributes:
        health_score: 0 to 100, None where nothing finished.
        health_status: what the score means.
        metrics: each beside its target.
    """

    health_score: float | None
    health_status: Tier
    metrics: dict[str, Gauge]


class WaveHealth(Struct, frozen=True, kw_only=True):
    """One wave in the history.

    Attributes:
        wave: from 1.
        ended_at: UTC ISO 8601.
        health_score: 0 to 100, None where nothing finished.
        health_status: what the score means.
        success_rate, availability, accuracy, load_balance: as measured in it.
        confidence: mean predicted success rate; wave by wave it is the confidence trajectory.
        anomalies: how many it showed.
    """

    wave: int
    ended_at: str
    health_score: float | None
    health_status: Tier
    success_rate: float | None
    availability: float | None
    accuracy: float | None
    load_balance: float | None
    confidence: float | None
    anomalies: int


class FleetHealth(Struct, frozen=True, kw_only=True):
    """`phase21_system_health.json`: the wave that was over last, and the history.

    Attributes:
        run_id: of which run.
        generated_at: time of the last record, UTC ISO 8601.
        wave: that was over last, 0 before any.
        health_score: 0 to 100, None where nothing finished.
        health_status: what the score means.
        metrics: each beside its target.
        components: what the score is made of; their points sum to it.
        anomalies: of the wave.
        history: every wave that is over, in the order of their numbers.
    """

    run_id: str
    generated_at: str
    wave: int
    health_score: float | None
    health_status: Tier
    metrics: dict[str, Gauge]
    components: dict[str, Component]
    anomalies: list[Anomaly]
    history: list[WaveHealth]


def weights(config: Mapping[str, Any]) -> dict[str, float]:
    """Return the weights of fleet health that a run's configuration sets, the defaults where it sets none."""
    return weights_of(config, "health_score_weights", FLEET_HEALTH_WEIGHTS)


def parts(measured: Measured) -> dict[str, float | None]:
    """Return what fleet health is made of, each from 0 (bad) to 1 (good)."""
    return {
        "success_rate": measured.success_rate,
        "availability": measured.availability,
        "accuracy": measured.accuracy,
        "load_balance": measured.load_balance,
    }


def score(measured: Measured, weights: Mapping[str, float]) -> float | None:
    """Return the health of a fleet, 0 to 100; None where nothing finished.

    100 x (0.40 success rate + 0.20 availability + 0.20 accuracy + 0.20 load balance), with the weights given.
    """
    return None if measured.success_rate is None else weigh(parts(measured), weights)


def scored(measured: Measured, weights: Mapping[str, float]) -> Scored:
    """Return the health of a fleet with what it was worked out from."""
    points = score(measured, weights)
    return Scored(health_score=points, health_status=tier(points), metrics=gauges(measured))


def examine(fleet: Fleet, run_id: str, time: str, config: Mapping[str, Any]) -> FleetHealth:
    """Say how well a fleet is, so far.

    Args:
        fleet: the fold.
        run_id: of which run.
        time: of the last record.
        config: of the run.
    """
    weighted = weights(config)
    over = fleet.over
    last = max(over, key=lambda wave: wave.seq, default=None)
    measured = last.measured if last is not None else Measured()
    now = scored(measured, weighted)
    return FleetHealth(
        run_id=run_id,
        generated_at=time,
        wave=last.number if last is not None else 0,
        health_score=now.health_score,
        health_status=now.health_status,
        metrics=now.metrics,
        components=components(parts(measured), weighted),
        anomalies=last.anomalies if last is not None else [],
        history=[
            WaveHealth(
                wave=wave.number,
                ended_at=wave.ended_at,
                health_score=(points := score(wave.measured, weighted)),
                health_status=tier(points),
                success_rate=places(wave.measured.success_rate),
                availability=places(wave.measured.availability),
                accuracy=places(wave.measured.accuracy),
                load_balance=places(wave.measured.load_balance),
                confidence=places(wave.measured.confidence),
                anomalies=len(wave.anomalies),
            )
            for wave in over
        ],
    )
