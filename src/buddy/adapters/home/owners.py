"""Processes that hold leases, each alive as long as it holds a lock on a file of its own."""

import fcntl
import os
import secrets
from pathlib import Path

from buddy.adapters.home.folder import try_lock

FOLDER = "owners"
_SUFFIX = ".lock"


class Owner:
    """This process, for as long as it lives or until `close`. Only made inside the `door`.

    Attributes:
        token: its name.
    """

    def __init__(self, home: Path) -> None:
        self._folder = home / FOLDER
        self._folder.mkdir(mode=0o700, exist_ok=True)
        self.token = secrets.token_hex(8)
        self._path = self._folder / f"{self.token}{_SUFFIX}"
        self._file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX)
        except OSError:
            os.close(self._file)
            raise

    def lives(self, token: str) -> bool:
        """Whether the process with this name still runs, in whatever container."""
        return token == self.token or _lives(self._folder / f"{token}{_SUFFIX}")

    def others(self) -> list[str]:
        """Names of the processes that have a file here, alive or not."""
        names = (path.name.removesuffix(_SUFFIX) for path in self._folder.glob(f"*{_SUFFIX}"))
        return [name for name in names if name != self.token]

    def forget(self, token: str) -> None:
        """Remove what a dead process left."""
        (self._folder / f"{token}{_SUFFIX}").unlink(missing_ok=True)

    def close(self) -> None:
        """Be dead to the others."""
        if self._file >= 0:
            self._path.unlink(missing_ok=True)
            os.close(self._file)
            self._file = -1


def _lives(path: Path) -> bool:
    try:
        file = os.open(path, os.O_RDWR)
    except FileNotFoundError:
        return False
    try:
        # Shared, so that two processes that look at once do not take each other for the owner.
        return not try_lock(file, fcntl.LOCK_SH)
    finally:
        os.close(file)
