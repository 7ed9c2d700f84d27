from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Struct

from buddy.core.ranks import Graph, Slot, critical_path, expected, lower_bound, upward_ranks


def timed(
    seconds: Sequence[float], needs: Graph, agents: Sequence[int | None], size: int, **more: Any
) -> list[Slot]:
    """When tasks should run, where each agent does one at a time."""
    return expected(seconds, needs, agents, [1] * size, **more)


class Dag(Struct):
    """Tasks, what each needs, and who does them in which wave."""

    seconds: list[float]
    needs: list[tuple[int, ...]]
    agents: list[int | None]
    size: int
    waves: list[int]

    def schedule(self, *, given: bool, waves: bool = False, parallel: int | None = None) -> list[Slot]:
        agents = self.agents if given else [None] * len(self.seconds)
        return timed(
            self.seconds,
            self.needs,
            agents,
            self.size,
            waves=self.waves if waves else None,
            parallel=parallel,
        )


@st.composite
def dags(draw: st.DrawFn) -> Dag:
    """Small graphs of whole and half seconds, so that sums are exact; no wave is before its sources'."""
    count, size = draw(st.integers(0, 9)), draw(st.integers(1, 4))
    seconds = [draw(st.integers(0, 12)) / 2 for _ in range(count)]
    needs: list[tuple[int, ...]] = []
    waves: list[int] = []
    for place in range(count):
        sources = draw(st.sets(st.integers(0, place - 1), max_size=3)) if place else set()
        needs.append(tuple(sorted(sources)))
        waves.append(max((waves[source] for source in sources), default=1) + draw(st.integers(0, 1)))
    agents = [draw(st.none() | st.integers(0, size - 1)) for _ in range(count)]
    return Dag(seconds, needs, agents, size, waves)


def paths(needs: Graph, start: int | None = None) -> Iterator[list[int]]:
    """Every path of a graph to its end, from everywhere or from one place."""
    for place in range(len(needs)) if start is None else [start]:
        after = [other for other in range(len(needs)) if place in needs[other]]
        if not after:
            yield [place]
        for other in after:
            yield from ([place, *rest] for rest in paths(needs, other))


def end(slots: list[Slot]) -> float:
    return max((slot.end for slot in slots), default=0.0)


# the graph: a (3) and b (2) before c (4), which is before e (1); b before d (6)

SECONDS = [3.0, 2.0, 4.0, 6.0, 1.0]
NEEDS: Graph = [(), (), (0, 1), (1,), (2,)]


def test_a_rank_is_the_longest_way_to_the_end() -> None:
    assert upward_ranks(SECONDS, NEEDS) == [8.0, 8.0, 5.0, 6.0, 1.0]


def test_the_critical_path_is_the_longest_and_of_equals_the_first() -> None:
    assert critical_path(SECONDS, NEEDS) == [0, 2, 4]
    assert critical_path([3.0, 2.5, 4.0, 6.0, 1.0], NEEDS) == [1, 3]
    assert critical_path([1.0, 1.0], [(), ()]) == [0]
    assert critical_path([], []) == []


@pytest.mark.parametrize(("agents", "seconds"), [(1, 16.0), (2, 8.0), (3, 8.0)])
def test_no_schedule_is_shorter_than_the_critical_path_or_the_shared_work(
    agents: int, seconds: float
) -> None:
    assert lower_bound(SECONDS, NEEDS, agents) == seconds
    assert lower_bound([], [], agents) == 0.0


def test_whoever_is_free_takes_the_largest_rank() -> None:
    assert timed(SECONDS, NEEDS, [None] * 5, 2) == [
        Slot(0.0, 3.0, 0),
        Slot(0.0, 2.0, 1),
        Slot(3.0, 7.0, 0),
        Slot(2.0, 8.0, 1),
        Slot(7.0, 8.0, 0),
    ]


def test_a_larger_rank_overtakes_what_stands_before_it() -> None:
    assert timed([1.0, 2.0, 5.0], [(), (), ()], [None] * 3, 1) == [
        Slot(7.0, 8.0, 0),
        Slot(5.0, 7.0, 0),
        Slot(0.0, 5.0, 0),
    ]


def test_an_agent_does_its_own_tasks_one_after_another() -> None:
    # d, of the larger rank, waits for b as c waits for a; agent 0 takes a, c, e and agent 1 the rest
    assert timed(SECONDS, NEEDS, [0, 0, 1, 1, 0], 2) == [
        Slot(0.0, 3.0, 0),
        Slot(3.0, 5.0, 0),
        Slot(11.0, 15.0, 1),
        Slot(5.0, 11.0, 1),
        Slot(15.0, 16.0, 0),
    ]


def test_an_agent_without_a_task_of_its_own_helps_with_what_is_anybodys() -> None:
    assert timed([2.0, 3.0, 4.0], [(), (), ()], [0, None, None], 2) == [
        Slot(0.0, 2.0, 0),
        Slot(2.0, 5.0, 0),
        Slot(0.0, 4.0, 1),
    ]


