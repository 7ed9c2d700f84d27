from typing import Any

import pytest

from buddy.projections.anomalies import Watch
from buddy.projections.anomaly import Anomaly, AnomalyType, Severity
from buddy.projections.fleet.judging import sensitivity_of
from unit.projections.fleet.stories import T, Tale, fleet, many

FAILURE, DRIFT = AnomalyType.AGENT_FAILURE, AnomalyType.PREDICTION_DRIFT
COORDINATION, IMBALANCE = AnomalyType.COORDINATION_ISSUE, AnomalyType.LOAD_IMBALANCE


def found(tale: Tale, wave: int = 1, *kinds: AnomalyType) -> list[Anomaly]:
    anomalies = fleet(tale).waves[wave].anomalies
    return [one for one in anomalies if not kinds or one.type in kinds]


def told(tale: Tale, wave: int = 1, *kinds: AnomalyType) -> list[tuple[AnomalyType, Severity, str]]:
    return [(one.type, one.severity, one.subject) for one in found(tale, wave, *kinds)]


@pytest.mark.parametrize(
    ("tasks", "passed", "severity"),
    [
        (20, 9, Severity.HIGH),
        (20, 10, None),
        (3, 1, Severity.HIGH),
        (2, 0, Severity.LOW),
        (1, 0, Severity.LOW),
        (2, 1, None),
    ],
)
def test_an_agent_fails_below_one_half(tasks: int, passed: int, severity: Severity | None) -> None:
    tale = Tale().wave(1, *many(tasks, "a", passed, rate=0.5), *many(4, "b", 4, rate=1.0))
    expected = [] if severity is None else [(FAILURE, severity, "agent:a")]
    assert told(tale, 1, FAILURE) == expected


def test_too_few_tasks_in_a_wave_are_counted_across_waves() -> None:
    tale = Tale().wave(1, T(attempts="-")).wave(2, T(attempts="-")).wave(3, T(attempts="-"))
    assert [told(tale, wave, FAILURE) for wave in (1, 2, 3)] == [
        [(FAILURE, Severity.LOW, "agent:a")],
        [(FAILURE, Severity.LOW, "agent:a")],
        [(FAILURE, Severity.HIGH, "agent:a")],
    ]


def test_an_agent_that_begins_to_fail_is_named_in_that_wave_whatever_it_did_before() -> None:
    tale = (
        Tale().wave(1, *many(20, "a", 20), *many(20, "b", 20)).wave(2, *many(20, "a", 6), *many(20, "b", 18))
    )
    assert told(tale, 1, FAILURE) == []
    [anomaly] = found(tale, 2, FAILURE)
    assert anomaly.subject == "agent:a"
    assert anomaly.figures == {"wave": 2, "tasks": 20, "first_attempts_passed": 6, "rate": 0.3}
    assert anomaly.observations == 20


@pytest.mark.parametrize(("rate", "drifts"), [(0.74, False), (0.75, False), (0.76, True), (0.24, True)])
def test_predictions_drift_beyond_a_quarter_either_way(rate: float, drifts: bool) -> None:
    tale = Tale().wave(1, *many(4, "a", 2, rate=rate), *many(4, "b", 2, rate=rate))
    subjects = [subject for _, _, subject in told(tale, 1, DRIFT)]
    assert subjects == (["wave:1", "agent:a", "agent:b"] if drifts else [])


def test_two_tasks_are_too_few_for_drift() -> None:
    assert told(Tale().wave(1, *many(2, "a", 0, rate=1.0)), 1, DRIFT) == []


def test_the_drift_of_an_agent_is_that_of_all_its_waves() -> None:
    tale = Tale().wave(1, *many(10, "a", 10, rate=0.9)).wave(2, *many(4, "a", 2, rate=0.9))
    # wave 2: 0.9 - 0.5; a, both waves: 0.9 - 12 / 14
    assert told(tale, 2, DRIFT) == [(DRIFT, Severity.MEDIUM, "wave:2")]
    [anomaly] = found(tale, 2, DRIFT)
    assert anomaly.figures == {"wave": 2, "tasks": 4, "mean_predicted": 0.9, "mean_actual": 0.5, "error": 0.4}


@pytest.mark.parametrize(
    ("config", "sensitivity"),
    [({}, 0.25), ({"anomaly_sensitivity": 0.5}, 0.5), ({"anomaly_sensitivity": "no"}, 0.25)],
)
def test_the_sensitivity_is_that_of_the_configuration(config: dict[str, Any], sensitivity: float) -> None:
    assert sensitivity_of(config) == sensitivity
    tale = Tale(config).wave(1, *many(4, "a", 2, rate=0.9))
    assert bool(told(tale, 1, DRIFT)) is (sensitivity < 0.4)


