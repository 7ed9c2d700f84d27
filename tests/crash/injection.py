"""Faults at system calls, by `strace`: a signal or an error at the n-th call of a kind."""

import re
import shutil
import subprocess
import tempfile
from collections import Counter
from pathlib import Path

from crash import workload

CALLS = ("write", "pwrite64", "fsync", "fdatasync")
SYNCS = ("fsync", "fdatasync")
WRITES = ("write", "pwrite64")
_COUNTED = re.compile(r"^(?:\[pid +\d+\] )?(\w+)\(")


def possible() -> bool:
    """Whether faults can be injected here: there is an strace, and it may trace."""
    if shutil.which("strace") is None:
        return False
    with tempfile.TemporaryDirectory() as folder:
        done = workload.buddy(Path(folder), "--version", under=("strace", "-f", "-o", "/dev/null"))
    return done.returncode == 0


def counted(folder: Path, *paths: Path) -> Counter[str]:
    """Run undisturbed and count the calls of each kind that the main thread makes.

    Args:
        folder: that was prepared.
        paths: only calls on these files count; all do where none is given.
    """
    log = folder / "calls"
    only = tuple(word for path in paths for word in ("-P", str(path)))
    done = workload.start(folder, ("strace", "-f", "-o", str(log), *only, "-e", f"trace={','.join(CALLS)}"))
    assert done.returncode == 1, done.stderr
    pids: Counter[str] = Counter()
    calls: dict[str, Counter[str]] = {}
    for line in log.read_text(errors="replace").splitlines():
        pid, _, rest = line.partition(" ")
        name = _COUNTED.match(rest.strip())
        if name is not None:
            pids[pid] += 1
            calls.setdefault(pid, Counter())[name[1]] += 1
    main = log.read_text(errors="replace").split(" ", 1)[0]
    return calls[main]


def under(call: str, number: int, fault: str, *paths: Path, log: Path = Path("/dev/null")) -> tuple[str, ...]:
    """Return the words that put a fault at the n-th call of a kind.

    Args:
        call: its name.
        number: from 1.
        fault: `signal=SIGKILL`, or `error=EIO`.
        paths: only calls on these files count; all do where none is given.
        log: is told of every call of the kind.
    """
    only = tuple(word for path in paths for word in ("-P", str(path)))
    return (
        "strace", "-f", "-o", str(log), *only,
        "-e", f"trace={call}", "-e", f"inject={call}:{fault}:when={number}",
    )  # fmt: skip


def killed(folder: Path, call: str, number: int, undisturbed: workload.State) -> list[str]:
    """Kill a run at the n-th call of a kind, resume it, and return what does not hold.

    Args:
        folder: to run in, which is not there yet.
        call: the system call.
        number: from 1.
        undisturbed: how the run ends where nothing happens to it.
    """
    workload.prepare(folder)
    workload.start(folder, under(call, number, "signal=SIGKILL"))
    done = workload.resume(folder)
    return _with(done, workload.wrongs(folder, undisturbed, done.returncode))


def failed(folder: Path, call: str, error: str, number: int, undisturbed: workload.State) -> list[str] | None:
    """Have the n-th call on the journal fail, look at how the run stops, resume it, and return what is wrong.

    How many calls a run makes is a matter of what came together; None where this one made fewer.

    Args:
        folder, call, number, undisturbed: as for `killed`.
        error: `EIO` for example.
    """
    workload.prepare(folder)
    journal, log = workload.journal(folder), folder / "calls"
    done = workload.start(folder, under(call, number, f"error={error}", journal, log=log))
    if "(INJECTED)" not in log.read_text(errors="replace"):
        return None
    found = []
    if done.returncode != 74 or "resume" not in done.stderr or "Traceback" in done.stderr:
        found.append(f"exit {done.returncode}, {done.stderr[-500:]!r}")
    rules = {violation.rule for violation in workload.verified(folder)} - AFTER_A_STOP
    if rules:
        found.append(f"the stopped run breaks {sorted(rules)}")
    resumed = workload.resume(folder)
    return found + _with(resumed, workload.wrongs(folder, undisturbed, resumed.returncode))


AFTER_A_STOP = frozenset(
    {
        "line_torn",
        "journal_empty",
        "head_differs",
        "intent_without_outcome",
        "output_differs",
        "output_missing",
        "approval_differs",
        "approval_not_journaled",
    }
)
"""What verify may say of a run that stopped closed and was not resumed yet.

The last two, as the home is asked, and consumes an approval, before the journal tells of it.
"""


def _with(done: "subprocess.CompletedProcess[str]", found: list[str]) -> list[str]:
    return [*found, done.stdout[-500:], done.stderr[-1_000:]] if found else []
