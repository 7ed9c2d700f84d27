import pytest

from buddy.core.standing import FIT, OUT, AgentStatus, Standing
from buddy.journal.events import PlanStarted, RunResumed, TaskAssigned, WaveFinished
from buddy.journal.times import iso
from buddy.model.outcome import StepStatus
from buddy.projections.fleet.shares import Share, accuracy, measure
from unit.projections import journals
from unit.projections.fleet.stories import T, Tale, fleet, many, watch


def test_a_run_without_a_fleet_has_none() -> None:
    plain = [journals.started(), PlanStarted(plan="p", steps=1, chain=True), WaveFinished(plan="p", wave=1)]
    assert watch(journals.records(plain)).fleet is None


def test_a_wave_is_measured_when_it_is_over() -> None:
    tale = Tale().wave(
        1,
        T(agent="a", rate=0.9, seconds=10),
        T(agent="a", rate=0.9, seconds=10),
        T(agent="a", rate=0.5, seconds=20, attempts="-"),
        T(agent="b", rate=0.8, seconds=30),
        T(agent="b", rate=0.8, seconds=20, attempts="-"),
    )
    [wave] = fleet(tale).over
    measured = wave.measured
    assert measured.success_rate == pytest.approx(3 / 5)
    assert measured.availability == 1.0
    # a: predicted 2.3 / 3, passed 2 / 3; b: predicted 0.8, passed 1 / 2
    assert measured.accuracy == pytest.approx(1 - (0.1 + 0.3) / 2)
    assert measured.load_balance == pytest.approx(40 / 50)
    assert measured.confidence == pytest.approx((2.3 + 1.6) / 5)
    assert (wave.duration_s, fleet(tale).makespan_s) == (50.0, 50.0)


def test_a_retry_that_passes_is_a_success_but_no_passed_first_attempt() -> None:
    found = fleet(Tale().wave(1, T(attempts="-+", seconds=5)))
    share = found.over[0].shares["a"]
    assert (share.success_rate, share.first_rate, share.attempts) == (1.0, 0.0, 2)
    assert (share.errors, share.busy_s) == ({"ToolError": 1}, 10.0)
    assert found.tasks["t1"].error == ""


def test_nothing_tried_is_no_data() -> None:
    found = fleet(Tale().wave(1, T(attempts="", status=StepStatus.HELD)))
    measured = found.over[0].measured
    assert (measured.success_rate, measured.accuracy, measured.confidence) == (None, None, None)
    assert (measured.availability, found.makespan_s, found.span) == (1.0, 0.0, ("", ""))
    assert (found.error, found.rates("a"), found.tried) == (0.0, {}, 0)


def test_loads_of_zero_seconds_are_even() -> None:
    found = fleet(Tale().wave(1, *many(2, "a", 2, seconds=0.0), *many(2, "b", 2, seconds=0.0)))
    assert found.over[0].measured.load_balance == 1.0
    assert found.last_imbalance == 0.0


def test_one_agent_is_balanced_with_itself() -> None:
    found = fleet(Tale(agents=["a"]).wave(1, T(seconds=7)))
    assert found.over[0].measured.load_balance == 1.0


def test_an_agent_that_fails_is_out_and_does_not_count_as_available() -> None:
    tale = Tale(agents=["a", "b", "c", "d"]).wave(1, *many(4, "a", 1), *many(4, "b", 4))
    assert fleet(tale).standings == {
        "a": OUT,
        "b": Standing(tried=4, passed=4),
        "c": FIT,
        "d": FIT,
    }
    tale.wave(2, T(agent="a", seconds=1000), *many(3, "b", 3), *many(1, "c", 1), *many(2, "d", 2))
    found = fleet(tale)
    second = found.over[1].measured
    assert second.availability == pytest.approx(3 / 4)
    # a is out: its probe is not held against what the others have
    assert second.load_balance == pytest.approx(10 / 30)
    # it was out for the 1000 s of the second wave, and in for the 40 s of the first
    assert found.availability("a") == pytest.approx(40 / 1040)
    assert found.standings["a"] == Standing(AgentStatus.FAILING, 2)


def test_measured_rates_are_by_agent_and_tool() -> None:
    found = fleet(Tale().wave(1, *many(4, "a", 3, rate=1.0), *many(2, "b", 0, rate=0.5)))
    assert found.rates("a") == {"t": 0.75}
    assert found.rates("b") == {"t": 0.0}
    assert found.error == pytest.approx((4 * 1.0 + 2 * 0.5 - 3) / 6)


