import pytest
from hypothesis import given
from hypothesis import strategies as st

from buddy.model.outcome import StepStatus
from buddy.projections import metrics
from buddy.projections.metrics import Tally, tallies, tally
from buddy.projections.steps import Cell, First, State


def test_success_rate_counts_unknown_and_rolled_back_as_not_succeeded() -> None:
    by_status = {
        StepStatus.SUCCEEDED: 6,
        StepStatus.FAILED: 2,
        StepStatus.UNKNOWN: 1,
        StepStatus.ROLLED_BACK: 3,
        StepStatus.HELD: 50,
        StepStatus.ABORTED: 50,
        StepStatus.SKIPPED: 50,
    }
    assert metrics.success_rate(by_status) == 0.5


@pytest.mark.parametrize(
    ("by_status", "rate"),
    [
        ({}, None),
        ({StepStatus.HELD: 3}, None),
        ({StepStatus.FAILED: 3}, 0.0),
        ({StepStatus.SUCCEEDED: 3}, 1.0),
    ],
)
def test_success_rate_at_the_edges(by_status: dict[StepStatus, int], rate: float | None) -> None:
    assert metrics.success_rate(by_status) == rate


def test_percentiles_are_nearest_rank() -> None:
    values = [15.0, 20.0, 35.0, 40.0, 50.0]
    assert [metrics.percentile(values, share) for share in (0.05, 0.30, 0.40, 0.50, 1.0)] == [
        15,
        20,
        20,
        35,
        50,
    ]


def test_latency_worked_out_by_hand() -> None:
    found = metrics.latency(float(ms) for ms in range(100, 0, -1))
    assert found == metrics.Latency(mean=50.5, p50=50.0, p95=95.0, p99=99.0)
    assert metrics.latency([7.0]) == metrics.Latency(mean=7.0, p50=7.0, p95=7.0, p99=7.0)
    assert metrics.latency([]) is None


def test_drift_is_signed_and_unknown_where_either_side_is() -> None:
    assert metrics.drift(0.9, 0.5) == pytest.approx(0.4)
    assert metrics.drift(0.2, 0.5) == pytest.approx(-0.3)
    assert metrics.drift(None, 0.5) is None
    assert metrics.drift(0.9, None) is None


@pytest.mark.parametrize(
    ("loads", "balance", "imbalance", "spread"),
    [
        ([], 1.0, 0.0, 1.0),
        ([0.0, 0.0], 1.0, 0.0, 1.0),
        ([5.0], 1.0, 0.0, 1.0),
        ([2.0, 4.0], 0.5, 0.5, 2.0),
        ([6.0, 8.0, 7.0], 0.75, 0.25, 8 / 6),
        ([0.0, 3.0], 0.0, 1.0, None),
    ],
)
def test_loads(loads: list[float], balance: float, imbalance: float, spread: float | None) -> None:
    assert metrics.load_balance(loads) == pytest.approx(balance)
    assert metrics.imbalance(loads) == pytest.approx(imbalance)
    assert metrics.spread(loads) == (None if spread is None else pytest.approx(spread))


@given(st.lists(st.floats(0, 1e6), min_size=1))
def test_percentiles_are_values_and_ordered(values: list[float]) -> None:
    ordered = sorted(values)
    found = [metrics.percentile(ordered, share) for share in (0.01, 0.5, 0.95, 1.0)]
    assert set(found) <= set(values)
    assert found == sorted(found)
    assert found[-1] == ordered[-1]


def cell(
    status: StepStatus, steps: int, *, agent: str = "a", first: First = First.PASSED, tried: int = 3
) -> Cell:
    passed = first is First.PASSED
    state = State(
        agent,
        "t",
        status,
        tried,
        tried,
        first,
        finished=status is not StepStatus.HELD,
        task=1,
        task_passed=int(passed),
    )
    return Cell(state, steps, steps, 0.8 * steps, steps, 10.0 * steps)


def test_a_tally_counts_finished_steps_apart_from_held_ones() -> None:
    total = tally([cell(StepStatus.SUCCEEDED, 3), cell(StepStatus.FAILED, 1, first=First.MARKED)])
    assert (total.steps, total.finished, total.live, total.firsts, total.firsts_passed) == (4, 4, 4, 4, 3)
    assert total.success_rate == 0.75
    assert total.mean_confidence == pytest.approx(0.8)
    assert total.prediction_error == pytest.approx(0.05)
    assert total.mean_latency == pytest.approx(10.0)
    held = tally([cell(StepStatus.HELD, 5, tried=2)])
    assert (held.steps, held.finished, held.firsts, held.live) == (5, 0, 0, 0)
    assert held.success_rate is None
    assert held.mean_confidence is None
    assert held.prediction_error is None


def test_a_tally_of_nothing_knows_nothing() -> None:
    empty = Tally()
    rates = (empty.success_rate, empty.rollback_frequency, empty.first_rate, empty.mean_latency)
    assert rates == (None, None, None, None)


def test_rollback_frequency_is_of_live_steps() -> None:
    total = tally(
        [cell(StepStatus.ROLLED_BACK, 1), cell(StepStatus.SUCCEEDED, 3), cell(StepStatus.HELD, 9, tried=1)]
    )
    assert total.rollback_frequency == 0.25


def test_tallies_are_sorted_by_name() -> None:
    found = tallies(
        [cell(StepStatus.SUCCEEDED, 1, agent="b"), cell(StepStatus.SUCCEEDED, 2, agent="a")],
        lambda state: state.agent,
    )
    assert [(name, one.steps) for name, one in found.items()] == [("a", 2), ("b", 1)]


def test_places() -> None:
    assert metrics.places(1 / 3) == 0.333333
    assert metrics.places(None) is None
