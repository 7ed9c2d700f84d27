"""The outputs of a long run, written by a process of its own that reads the journal as it grows.

The outputs only need the journal's lines, and folding them costs as much as a quarter of a live call. The
scribe works where the run's folder is; all that goes between the two processes is "the run is over" one
way and, the other way, what only the scribe's audit finds and why it had to stop.
"""

import gc
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from io import FileIO
from pathlib import Path
from select import select

from buddy.adapters.journal.file import NAME
from buddy.adapters.journal.sink import FileSink, lock_outputs
from buddy.errors import BuddyError, ClosedStop
from buddy.journal import codec
from buddy.journal.events import Record
from buddy.projections.anomalies import AnomalyType, Watch
from buddy.projections.fleet.files import FleetFiles
from buddy.projections.outputs import together

LOOK_EVERY_S = 0.005
"""How long the scribe waits for more lines where there are none."""
CHECK_EVERY = 1024
"""Records after which the run looks whether its scribe is alive."""
GIVE_WAY_EVERY = 16
"""Lines after which the scribe lets the system's threads go first; they take it 0.2 ms. Without that what
ends an fsync of the run may wait until the scribe's slice of time is over, some ms, whatever its niceness."""
FOR_THE_RUN = (signal.SIGINT, signal.SIGTERM)
"""Signals that ask a run to end, whoever else of its processes they are sent to."""
_give_way = getattr(os, "sched_yield", lambda: None)  # macOS has none
_CHUNK = 1 << 20
_WORDS = 1 << 12
_OVER, _DEAD = b".", b""
_ALERT, _STOP = b"!", b"#"
_CHILD = "from buddy.adapters.journal.scribe import main; main()"


class ScribeSink:
    """Has a scribe write the outputs of a run; `ports.OutputSink`.

    Args:
        folder: of the run; its journal is there and empty.

    Raises:
        ClosedStop: here, from `feed` and from `close`: there is no scribe, or it could not go on.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._fed = 0
        self._heard = bytearray()
        self._said: list[bytes] = []
        self._closed = False
        paths = os.pathsep.join(path or os.curdir for path in sys.path)
        # The scribe keeps what is blocked here from its first moment on, and ends when the run does.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, FOR_THE_RUN)
        try:
            self._process = subprocess.Popen(  # noqa: S603 - our own code in our own Python
                [sys.executable, "-c", _CHILD, str(folder)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                env={**os.environ, "PYTHONPATH": paths},
            )
        except OSError as problem:
            raise self._gone(f"cannot be started: {problem}") from problem
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        assert self._process.stdout is not None
        os.set_blocking(self._process.stdout.fileno(), False)

    @staticmethod
    def possible() -> bool:
        """Whether a scribe has a processor to work on, and a Python to work with."""
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        return cores > 1 and bool(sys.executable)

    def feed(self, record: Record) -> None:
        """Notice a record; the scribe reads it from the journal."""
        self._fed += 1
        if self._fed % CHECK_EVERY == 0 and self._process.poll() is not None:
            raise self._ended()

    def alerts(self) -> list[str]:
        """Return what the scribe has found since the last time, a sentence each."""
        self._said += self._lines()
        said, self._said = self._said, []
        return [line[1:].decode() for line in said if line[:1] == _ALERT]

    def close(self) -> None:
        """Say that the run is over, and wait until every output is written."""
        if self._closed:
            return
        self._closed = True
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):
            self._process.stdin.write(_OVER)
            self._process.stdin.close()
        self._process.wait()
        failure = self._ended() if self._process.returncode else None
        self._said += self._lines()
        assert self._process.stdout is not None
        self._process.stdout.close()
        if failure is not None:
            raise failure

    def drop(self) -> None:
        """End the scribe where it is."""
        if not self._closed:
            self._closed = True
            self._process.kill()
            self._process.communicate()

    def _lines(self) -> list[bytes]:
        assert self._process.stdout is not None
        if self._process.stdout.closed:
            return []
        while data := self._process.stdout.read(_WORDS):
            self._heard += data
        *lines, rest = bytes(self._heard).split(b"\n")
        self._heard = bytearray(rest)
        return lines

    def _ended(self) -> ClosedStop:
        self._process.wait()
        self._said += self._lines()
        said = next((line[1:].decode() for line in self._said if line[:1] == _STOP), "")
        return ClosedStop(said) if said else self._gone(f"ended with code {self._process.returncode}")

    def _gone(self, what: str) -> ClosedStop:
        return ClosedStop(
            f"the process that writes the outputs in {self._folder} {what}, so the run stopped before"
            f" anything else could happen; continue with `buddy resume {self._folder}`"
        )


class _Tail:
    """Reads the whole lines that have come since the last time."""

    def __init__(self, file: FileIO) -> None:
        self._file = file
        self._rest = b""
        self._reader = codec.Reader()

    def pass_on(self, take: Callable[[Record], object]) -> bool:
        """Hand each new record over; returns whether there was any."""
        data = self._file.read(_CHUNK)
        if not data:
            return False
        *lines, self._rest = (self._rest + data).split(b"\n")
        for number, line in enumerate(lines):
            if number % GIVE_WAY_EVERY == 0:
                _give_way()
            take(self._reader.read(line + b"\n"))
        return True


def write_outputs(folder: Path, *, run: int, tell: Callable[[bytes], object]) -> None:
    """Write the outputs of a run while it goes on.

    Args:
        folder: of the run.
        run: file descriptor on which the run says that it is over; its end without that is the run's end.
        tell: takes what the run has to hear, a line each.

    Raises:
        ClosedStop: an output cannot be written.
        JournalDamaged: a line does not hold.
    """
    lock = lock_outputs(folder)
    word = _word(run, 0)
    if word == _DEAD:
        # The run ended while this process began; somebody may have taken it up again since.
        os.close(lock)
        return
    watch = Watch()
    sink = FileSink(folder, together(watch), fleet=FleetFiles(watch), lock=lock)

    def take(record: Record) -> None:
        sink.feed(record)
        for anomaly in watch.feed(record):
            # Every other anomaly the run finds by itself.
            if anomaly.type is AnomalyType.UNSAFE_ESCALATION:
                tell(_ALERT + anomaly.sentence.encode() + b"\n")

    try:
        with (folder / NAME).open("rb", buffering=0) as file:
            if _followed(_Tail(file), take, sink, run, word):
                sink.close()
    finally:
        sink.drop()


def _followed(
    tail: _Tail, take: Callable[[Record], object], sink: FileSink, run: int, word: bytes | None
) -> bool:
    """Take in every line until the run ends; returns whether it said that it was over."""
    while True:
        if tail.pass_on(take):
            continue
        if word is not None:
            return word == _OVER
        sink.flush()
        word = _word(run, LOOK_EVERY_S)


def _word(run: int, wait_s: float) -> bytes | None:
    """Return what the run says of its end, None where it goes on."""
    return os.read(run, 1) if select([run], [], [], wait_s)[0] else None


def main() -> None:
    """Be the scribe of the folder named on the command line."""
    os.nice(5)
    gc.set_threshold(100_000)  # what it folds is much and has no cycles
    out = sys.stdout.buffer

    def tell(line: bytes) -> None:
        out.write(line)
        out.flush()

    try:
        write_outputs(Path(sys.argv[1]), run=sys.stdin.fileno(), tell=tell)
    except BuddyError as failure:
        tell(_STOP + str(failure).replace("\n", " ").encode() + b"\n")
        sys.exit(74)
    except BrokenPipeError:
        sys.exit(1)
    # Everything is on the disk, and the run waits: taking what was folded apart is left to the system.
    os._exit(0)
