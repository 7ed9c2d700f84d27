"""A zygote as its supervisor sees it, and the children that it bears."""

import json
import os
import select
import signal
import socket
import subprocess
import sys
import sysconfig
import tempfile
import threading
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import IO, Any, Self

import buddy
from buddy.adapters.sandbox.settings import Settings
from buddy.errors import SandboxUnavailable

START_S = 30.0
"""Seconds that a zygote may take to be warm, and a child to be sealed."""

_GIVEN = 4
"""Descriptors that come with a child."""

NO_DESCRIPTORS = "this process may open no more descriptors (ulimit -n)"

_BOOT = "import sys; sys.path += {path!r}; from buddy.adapters.sandbox.zygote import main; main({fd})"


class Child:
    """A sealed process that waits for code, or runs it.

    Attributes:
        channel: code goes in, the report comes out.
        printed: descriptor of what it prints.
        end: descriptor on which the zygote says how it ended.
        pidfd: handle to kill it by, which no other process can come to mean.
    """

    def __init__(self, descriptors: list[int]) -> None:
        channel, self.printed, self.end, self.pidfd = descriptors
        self.channel = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM, 0, channel)
        os.set_blocking(self.printed, False)
        self._lock = threading.Lock()
        self._closed = False

    def kill(self) -> None:
        """End it at once, if it has not ended; any thread may."""
        with self._lock, suppress(ProcessLookupError):
            if not self._closed:
                signal.pidfd_send_signal(self.pidfd, signal.SIGKILL)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Kill it and let go of its descriptors."""
        self.kill()
        self.channel.close()
        with self._lock:
            self._closed = True  # the numbers may come to mean something else from here on
        for descriptor in (self.printed, self.end, self.pidfd):
            os.close(descriptor)


class Worker:
    """A zygote; one caller at a time may use it.

    Args:
        settings: of the sandbox.

    Raises:
        SandboxUnavailable: this is not Linux, or no process can be started.
    """

    def __init__(self, settings: Settings) -> None:
        if sys.platform != "linux":
            raise SandboxUnavailable([f"Linux is needed, and this is {sys.platform}"])
        with ExitStack() as undo:
            try:
                ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
                undo.enter_context(ours)
                with theirs:
                    self._stderr = undo.enter_context(tempfile.TemporaryFile())
                    self._process = _started(theirs.fileno(), self._stderr)
                with suppress(ConnectionError):  # a zygote that is gone is noticed when it is to greet
                    ours.send(settings.encode())
            except OSError as problem:
                raise SandboxUnavailable([f"a zygote cannot be started: {problem}"]) from None
            undo.pop_all()
        ours.settimeout(START_S)
        self._control = ours
        self._greeting: dict[str, Any] | None = None
        self._wanted = False
        self.born = 0
        """Children that it bore."""
        self.successor: Worker | None = None
        """Takes its place once it is warm."""

    @property
    def pid(self) -> int:
        """Of the process that this one started."""
        return self._process.pid

    def is_warm(self) -> bool:
        """Return whether `greeting` would answer at once."""
        poll = select.poll()  # a descriptor may be too high for `select.select`
        poll.register(self._control, select.POLLIN)
        return self._greeting is not None or bool(poll.poll(0))

    def greeting(self) -> dict[str, Any]:
        """Return what the zygote says of itself: `spaces`, and `why` not.

        Raises:
            SandboxUnavailable: it could not start.
        """
        if self._greeting is None:
            told = json.loads(self._receive()[0] or b"{}")
            if "spaces" not in told:
                raise SandboxUnavailable([str(told.get("failed") or self._last_words())])
            self._greeting = told
        return self._greeting

    def want(self, **request: Any) -> None:
        """Ask for a child, unless one was asked for and not taken."""
        if not self._wanted:
            with suppress(OSError):  # a zygote that is gone is noticed when the child is taken
                self._control.send(json.dumps({"want": "spare"} | request).encode())
            self._wanted = True

    def take(self) -> Child:
        """Return the child that was asked for.

        Raises:
            SandboxUnavailable: the zygote has ended.
        """
        self.greeting()
        self.want()
        said, descriptors = self._receive()
        self._wanted = False
        if not said:
            raise SandboxUnavailable([self._last_words()])
        if len(descriptors) != _GIVEN:
            for descriptor in descriptors:
                os.close(descriptor)
            raise SandboxUnavailable([NO_DESCRIPTORS])
        self.born += 1
        return Child(descriptors)

    def _receive(self) -> tuple[bytes, list[int]]:
        try:
            said, rights, _, _ = self._control.recvmsg(
                1 << 16, socket.CMSG_SPACE(4 * _GIVEN), socket.MSG_CMSG_CLOEXEC
            )
        except TimeoutError:
            raise SandboxUnavailable([f"a zygote did not answer within {START_S:g} s"]) from None
        except OSError:  # it is gone, or was closed by another thread
            return b"", []
        descriptors = [
            int.from_bytes(data[place : place + 4], sys.byteorder)
            for level, kind, data in rights
            if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS)
            for place in range(0, len(data), 4)
        ]
        return said, descriptors

    def _last_words(self) -> str:
        try:
            self._stderr.seek(0)
            said = self._stderr.read().decode("utf-8", "replace")
        except ValueError:
            return "it is closed"
        *_, last = said.strip().splitlines() or ["it said nothing"]
        return f"a zygote ended by itself: {last}"

    def close(self) -> None:
        """End it and every child of its."""
        if self.successor is not None:
            self.successor.close()
        with suppress(OSError):
            self._control.shutdown(socket.SHUT_RDWR)  # wakes a thread that waits for a child
        self._control.close()
        try:
            self._process.wait(5.0)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._stderr.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _started(control: int, stderr: IO[bytes]) -> subprocess.Popen[bytes]:
    """Start a zygote.

    Args:
        control: descriptor of its end of the control socket.
        stderr: takes what it says where it dies unheard.
    """
    return subprocess.Popen(  # noqa: S603 - our own interpreter and our own program
        [sys.executable, "-I", "-S", "-c", _BOOT.format(path=_path(), fd=control)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=stderr,
        pass_fds=[control],
        env={"LC_ALL": "C.UTF-8"},
        cwd="/",
        start_new_session=True,
    )


def _path() -> list[str]:
    """Return where a zygote finds modules besides the standard library: Buddy's, and installed packages."""
    places = sysconfig.get_paths()
    return list(
        dict.fromkeys((str(Path(buddy.__file__).parent.parent), places["purelib"], places["platlib"]))
    )
