"""A run's journal as the file `journal.jsonl` in the run's folder."""

import fcntl
import os
from collections.abc import Callable, Iterator
from pathlib import Path

from buddy.adapters.journal import blobs
from buddy.adapters.journal.disk import Disk, stop, write_all
from buddy.errors import BadInput, ClosedStop, JournalDamaged
from buddy.journal import codec
from buddy.journal.codec import Head
from buddy.journal.events import AnyEvent, Record

NAME = "journal.jsonl"
_CHUNK = 1 << 20


class FileJournal:
    """One run's journal, held by this process alone; `ports.JournalStore`.

    Attributes:
        folder: of the run.
        head: the last line appended; durable after `flush`.
        durable: the last line that is known to be on the disk.
        cut: bytes of a torn last line that were cut off when the journal was opened.
    """

    head: Head

    def __init__(self, folder: Path, file: int, head: Head, cut: int, disk: Disk) -> None:
        self.folder = folder
        self.head = self.durable = head
        self.cut = cut
        self._file = file
        self._disk = disk
        self._buffer = bytearray()
        self._stopped = ""
        self._closed = False

    @classmethod
    def create(cls, folder: Path, *, disk: Disk | None = None) -> "FileJournal":
        """Begin a journal in a folder, which is made where it is not there.

        Raises:
            BadInput: the folder holds a run already, or another process has begun one in it.
            ClosedStop: the folder cannot be written.
        """
        disk = disk or Disk()
        path = folder / NAME
        try:
            made = _make_folder(folder)
            if path.exists() and _holds_a_line(path):
                raise _taken(folder)
            file = _locked(path, folder, os.O_CREAT)
            try:
                # Nothing, or a part of the first line, is what a crash leaves before there was a run.
                if _holds_a_line(path):
                    raise _taken(folder)
                if os.fstat(file).st_size:
                    disk.truncate(file, 0)
                for changed in (folder, *made):
                    disk.sync_folder(changed)
            except BaseException:
                os.close(file)
                raise
        except (FileExistsError, NotADirectoryError, PermissionError) as problem:
            raise BadInput(
                f"{folder} cannot hold a run: {problem.strerror}; choose another folder"
            ) from problem
        except OSError as problem:
            raise stop(path, "making the journal", problem, "start the run again") from problem
        return cls(folder, file, Head(), 0, disk)

    @classmethod
    def open(
        cls, folder: Path, *, seen: Callable[[Record], object] | None = None, disk: Disk | None = None
    ) -> "FileJournal":
        """Take up a journal again: check the whole chain, cut a torn last line.

        Args:
            folder: of the run.
            seen: is called with each record, so that a reader need not go through the file again.
            disk: the system calls.

        Raises:
            BadInput: there is no run, or another process has it open.
            JournalDamaged: a line does not hold; nothing was changed.
            UnknownFormat: a newer Buddy wrote it; nothing was changed.
            ClosedStop: the file cannot be read or cut.
        """
        disk = disk or Disk()
        path = folder / NAME
        try:
            file = _locked(path, folder, 0)
            try:
                head, whole, size = _check(path, seen)
                if whole < size:
                    disk.truncate(file, whole)
                # Lines that a killed process wrote and never synced are relied on from here.
                disk.sync(file)
                if not head.seq:
                    raise BadInput(
                        f"{folder} holds no run: its journal has no whole line; start the run again"
                    )
            except BaseException:
                os.close(file)
                raise
        except FileNotFoundError as problem:
            raise BadInput(f"{folder} holds no run: there is no {NAME} in it") from problem
        except OSError as problem:
            raise stop(path, "opening the journal", problem, _resume(folder)) from problem
        return cls(folder, file, head, size - whole, disk)

    def append(self, event: AnyEvent, time: str) -> Record:
        """Put an event at the end; it is durable after the next `flush`.

        Args:
            event: what happened.
            time: UTC ISO 8601.

        Raises:
            ClosedStop: an earlier write or fsync failed, or the journal is closed.
        """
        if self._stopped:
            raise ClosedStop(self._stopped)
        line, head = codec.encode(event, self.head, time)
        self._buffer += line
        self.head = head
        return Record(head.seq, time, event)

    def write(self) -> None:
        """Put everything appended into the file: it survives the end of the process, not the loss of power.

        Raises:
            ClosedStop: a write failed, now or earlier; the journal takes nothing more, ever.
        """
        if self._stopped:
            raise ClosedStop(self._stopped)
        if not self._buffer:
            return
        lines, self._buffer = self._buffer, bytearray()
        try:
            write_all(self._disk, self._file, lines)
        except OSError as problem:
            raise self._stop("writing the journal", problem) from problem

    def flush(self) -> None:
        """Make everything appended durable; nothing appended costs nothing.

        Raises:
            ClosedStop: a write or fsync failed, now or earlier; the journal takes nothing more, ever.
        """
        self.write()
        if self.durable.seq == self.head.seq:
            return
        try:
            self._disk.sync(self._file)
        except OSError as problem:
            raise self._stop("writing the journal", problem) from problem
        self.durable = self.head

    def write_blob(self, data: bytes) -> str:
        """Keep a large result, durable when this returns; returns its SHA-256.

        Raises:
            ClosedStop: a write or fsync failed, now or earlier.
        """
        if self._stopped:
            raise ClosedStop(self._stopped)
        try:
            return blobs.write(self.folder, data, self._disk)
        except OSError as problem:
            raise self._stop("keeping a large result", problem) from problem

    def read_blob(self, digest: str) -> bytes:
        """Return a large result.

        Raises:
            JournalDamaged: it is missing, cannot be read, or is not what was written.
        """
        return blobs.read(self.folder, digest)

    def close(self) -> None:
        """Flush, and let go of the folder.

        Raises:
            ClosedStop: the flush failed; the folder is let go of all the same.
        """
        if self._closed:
            return
        self._closed = True
        try:
            if not self._stopped:
                self.flush()
        finally:
            self._stopped = self._stopped or f"the journal in {self.folder} is closed"
            os.close(self._file)

    def _stop(self, doing: str, problem: OSError) -> ClosedStop:
        failure = stop(self.folder / NAME, doing, problem, _resume(self.folder))
        self._stopped = str(failure)
        return failure


