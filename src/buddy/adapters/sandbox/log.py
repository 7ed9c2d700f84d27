"""The violation log as a file: whole lines, appended by as many processes as there are."""

import errno
import fcntl
import os
from collections.abc import Iterable
from pathlib import Path

from buddy.core.violations import lines_of
from buddy.errors import ClosedStop
from buddy.model.sandbox import Violation


def write(path: Path, execution_id: str, code: str, violations: Iterable[Violation], at: float) -> None:
    """Append what an execution tried, in one write; nothing where it tried nothing.

    The lines outlive a kill of this process, not a power loss: nothing is synced, as the run's journal tells
    of the violation too.

    Args:
        path: of the log; made with its folder where it is not there.
        execution_id: names the execution.
        code: that tried it.
        violations: in order.
        at: when it was over, seconds since the epoch.

    Raises:
        ClosedStop: they cannot be written, so nobody may act as if nothing had been tried.
    """
    lines = lines_of(execution_id, code, violations, at)
    if not lines:
        return
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        file = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            fcntl.flock(file, fcntl.LOCK_EX)
            _append(file, lines)
        finally:
            os.close(file)
    except OSError as problem:
        raise ClosedStop(
            f"{path}: writing the violation log failed ({problem.strerror or problem}), so what execution"
            f" {execution_id} tried could not be recorded and its result is withheld"
        ) from problem


def _append(file: int, lines: bytes) -> None:
    """Append all of it or nothing; a line that somebody else left torn stays alone."""
    size = os.fstat(file).st_size
    torn = size > 0 and os.pread(file, 1, size - 1) != b"\n"
    data = b"\n" + lines if torn else lines
    if os.write(file, data) < len(data):
        os.ftruncate(file, size)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
