import asyncio
import random
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from buddy.adapters.system import EPOCH, RealClock, VirtualClock, run_virtual
from buddy.journal.times import iso


def test_the_real_clock_is_the_machines() -> None:
    clock = RealClock()
    assert not clock.virtual
    before = time.time()
    assert before <= clock.now() <= time.time()
    began = clock.monotonic()
    asyncio.run(clock.sleep(0.01))
    assert clock.monotonic() - began >= 0.009


def test_virtual_time_begins_at_the_epoch() -> None:
    clock = VirtualClock()
    assert clock.virtual
    assert iso(clock.now()) == "2026-01-01T00:00:00.000000+00:00"
    assert clock.monotonic() == 0.0


def test_a_day_takes_no_time() -> None:
    clock = VirtualClock()

    async def tick() -> None:
        for _ in range(24 * 60):
            await clock.sleep(60)

    began = time.perf_counter()
    run_virtual(tick(), clock)
    assert clock.now() == EPOCH + 86_400
    assert time.perf_counter() - began < 5


def test_more_than_a_day_at_once() -> None:
    # asyncio never waits longer than a day in one go.
    clock = VirtualClock()
    run_virtual(clock.sleep(40 * 86_400.0), clock)
    assert clock.monotonic() == 40 * 86_400.0


def test_time_stands_still_while_somebody_works() -> None:
    clock = VirtualClock()

    async def main() -> list[float]:
        sleeper = asyncio.create_task(clock.sleep(5))
        at = []
        for _ in range(100):
            await asyncio.sleep(0)
            at.append(clock.monotonic())
        await sleeper
        return [*at, clock.monotonic()]

    assert run_virtual(main(), clock) == [0.0] * 100 + [5.0]


def test_sums_are_exact() -> None:
    clock = VirtualClock()

    async def main() -> list[float]:
        at = []
        for _ in range(10):
            await clock.sleep(0.1)
            at.append(clock.monotonic())
        return at

    assert run_virtual(main(), clock) == [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0]


@settings(max_examples=40, deadline=None)
@given(st.lists(st.lists(st.floats(0, 1e5), max_size=5), min_size=1, max_size=6))
def test_the_end_is_that_of_the_longest_chain(chains: list[list[float]]) -> None:
    clock = VirtualClock()
    order: list[float] = []

    async def chain(waits: list[float]) -> None:
        for wait in waits:
            await clock.sleep(wait)
            order.append(clock.monotonic())

    async def main() -> None:
        await asyncio.gather(*map(chain, chains))

    run_virtual(main(), clock)
    assert order == sorted(order)
    assert clock.monotonic() == pytest.approx(max(map(sum, chains)), rel=1e-12, abs=1e-8)


def test_the_same_program_goes_the_same_way() -> None:
    def once() -> list[tuple[int, float]]:
        clock = VirtualClock()
        draw = random.Random(7)
        events: list[tuple[int, float]] = []

        async def work(number: int) -> None:
            for _ in range(20):
                await clock.sleep(draw.choice([0, 0.1, 1, 1]))
                events.append((number, await asyncio.to_thread(clock.now)))

        async def main() -> None:
            await asyncio.gather(*map(work, range(10)))

        run_virtual(main(), clock)
        return events

    assert once() == once()


def test_timeouts_come_in_virtual_time() -> None:
    clock = VirtualClock()

    async def main() -> None:
        async with asyncio.timeout(30):
            await asyncio.Event().wait()

    with pytest.raises(TimeoutError):
        run_virtual(main(), clock)
    assert clock.monotonic() == 30.0


def test_a_function_for_a_thread_does_not_let_time_pass() -> None:
    clock = VirtualClock()

    async def main() -> str:
        async with asyncio.timeout(30):
            return await asyncio.to_thread("-".join, ["a", "b"])

    assert run_virtual(main(), clock) == "a-b"
    assert clock.monotonic() == 0.0


def test_what_a_function_for_a_thread_raises_is_raised() -> None:
    async def main() -> None:
        await asyncio.to_thread(int, "x")

    with pytest.raises(ValueError, match="invalid literal"):
        run_virtual(main(), VirtualClock())


def test_a_deadlock_is_said_rather_than_waited_for() -> None:
    async def main() -> None:
        await asyncio.Event().wait()

    with pytest.raises(RuntimeError, match="deadlock"):
        run_virtual(main(), VirtualClock())


def test_very_late_times_still_pass() -> None:
    clock = VirtualClock()
    clock.elapsed = 1e9
    run_virtual(clock.sleep(1e-9), clock)
    assert 1e9 <= clock.monotonic() < 1e9 + 1e-5
