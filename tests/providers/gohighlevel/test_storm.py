"""Many contacts at once against the limit: nobody hears of a 429, and the limit alone costs time."""

import asyncio
import time
from collections.abc import Callable
from typing import Any

import pytest

from buddy.adapters.providers.base import serving
from buddy.adapters.providers.base.api import Bearer, Patience
from buddy.adapters.providers.base.errors import Captured, RateLimited
from buddy.adapters.providers.base.faults import Faults
from buddy.adapters.providers.base.pace import Pace
from buddy.adapters.providers.gohighlevel.client import PATIENCE, WINDOW, Account, GoHighLevelClient
from buddy.adapters.providers.gohighlevel.simulator.app import simulator
from buddy.adapters.system import VirtualClock, run_virtual
from buddy.model.mode import Mode


async def create(client: GoHighLevelClient, count: int, at_once: int) -> None:
    """Create contacts, so many at once, as agents would."""
    numbers = iter(range(count))

    async def agent() -> None:
        for number in numbers:
            await client.create_contact(email=f"{number}@many.example")

    async with client, asyncio.TaskGroup() as agents:
        for _ in range(at_once):
            agents.create_task(agent())


def in_virtual_time(
    pace: Callable[[VirtualClock], Pace], count: int, at_once: int, **made: Any
) -> tuple[float, Any]:
    """Run against the simulator in process, on one clock for both; returns seconds and the simulator."""
    clock = VirtualClock()
    sim = simulator(2, contacts=0, monotonic=clock.monotonic, now=clock.now, **made)

    async def go() -> float:
        begun = clock.monotonic()
        client = GoHighLevelClient(simulator=sim, mode=Mode.LIVE, pace=pace(clock), patience=PATIENCE)
        await create(client, count, at_once)
        return clock.monotonic() - begun

    return run_virtual(go(), clock), sim


@pytest.mark.parametrize("at_once", [4, 64])
def test_a_thousand_contacts_take_the_limits_own_time_and_no_answer_is_429(at_once: int) -> None:
    took, sim = in_virtual_time(lambda clock: Pace(*WINDOW, monotonic=clock.monotonic), 1_000, at_once)
    least = (1_000 - 1) // WINDOW[0] * WINDOW[1]
    assert len(sim.state()["contacts"]) == 1_000
    assert [status for _, _, status in sim.layer.counts.log if status == 429] == []
    assert least <= took <= 1.1 * least


def test_a_client_that_begins_too_fast_learns_the_limit_and_nobody_hears_of_it() -> None:
    slow = Faults(latency_s=(0.05, 0.1))  # so that many are on their way before the first answer
    took, sim = in_virtual_time(
        lambda clock: Pace(monotonic=clock.monotonic), 400, 200, limit=(50, 10.0), faults=slow
    )
    refused = [status for _, _, status in sim.layer.counts.log if status == 429]
    assert refused, "the storm was one"
    assert len(sim.state()["contacts"]) == 400
    least = (400 - 1) // 50 * 10.0
    assert took <= 1.5 * least


def test_over_a_wire_with_a_shorter_window() -> None:
    window = (30, 0.5)
    cost = over_a_wire((0, 1.0), Pace())  # what the requests cost here and now, on a machine that others use
    took = over_a_wire(window, Pace(*window))
    least = (150 - 1) // window[0] * window[1]
    assert least <= took <= 1.1 * least + 2 * cost + 0.2


def over_a_wire(limit: tuple[int, float], pace: Pace) -> float:
    """Create 150 contacts, eight at once; returns the seconds that it took."""
    sim = simulator(2, contacts=0, limit=limit)
    with serving.running(sim) as url:
        greeting = sim.greeting(url)
        known = Account(base_url=url, location_id=greeting["location_id"], auth=Bearer(greeting["token"]))
        begun = time.monotonic()
        asyncio.run(create(GoHighLevelClient(known, pace=pace), 150, 8))
        took = time.monotonic() - begun
    assert len(sim.state()["contacts"]) == 150
    return took


def test_a_day_that_is_over_is_reported_and_not_waited_for() -> None:
    sim = simulator(2, contacts=0, daily=1)
    client = GoHighLevelClient(simulator=sim, mode=Mode.LIVE, patience=Patience(total_s=5.0))
    client.sync.create_contact(email="a@b.example")
    begun = time.monotonic()
    with pytest.raises(RateLimited) as failure:
        client.sync.create_contact(email="b@b.example")
    assert (failure.value.retry_after, failure.value.retryable) == (3_600.0, False)
    assert time.monotonic() - begun < 60.0, "and an hour was asked for"


def test_what_dry_run_stops_takes_no_place_in_the_window() -> None:
    sim = simulator(2, contacts=0)
    client = GoHighLevelClient(simulator=sim, mode=Mode.DRY_RUN, pace=Pace(2, 3_600.0))
    for number in range(5):
        with pytest.raises(Captured):
            client.sync.create_contact(email=f"{number}@many.example")
    assert client.sync.test_connection()["ok"]
    assert client.sync.search_contact(email="a@b.example") == []
