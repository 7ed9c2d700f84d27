"""Leases that leave with another transaction, and who waits for one when the run stops."""

import asyncio
from typing import Any

import pytest

from buddy.adapters.system import VirtualClock
from buddy.engine.limits import Claims
from buddy.errors import ClosedStop
from buddy.ports import LeaseWant


class Home:
    """Grants everything but what is taken; takes down what was released."""

    def __init__(self) -> None:
        self.taken: set[str] = set()
        self.released: list[str] = []
        self.calls = 0

    def acquire(self, wants: list[LeaseWant], released: list[str]) -> list[bool]:
        self.calls += 1
        self.released += released
        return [not any(name in self.taken for name, _ in want.resources) for want in wants]


def claims_of(home: Any) -> Claims:
    return Claims(home, VirtualClock(), lambda failure: None)


def test_what_is_handed_over_is_not_released_again() -> None:
    home = Home()

    async def main() -> None:
        claims = claims_of(home)
        claims.give("p/s1")
        assert claims.hand_over() == ["p/s1"]
        assert claims.hand_over() == []
        await asyncio.sleep(0)
        claims.close()

    asyncio.run(main())
    assert home.released == []


def test_whoever_waits_for_a_claim_hears_that_the_run_has_stopped() -> None:
    home = Home()
    home.taken.add("row:x")

    async def main() -> None:
        claims = claims_of(home)
        waiting = asyncio.create_task(claims.take("p/s1", (("row:x", True),)))
        await asyncio.sleep(0)
        claims.abandon(ClosedStop("the disk is full"))
        with pytest.raises(ClosedStop, match="full"):
            await waiting
        claims.close()

    asyncio.run(main())


def test_who_still_acts_keeps_its_claim_until_somebody_looks_and_it_does_no_more() -> None:
    home, acting = Home(), ["p/s1"]

    async def main() -> None:
        claims = claims_of(home)
        claims.give_after("p/s1", lambda: bool(acting))
        claims.give_after("p/s2", lambda: False)
        assert claims.hand_over() == ["p/s2"]
        acting.clear()
        assert claims.hand_over() == ["p/s1"]
        assert claims.hand_over() == []
        await asyncio.sleep(0)
        claims.close()

    asyncio.run(main())
