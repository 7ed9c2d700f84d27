from collections import Counter
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from buddy.core.assignment import BEYOND_FAIR, Work, Worker, assign
from buddy.model.fleet import AssignmentStrategy

ROUND_ROBIN = AssignmentStrategy.ROUND_ROBIN
LOAD_BALANCED = AssignmentStrategy.LOAD_BALANCED
PRIORITY_BASED = AssignmentStrategy.PRIORITY_BASED
CONFIDENCE_BASED = AssignmentStrategy.CONFIDENCE_BASED
STRATEGIES = list(AssignmentStrategy)


def task(
    place: int,
    seconds: float = 1.0,
    *,
    sure: float = 0.9,
    hard: float = 0.1,
    kind: str = "task",
    priority: float = 0.0,
) -> Work:
    return Work(place, seconds, sure, hard, kind, priority)


def tasks(*seconds: float) -> list[Work]:
    return [task(place, each) for place, each in enumerate(seconds)]


def crew(names: str) -> list[Worker]:
    return [Worker(name) for name in names]


def given_to(given: dict[int, str]) -> str:
    return "".join(given[place] for place in sorted(given))


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_nothing_to_do_is_given_to_nobody(strategy: AssignmentStrategy) -> None:
    assert assign([], crew("ab"), strategy) == {}


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_loads_and_counts_go_up(strategy: AssignmentStrategy) -> None:
    (alone,) = workers = crew("a")
    alone.load, alone.tasks = 5.0, 1
    assert assign(tasks(1.0, 2.5), workers, strategy) == {0: "a", 1: "a"}
    assert (alone.load, alone.tasks) == (8.5, 3)


# ROUND_ROBIN


@pytest.mark.parametrize(
    ("turn", "expected"), [(0, "abcab"), (1, "bcabc"), (2, "cabca"), (3, "abcab"), (7, "bcabc")]
)
def test_agents_take_turns_from_whose_turn_it_is(turn: int, expected: str) -> None:
    assert given_to(assign(tasks(9, 1, 1, 1, 1), crew("abc"), ROUND_ROBIN, turn=turn)) == expected


def test_who_may_not_is_passed_over_and_the_turn_goes_on_after_who_did_it() -> None:
    given = assign(
        tasks(1, 1, 1, 1),
        crew("abc"),
        ROUND_ROBIN,
        able=lambda work, worker: worker.name != "b" or work.place == 3,
    )
    assert given_to(given) == "acab"


def test_who_is_full_is_passed_over() -> None:
    workers = [Worker("a"), Worker("b", limit=1), Worker("c")]
    assert given_to(assign(tasks(1, 1, 1, 1, 1, 1), workers, ROUND_ROBIN)) == "abcaca"


def test_a_task_of_nobody_goes_to_the_least_loaded_and_the_turn_goes_on_after_it() -> None:
    workers = [Worker("a", load=2.0), Worker("b", load=1.0), Worker("c", load=3.0)]
    given = assign(tasks(5, 1, 1), workers, ROUND_ROBIN, able=lambda work, worker: work.place > 0)
    assert given_to(given) == "bca"


# LOAD_BALANCED


def test_the_longest_task_goes_first_to_the_least_loaded_agent() -> None:
    # 7 -> a, 6 -> b, 5 -> c, 4 -> c (9), 3 -> b (9), 3 -> a (10)
    workers = crew("abc")
    assert given_to(assign(tasks(3, 5, 4, 7, 6, 3), workers, LOAD_BALANCED)) == "bccaba"
    assert [worker.load for worker in workers] == [10.0, 9.0, 9.0]


def test_what_an_agent_already_has_counts() -> None:
    workers = [Worker("a", load=5.0), Worker("b")]
    assert given_to(assign(tasks(1, 2, 3), workers, LOAD_BALANCED)) == "abb"


@pytest.mark.parametrize(
    ("strategy", "first"),
    [
        (LOAD_BALANCED, task(3, 1.1)),
        (PRIORITY_BASED, task(3, sure=0.95)),
        (CONFIDENCE_BASED, task(3, hard=0.5)),
    ],
)
def test_among_equals_the_larger_priority_comes_first(strategy: AssignmentStrategy, first: Work) -> None:
    works = [task(0), task(1, priority=1.0), task(2, priority=2.0), first]
    assert given_to(assign(works, crew("abcd"), strategy)) == "dcba"


@given(st.lists(st.integers(1, 50), min_size=1, max_size=6), st.integers(1, 3))
def test_the_longest_load_is_at_most_a_third_above_the_best_there_is(seconds: list[int], size: int) -> None:
    workers = crew("abc"[:size])
    assign(tasks(*map(float, seconds)), workers, LOAD_BALANCED)
    best = min(
        max(
            sum(each for each, agent in zip(seconds, agents, strict=True) if agent == one)
            for one in range(size)
        )
        for agents in product(range(size), repeat=len(seconds))
    )
    # Graham 1969: 4/3 - 1/(3m)
    assert best <= max(worker.load for worker in workers) <= best * (4 / 3 - 1 / (3 * size)) + 1e-9


