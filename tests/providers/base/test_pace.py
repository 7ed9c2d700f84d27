import asyncio

from hypothesis import given
from hypothesis import strategies as st

from buddy.adapters.providers.base.pace import MARGIN, Pace


class Time:
    """A clock that moves when somebody sleeps, each sleeper for himself."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now


def taken(pace: Pace, time: Time, count: int) -> list[float]:
    """When each of some requests that are wanted at once may go."""

    async def go() -> list[float]:
        moments = []

        async def sleep(seconds: float) -> None:
            moments[-1] += seconds

        pace._sleep = sleep
        for _ in range(count):
            moments.append(time.now)
            await pace.take()
        return moments

    return asyncio.run(go())


@given(calls=st.integers(1, 20), seconds=st.floats(0.1, 20), count=st.integers(1, 100))
def test_no_window_holds_more_than_it_may(calls: int, seconds: float, count: int) -> None:
    time = Time()
    moments = taken(Pace(calls, seconds, monotonic=time.monotonic), time, count)
    assert moments == sorted(moments)
    for early, late in zip(moments, moments[calls:], strict=False):
        assert late - early >= seconds
    least = (count - 1) // calls * seconds
    assert moments[-1] <= least * (1 + 2 * MARGIN) + 1e-6


def test_without_a_limit_nobody_waits() -> None:
    time = Time()
    assert taken(Pace(monotonic=time.monotonic), time, 1_000) == [0.0] * 1_000


def test_a_limit_that_is_learned_holds_from_then_on() -> None:
    time = Time()
    pace = Pace(100, 10.0, monotonic=time.monotonic)
    taken(pace, time, 5)
    pace.learn(2, 1.0)
    assert taken(pace, time, 1)[0] >= 1.0


def test_nothing_is_sent_while_the_provider_asks_to_wait() -> None:
    time = Time()
    pace = Pace(100, 10.0, monotonic=time.monotonic)
    pace.pause(3.0)
    assert taken(pace, time, 1) == [3.0]
    time.now = 5.0
    assert taken(pace, time, 1) == [5.0]