@pytest.mark.parametrize(
    ("seconds", "kinds"),
    [
        (10.0, []),
        (14.0, []),
        (15.0, []),
        (15.1, [IMBALANCE]),
        (16.6, [IMBALANCE]),
        (16.7, [COORDINATION, IMBALANCE]),
    ],
)
def test_uneven_loads(seconds: float, kinds: list[AnomalyType]) -> None:
    tale = Tale().wave(1, *many(2, "a", 2, seconds=seconds), *many(2, "b", 2, seconds=10.0))
    assert [kind for kind, _, _ in told(tale, 1, COORDINATION, IMBALANCE)] == kinds


def test_uneven_loads_are_told_with_who_has_what() -> None:
    tale = Tale().wave(1, *many(4, "a", 4, seconds=10.0), *many(2, "b", 2, seconds=5.0))
    [first, second] = found(tale, 1, COORDINATION, IMBALANCE)
    assert first.figures == second.figures
    assert first.figures == {
        "wave": 1,
        "busiest": "a",
        "busiest_s": 40.0,
        "least_busy": "b",
        "least_busy_s": 10.0,
        "imbalance": 0.75,
        "ratio": 4.0,
    }
    assert (first.subject, first.observations) == ("agents", 6)


def test_an_agent_without_any_load_is_as_uneven_as_can_be() -> None:
    tale = Tale().wave(1, *many(2, "a", 2, seconds=10.0), *many(2, "b", 2, seconds=0.0))
    assert [one.figures["ratio"] for one in found(tale, 1, COORDINATION, IMBALANCE)] == [None, None]


def test_without_a_barrier_uneven_loads_are_found_once() -> None:
    tale = Tale(kind="continuous")
    for wave in (1, 2, 3):
        tale.wave(wave, *many(4, "a", 4), *many(2, "b", 2))
    kinds = [[kind for kind, _, _ in told(tale, wave, COORDINATION, IMBALANCE)] for wave in (1, 2, 3)]
    assert kinds == [[COORDINATION, IMBALANCE], [], []]


def test_with_a_barrier_they_are_found_in_each_wave() -> None:
    tale = Tale()
    for wave in (1, 2):
        tale.wave(wave, *many(2, "a", 2, seconds=40.0), *many(2, "b", 2, seconds=10.0))
    assert [len(told(tale, wave, COORDINATION, IMBALANCE)) for wave in (1, 2)] == [2, 2]


def news(tale: Tale) -> list[list[str]]:
    """What people are told, record by record, where anything is."""
    seen = Watch()
    told = [[f"{one.type.value} {one.subject}" for one in seen.feed(record)] for record in tale.records]
    return [sentences for sentences in told if sentences]


def test_what_is_found_is_told_once() -> None:
    tale = Tale().wave(1, *many(4, "a", 0))
    # The run itself sees the third failure in a row before the wave is over.
    assert news(tale) == [
        ["repeated_failures tool:t", "agent_failure agent:a"],
        ["prediction_drift wave:1", "prediction_drift agent:a"],
    ]
    tale.wave(2, *many(4, "b", 2, rate=1.0))
    assert news(tale)[2:] == [["prediction_drift wave:2", "prediction_drift agent:b"]]
    tale.wave(3, *many(4, "b", 2, rate=1.0))
    assert news(tale)[3:] == [["prediction_drift wave:3"]]


def test_what_only_a_wave_shows_is_told() -> None:
    tale = Tale().wave(1, *many(20, "a", 20)).wave(2, *many(10, "a", 4, rate=0.5))
    assert ["agent_failure agent:a"] in news(tale)


def test_a_quarantined_agent_is_named_no_more() -> None:
    tale = Tale().wave(1, *many(4, "a", 0, rate=1.0)).wave(2, T(attempts="-", rate=1.0))
    assert told(tale, 2, FAILURE, DRIFT) == []


def test_an_agent_that_fails_again_on_probation_is() -> None:
    tale = Tale().wave(1, *many(4, "a", 0)).wave(2, T()).wave(3, *many(2, "a", 0))
    assert told(tale, 3, FAILURE) == [(FAILURE, Severity.LOW, "agent:a")]


def test_an_error_far_beyond_chance_in_one_wave_is_drift_whatever_was_before() -> None:
    tale = Tale().wave(1, *many(60, "a", 54, rate=0.9), *many(20, "b", 18, rate=0.9))
    tale.wave(2, *many(20, "a", 10, rate=0.9), *many(20, "b", 18, rate=0.9))
    # a over both waves: 0.9 - 64 / 80 = 0.1, no drift; in this one 0.4, six standard errors of 0.067
    [anomaly] = found(tale, 2, DRIFT)
    assert anomaly.subject == "agent:a"
    assert (anomaly.figures["tasks"], anomaly.figures["error"]) == (20, 0.4)


def test_an_error_that_chance_explains_is_judged_by_all_waves() -> None:
    tale = Tale().wave(1, *many(40, "a", 32, rate=0.8)).wave(2, *many(6, "a", 3, rate=0.8))
    # 0.3 in the wave, but less than two standard errors; 0.8 - 35 / 46 over both
    assert [subject for _, _, subject in told(tale, 2, DRIFT)] == ["wave:2"]
