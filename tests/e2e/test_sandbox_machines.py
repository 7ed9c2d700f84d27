"""What the sandbox says and does on machines that allow more or less; a filter outside stands for each."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

OUTER = Path(__file__).parent.parent / "sandbox" / "outer.py"
SCRIPT = """
import json, sys
from buddy.adapters.sandbox import Sandbox, capabilities
from buddy.errors import SandboxUnavailable
from buddy.model.sandbox import SandboxPolicy, Scratch

found = capabilities()
told = {"isolation": found.isolation and found.isolation.value, "missing": found.missing,
        "forensics": found.forensics, "failed": [one.name for one in found.canaries if not one.held]}
wanted = (("any", "standard", None), ("full", "full", None), ("scratch", "standard", Scratch()))
for name, require, scratch in wanted:
    policy = SandboxPolicy(imports=("os", "socket"), check=False, facades=False, scratch=scratch)
    try:
        with Sandbox(policy, require=require) as box:
            codes = ("6 * 7", "open('/etc/passwd')", "import os; os.fork()", "import socket; socket.socket()")
            results = [box.execute(code) for code in codes]
            told[name] = [results[0].value, results[0].isolation.value,
                          [bool(one.error) for one in results[1:]],
                          [[v.type.value for v in one.violations] for one in results[1:]]]
    except SandboxUnavailable as problem:
        told[name] = list(problem.missing)
print(json.dumps(told))
"""
DENIED = [["FILESYSTEM_ATTEMPT"], ["SUBPROCESS_ATTEMPT"], ["NETWORK_ACCESS_ATTEMPT"]]
USER = ["--reuid", "12345", "--regid", "12345", "--clear-groups"]
# So that it can read this checkout wherever that is; it gives no other power.
READS = ["--inh-caps=-all,+dac_read_search", "--ambient-caps=-all,+dac_read_search"]


def on(*under: str) -> dict[str, Any]:
    said = subprocess.run([*under, sys.executable, "-c", SCRIPT], capture_output=True, text=True, timeout=60)
    assert said.stderr == ""
    told: dict[str, Any] = json.loads(said.stdout)
    return told


def container(spec: str) -> list[str]:
    return [sys.executable, str(OUTER), spec]


def user() -> list[str]:
    setpriv = shutil.which("setpriv")
    if setpriv is None or subprocess.run([setpriv, *USER, *READS, "true"], check=False).returncode != 0:
        pytest.skip("becoming another user takes root and setpriv")
    return [setpriv, *USER, *READS]


def test_this_machine_has_full_isolation() -> None:
    told = on()
    if told["isolation"] != "full":
        pytest.skip(f"this machine has not: {told['missing']}")
    for name in ("any", "full", "scratch"):
        assert told[name] == [42, "full", [True] * 3, DENIED]
    assert (told["missing"], told["failed"], told["forensics"]) == ([], [], "full")


def test_a_user_with_namespaces_has_full_isolation() -> None:
    told = on(*user())
    if told["isolation"] != "full":
        pytest.skip(f"users may not have namespaces here: {told['missing']}")
    for name in ("any", "full", "scratch"):
        assert told[name] == [42, "full", [True] * 3, DENIED]


@pytest.mark.parametrize(
    "spec",
    ["unshare=EPERM,mount=EPERM,pivot_root=EPERM", "unshare=ENOSYS", "mount=EPERM", "pivot_root=EPERM"],
)
@pytest.mark.parametrize("as_user", [False, True], ids=["root", "user"])
def test_a_container_without_namespaces_or_mounts_has_standard_isolation(spec: str, as_user: bool) -> None:
    told = on(*(user() if as_user else []), *container(spec))
    assert told["isolation"] == "standard"
    assert told["any"] == [42, "standard", [True] * 3, DENIED]
    assert "full isolation needs namespaces" in told["full"][0]
    assert told["scratch"][0] == "a private folder needs full isolation"
    assert told["failed"] == []


@pytest.mark.parametrize(
    ("spec", "names"),
    [
        ("landlock_create_ruleset=ENOSYS", "Landlock is needed"),
        ("landlock_create_ruleset=EOPNOTSUPP", "Landlock is needed"),
        ("landlock_restrict_self=ENOSYS", "Landlock is needed"),
        ("seccomp=ENOSYS", "seccomp filters are needed"),
        ("seccomp=EINVAL", "seccomp filters are needed"),
        ("prlimit64=EPERM", "resource limits do not hold"),
    ],
)
def test_without_a_needed_layer_there_is_no_sandbox(spec: str, names: str) -> None:
    told = on(*container(spec))
    assert told["isolation"] is None
    assert any(names in sentence for sentence in told["missing"])
    for name in ("any", "full", "scratch"):
        assert any(names in sentence for sentence in told[name])


def test_where_somebody_outside_listens_the_kernel_denies_in_silence() -> None:
    told = on(*container("listen"))
    assert (told["isolation"], told["forensics"]) == ("full", "degraded")
    assert told["any"] == [42, "full", [True] * 3, [[], [], []]]
    assert told["scratch"] == [42, "full", [True] * 3, [[], [], []]]
