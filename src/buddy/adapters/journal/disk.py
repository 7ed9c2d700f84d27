"""The system calls by which a run's folder is written, and what their errors become."""

import errno
import os
from pathlib import Path

from buddy.errors import ClosedStop

_fdatasync = getattr(os, "fdatasync", os.fsync)  # macOS has no fdatasync

ADVICE = {
    errno.ENOSPC: "free some space on its disk",
    errno.EDQUOT: "make room in the disk quota",
    errno.EROFS: "mount its disk for writing",
    errno.EACCES: "allow this user to write there",
    errno.EPERM: "allow this user to write there",
    errno.EIO: "check its disk",
    errno.EMFILE: "raise the limit of open files",
}


class Disk:
    """The calls that can fail while a run is written; a subclass can make them fail on purpose."""

    def write(self, file: int, data: memoryview) -> int:
        """Write some of the bytes; returns how many."""
        return os.write(file, data)

    def sync(self, file: int) -> None:
        """Make a file's content durable."""
        _fdatasync(file)

    def sync_folder(self, folder: Path) -> None:
        """Make the names in a folder durable."""
        file = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(file)
        finally:
            os.close(file)

    def rename(self, source: Path, target: Path) -> None:
        """Put a file in another's place, at once."""
        os.replace(source, target)

    def truncate(self, file: int, size: int) -> None:
        """Cut a file."""
        os.ftruncate(file, size)


def write_all(disk: Disk, file: int, data: bytes | bytearray) -> None:
    """Write every byte, however little the system takes at a time."""
    with memoryview(data) as rest:
        done = 0
        while done < len(rest):
            wrote = disk.write(file, rest[done:])
            if wrote <= 0:
                raise OSError(errno.EIO, "the system took no byte")
            done += wrote


def write_whole(disk: Disk, path: Path, data: bytes) -> None:
    """Make or replace a file so that a reader, or a crash, sees all of it or none."""
    draft = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    file = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666)
    try:
        try:
            write_all(disk, file, data)
            disk.sync(file)
        finally:
            os.close(file)
        disk.rename(draft, path)
    except OSError:
        draft.unlink(missing_ok=True)
        raise
    disk.sync_folder(path.parent)


def stop(path: Path, doing: str, problem: OSError, then: str) -> ClosedStop:
    """Say that a run cannot be written any more, and how it goes on.

    Args:
        path: the file it is about.
        doing: what failed, "writing the journal".
        problem: the system's error.
        then: what to do when its cause is gone.
    """
    advice = ADVICE.get(problem.errno or 0, "make the folder writable again")
    return ClosedStop(
        f"{path}: {doing} failed ({problem.strerror or problem}), so the run stopped before anything else"
        f" could happen; {advice}, then {then}"
    )
