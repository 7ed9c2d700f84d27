"""Where the home is, and who may come in first."""

import fcntl
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import platformdirs

from buddy.errors import HomeUnavailable

DATABASE = "buddy.db"
_DOOR = "opening.lock"
_PAUSE_S = 0.005


def home_folder(env: Mapping[str, str]) -> Path:
    """Return the folder of the home: `$BUDDY_HOME`, else the platform's folder for a user's data."""
    chosen = env.get("BUDDY_HOME")
    if chosen:
        return Path(chosen).expanduser().absolute()
    return Path(platformdirs.user_data_dir("buddy", appauthor=False))


def try_lock(file: int, how: int) -> bool:
    """Take a lock on an open file without waiting; returns whether it was free."""
    try:
        fcntl.flock(file, how | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextmanager
def door(folder: Path, patience_s: float) -> Iterator[None]:
    """Be the only process that sets the home up or clears it, which needs more than one step.

    Args:
        folder: of the home; made, for its owner alone, where it is not there.
        patience_s: seconds to wait for another process.

    Raises:
        HomeUnavailable: another process stays in the door.
        OSError: the folder cannot be made or written.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    file = os.open(folder / _DOOR, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        deadline = time.monotonic() + patience_s
        while not try_lock(file, fcntl.LOCK_EX):
            if time.monotonic() >= deadline:
                raise HomeUnavailable(
                    f"{folder} is being opened by another process for longer than {patience_s:g} s; see what"
                    " that process waits for, then try again"
                )
            time.sleep(_PAUSE_S)
        yield
    finally:
        os.close(file)
