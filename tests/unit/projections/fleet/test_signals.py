from buddy.journal.events import Record
from buddy.model.outcome import StepStatus
from buddy.projections.anomalies import Watch
from buddy.projections.fleet.signals import Teller
from buddy.projections.signal_types import (
    AgentPerformance,
    AnomalyFound,
    FleetSignal,
    HeuristicFeedback,
    MultiAgentCoordination,
    PredictionValidation,
)
from unit.projections import journals
from unit.projections.fleet.stories import T, Tale, many


def signals(tale: Tale) -> list[FleetSignal]:
    watch, teller = Watch(), Teller()
    told: list[FleetSignal] = []
    for record in tale.records:
        watch.follow(record)
        told += teller.hear(watch)
    return told


def test_nothing_is_told_of_a_run_without_a_fleet_or_between_waves() -> None:
    watch = Watch()
    watch.follow(Record(1, "2026-01-01T00:00:00+00:00", journals.started()))
    assert list(Teller().hear(watch)) == []
    assert signals(Tale().wave(1, T(), finish=False)) == []


def test_each_wave_is_told_to_the_phases_that_learn() -> None:
    told = signals(Tale().wave(1, *many(2, "a", 2), *many(2, "b", 2)))
    assert [(type(one), one.target_phase, one.agent_id) for one in told] == [
        (AgentPerformance, 18, "a"),
        (AgentPerformance, 18, "b"),
        (MultiAgentCoordination, 18, None),
        (HeuristicFeedback, 16, None),
        (PredictionValidation, 20, None),
    ]
    assert [one.signal_id for one in told] == [f"r1-fleet-{number}" for number in range(1, 6)]
    # n / (n + 5)
    assert [one.confidence for one in told] == [0.285714, 0.285714, 0.444444, 0.444444, 0.444444]
    assert {tuple(one.evidence) for one in told} == {(12,)}


def test_how_an_agent_did() -> None:
    tasks = [
        T(attempts="-+", rate=0.8, seconds=4),
        T(attempts="--", rate=0.6, seconds=6),
        T(rate=1.0, seconds=2),
    ]
    [told] = [one for one in signals(Tale().wave(1, *tasks)) if isinstance(one, AgentPerformance)]
    content = told.content
    assert (content.wave, content.standing, content.tasks, content.finished) == (1, "available", 3, 3)
    assert (content.success_rate, content.first_attempt_success_rate) == (0.666667, 0.333333)
    assert (content.mean_predicted, content.prediction_error) == (0.8, 0.466667)
    assert (content.assigned_s, content.load_s, content.avg_latency) == (12.0, 22.0, 7333.333333)
    assert (content.attempts, content.failed_attempts, content.error_patterns) == (5, 3, {"ToolError": 3})
    assert content.anomalies == ["agent_failure", "prediction_drift"]


def test_how_agents_worked_together() -> None:
    tale = Tale(agents=["a", "b", "c"]).wave(
        1,
        T(agent="a", seconds=30),
        T(agent="b", seconds=10, moved_from="c"),
        T(agent="b", attempts="", status=StepStatus.HELD),
        T(agent="b", attempts="", status=StepStatus.SKIPPED),
        rebalanced=True,
    )
    [told] = [one for one in signals(tale) if isinstance(one, MultiAgentCoordination)]
    content = told.content
    assert (content.agents, content.tasks, content.interference_count, content.moved) == (2, 4, 2, 1)
    assert (content.rebalanced, content.duration_s, content.idle_s) == (True, 30.0, 50.0)
    assert (content.load_balance, content.availability, content.issues) == (0.0, 1.0, [])


def test_heuristics_are_judged_each_and_against_their_wave_before() -> None:
    tale = Tale()
    tale.wave(1, *many(4, "a", 2, rate=0.9, heuristic="h1"), *many(2, "b", 2, rate=0.9))
    tale.wave(2, *many(4, "a", 4, rate=0.9, heuristic="h1"))
    told = [one.content for one in signals(tale) if isinstance(one, HeuristicFeedback)]
    assert [(one.heuristic_id, one.accuracy, one.error_rate, one.accuracy_improvement) for one in told] == [
        ("h1", 0.6, 0.5, None),
        ("unattributed", 0.9, 0.0, None),
        ("h1", 0.9, 0.0, 0.3),
    ]


def test_predictions_carry_their_measured_error() -> None:
    tale = Tale().wave(
        1,
        T(rate=0.8, prediction="p1"),
        T(rate=0.8, prediction="p1", attempts="-"),
        T(rate=0.3),
        T(rate=0.4, attempts="-"),
    )
    every, one = [told.content for told in signals(tale) if isinstance(told, PredictionValidation)]
    assert (every.prediction_id, one.prediction_id) == (None, "p1")
    assert (every.mean_predicted, every.actual_success, every.calibration_error) == (0.575, 0.5, 0.075)
    assert every.confidence_calibration == 0.925
    assert every.error_analysis == {
        # (0.2^2 + 0.8^2 + 0.7^2 + 0.4^2) / 4
        "squared_error": 0.3325,
        "too_optimistic": 1,
        "too_pessimistic": 1,
    }
    assert (one.tasks, one.calibration_error, one.confidence_calibration) == (2, 0.3, 0.7)


def test_anomalies_are_told_to_the_phase_that_can_do_most_about_them() -> None:
    told = [one for one in signals(Tale().wave(1, *many(4, "a", 0))) if isinstance(one, AnomalyFound)]
    assert [(one.content.anomaly_type.value, one.target_phase, one.agent_id) for one in told] == [
        ("agent_failure", 18, "a"),
        ("prediction_drift", 20, None),
        ("prediction_drift", 20, "a"),
    ]


def test_a_wave_in_which_nothing_was_tried_tells_of_no_predictions() -> None:
    told = signals(Tale().wave(1, T(attempts="", status=StepStatus.HELD)))
    assert [type(one) for one in told] == [AgentPerformance, MultiAgentCoordination]
    assert told[0].confidence == 0.0
