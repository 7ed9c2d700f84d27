import pytest

from buddy.core.standing import AgentStatus
from buddy.model.outcome import StepStatus
from buddy.projections.anomaly import AnomalyType
from buddy.projections.fleet.proposals import proposals
from buddy.projections.fleet.summary import summarise
from buddy.projections.health import Tier
from unit.projections.fleet.stories import T, Tale, fleet, many


def test_a_fleet_in_numbers() -> None:
    tale = Tale(tasks=9)
    tale.wave(1, *many(3, "a", 3, rate=0.9), T(agent="b", attempts="-+"), T(agent="b", attempts="--"))
    held = T(agent="b", attempts="", status=StepStatus.HELD)
    tale.wave(2, held, T(agent="a", moved_from="b"), rebalanced=True)
    found = summarise(fleet(tale), "r1", {})
    assert (found.run_id, found.plan_id, found.num_agents) == ("r1", "p", 2)
    assert (found.total_tasks, found.completed_tasks, found.failed_tasks, found.pending_tasks) == (9, 5, 1, 3)
    assert found.steps_by_status == {StepStatus.SUCCEEDED: 5, StepStatus.FAILED: 1, StepStatus.HELD: 1}
    assert (found.waves, found.rebalanced_waves, found.moved_tasks, found.retries) == (2, [2], 1, 2)
    assert (found.makespan_s, found.lower_bound_s, found.makespan_over_lower_bound) == (50.0, 10.0, 5.0)
    assert (found.expected_s, found.barrier_cost_s) == (12.0, 1.0)
    assert found.anomaly_counts == {
        AnomalyType.AGENT_FAILURE: 1,
        AnomalyType.PREDICTION_DRIFT: 1,
    }


def test_agents_in_numbers() -> None:
    tale = Tale()
    tale.wave(1, *many(4, "a", 1, rate=0.75, seconds=5), *many(2, "b", 2, seconds=10))
    tale.wave(2, T(agent="a", attempts="", status=StepStatus.UNKNOWN), T(agent="b", seconds=20))
    found = summarise(fleet(tale), "r1", {})
    a, b = found.per_agent_metrics["a"], found.per_agent_metrics["b"]
    assert (a.status, b.status) == (AgentStatus.QUARANTINED, AgentStatus.AVAILABLE)
    assert (a.tasks, a.completed_tasks, a.failed_tasks, a.attempts) == (5, 1, 3, 4)
    assert (a.success_rate, a.first_attempt_success_rate) == (0.2, 0.25)
    assert (a.mean_predicted, a.prediction_error, a.availability) == (0.75, 0.5, 0.5)
    # 20 + 20 s: the makespan
    assert (b.assigned_s, b.busy_s, b.utilisation, b.availability) == (40.0, 40.0, 1.0, 1.0)
    assert (a.anomalies, b.anomalies) == (2, 0)
    health = found.system_health
    # success 4 / 8, availability (0.5 + 1) / 2, accuracy 1 - (0.5 + 0.1) / 2, loads 30 s and 40 s, a is out
    assert health.metrics["availability"].value == 0.75
    assert health.metrics["accuracy"].value == 0.7
    assert health.metrics["load_balance"].value == 1.0
    assert health.health_score == pytest.approx(40 * 0.5 + 20 * 0.75 + 20 * 0.7 + 20)
    assert health.health_status is Tier.FAIR


def test_a_fleet_that_has_done_nothing_yet() -> None:
    found = summarise(fleet(Tale(lower_bound_s=0.0)), "r1", {})
    assert (found.start_time, found.end_time, found.makespan_s, found.waves) == (None, None, 0.0, 0)
    assert (found.makespan_over_lower_bound, found.pending_tasks) == (None, 10)
    assert found.system_health.health_status is Tier.NO_DATA


def proposed(tale: Tale) -> list[str]:
    found = fleet(tale)
    return list(proposals(found, summarise(found, "r1", {})))


def test_a_run_as_predicted_leads_to_no_proposal() -> None:
    tale = Tale(critical_path_s=1.0, without_barrier_s=12.0)
    assert proposed(tale.wave(1, *many(20, "a", 18), *many(20, "b", 18))) == []


def test_a_costly_barrier_is_proposed_to_be_dropped() -> None:
    one = "`--schedule continuous` would take about 1.00 s less by the estimates (8 %)"
    assert proposed(Tale(critical_path_s=1.0).wave(1, T()))[0].startswith(one)
    assert proposed(Tale(critical_path_s=1.0, without_barrier_s=11.5).wave(1, T())) == []
    assert proposed(Tale(critical_path_s=1.0, kind="continuous").wave(1, T())) == []


def test_agents_that_ended_badly_are_to_be_looked_at() -> None:
    tale = Tale(critical_path_s=1.0, without_barrier_s=12.0).wave(1, *many(4, "a", 1), *many(4, "b", 4))
    [sentence] = proposed(tale)
    assert sentence.startswith("Look at agent `a`")
    assert "ended quarantined, passed 25 % of its first attempts" in sentence


@pytest.mark.parametrize(
    ("rate", "sentence"),
    [
        (0.65, "0.15 too optimistic over 40 first attempts. Lower them by that much"),
        (0.35, "0.15 too pessimistic over 40 first attempts. Raise them by that much"),
        (0.9, "this is drift"),
        (0.6, ""),
    ],
)
def test_predictions_that_are_off_are_proposed_to_be_corrected(rate: float, sentence: str) -> None:
    tale = Tale(critical_path_s=1.0, without_barrier_s=12.0)
    tale.wave(1, *many(20, "a", 10, rate=rate), *many(20, "b", 10, rate=rate))
    found = proposed(tale)
    assert len(found) == bool(sentence)
    assert sentence in "".join(found)


def test_more_agents_are_no_help_where_the_critical_path_is_all() -> None:
    [sentence] = proposed(Tale(without_barrier_s=12.0).wave(1, T(seconds=10)))
    assert sentence.startswith("More agents would not make it faster")
