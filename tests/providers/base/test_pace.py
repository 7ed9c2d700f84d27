import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from buddy.adapters.providers.base.pace import MARGIN, Pace
from buddy.adapters.system import VirtualClock, run_virtual


def taken(pace: Pace, clock: VirtualClock, count: int) -> list[float]:
    """When each of some requests that are wanted at once may go, from now."""
    begun = clock.monotonic()

    async def one() -> float:
        pace.answered(await pace.take())
        return clock.monotonic() - begun

    async def go() -> list[float]:
        return await asyncio.gather(*(one() for _ in range(count)))

    return run_virtual(go(), clock)


@given(calls=st.integers(1, 20), seconds=st.floats(0.1, 20), count=st.integers(1, 100))
def test_no_window_holds_more_than_it_may(calls: int, seconds: float, count: int) -> None:
    clock = VirtualClock()
    moments = taken(Pace(calls, seconds, monotonic=clock.monotonic), clock, count)
    assert moments == sorted(moments)
    for early, late in zip(moments, moments[calls:], strict=False):
        assert late - early >= seconds
    least = (count - 1) // calls * seconds
    assert moments[-1] <= least * (1 + 2 * MARGIN) + 1e-3


@given(delays=st.lists(st.floats(0.0, 30.0), min_size=30, max_size=60), calls=st.integers(1, 10))
def test_no_window_holds_more_where_requests_arrive_later_than_they_left(
    delays: list[float], calls: int
) -> None:
    """What a service counts is when a request arrives, and that is known by its answer alone."""
    clock = VirtualClock()
    pace = Pace(calls, 10.0, monotonic=clock.monotonic)
    arrived: list[float] = []
    left = iter(delays)

    async def agent() -> None:
        for delay in left:
            place = await pace.take()
            await asyncio.sleep(delay)
            arrived.append(clock.monotonic())
            pace.answered(place)

    async def go() -> None:
        async with asyncio.TaskGroup() as agents:
            for _ in range(calls):  # no more under way at once than a window holds
                agents.create_task(agent())

    run_virtual(go(), clock)
    arrived.sort()
    for early, late in zip(arrived, arrived[calls:], strict=False):
        assert late - early >= 10.0


def test_without_a_limit_nobody_waits() -> None:
    clock = VirtualClock()
    assert taken(Pace(monotonic=clock.monotonic), clock, 1_000) == [0.0] * 1_000


def test_a_limit_that_is_learned_holds_from_then_on() -> None:
    clock = VirtualClock()
    pace = Pace(100, 10.0, monotonic=clock.monotonic)
    taken(pace, clock, 5)
    pace.learn(2, 1.0)
    assert taken(pace, clock, 1)[0] >= 1.0


def test_nothing_is_sent_while_the_provider_asks_to_wait() -> None:
    clock = VirtualClock()
    pace = Pace(100, 10.0, monotonic=clock.monotonic)
    pace.pause(3.0)
    assert taken(pace, clock, 2) == [pytest.approx(3.0)] * 2
    assert taken(pace, clock, 1) == [0.0]


def test_who_gives_up_waiting_leaves_no_place_taken() -> None:
    clock = VirtualClock()
    pace = Pace(1, 10.0, monotonic=clock.monotonic)

    async def go() -> float:
        pace.answered(await pace.take())
        begun = clock.monotonic()
        waiting = [asyncio.create_task(pace.take()) for _ in range(5)]
        await asyncio.sleep(1.0)
        for one in waiting:
            one.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
        await pace.take()
        return clock.monotonic() - begun

    assert run_virtual(go(), clock) == pytest.approx(10.1, abs=0.01)