# PRIORITY_BASED


def test_the_surest_task_goes_to_the_most_available_agent() -> None:
    workers = [Worker("a", availability=0.5), Worker("b", availability=1.0), Worker("c", availability=0.8)]
    works = [task(0, sure=0.6), task(1, sure=0.9), task(2, sure=0.75)]
    assert given_to(assign(works, workers, PRIORITY_BASED)) == "abc"


def test_an_agent_that_is_there_half_the_time_gets_half_as_much() -> None:
    workers = [Worker("a", availability=0.5), Worker("b")]
    assign(tasks(*[1.0] * 30), workers, PRIORITY_BASED)
    assert [worker.tasks for worker in workers] == [10, 20]


# CONFIDENCE_BASED


def test_the_hardest_tasks_go_to_who_measures_best_until_it_has_its_share() -> None:
    # fair share is 4 x 1.05 / 2 = 2.1 s
    workers = [Worker("a", rates={"task": 0.6}), Worker("b", rates={"task": 0.9})]
    works = [task(0, hard=0.1), task(1, hard=0.9), task(2, hard=0.2), task(3, hard=0.8)]
    assert given_to(assign(works, workers, CONFIDENCE_BASED)) == "abab"


def test_who_is_good_at_one_kind_of_work_gets_that_kind() -> None:
    workers = [
        Worker("a", rates={"mail": 0.9, "page": 0.2}),
        Worker("b", rates={"mail": 0.2, "page": 0.9}),
    ]
    works = [task(place, kind="page" if place < 2 else "mail") for place in range(4)]
    assert given_to(assign(works, workers, CONFIDENCE_BASED)) == "bbaa"


@pytest.mark.parametrize(
    ("rates", "rate"),
    [
        ({"mail": 0.25, "page": 0.75}, 0.25),
        ({"page": 0.75, "call": 0.25}, 0.5),
        ({}, 0.5),
        ({"call": 1.0}, 1.0),
    ],
)
def test_who_never_tried_a_kind_counts_by_all_it_tried_and_as_even_without_any(
    rates: dict[str, float], rate: float
) -> None:
    assert Worker("a", rates=rates).rate("mail") == rate


def test_equally_good_agents_share_by_load() -> None:
    assert given_to(assign(tasks(1, 1, 1, 1), crew("ab"), CONFIDENCE_BASED)) == "abab"


def test_a_task_longer_than_anybodys_share_goes_to_the_least_loaded() -> None:
    workers = [Worker("a", rates={"task": 0.9}), Worker("b", load=0.1, rates={"task": 0.5})]
    works = [task(0, 1.0, hard=0.9), task(1, 30.0, hard=0.5)]
    # fair is 1.05 x 31.1 / 2 = 16.3: a gets the first for its rate, then b has less
    assert given_to(assign(works, workers, CONFIDENCE_BASED)) == "ab"


def test_what_agents_already_have_is_part_of_the_share() -> None:
    workers = [Worker("a", load=10.0, rates={"task": 0.5}), Worker("b", load=10.0, rates={"task": 0.9})]
    assert given_to(assign(tasks(0.5, 0.5), workers, CONFIDENCE_BASED)) == "bb"


def test_agents_that_get_little_do_not_count_for_the_share() -> None:
    workers = [Worker("a", rates={"task": 0.9}), *(Worker(name, limit=1) for name in "bcd")]
    assert given_to(assign(tasks(1, 1, 1, 1), workers, CONFIDENCE_BASED)) == "aaaa"


@given(
    st.lists(st.integers(1, 20), min_size=1, max_size=20),
    st.lists(st.floats(0, 1), min_size=1, max_size=5),
)
def test_nobody_is_loaded_beyond_its_share_by_more_than_a_task(
    seconds: list[int], rates: list[float]
) -> None:
    workers = [Worker(f"a{number}", rates={"task": rate}) for number, rate in enumerate(rates)]
    assign(tasks(*map(float, seconds)), workers, CONFIDENCE_BASED)
    assert max(worker.load for worker in workers) <= BEYOND_FAIR * sum(seconds) / len(rates) + max(seconds)


