import pytest

from buddy.model.conflict import ConflictType, Strategy
from buddy.model.contract import Rate
from buddy.model.plan import Agent, Plan
from unit.core.plans import config, detect, plan, read, step

RATED = read("t", rate=Rate(calls=2, seconds=10))
NARROW = read("t", max_concurrency=2)


def calls(count: int, agents: int = 1, *, chain: bool = False, plan_id: str = "p", capacity: int = 1) -> Plan:
    steps = [step(f"s{number}", "t", f"a{number % agents}", args={"n": number}) for number in range(count)]
    return plan(
        *steps, plan_id=plan_id, chain=chain, **{f"a{one}": Agent(capacity=capacity) for one in range(agents)}
    )


def test_more_calls_than_the_rate_are_one_conflict() -> None:
    findings, _ = detect([RATED, read("b", rate=Rate(calls=1, seconds=1))], calls(80, chain=True))
    (found,) = findings.conflicts
    assert (found.type, found.resolution, found.resource) == (
        ConflictType.RATE_LIMIT,
        Strategy.DELAY,
        "tool:t",
    )
    assert found.reason == "80 calls, 2 allowed in any 10 s"
    assert (found.step_count, len(found.steps)) == (80, 50)
    assert not findings.ceilings
    assert not findings.aborted


@pytest.mark.parametrize(
    ("count", "agents", "capacity", "chain"),
    [(9, 1, 1, False), (9, 2, 1, False), (9, 5, 1, True), (2, 2, 9, False), (9, 1, 2, False)],
)
def test_no_more_at_once_than_allowed_is_no_conflict(
    count: int, agents: int, capacity: int, chain: bool
) -> None:
    assert detect([NARROW], calls(count, agents, capacity=capacity, chain=chain))[0].conflicts == []


@pytest.mark.parametrize(("agents", "capacity", "at_once"), [(3, 1, 3), (1, 5, 5), (2, 2, 4), (9, 9, 9)])
def test_more_at_once_than_allowed_is_a_conflict(agents: int, capacity: int, at_once: int) -> None:
    (found,) = detect([NARROW], calls(9, agents, capacity=capacity))[0].conflicts
    assert found.reason == f"up to {at_once} calls at once, 2 allowed"


def test_plans_go_side_by_side_as_far_as_the_run_lets_them() -> None:
    plans = [calls(3, chain=True, plan_id=f"p{number}") for number in range(5)]
    assert detect([NARROW], *plans, settings=config(max_parallel_plans=2))[0].conflicts == []
    (found,) = detect([NARROW], *plans, settings=config(max_parallel_plans=4))[0].conflicts
    assert found.reason == "up to 4 calls at once, 2 allowed"
    assert found.step_count == 15


def test_isolated_plans_do_not_share_a_limit() -> None:
    plans = [calls(2, chain=True, plan_id=f"p{number}") for number in range(5)]
    assert detect([RATED], *plans, settings=config(isolate=True))[0].conflicts == []
    assert len(detect([RATED], *plans)[0].conflicts) == 1
    assert len(detect([RATED], calls(3), calls(3), settings=config(isolate=True))[0].conflicts) == 2


@pytest.mark.parametrize(
    ("strategy", "table"), [(Strategy.DOWNGRADE, "ceilings"), (Strategy.ABORT, "aborted")]
)
def test_calls_beyond_the_limits_are_kept_back_where_that_is_configured(
    strategy: Strategy, table: str
) -> None:
    both = read("t", rate=Rate(calls=4, seconds=1), max_concurrency=3)
    settings = config(strategies={ConflictType.RATE_LIMIT: strategy})
    findings, _ = detect([both], calls(6, 6), settings=settings)
    assert list(getattr(findings, table)) == [(0, 3), (0, 4), (0, 5)]
    assert findings.conflicts[0].reason == "6 calls, 4 allowed in any 1 s; up to 6 calls at once, 3 allowed"


def test_tools_are_told_by_name() -> None:
    tools = [read(name, rate=Rate(calls=1, seconds=1)) for name in "ba"]
    steps = [step(f"{name}{number}", name) for name in "ba" for number in range(2)]
    assert [found.resource for found in detect(tools, plan(*steps))[0].conflicts] == ["tool:a", "tool:b"]