def read(folder: Path, *, allow_torn: bool = False) -> Iterator[tuple[Record, Head]]:
    """Read a run's journal line by line, checking the chain; changes nothing and waits for nobody.

    Args:
        folder: of the run.
        allow_torn: leave out a last line that was cut while it was written, as in a run that goes on.

    Raises:
        BadInput: there is no journal, or it cannot be read.
        JournalDamaged: at the first line that does not hold.
        UnknownFormat: a newer Buddy wrote it.
    """
    path = folder / NAME
    reader = codec.Reader()
    try:
        with path.open("rb", buffering=_CHUNK) as lines:
            for line in lines:
                if codec.is_torn(line):
                    if allow_torn:
                        return
                    number = reader.head.seq + 1
                    raise JournalDamaged(
                        f"line {number} was cut off while it was written; `buddy resume` takes it away",
                        number,
                    )
                yield reader.read(line), reader.head
    except FileNotFoundError as problem:
        raise BadInput(f"{folder} holds no run: there is no {NAME} in it") from problem
    except OSError as problem:
        raise BadInput(f"{path} cannot be read: {problem.strerror or problem}") from problem


def _check(path: Path, seen: Callable[[Record], object] | None) -> tuple[Head, int, int]:
    """Return the head, the bytes of whole lines, and the size of the file."""
    reader = codec.Reader()
    whole = 0
    with path.open("rb", buffering=_CHUNK) as lines:
        for line in lines:
            if codec.is_torn(line):
                return reader.head, whole, whole + len(line)
            record = reader.read(line)
            whole += len(line)
            if seen is not None:
                seen(record)
    return reader.head, whole, whole


def _holds_a_line(path: Path) -> bool:
    with path.open("rb") as lines:
        return lines.readline().endswith(b"\n")


def _locked(path: Path, folder: Path, flags: int) -> int:
    file = os.open(path, os.O_RDWR | os.O_APPEND | flags, 0o666)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as problem:
        os.close(file)
        raise BadInput(f"{folder} is in use: another process is working on this run") from problem
    except OSError:
        os.close(file)
        raise
    return file


def _make_folder(folder: Path) -> list[Path]:
    """Make a folder; returns the parents whose entries that changed, deepest first."""
    changed = []
    missing = folder
    while not missing.exists():
        changed.append(missing.parent)
        missing = missing.parent
    folder.mkdir(parents=True, exist_ok=True)
    return changed


def _resume(folder: Path) -> str:
    return f"continue with `buddy resume {folder}`"


def _taken(folder: Path) -> BadInput:
    return BadInput(f"{folder} already holds a run; choose another folder, or {_resume(folder)}")
