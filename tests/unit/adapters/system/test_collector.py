import gc
import threading

import pytest

from buddy.adapters.system.collector import RARELY, calm, set_aside


def test_it_is_as_before_afterwards() -> None:
    before = gc.get_threshold()
    with calm():
        assert gc.get_threshold() == RARELY
    assert gc.get_threshold() == before


def test_it_is_as_before_after_an_error() -> None:
    before = gc.get_threshold()
    with pytest.raises(ValueError, match="broke"), calm():
        raise ValueError("broke")
    assert gc.get_threshold() == before


def test_of_two_that_overlap_the_last_one_puts_it_back() -> None:
    before = gc.get_threshold()
    inside, leave = threading.Event(), threading.Event()

    def other() -> None:
        with calm():
            inside.set()
            leave.wait(10)

    thread = threading.Thread(target=other)
    with calm():
        thread.start()
        assert inside.wait(10)
    assert gc.get_threshold() == RARELY
    leave.set()
    thread.join(10)
    assert gc.get_threshold() == before


class Loop:
    """Refers to itself."""

    def __init__(self) -> None:
        self.me = self


def alive() -> int:
    return sum(isinstance(one, Loop) for one in gc.get_objects())


def test_what_was_there_is_left_alone_until_the_end_and_what_comes_is_not() -> None:
    gc.collect()
    Loop()
    with set_aside():
        Loop()
        gc.collect()
        assert gc.get_freeze_count() > 0
        assert alive() == 0  # what is set aside is not even seen
    assert alive() == 1
    gc.collect()
    assert alive() == 0
    assert gc.get_freeze_count() == 0


def test_nothing_stays_set_aside_after_an_error() -> None:
    with pytest.raises(ValueError, match="broke"), set_aside():
        raise ValueError("broke")
    assert gc.get_freeze_count() == 0


def test_what_the_program_around_set_aside_stays_so() -> None:
    gc.freeze()
    try:
        before = gc.get_freeze_count()
        with set_aside():
            Loop()
        assert gc.get_freeze_count() == before
    finally:
        gc.unfreeze()
