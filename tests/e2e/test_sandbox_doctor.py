"""Whether the canaries notice a step that the kernel accepts and that then does nothing.

Each is broken in a copy of the package, because a zygote is a program of its own. The umask is tight, so that
no file is out of reach for a reason that has nothing to do with the step.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import buddy
from buddy.adapters.sandbox import capabilities
from buddy.model.sandbox import Isolation

SCRIPT = """
import json, os
os.umask(0o077)
from buddy.adapters.sandbox import capabilities
found = capabilities()
missed = [one.name for one in found.canaries if not one.held]
print(json.dumps([found.isolation and found.isolation.value, missed]))
"""


@pytest.mark.parametrize(
    ("place", "lines", "isolation", "missed"),
    [
        ("kernel/landlock.py", {'syscall("landlock_restrict_self", made, 0)': "pass"}, None, "open"),
        ("kernel/filters.py", {"program(abi, chosen, denied)": "program(abi, [], ALLOW)"}, None, "socket"),
        ("kernel/limits.py", {"resource.setrlimit(which, (soft, hard))": "pass"}, None, "memory"),
        (
            "kernel/namespaces.py",
            {'syscall("pivot_root", b".", b".")': "pass", 'syscall("umount2", b".", _DETACH)': "pass"},
            None,
            "file-names",
        ),
        ("kernel/namespaces.py", {" | _NEWPID | _NEWNET": " | _NEWPID"}, "standard", "network"),
        ("kernel/namespaces.py", {" | _NEWPID | _NEWNET": " | _NEWNET"}, "standard", "processes"),
        ("worker.py", {"signal.pidfd_send_signal(self.pidfd, signal.SIGKILL)": "pass"}, None, "deadline"),
    ],
)
def test_a_step_that_does_nothing_is_noticed(
    place: str, lines: dict[str, str], isolation: str | None, missed: str, tmp_path: Path
) -> None:
    if capabilities().isolation is not Isolation.FULL:
        pytest.skip("this machine has no full isolation that could be lost")
    shutil.copytree(Path(buddy.__file__).parent, tmp_path / "buddy")
    broken = tmp_path / "buddy" / "adapters" / "sandbox" / place
    source = broken.read_text("utf-8")
    for line, instead in lines.items():
        assert source.count(line) == 1
        source = source.replace(line, instead)
    broken.write_text(source, "utf-8")
    said = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert said.stderr == ""
    found, names = json.loads(said.stdout)
    assert (found, missed in names) == (isolation, True)
