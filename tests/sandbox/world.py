"""What there is to attack outside a sandbox, and what was done to it."""

import contextlib
import os
import secrets
import shutil
import socket
import subprocess
import tempfile
from pathlib import Path
from typing import Any, Self

from buddy.adapters.sandbox.kernel import abi

SECRET_NAME = "BUDDY_TEST_SECRET"


class World:
    """A file with a secret, listeners, and a process: the things that code in a sandbox must not reach."""

    def __init__(self) -> None:
        # Readable by everybody, so that no permission does what a layer of the sandbox should.
        self.folder = Path(tempfile.mkdtemp(prefix="buddy-attacks-"))
        self.folder.chmod(0o777)
        self.secret = secrets.token_hex(16)
        self.canary = self.folder / "canary"
        self.marker = self.folder / "marker"
        self.canary.write_text(self.secret)
        self.canary.chmod(0o644)
        # A descriptor that a careless start of a process would hand on.
        self._open = os.open(self.canary, os.O_RDONLY)
        os.set_inheritable(self._open, True)
        os.environ[SECRET_NAME] = self.secret
        self._tcp = socket.create_server(("127.0.0.1", 0))
        self._udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._udp.bind(("127.0.0.1", 0))
        self._unix = socket.socket(socket.AF_UNIX)
        self._unix.bind(str(self.folder / "unix"))
        (self.folder / "unix").chmod(0o777)
        self._abstract = socket.socket(socket.AF_UNIX)
        self._abstract.bind("\0" + self.secret[:8])
        for listener in (self._unix, self._abstract):
            listener.listen()
        for listener in (self._tcp, self._udp, self._unix, self._abstract):
            listener.setblocking(False)
        self._start_victim()
        self._before = self._canary_now()

    def _start_victim(self) -> None:
        self.victim = subprocess.Popen(["sleep", "1000"], start_new_session=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.victim.kill()
        self.victim.wait()
        for listener in (self._tcp, self._udp, self._unix, self._abstract):
            listener.close()
        os.close(self._open)
        os.environ.pop(SECRET_NAME, None)
        shutil.rmtree(self.folder)

    def inputs(self) -> dict[str, Any]:
        """Return the names that attacks find."""
        machine = abi.native()
        return {
            "CANARY": str(self.canary),
            "MARKER": str(self.marker),
            "TCP": self._tcp.getsockname()[1],
            "UDP": self._udp.getsockname()[1],
            "UNIX": str(self.folder / "unix"),
            "ABSTRACT": self.secret[:8],
            "VICTIM": self.victim.pid,
            "HARNESS": os.getpid(),
            "NR": dict(machine.numbers) if machine else {},
        }

    def reached(self) -> list[str]:
        """Return what was done to this world since the last time, and mend it."""
        return [*self._connections(), *self._traces(), *self._harm()]

    def _connections(self) -> list[str]:
        found = []
        for name, listener in (("TCP", self._tcp), ("a unix", self._unix), ("an abstract", self._abstract)):
            with contextlib.suppress(BlockingIOError):
                listener.accept()[0].close()
                found.append(f"connected to {name} socket")
        with contextlib.suppress(BlockingIOError):
            self._udp.recv(100)
            found.append("sent a datagram")
        return found

    def _traces(self) -> list[str]:
        found = []
        if os.path.lexists(self.marker):
            found.append("made a file outside")
            if self.marker.is_dir() and not self.marker.is_symlink():
                self.marker.rmdir()
            else:
                self.marker.unlink()
        if self._canary_now() != self._before:
            found.append("changed a file outside")
            self.canary.unlink(missing_ok=True)
            self.canary.write_text(self.secret)
            self.canary.chmod(0o644)
            self._before = self._canary_now()
        for left in (Path("/dev/shm/buddy-residue"),):
            if left.exists():
                found.append(f"left {left}")
                left.unlink()
        return found

    def _canary_now(self) -> tuple[object, ...]:
        try:
            about = self.canary.stat()
        except OSError:
            return ()
        return (self.canary.read_text(), about.st_mode, about.st_mtime_ns, about.st_nlink, about.st_uid)

    def _harm(self) -> list[str]:
        if self.victim.poll() is None and state_of(self.victim.pid) not in "Tt":
            return []
        self.victim.kill()
        self.victim.wait()
        self._start_victim()
        return ["signalled another process"]


def state_of(pid: int) -> str:
    """Return the kernel's letter for the state of a process, `T` where it is stopped."""
    return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]


def family(pid: int) -> dict[int, int]:
    """Return the living processes below a process, each with the number of its threads."""
    found = {}
    with contextlib.suppress(OSError):
        threads = os.listdir(f"/proc/{pid}/task")
        for thread in threads:
            for child in map(int, Path(f"/proc/{pid}/task/{thread}/children").read_text().split()):
                with contextlib.suppress(OSError):
                    if state_of(child) != "Z":
                        found[child] = len(os.listdir(f"/proc/{child}/task"))
                        found |= family(child)
    return found