def test_an_agent_that_was_busy_with_its_own_is_called_once_for_what_is_anybodys() -> None:
    slots = timed([1.0, 1.0, 1.0, 1.0, 1.0], [(), (), (0,), (0,), (0,)], [0, 1, None, None, None], 3)
    assert [(slot.start, slot.agent) for slot in slots] == [(0.0, 0), (0.0, 1), (1.0, 0), (1.0, 1), (1.0, 2)]


def test_a_wave_waits_for_the_one_before_it() -> None:
    assert timed([1.0, 4.0, 1.0], [(), (), (0,)], [0, 1, 0], 2, waves=[1, 1, 2])[2] == Slot(4.0, 5.0, 0)
    assert timed([1.0, 4.0, 1.0], [(), (), (0,)], [0, 1, 0], 2)[2] == Slot(1.0, 2.0, 0)


def test_waves_are_taken_by_number_whatever_the_order_of_the_tasks() -> None:
    assert timed([1.0, 2.0], [(), ()], [0, 0], 1, waves=[7, 3]) == [Slot(2.0, 3.0, 0), Slot(0.0, 2.0, 0)]


def test_no_more_run_at_once_than_may() -> None:
    slots = timed([1.0] * 4, [()] * 4, [0, 1, 2, 3], 4, parallel=3)
    assert [slot.start for slot in slots] == [0.0, 0.0, 0.0, 1.0]


def test_tasks_that_take_no_time_are_done_in_no_time() -> None:
    assert end(timed([0.0, 0.0, 0.0], [(), (0,), (1,)], [None, 0, None], 1)) == 0.0


def test_nothing_takes_no_time() -> None:
    assert timed([], [], [], 3) == []


@given(dags())
def test_ranks_and_the_critical_path_are_those_of_all_paths(dag: Dag) -> None:
    def length(path: list[int]) -> float:
        return sum(dag.seconds[place] for place in path)

    ranks = upward_ranks(dag.seconds, dag.needs)
    assert ranks == [max(map(length, paths(dag.needs, place))) for place in range(len(dag.seconds))]
    longest = max(map(length, paths(dag.needs)), default=0.0)
    path = critical_path(dag.seconds, dag.needs)
    assert length(path) == longest
    assert not dag.seconds or path in list(paths(dag.needs))
    assert lower_bound(dag.seconds, dag.needs, dag.size) == max(longest, sum(dag.seconds) / dag.size)


@given(dags(), st.booleans(), st.booleans(), st.none() | st.integers(1, 3))
def test_what_is_expected_could_happen(dag: Dag, given: bool, waves: bool, parallel: int | None) -> None:
    slots = dag.schedule(given=given, waves=waves, parallel=parallel)
    for place, slot in enumerate(slots):
        assert slot.end == slot.start + dag.seconds[place]
        assert 0 <= slot.agent < dag.size
        if given and dag.agents[place] is not None:
            assert slot.agent == dag.agents[place]
        assert all(slots[source].end <= slot.start for source in dag.needs[place])
        under_way = [one for one in slots if one.start <= slot.start < one.end]
        assert len(under_way) <= min(dag.size, parallel or dag.size)
        assert len({one.agent for one in under_way}) == len(under_way)
        if waves:
            before = [one.end for one, wave in zip(slots, dag.waves, strict=True) if wave < dag.waves[place]]
            assert slot.start >= max(before, default=0.0)
    hands = min(dag.size, parallel or dag.size)
    assert lower_bound(dag.seconds, dag.needs, hands) <= end(slots) <= sum(dag.seconds)


@given(dags(), st.none() | st.integers(1, 4))
def test_nobody_idles_while_something_is_ready_so_that_grahams_bound_holds(
    dag: Dag, parallel: int | None
) -> None:
    hands = min(dag.size, parallel or dag.size)
    longest = max(upward_ranks(dag.seconds, dag.needs), default=0.0)
    found = end(dag.schedule(given=False, parallel=parallel))
    # Graham 1966: work / m + critical path x (1 - 1/m)
    assert found <= sum(dag.seconds) / hands + longest * (1 - 1 / hands) + 1e-9


@given(dags())
def test_an_agent_idles_only_when_none_of_its_tasks_is_ready(dag: Dag) -> None:
    slots = dag.schedule(given=True)
    for place, slot in enumerate(slots):
        ready = max((slots[source].end for source in dag.needs[place]), default=0.0)
        if dag.agents[place] is not None and slot.start > ready:
            busy = sum(
                min(one.end, slot.start) - max(one.start, ready)
                for one in slots
                if one.agent == slot.agent and one.end > ready and one.start < slot.start
            )
            assert busy == slot.start - ready


def test_an_agent_with_several_hands_does_several_tasks_at_once() -> None:
    slots = expected([2.0] * 5, [()] * 5, [0, 0, 0, None, None], [2, 1])
    assert [(slot.start, slot.agent) for slot in slots] == [(0.0, 0), (0.0, 0), (2.0, 0), (0.0, 1), (2.0, 0)]
    alone = expected([1.0] * 6, [()] * 6, [None] * 6, [4])
    assert [slot.start for slot in alone] == [0.0] * 4 + [1.0] * 2