def test_a_wave_that_is_over_again_is_learned_from_where_it_was_not() -> None:
    tale = Tale().wave(1, T(name="x"), T(name="y", attempts="", status=StepStatus.HELD))
    before = fleet(tale)
    assert (before.tried, before.availability("a")) == (1, 1.0)
    tale.add(journals.rung("y", status=StepStatus.FAILED, error=journals.error(), confidence=0.9))
    tale.add(WaveFinished(plan="p", wave=1))
    found = fleet(tale)
    assert (found.tried, found.rates("a")) == (2, {"t": 0.5})
    assert found.standings["a"] == Standing(tried=2, passed=1)
    assert found.over[0].measured.success_rate == 0.5
    assert len(found.over) == 1


def test_a_task_that_moves_leaves_its_load_behind() -> None:
    tale = Tale(kind="continuous").wave(1, *many(2, "a", 2), *many(2, "b", 2), finish=False)
    given = TaskAssigned(
        plan="p",
        step="t1",
        tool="t",
        agent="b",
        moved_from="a",
        wave=1,
        rate=0.9,
        recalibrated=0.9,
        seconds=10,
    )
    tale.add(given)
    tale.add(WaveFinished(plan="p", wave=1))
    found = fleet(tale)
    assert found.waves[1].compared == {"b": 30.0}
    assert found.waves[1].measured.load_balance == pytest.approx(1 / 3)
    assert found.waves[1].moved == 1


def test_without_a_barrier_loads_are_compared_over_all_that_was_given_so_far() -> None:
    tale = Tale(kind="continuous").wave(1, *many(3, "a", 3)).wave(2, *many(2, "b", 2))
    first, second = fleet(tale).over
    assert (first.compared, first.measured.load_balance) == ({"a": 30.0}, 0.0)
    assert second.compared == {"a": 30.0, "b": 20.0}
    assert second.measured.load_balance == pytest.approx(2 / 3)


def test_loads_of_agents_with_one_task_are_not_compared() -> None:
    found = fleet(Tale().wave(1, *many(2, "a", 2), T(agent="b", seconds=1)))
    assert found.over[0].compared == {"a": 20.0}
    assert found.last_imbalance == 0.0


def test_events_of_other_plans_and_agents_that_nobody_planned_change_nothing_or_are_learned() -> None:
    tale = Tale().wave(1, T(agent="stranger"))
    tale.add(WaveFinished(plan="q", wave=7))
    found = fleet(tale)
    assert set(found.waves) == {1}
    assert found.over[0].shares["stranger"].tasks == 1


def test_accuracy_is_the_mean_over_agents_and_not_over_tasks() -> None:
    many_good = Share(agent="a", tried=100, passed=90, predicted=90.0)
    one_bad = Share(agent="b", tried=1, passed=0, predicted=1.0)
    nobody = Share(agent="c")
    assert accuracy([many_good, one_bad, nobody]) == pytest.approx(1 - (0.0 + 1.0) / 2)
    assert accuracy([nobody]) is None
    assert measure([], 0, 0).availability is None


def test_waves_that_take_no_time_are_counted_for_availability() -> None:
    tale = Tale().wave(1, *many(4, "a", 0, seconds=0.0)).wave(2, T(agent="a", seconds=0.0))
    assert fleet(tale).availability("a") == 0.5


def test_time_in_which_nobody_worked_on_a_run_is_not_counted() -> None:
    tale = Tale().wave(1, T(name="x", seconds=10), T(name="y", attempts="", status=StepStatus.HELD))
    tale.add(journals.finished())
    tale.now += 1000
    resumed = RunResumed(by="ada", contracts=[], handlers={}, changed=[])
    tale.add(resumed)
    assert fleet(tale).makespan_s == 10.0  # nothing was done after it yet
    tale.now += 2
    again = journals.rung("y", status=StepStatus.SUCCEEDED, started_at=iso(tale.now - 1), confidence=0.9)
    tale.add(again)
    found = fleet(tale)
    assert found.makespan_s == 12.0
    assert [found.tasks[name].busy_s for name in ("x", "y")] == [10.0, 1.0]


def test_waits_between_attempts_are_no_work() -> None:
    tale = Tale().wave(1, T(name="x", attempts="-", seconds=10))
    tale.now += 30
    tale.add(journals.rung("x", started_at=iso(tale.now - 5), attempt=2, confidence=0.9))
    task = fleet(tale).tasks["x"]
    assert (task.busy_s, len(task.spans), task.attempts) == (15.0, 2, 2)
