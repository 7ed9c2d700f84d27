"""The garbage collector, while a process works on a run."""

import gc
import threading
from collections.abc import Iterator
from contextlib import contextmanager

RARELY = (100_000, 50, 10_000)
_lock = threading.Lock()
_calm = 0
_before = (0, 0, 0)


@contextmanager
def calm() -> Iterator[None]:
    """Let the garbage collector look at everything rarely: a run's records hold no cycles but are many.

    Where several threads do so at once, it is as before when the last of them is done.
    """
    global _calm, _before
    with _lock:
        if not _calm:
            _before = gc.get_threshold()
            gc.set_threshold(*RARELY)
        _calm += 1
    try:
        yield
    finally:
        with _lock:
            _calm -= 1
            if not _calm:
                gc.set_threshold(*_before)


@contextmanager
def set_aside() -> Iterator[None]:
    """Have the garbage collector leave alone what is there already, and look at what comes as often as ever.

    For a program that does nothing else meanwhile. Where something is set aside already nothing is changed;
    what others set aside meanwhile is let go of too, which costs time and nothing else.
    """
    ours = not gc.get_freeze_count()
    if ours:
        gc.freeze()
    try:
        yield
    finally:
        if ours:
            gc.unfreeze()
