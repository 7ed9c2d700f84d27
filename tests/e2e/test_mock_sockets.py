"""MOCK of everything that is built in opens no internet socket and starts no process."""

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

LEADS = Path(__file__).parents[2] / "examples" / "lead-sync"
OUTER = Path(__file__).parents[1] / "sandbox" / "outer.py"
WATCHED = """
    import socket, sys

    def watch(event, args):
        outside = event == "socket.__new__" and args[1] != socket.AF_UNIX
        if outside or event in ("socket.getaddrinfo", "socket.connect", "subprocess.Popen"):
            sys.stderr.write(f"{event} {args}\\n")
            sys.stderr.flush()
            import traceback; traceback.print_stack()
            __import__("os")._exit(99)

    sys.addaudithook(watch)
    from buddy.interfaces.cli.main import main
    sys.exit(main(sys.argv[1:]))
"""


def watched(folder: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(WATCHED), *arguments],
        cwd=folder,
        env={"BUDDY_HOME": str(folder / "home"), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_leads_are_rehearsed_without_a_socket(tmp_path: Path) -> None:
    done = watched(tmp_path, "run", str(LEADS / "plan.json"))
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("plan", ["plan.json", "predictions"])
@pytest.mark.parametrize("how", ["no network", "no socket"])
def test_leads_are_rehearsed_where_the_kernel_has_no_network_to_give(
    tmp_path: Path, how: str, plan: str
) -> None:
    if how == "no network":
        under = ["unshare", "--map-root-user", "--net"]
        if subprocess.run([*under, "true"], capture_output=True, check=False).returncode != 0:
            pytest.skip("this machine gives nobody a network namespace")
    else:
        under = [sys.executable, str(OUTER), "socket=EPERM,connect=EPERM"]
    done = subprocess.run(
        [*under, sys.executable, "-m", "buddy", "run", str(LEADS / plan), "--out", "out"],
        cwd=tmp_path,
        env={"BUDDY_HOME": str(tmp_path / "home"), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr


def test_the_watch_would_see_one(tmp_path: Path) -> None:
    done = watched(tmp_path, "simulate", "mployer")
    assert (done.returncode, "socket" in done.stderr) == (99, True)
