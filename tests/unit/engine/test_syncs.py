"""Who shares an fsync with whom, turn of the loop by turn."""

import asyncio
from collections.abc import Coroutine
from math import inf
from typing import Any

import pytest

from buddy.engine.syncs import RIDE_S, RIDE_TURNS, Syncs
from buddy.errors import ClosedStop


class File:
    """Takes down what is done to it; `broken` is the call that fails."""

    def __init__(self, broken: str = "") -> None:
        self.calls: list[str] = []
        self.failures: list[BaseException] = []
        self.broken = broken
        self.clock = 1_000.0
        self.syncs = Syncs(self.flush, self.write, self.failures.append, lambda: self.clock)

    def flush(self) -> None:
        self._do("flush")
        self.syncs.arrive()

    def write(self) -> None:
        self._do("write")

    def _do(self, call: str) -> None:
        self.calls.append(call)
        if call == self.broken:
            raise ClosedStop("the disk is full")

    async def turns(self, number: int) -> None:
        for _ in range(number):
            self.calls.append("|")
            await asyncio.sleep(0)


def told(file: File, main: Coroutine[Any, Any, Any]) -> str:
    asyncio.run(main)
    return " ".join(file.calls)


def test_all_that_wait_in_a_turn_share_one() -> None:
    file = File()

    async def main() -> None:
        await asyncio.gather(*(file.syncs.durable() for _ in range(5)))
        await file.syncs.durable()

    assert told(file, main()) == "flush flush"


def test_what_rides_is_in_the_file_when_its_agent_goes_on_and_durable_some_turns_later() -> None:
    file = File()

    async def main() -> None:
        await file.syncs.ride()
        file.calls.append("goes on")
        await file.turns(RIDE_TURNS + 3)

    assert told(file, main()) == "write goes on | | | | flush | | |"


def test_all_that_ride_in_a_turn_share_one_write() -> None:
    file = File()

    async def main() -> None:
        await asyncio.gather(*(file.syncs.ride() for _ in range(5)))

    assert told(file, main()).split().count("write") == 1


def test_it_rides_on_an_fsync_that_another_needs() -> None:
    file = File()

    async def main() -> None:
        await file.syncs.ride()
        await file.turns(2)
        file.flush()
        await file.turns(RIDE_TURNS)

    assert told(file, main()) == "write | | flush | | | |"


def test_what_comes_on_the_way_does_not_put_it_off() -> None:
    file = File()

    async def main() -> None:
        for _ in range(3 * RIDE_TURNS):
            await file.syncs.ride()

    assert told(file, main()).split().count("flush") >= 2


def test_what_comes_after_an_fsync_has_all_its_turns() -> None:
    file = File()

    async def main() -> None:
        await file.syncs.ride()
        file.flush()
        await file.syncs.ride()
        await file.turns(RIDE_TURNS + 1)

    assert told(file, main()) == "write flush write | | | | flush |"


def test_it_is_overdue_after_a_while_however_long_a_turn_lasts() -> None:
    file = File()

    async def main() -> None:
        assert file.syncs.due == inf
        await file.syncs.ride()
        assert file.syncs.due == file.clock + RIDE_S
        file.clock += 1.0
        await file.syncs.ride()
        assert file.syncs.due < file.clock
        file.flush()
        assert file.syncs.due == inf

    asyncio.run(main())


def test_what_waits_for_a_ride_is_done_when_it_is_durable() -> None:
    file = File()

    async def main() -> None:
        file.syncs.then(lambda: file.calls.append("at once"))
        await file.syncs.ride()
        file.syncs.then(lambda: file.calls.append("claims"))
        await file.turns(RIDE_TURNS + 1)
        file.syncs.then(lambda: file.calls.append("at once"))

    assert told(file, main()) == "at once write | | | | flush claims | at once"


def test_a_failure_to_write_is_told_to_whoever_rides() -> None:
    file = File("write")

    async def main() -> None:
        with pytest.raises(ClosedStop, match="full"):
            await file.syncs.ride()

    asyncio.run(main())
    assert file.failures


def test_a_failure_on_the_way_stops_the_run_once_and_lets_go_of_what_waits() -> None:
    file = File("flush")

    async def main() -> None:
        await file.syncs.ride()
        file.syncs.then(lambda: file.calls.append("claims"))
        await file.turns(3 * RIDE_TURNS)

    told(file, main())
    assert [call for call in file.calls if call != "|"] == ["write", "flush", "claims"]
    assert len(file.failures) == 1


@pytest.mark.parametrize("broken", ["", "flush", "write"])
@pytest.mark.parametrize("what", ["durable", "ride"])
def test_whoever_is_given_up_while_it_waits_leaves_no_trace(broken: str, what: str) -> None:
    file, traces = File(broken), []

    async def main() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda loop, context: traces.append(context))
        getattr(file.syncs, what)().cancel()
        await file.turns(2 * RIDE_TURNS)

    asyncio.run(main())
    assert traces == []
    assert "flush" in file.calls


def test_a_failure_is_told_to_whoever_waits() -> None:
    file = File("flush")

    async def main() -> None:
        with pytest.raises(ClosedStop, match="full"):
            await file.syncs.durable()

    assert told(file, main()) == "flush"
    assert len(file.failures) == 1
