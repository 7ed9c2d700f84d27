"""Other processes on the same home."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_BEGIN = """
import pathlib, sys, time
from buddy.adapters.home import SqliteHome
from buddy.ports import *
home = SqliteHome(pathlib.Path(sys.argv[1]))
"""


@contextmanager
def another(folder: Path, script: str, *args: str) -> Iterator["Other"]:
    """Run a script that has a `home`, and end it afterwards."""
    with subprocess.Popen(
        [sys.executable, "-c", _BEGIN + script, str(folder), *args],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield Other(process)
        finally:
            process.kill()


class Other:
    """A process that is talked to line by line."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self.process = process

    def line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().rstrip("\n")

    def say(self, text: str = "") -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{text}\n")
        self.process.stdin.flush()

    def end(self) -> int:
        """Wait until it ends by itself."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        return self.process.wait(30)
