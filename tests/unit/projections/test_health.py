from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from buddy.model.config import HEALTH_WEIGHTS
from buddy.projections import health
from buddy.projections.health import TARGETS, Tier
from buddy.projections.metrics import Latency, Metrics


def metrics(**values: Any) -> Metrics:
    return Metrics(**{**dict.fromkeys(Metrics.__struct_fields__), **values})


def test_tool_health_worked_out_by_hand() -> None:
    found = health.tool_health(
        metrics(
            success_rate=0.9,
            rollback_frequency=0.1,
            conflict_rate=0.2,
            confidence_drift=-0.05,
            approval_rate=0.5,
        ),
        HEALTH_WEIGHTS,
    )
    # 36 + 18 + 12 + 14.25 + 5
    assert found == 85.25


def test_a_run_without_live_calls_or_approvals_shares_their_weight_out() -> None:
    found = health.tool_health(
        metrics(success_rate=0.8, conflict_rate=0.0, confidence_drift=0.1), HEALTH_WEIGHTS
    )
    # (0.40 x 0.8 + 0.15 x 1 + 0.15 x 0.9) / 0.70
    assert found == pytest.approx(100 * 0.605 / 0.70, abs=1e-6)


def test_everything_failed() -> None:
    found = health.tool_health(
        metrics(
            success_rate=0.0,
            rollback_frequency=1.0,
            conflict_rate=1.0,
            confidence_drift=1.0,
            approval_rate=0.0,
        ),
        HEALTH_WEIGHTS,
    )
    assert found == 0.0
    assert health.tier(found) is Tier.POOR


def test_nothing_finished_is_no_data_whatever_else_is_known() -> None:
    assert health.tool_health(metrics(conflict_rate=0.0, approval_rate=1.0), HEALTH_WEIGHTS) is None
    assert health.tier(None) is Tier.NO_DATA


@pytest.mark.parametrize(
    ("score", "tier"),
    [
        (100.0, Tier.EXCELLENT),
        (90.0, Tier.EXCELLENT),
        (89.999999, Tier.GOOD),
        (70.0, Tier.GOOD),
        (69.999999, Tier.FAIR),
        (50.0, Tier.FAIR),
        (49.999999, Tier.POOR),
        (0.0, Tier.POOR),
    ],
)
def test_tiers(score: float, tier: Tier) -> None:
    assert health.tier(score) is tier


def test_weights_are_those_of_the_configuration_where_it_has_usable_ones() -> None:
    assert health.weights_of({"health_weights": {"success_rate": 1.0}}) == {"success_rate": 1.0}
    for unusable in (
        {},
        {"health_weights": "x"},
        {"health_weights": {}},
        {"health_weights": {"success_rate": 7}},
    ):
        assert health.weights_of(unusable) == HEALTH_WEIGHTS


def test_a_part_without_a_weight_does_not_count() -> None:
    assert health.weigh({"a": 1.0, "b": 0.0}, {"a": 0.5}) == 100.0
    assert health.weigh({"b": 0.5}, {"a": 0.5}) is None


share = st.none() | st.floats(0, 1)


@given(st.tuples(share, share, share, share, share))
def test_points_sum_to_the_score_and_weights_to_one(values: tuple[float | None, ...]) -> None:
    parts = dict(zip(HEALTH_WEIGHTS, values, strict=True))
    score = health.weigh(parts, HEALTH_WEIGHTS)
    shown = health.components(parts, HEALTH_WEIGHTS)
    assert set(shown) == set(parts)
    if score is None:
        assert all(part.points == part.counted == 0 for part in shown.values())
    else:
        assert 0 <= score <= 100
        assert sum(part.points for part in shown.values()) == pytest.approx(score, abs=1e-5)
        assert sum(part.counted for part in shown.values()) == pytest.approx(1, abs=1e-5)


def test_targets_are_those_of_the_specification() -> None:
    wanted = {
        "success_rate": 0.90,
        "availability": 0.95,
        "accuracy": 0.90,
        "load_balance": 0.70,
        "confidence": 0.80,
        "health_score": 90,
    }
    assert {name: TARGETS[name].value for name in wanted} == wanted


@pytest.mark.parametrize(
    ("name", "value", "met"),
    [
        ("success_rate", 0.90, True),
        ("success_rate", 0.89, False),
        ("rollback_frequency", 0.20, True),
        ("rollback_frequency", 0.21, False),
        ("confidence_drift", -0.10, True),
        ("confidence_drift", -0.11, False),
        ("confidence_drift", 0.11, False),
        ("health_score", None, None),
    ],
)
def test_gauges(name: str, value: float | None, met: bool | None) -> None:
    gauge = health.gauges(metrics(**{name: value}))[name]
    assert (gauge.value, gauge.met, gauge.target) == (value, met, TARGETS[name].value)


def test_gauges_without_a_target_say_so() -> None:
    latency = Latency(mean=1.0, p50=1.0, p95=1.0, p99=1.0)
    shown = health.gauges(metrics(latency_ms=latency, live_ratio=1 / 3))
    assert set(shown) == set(Metrics.__struct_fields__)
    assert (shown["latency_ms"].value, shown["latency_ms"].met) == (latency, None)
    assert (shown["live_ratio"].value, shown["live_ratio"].target) == (0.333333, None)
