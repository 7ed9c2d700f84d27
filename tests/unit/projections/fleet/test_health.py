import pytest

from buddy.model.config import FLEET_HEALTH_WEIGHTS
from buddy.model.outcome import StepStatus
from buddy.projections.fleet.health import examine, score, scored, weights
from buddy.projections.fleet.shares import Measured
from buddy.projections.health import Tier
from unit.projections.fleet.stories import T, Tale, fleet, many


@pytest.mark.parametrize(
    ("measured", "points", "tier"),
    [
        (  # 40 x 0.6 + 20 x 1 + 20 x 0.8 + 20 x 0.8
            Measured(success_rate=0.6, availability=1.0, accuracy=0.8, load_balance=0.8, confidence=0.78),
            76.0,
            Tier.GOOD,
        ),
        (  # all failed, each predicted at 0.9: 0 + 20 + 20 x 0.1 + 20
            Measured(success_rate=0.0, availability=1.0, accuracy=0.1, load_balance=1.0, confidence=0.9),
            42.0,
            Tier.POOR,
        ),
        (  # failed without a try: the weight of accuracy goes to the others: (0.2 + 0.2) / 0.8
            Measured(success_rate=0.0, availability=1.0, load_balance=1.0),
            50.0,
            Tier.FAIR,
        ),
        (
            Measured(success_rate=1.0, availability=1.0, accuracy=1.0, load_balance=1.0, confidence=1.0),
            100.0,
            Tier.EXCELLENT,
        ),
        (Measured(availability=1.0, load_balance=1.0), None, Tier.NO_DATA),
        (Measured(), None, Tier.NO_DATA),
    ],
)
def test_the_score_of_a_fleet(measured: Measured, points: float | None, tier: Tier) -> None:
    assert score(measured, FLEET_HEALTH_WEIGHTS) == points
    found = scored(measured, FLEET_HEALTH_WEIGHTS)
    assert (found.health_score, found.health_status) == (points, tier)


def test_weights_are_those_of_the_configuration() -> None:
    measured = Measured(success_rate=0.5, availability=1.0, accuracy=1.0, load_balance=1.0)
    assert score(measured, weights({"health_score_weights": {"success_rate": 1.0}})) == 50.0
    assert weights({}) == weights({"health_score_weights": "no"}) == FLEET_HEALTH_WEIGHTS


def test_metrics_stand_beside_the_targets_of_the_specification() -> None:
    measured = Measured(success_rate=0.9, availability=0.94, accuracy=0.9, load_balance=0.7, confidence=0.8)
    found = {name: (gauge.target, gauge.met) for name, gauge in scored(measured, {}).metrics.items()}
    assert found == {
        "success_rate": (0.9, True),
        "availability": (0.95, False),
        "accuracy": (0.9, True),
        "load_balance": (0.7, True),
        "confidence": (0.8, True),
    }


def test_the_last_wave_and_the_history() -> None:
    tale = Tale()
    tale.wave(1, *many(2, "a", 2, rate=1.0), *many(2, "b", 2, rate=1.0))
    tale.wave(2, *many(3, "a", 0, rate=0.9), *many(3, "b", 3, rate=0.9))
    found = examine(fleet(tale), "r1", "now", {})
    assert (found.run_id, found.generated_at, found.wave) == ("r1", "now", 2)
    # 40 x 0.5 + 20 + 20 x (1 - (0.9 + 0.1) / 2) + 20
    assert (found.health_score, found.health_status) == (70.0, Tier.GOOD)
    assert sum(part.points for part in found.components.values()) == pytest.approx(70.0)
    assert [(row.wave, row.health_score, row.confidence) for row in found.history] == [
        (1, 100.0, 1.0),
        (2, 70.0, 0.9),
    ]
    assert [anomaly.subject for anomaly in found.anomalies] == ["agent:a", "wave:2", "agent:a"]
    assert found.history[1].anomalies == 3


def test_a_fleet_before_its_first_wave_is_over_has_no_data() -> None:
    found = examine(fleet(Tale()), "r1", "now", {})
    assert (found.wave, found.health_score, found.health_status) == (0, None, Tier.NO_DATA)
    assert (found.history, found.anomalies) == ([], [])


def test_a_wave_of_held_tasks_has_no_score() -> None:
    found = examine(fleet(Tale().wave(1, T(attempts="", status=StepStatus.HELD))), "r1", "now", {})
    assert [(row.health_score, row.health_status) for row in found.history] == [(None, Tier.NO_DATA)]
