"""A disk whose N-th call fails."""

import os
from pathlib import Path

from buddy.adapters.journal.disk import Disk


class FaultyDisk(Disk):
    """Fails at call number `fail_at` (from 1) with `code`; a failing write first takes `torn` bytes."""

    def __init__(self, fail_at: int = 0, code: int = 5, torn: int = 0, chunk: int | None = None) -> None:
        self.fail_at = fail_at
        self.code = code
        self.torn = torn
        self.chunk = chunk
        self.calls: list[str] = []

    @property
    def failed(self) -> bool:
        return 0 < self.fail_at <= len(self.calls)

    def _call(self, name: str) -> bool:
        self.calls.append(name)
        return len(self.calls) == self.fail_at

    def _check(self, name: str) -> None:
        if self._call(name):
            raise OSError(self.code, os.strerror(self.code))

    def write(self, file: int, data: memoryview) -> int:
        if self._call("write"):
            super().write(file, data[: self.torn])
            raise OSError(self.code, os.strerror(self.code))
        return super().write(file, data[: self.chunk])

    def sync(self, file: int) -> None:
        self._check("sync")
        super().sync(file)

    def sync_folder(self, folder: Path) -> None:
        self._check("sync_folder")
        super().sync_folder(folder)

    def rename(self, source: Path, target: Path) -> None:
        self._check("rename")
        super().rename(source, target)

    def truncate(self, file: int, size: int) -> None:
        self._check("truncate")
        super().truncate(file, size)