# limits and permissions


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("limit", [1, 2, 4, 8])
def test_an_agent_gets_no_more_than_its_limit(strategy: AssignmentStrategy, limit: int) -> None:
    workers = [Worker("a", limit=limit, rates={"task": 1.0}), Worker("b", rates={"task": 0.1})]
    given = assign(tasks(*[1.0] * 40), workers, strategy)
    assert Counter(given.values()) == {"a": limit, "b": 40 - limit}


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_an_agent_that_may_get_nothing_gets_nothing(strategy: AssignmentStrategy) -> None:
    assert set(assign(tasks(1, 1, 1), [Worker("a", limit=0), Worker("b")], strategy).values()) == {"b"}


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_where_everybody_has_a_limit_nobody_has(strategy: AssignmentStrategy) -> None:
    workers = [Worker("a", limit=1), Worker("b", limit=1)]
    assert Counter(assign(tasks(*[1.0] * 6), workers, strategy).values()) == {"a": 3, "b": 3}


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_who_may_not_do_a_task_does_not_get_it(strategy: AssignmentStrategy) -> None:
    given = assign(
        tasks(*[1.0] * 6), crew("ab"), strategy, able=lambda work, worker: worker.name == "ab"[work.place % 2]
    )
    assert given_to(given) == "ababab"


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_task_that_only_a_full_agent_may_do_goes_to_it_all_the_same(strategy: AssignmentStrategy) -> None:
    workers = [Worker("a", limit=1), Worker("b")]
    assert (
        given_to(assign(tasks(1, 1, 1), workers, strategy, able=lambda work, worker: worker.name == "a"))
        == "aaa"
    )


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_tasks_that_nobody_may_do_are_shared_by_load(strategy: AssignmentStrategy) -> None:
    workers = [Worker("a", load=2.5), Worker("b")]
    assert given_to(assign(tasks(1, 1, 1, 1), workers, strategy, able=lambda work, worker: False)) == "bbba"


@pytest.mark.parametrize("strategy", [LOAD_BALANCED, PRIORITY_BASED])
def test_what_an_agent_got_for_want_of_anybody_counts_like_any_other_load(
    strategy: AssignmentStrategy,
) -> None:
    # Nobody may do the first: it goes to a, which then has 9 s and gets none of the rest.
    works = [task(0, 9.0, sure=1.0), *(task(place) for place in range(1, 6))]
    assert given_to(assign(works, crew("ab"), strategy, able=lambda work, _: work.place > 0)) == "abbbbb"


@pytest.mark.parametrize("strategy", [LOAD_BALANCED, PRIORITY_BASED])
def test_what_an_agent_got_for_want_of_anybody_counts_for_its_limit(strategy: AssignmentStrategy) -> None:
    works = [task(0, 9.0, sure=1.0), *(task(place, 8.0) for place in range(1, 4))]
    workers = [Worker("a", limit=1), Worker("b", load=100.0)]
    assert given_to(assign(works, workers, strategy, able=lambda work, _: work.place > 0)) == "abbb"


@st.composite
def situations(draw: st.DrawFn) -> tuple[list[Work], list[Worker], frozenset[tuple[int, str]], int]:
    names = [f"a{number}" for number in range(draw(st.integers(1, 5)))]
    workers = [
        Worker(
            name,
            availability=draw(st.floats(0.01, 1)),
            rates=draw(st.dictionaries(st.sampled_from("xy"), st.floats(0, 1))),
            limit=draw(st.none() | st.integers(0, 4)),
        )
        for name in names
    ]
    works = [
        task(
            place,
            draw(st.floats(0, 100)),
            sure=draw(st.floats(0, 1)),
            hard=draw(st.floats(0, 9)),
            kind=draw(st.sampled_from("xyz")),
        )
        for place in range(draw(st.integers(0, 12)))
    ]
    pairs = [(work.place, name) for work in works for name in names]
    barred = frozenset(draw(st.sets(st.sampled_from(pairs)))) if pairs else frozenset()
    return works, workers, barred, draw(st.integers(0, 9))


@given(situations(), st.sampled_from(STRATEGIES))
def test_every_task_has_one_agent_that_may_do_it_where_anybody_may(
    situation: tuple[list[Work], list[Worker], frozenset[tuple[int, str]], int], strategy: AssignmentStrategy
) -> None:
    works, workers, barred, turn = situation
    free = {worker.name for worker in workers if worker.limit is None} or {worker.name for worker in workers}
    given = assign(
        works, workers, strategy, able=lambda work, worker: (work.place, worker.name) not in barred, turn=turn
    )
    assert sorted(given) == [work.place for work in works]
    for place, name in given.items():
        assert (place, name) not in barred or all((place, worker.name) in barred for worker in workers)
    for worker in workers:
        mine = [work for work in works if given[work.place] == worker.name]
        assert worker.tasks == len(mine)
        assert worker.load == pytest.approx(sum(work.seconds for work in mine))
        if worker.limit is not None and worker.tasks > worker.limit:
            # Only what no agent without a limit may do goes beyond one.
            assert any(all((work.place, name) in barred for name in free) for work in mine)
