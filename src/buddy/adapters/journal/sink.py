"""The outputs of a run as files in the run's folder."""

import fcntl
import os
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from buddy.adapters.journal.disk import Disk, stop, write_all, write_whole
from buddy.errors import BadInput, ClosedStop
from buddy.journal.events import Record

if TYPE_CHECKING:
    from buddy.projections.fleet.files import FleetFiles, Part
    from buddy.projections.outputs import Output

BUFFER = 16 * 1024
WAIT_S = 10.0
LOOK_EVERY_S = 0.01


class _Growing:
    """A file that is appended to."""

    __slots__ = ("buffer", "feed", "file", "output", "path")

    def __init__(self, path: Path, output: "Output") -> None:
        self.path = path
        self.output = output
        self.feed = output.feed
        self.buffer = bytearray()
        self.file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666)


def lock_outputs(folder: Path) -> int:
    """Be the only one who writes the outputs in a folder; returns the file descriptor that keeps it so.

    Waits, for `WAIT_S` at most, until another has closed or its process has ended.

    Raises:
        BadInput: another process is still writing them.
        OSError: the folder cannot be opened or locked.
    """
    file = os.open(folder, os.O_RDONLY)
    until = time.monotonic() + WAIT_S
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return file
        except BlockingIOError as problem:
            if time.monotonic() > until:
                os.close(file)
                raise BadInput(
                    f"{folder}: another process is still writing the outputs of this run"
                ) from problem
        except OSError:
            os.close(file)
            raise
        time.sleep(LOOK_EVERY_S)


class FileSink:
    """Writes projections into a run's folder; `ports.OutputSink`.

    `.jsonl` files begin empty and grow, `.json` files are put in place whole at the end. The files of a
    fleet are written when a wave is over, and brought up to date at the end; they are not synced, since
    `buddy outputs` makes them again. Feed it from the journal's first record on, also when a run is taken
    up again.

    One sink at a time writes into a folder; see `lock_outputs`.

    Args:
        folder: of the run.
        outputs: file name -> projection.
        fleet: makes the files of a fleet, None where there cannot be one.
        disk: the system calls.
        lock: of the outputs, where the caller took it.

    Raises:
        BadInput: another process is still writing these outputs.
        ClosedStop: here and from every method: a file could not be written.
    """

    def __init__(
        self,
        folder: Path,
        outputs: "Mapping[str, Output]",
        *,
        fleet: "FleetFiles | None" = None,
        disk: Disk | None = None,
        lock: int | None = None,
    ) -> None:
        self.folder = folder
        self._disk = disk or Disk()
        self._stopped = ""
        self._closed = False
        self._growing: list[_Growing] = []
        self._fleet = fleet
        self._written: dict[str, int] = {}
        try:
            self._lock = lock_outputs(folder) if lock is None else lock
        except OSError as problem:
            raise self._stop(folder, problem) from problem
        self._outputs = {folder / name: output for name, output in outputs.items()}
        self._routes: dict[type, tuple[list[Callable[[Record], bytes]], list[_Growing]]] = {}
        for path, output in self._outputs.items():
            if path.suffix == ".jsonl":
                try:
                    self._growing.append(_Growing(path, output))
                except OSError as problem:
                    self._let_go()
                    raise self._stop(path, problem) from problem

    def feed(self, record: Record) -> None:
        """Bring every output up to this record."""
        if self._stopped:
            raise ClosedStop(self._stopped)
        kind = type(record.event)
        route = self._routes.get(kind)
        if route is None:
            route = self._routes[kind] = self._route(kind)
        feeds, growings = route
        for feed in feeds:
            feed(record)
        for growing in growings:
            data = growing.feed(record)
            if data:
                growing.buffer += data
                if len(growing.buffer) >= BUFFER:
                    self._write(growing)
        if self._fleet is not None and kind in self._fleet.EVENTS:
            self._put(self._fleet.feed(record))

    @property
    def names(self) -> list[str]:
        """Every file written or to be written, as named within the folder."""
        return [str(path.relative_to(self.folder)) for path in self._outputs] + list(self._written)

    def alerts(self) -> list[str]:
        """Return nothing: the run shares the fold beneath the outputs."""
        return []

    def _route(self, kind: type) -> tuple[list[Callable[[Record], bytes]], list[_Growing]]:
        """Return who has to hear of a kind of event: an output without `EVENTS` hears of all."""

        def hears(output: "Output") -> bool:
            events = getattr(output, "EVENTS", None)
            return events is None or kind in events

        whole: list[Callable[[Record], bytes]] = []
        for path, output in self._outputs.items():
            if path.suffix != ".jsonl" and hears(output):
                whole.append(output.feed)
        return whole, [growing for growing in self._growing if hears(growing.output)]

    def flush(self) -> None:
        """Hand what the growing files still hold back to the system, for readers to see."""
        if self._stopped:
            raise ClosedStop(self._stopped)
        for growing in self._growing:
            self._write(growing)

    def close(self) -> None:
        """Write what can only be written at the end, unless the disk failed before; let go of the files."""
        if self._closed:
            return
        self._closed = True
        try:
            if not self._stopped:
                self.flush()
                self._finish()
        finally:
            self._stopped = self._stopped or f"the outputs in {self.folder} are closed"
            self._let_go()

    def drop(self) -> None:
        """Let go of the files as they are."""
        if not self._closed:
            self._closed = True
            self._stopped = self._stopped or f"the outputs in {self.folder} are closed"
            self._let_go()

    def _finish(self) -> None:
        for path, output in self._outputs.items():
            data = output.close()
            if data is not None:
                self._replace(path, data)

        if self._fleet is not None:
            self._put(self._fleet.close())

    def _put(self, parts: "Iterable[Part]") -> None:
        """Write files of a fleet, but not what stands there already."""
        for part in parts:
            known, content = self._written.get(part.name), hash(part.data)
            if known == content and not part.grows:
                continue
            path = self.folder / part.name
            try:
                if known is None:
                    path.parent.mkdir(parents=True, exist_ok=True)
                add = os.O_APPEND if part.grows and known is not None else os.O_TRUNC
                file = os.open(path, os.O_WRONLY | os.O_CREAT | add, 0o666)
                try:
                    write_all(self._disk, file, part.data)
                finally:
                    os.close(file)
            except OSError as problem:
                raise self._stop(path, problem) from problem
            self._written[part.name] = content

    def _write(self, growing: _Growing) -> None:
        if not growing.buffer:
            return
        data, growing.buffer = growing.buffer, bytearray()
        try:
            write_all(self._disk, growing.file, data)
        except OSError as problem:
            raise self._stop(growing.path, problem) from problem

    def _replace(self, path: Path, data: bytes) -> None:
        try:
            write_whole(self._disk, path, data)
        except OSError as problem:
            raise self._stop(path, problem) from problem

    def _stop(self, path: Path, problem: OSError) -> ClosedStop:
        failure = stop(path, "writing an output", problem, f"continue with `buddy resume {self.folder}`")
        self._stopped = str(failure)
        return failure

    def _let_go(self) -> None:
        for growing in self._growing:
            os.close(growing.file)
        self._growing = []
        os.close(self._lock)
