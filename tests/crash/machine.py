"""The machine of a simulation: on its disk and in its home every call is a point of failure."""

import os
from pathlib import Path
from typing import Any

from msgspec import Struct

from buddy.adapters.home import SqliteHome
from buddy.adapters.journal.disk import Disk
from buddy.adapters.system import VirtualClock

DURABLE = frozenset({"register_run", "set_lock", "admit", "ask", "vote", "cancel_approvals"})
"""Transactions of the home that survive the loss of power by themselves."""


class Died(BaseException):
    """The process is gone."""


class Fault(Struct, frozen=True):
    """What goes wrong.

    Attributes:
        at: number of the point, from 1; 0 is never.
        kind: `kill` or `power` there, `EIO` or `ENOSPC` at the first point from there on that is the disk's.
        torn: share of the bytes of the write in flight, or not yet synced, that are on the disk all the same.
    """

    at: int
    kind: str
    torn: float


class Machine:
    """Counts the points at which something can go wrong, and lets it go wrong at one of them.

    Attributes:
        dead: the process is gone: nothing that it does has an effect any more.
        failed: the disk has refused a call, which it does once.
        synced: bytes of the journal that survive the loss of power.
        unsure: files whose name may not, and whether their content does.
        snapshot: the home's database as of its last durable transaction.
        kept: how many such transactions there were.
    """

    def __init__(self, fault: Fault) -> None:
        self.fault = fault
        self.points = 0
        self.dead = False
        self.failed = False
        self.synced = 0
        self.unsure: dict[Path, bool] = {}
        self.snapshot = b""
        self.kept = 0

    def point(self, *, disk: bool = False) -> None:
        """Pass a point."""
        if self.dead:
            raise Died
        self.points += 1
        if not 0 < self.fault.at <= self.points:
            return
        if self.fault.kind in ("kill", "power"):
            self.dead = True
            raise Died
        if disk and not self.failed:
            self.failed = True
            raise OSError(5 if self.fault.kind == "EIO" else 28, self.fault.kind)

    def take_over(self, before: "Machine", journal: Path) -> None:
        """Go on where another process ended: what it had not synced is no safer for that.

        Args:
            before: on which it ran. Where it closed the home in good order, all that it did there is durable.
            journal: what a loss of power left of it is on the disk.
        """
        lost = before.dead and before.fault.kind == "power" and journal.exists()
        self.synced = journal.stat().st_size if lost else before.synced
        self.unsure = before.unsure
        self.snapshot = before.snapshot if before.dead else b""

    def keep(self, home: SqliteHome) -> None:
        """Note what of the home survives the loss of power: all of it, after a durable transaction."""
        self.kept += 1
        self.snapshot = home._database._connections[0].serialize()

    def lose_names(self) -> None:
        """Lose, with the power, names whose folder was not synced, or the content behind them."""
        for path, whole in self.unsure.items():
            if self.fault.torn < 0.5:
                path.unlink(missing_ok=True)
            elif not whole and path.exists():
                os.truncate(path, 0)
        self.unsure = {}


class SimClock(VirtualClock):
    """A clock that may be set.

    Attributes:
        behind: by how many seconds it was set back; forward where it is below 0.
    """

    def __init__(self) -> None:
        super().__init__()
        self.behind = 0.0

    def now(self) -> float:
        """Seconds since 1970, as the machine believes."""
        return super().now() - self.behind

    def later(self) -> "SimClock":
        """Return a clock that stands where this one does, a second later."""
        clock = SimClock()
        clock.elapsed, clock.behind = self.elapsed + 1.0, self.behind
        return clock


class SimDisk(Disk):
    """A disk on which every call is a point, before and after it.

    Args:
        machine: whose disk it is.
        journal: the file of which a part may be lost.
    """

    def __init__(self, machine: Machine, journal: Path) -> None:
        self._machine = machine
        self._journal = journal
        self._synced: set[int] = set()

    def write(self, file: int, data: memoryview) -> int:
        machine = self._machine
        before = machine.points
        try:
            machine.point(disk=True)
        except (Died, OSError):
            if machine.points > before:
                super().write(file, data[: int(len(data) * machine.fault.torn)])
            raise
        done = super().write(file, data)
        machine.point()
        return done

    def sync(self, file: int) -> None:
        self._machine.point(disk=True)
        super().sync(file)
        found = os.fstat(file)
        self._synced.add(found.st_ino)
        if os.path.samestat(found, self._journal.stat()):
            self._machine.synced = found.st_size
        self._machine.point()

    def truncate(self, file: int, size: int) -> None:
        self._machine.point(disk=True)
        super().truncate(file, size)
        self._machine.synced = min(self._machine.synced, size)
        self._machine.point()

    def rename(self, source: Path, target: Path) -> None:
        self._machine.point(disk=True)
        self._machine.unsure[target] = source.stat().st_ino in self._synced
        super().rename(source, target)
        self._machine.point()

    def sync_folder(self, folder: Path) -> None:
        self._machine.point(disk=True)
        super().sync_folder(folder)
        unsure = self._machine.unsure
        for path in [path for path, whole in unsure.items() if whole and path.parent == folder]:
            del unsure[path]
        self._machine.point()


class SimHome:
    """The real home, each of whose transactions is a point."""

    def __init__(self, home: SqliteHome, machine: Machine) -> None:
        self._home = home
        self._machine = machine
        self.key = home.key

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._home, name)
        if not callable(found):
            return found

        def call(*args: Any, **more: Any) -> Any:
            self._machine.point()
            answer = found(*args, **more)
            if name in DURABLE:
                self._machine.keep(self._home)
            self._machine.point()
            return answer

        return call

    def close(self) -> None:
        """Let go of the database, as a process does that ends, in good order or not."""
        if self._machine.dead:
            self._home._let_go()
        else:
            self._home.close()


def close_if(file: int, inode: int) -> None:
    """Close a file, unless that was done and the number is another's by now."""
    try:
        if os.fstat(file).st_ino == inode:
            os.close(file)
    except OSError:
        return
