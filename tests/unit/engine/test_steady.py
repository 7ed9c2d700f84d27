"""The clock of a run: what is later has a later time, whatever is done to the machine's clock."""

from hypothesis import given
from hypothesis import strategies as st

from buddy.adapters.system import VirtualClock
from buddy.engine.steady import STEP_S, SteadyClock


class Set(VirtualClock):
    """A clock that somebody sets."""

    def __init__(self) -> None:
        super().__init__()
        self.by = 0.0

    def now(self) -> float:
        return super().now() + self.by


def test_it_tells_the_time_of_the_other_to_the_last_digit() -> None:
    clock = VirtualClock()
    steady = SteadyClock(clock)
    for _ in range(1_000):
        clock.leap(0.1)
        assert steady.now() == clock.now()


def test_after_a_step_back_it_goes_on_until_the_other_has_caught_up() -> None:
    clock = Set()
    steady, start = SteadyClock(clock), clock.now()
    clock.by = -60.0
    clock.leap(10.0)
    assert steady.now() == start + 10.0
    clock.by = 5.0
    assert steady.now() == start + 15.0


def test_it_stands_still_for_a_small_correction() -> None:
    clock = Set()
    steady, start = SteadyClock(clock), clock.now()
    clock.by = -STEP_S / 2
    assert steady.now() == start
    clock.leap(1.0)
    assert steady.now() == clock.now()


def test_it_begins_where_it_is_told() -> None:
    clock = VirtualClock()
    steady, start = SteadyClock(clock), clock.now()
    steady.not_before(start + 3.0)
    clock.leap(1.0)
    assert steady.now() == start + 4.0
    steady.not_before(start)
    assert steady.now() == start + 4.0


@given(st.lists(st.tuples(st.floats(0.001, 1e3), st.floats(-1e5, 1e5))))
def test_it_never_goes_back(moves: list[tuple[float, float]]) -> None:
    clock = Set()
    steady = SteadyClock(clock)
    before = steady.now()
    for passed, by in moves:
        clock.leap(passed)
        clock.by += by
        assert before <= steady.now()
        before = steady.now()
