"""`head.sig` in a run's folder: a line is added each time that the run comes to rest."""

import os
from pathlib import Path

from buddy.adapters.journal.disk import Disk, stop, write_all
from buddy.adapters.journal.file import NAME
from buddy.core.signing import FILE
from buddy.errors import BadInput
from buddy.journal.codec import Head

_END = 200
"""Bytes at the end of a journal among which its last hash stands."""


def read(folder: Path) -> bytes | None:
    """Return the signed heads of a run, None where there are none.

    Raises:
        BadInput: the file cannot be read.
    """
    path = folder / FILE
    try:
        return path.read_bytes() if path.is_file() else None
    except OSError as problem:
        raise BadInput(f"{path} cannot be read: {problem.strerror or problem}") from problem


def is_kept(folder: Path, head: Head) -> bool:
    """Whether the journal on the disk ends with this head: what a failed disk never took is not signed."""
    try:
        with (folder / NAME).open("rb") as journal:
            size = journal.seek(0, os.SEEK_END)
            journal.seek(max(0, size - _END))
            return head.hash.encode() in journal.read()
    except OSError:
        return False


def add(folder: Path, line: bytes, *, disk: Disk | None = None) -> None:
    """Add a line, durable when this returns; a last line that was cut while being written is taken away.

    Raises:
        ClosedStop: it cannot be written; the run itself is whole.
    """
    disk = disk or Disk()
    path = folder / FILE
    try:
        new = not path.exists()
        file = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW, 0o666)
        try:
            before = os.pread(file, os.fstat(file).st_size, 0)
            whole = before.rfind(b"\n") + 1
            if whole < len(before):
                disk.truncate(file, whole)
            write_all(disk, file, line)
            disk.sync(file)
        finally:
            os.close(file)
        if new:
            disk.sync_folder(folder)
    except OSError as problem:
        raise stop(path, "signing the run", problem, f"sign it with `buddy resume {folder}`") from problem
