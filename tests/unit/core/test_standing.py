import pytest
from hypothesis import given
from hypothesis import strategies as st

from buddy.core.standing import FIT, OUT, AgentStatus, Standing, after_wave, fails


def probation(limit: int) -> Standing:
    return Standing(AgentStatus.FAILING, limit)


@pytest.mark.parametrize(
    ("tried", "passed", "expected"),
    [
        (3, 1, True),
        (3, 2, False),
        (4, 2, False),
        (5, 2, True),
        (100, 49, True),
        (100, 50, False),
        (3, 0, True),
        (2, 0, False),
        (1, 0, False),
        (0, 0, False),
    ],
)
def test_an_agent_fails_below_half_of_at_least_three_tasks(tried: int, passed: int, expected: bool) -> None:
    assert fails(tried, passed) is expected


@pytest.mark.parametrize(
    ("before", "tried", "passed", "expected"),
    [
        (Standing(tried=2, passed=0), 1, 0, True),
        (Standing(tried=2, passed=1), 2, 0, True),
        (Standing(tried=2, passed=2), 2, 0, False),
        (Standing(tried=1, passed=0), 1, 0, False),
        (Standing(tried=20, passed=15), 9, 0, False),
        (Standing(tried=20, passed=14), 9, 0, True),
        (Standing(tried=90, passed=90), 3, 1, False),
        (Standing(tried=90, passed=90), 10, 5, False),
        (Standing(tried=90, passed=90), 10, 4, True),  # a wave of enough tasks speaks for itself
    ],
)
def test_an_agent_is_judged_by_all_its_waves_and_by_one_of_enough_tasks(
    before: Standing, tried: int, passed: int, expected: bool
) -> None:
    assert fails(tried, passed, before) is expected
    assert after_wave(before, tried, passed) == (
        OUT if expected else Standing(tried=before.tried + tried, passed=before.passed + passed)
    )


@pytest.mark.parametrize("status", [AgentStatus.AVAILABLE, AgentStatus.BUSY])
def test_a_fit_agent_that_fails_is_out_and_gets_one_probe_a_wave(status: AgentStatus) -> None:
    assert after_wave(Standing(status), 4, 1) == Standing(AgentStatus.QUARANTINED, 1)


def test_a_fit_agent_that_does_well_has_no_limit_and_what_it_did_counts() -> None:
    assert after_wave(after_wave(FIT, 2, 1), 3, 2) == Standing(AgentStatus.AVAILABLE, None, 5, 3)


def test_who_has_no_tasks_stands_as_before() -> None:
    for before in (FIT, OUT, probation(4), Standing(tried=2, passed=0)):
        assert after_wave(before, 0, 0) is before


def test_a_probe_decides_whether_an_agent_is_on_probation() -> None:
    assert after_wave(OUT, 1, 0) == OUT
    assert after_wave(OUT, 1, 1) == probation(2)


def test_an_agent_gets_one_two_four_and_eight_tasks_until_it_is_trusted() -> None:
    standing, limits = after_wave(FIT, 3, 0), []
    while standing.limit is not None:
        limits.append(standing.limit)
        standing = after_wave(standing, standing.limit, standing.limit)
    assert limits == [1, 2, 4, 8]
    assert standing == Standing(AgentStatus.AVAILABLE, None, 0, 0)


@pytest.mark.parametrize(
    ("limit", "tried", "passed", "expected"),
    [
        (2, 2, 1, OUT),  # half is not enough here
        (2, 1, 0, OUT),  # and there is no least number of tasks
        (4, 3, 2, probation(8)),
        (4, 4, 2, OUT),
        (8, 8, 5, OUT),
        (8, 8, 6, FIT),
        (8, 1, 1, FIT),
    ],
)
def test_a_bad_wave_of_probation_puts_an_agent_back(
    limit: int, tried: int, passed: int, expected: Standing
) -> None:
    assert after_wave(probation(limit), tried, passed) == expected


waves = st.lists(
    st.integers(0, 20).flatmap(lambda tried: st.tuples(st.just(tried), st.integers(0, tried))), max_size=20
)


@given(waves)
def test_an_agent_is_limited_exactly_while_it_is_out_or_on_probation(story: list[tuple[int, int]]) -> None:
    standing = FIT
    for tried, passed in story:
        standing = after_wave(standing, tried, passed)
        match standing.status:
            case AgentStatus.QUARANTINED:
                assert standing == OUT
            case AgentStatus.FAILING:
                assert standing.limit in (2, 4, 8)
                assert (standing.tried, standing.passed) == (0, 0)
            case _:
                assert standing.limit is None
                assert standing.tried < 3 or standing.passed * 2 >= standing.tried or tried >= 3


@given(st.integers(2, 40))
def test_a_broken_agent_spoils_one_task_a_wave_once_it_is_out(count: int) -> None:
    standing, spoiled = FIT, 0
    for _ in range(count):
        tasks = 5 if standing.limit is None else min(5, standing.limit)
        spoiled += tasks
        standing = after_wave(standing, tasks, 0)
    assert spoiled == 5 + (count - 1)
