"""Runs attacks, and judges what came of each: what was breached, and what was noted."""

import json
import os
import re
import time
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any, Self

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from buddy.adapters.sandbox import Sandbox
from buddy.adapters.sandbox.doctor import capabilities
from buddy.model.sandbox import (
    EXTENDED_IMPORTS,
    POLICIES,
    SPEC_IMPORTS,
    Isolation,
    Layer,
    SandboxPolicy,
    SandboxResult,
    Scratch,
)
from sandbox.attack import Attack, Setting
from sandbox.world import World, family

MOST_LOGGED = 192 * 1024
"""Bytes that one execution may add to the log."""
WARM_S = 0.1
"""Seconds within which a sandbox has all the processes that it keeps."""
_LEAK = re.compile(r"LEAK:\s*\S")
SLACK_S = 1.5
"""Seconds over its deadline that an execution may take on a machine that is busy."""

EVERYTHING = (
    *SPEC_IMPORTS,
    *EXTENDED_IMPORTS,
    *(
        "os",
        "io",
        "socket",
        "subprocess",
        "ctypes",
        "signal",
        "threading",
        "mmap",
        "resource",
        "fcntl",
        "select",
    ),
    *(
        "multiprocessing",
        "multiprocessing.shared_memory",
        "multiprocessing.connection",
        "pickle",
        "importlib",
    ),
    *("pathlib", "shutil", "tempfile", "glob", "pty", "codecs", "linecache", "runpy", "pkgutil", "marshal"),
    *(
        "copyreg",
        "gc",
        "builtins",
        "atexit",
        "inspect",
        "struct",
        "stat",
        "asyncio",
        "concurrent.futures.thread",
    ),
    *("http.client", "urllib.request", "mimetypes", "encodings.idna", "unicodedata"),
)
"""What is loaded where the kernel alone is tested, so that no import is in its way."""

OPEN = SandboxPolicy(imports=EVERYTHING, check=False, facades=False)
FOLDER = SandboxPolicy(
    imports=(*SPEC_IMPORTS, "os", "socket", "mmap", "ctypes"), scratch=Scratch(size_mb=1, files=16)
)


@cache
def is_full() -> bool:
    """Return whether this machine allows full isolation."""
    return capabilities().isolation is Isolation.FULL


def policy_of(name: str, setting: Setting) -> SandboxPolicy:
    """Return the policy under which an attack runs in a setting."""
    if setting is Setting.BARE and name != "scratch":
        return OPEN
    policy = FOLDER if name == "scratch" else POLICIES[name]
    return replace(policy, check=setting is Setting.AS_IS, facades=setting is not Setting.BARE)


class Seen(Struct, frozen=True, kw_only=True):
    """What came of an attack.

    Attributes:
        attack: that was tried.
        setting: in which.
        result: that the sandbox gave.
        lines: of the violation log for it.
        reached: what it did to the world.
        left: processes and threads that were there after it and not before.
        residue: what the next execution found changed.
        took_s: wall seconds of the call.
    """

    attack: Attack
    setting: Setting
    result: SandboxResult
    lines: list[dict[str, Any]]
    reached: list[str]
    left: str
    residue: list[str]
    took_s: float


PROBE = r"""
import sys
def seen():
    import builtins, json, math, os, decimal, random
    found = {
        "builtins": sorted(vars(builtins)), "len": len("abc"), "modules": sorted(sys.modules),
        "environment": dict(os.environ), "path": list(sys.path), "recursion": sys.getrecursionlimit(),
        "pi": math.pi, "json": json.dumps([1]), "precision": decimal.getcontext().prec,
        "kept": hasattr(sys, "kept"), "parts": sorted(vars(json)), "sys": sorted(vars(sys)),
    }
    if "signal" in sys.modules:
        signal = sys.modules["signal"]
        found["signals"] = [str(signal.getsignal(number)) for number in range(1, 30)]
    if "gc" in sys.modules:
        gc = sys.modules["gc"]
        found["collects"] = gc.isenabled()
        found["strings"] = sum("RESI" + "DUE" in thing for held in gc.get_objects() if type(held) is list
                               for thing in held if type(thing) is str)
    if "resource" in sys.modules:
        resource = sys.modules["resource"]
        found["limits"] = [resource.getrlimit(number) for number in range(16)]
    return found
"""
TELLS = PROBE + "seen()"
TELLS_OF_FOLDER = PROBE + "dict(seen(), folder=sys.modules['os'].listdir('/tmp'))"
TELLS_FROM_OUTSIDE = "import math, json\n[math.pi, json.dumps([1]), len('abc'), sorted([2, 1]), str(1.5)]"
"""What an execution can see that its forerunners might have changed."""


class Arena:
    """A sandbox among things to attack.

    Args:
        world: that is attacked.
        policy: name of it.
        setting: of the layers in front.
        log: path of the violation log.
        without: protective steps that are left out.
        probe: look after each attack for what it left behind.
    """

    def __init__(
        self,
        world: World,
        policy: str,
        setting: Setting,
        log: Path,
        *,
        without: Iterable[str] = (),
        probe: bool = True,
        **options: Any,
    ) -> None:
        self.world = world
        self.setting = setting
        self._log = log
        self._read = 0
        self._policy = policy
        self._probe = probe
        self.box = Sandbox(
            policy=policy_of(policy, setting), workers=1, log=log, _without=frozenset(without), **options
        )

    def __enter__(self) -> Self:
        self.box.__enter__()
        self._clean = self._look()
        until = time.monotonic() + WARM_S
        self._family = family(os.getpid())
        while time.monotonic() < until:  # the next process is on its way
            self._family = max(family(os.getpid()), self._family, key=len)
            time.sleep(0.01)
        return self

    def __exit__(self, *problem: Any) -> None:
        self.box.__exit__(*problem)

    def _look(self) -> Any:
        code = TELLS_FROM_OUTSIDE
        if self.setting is Setting.BARE:
            code = TELLS_OF_FOLDER if self._policy == "scratch" else TELLS
        result = self.box.execute(code, timeout_s=10)
        assert result.error is None, result.error
        return result.value

    def try_(self, attack: Attack) -> Seen:
        """Run an attack and look at what it did."""
        began = time.monotonic()
        result = self.box.execute(
            attack.code_in(self.setting), inputs=self.world.inputs(), timeout_s=attack.timeout_s
        )
        took_s = time.monotonic() - began
        after = self._look() if self._probe else None
        return Seen(
            attack=attack,
            setting=self.setting,
            result=result,
            lines=[line for line in self._fresh() if line.get("execution_id") == result.execution_id],
            reached=self.world.reached(),
            left=self._left(),
            residue=[] if not self._probe or after == self._clean else _changed(self._clean, after),
            took_s=took_s,
        )

    def _fresh(self) -> list[dict[str, Any]]:
        if not self._log.exists():
            return []
        with self._log.open("rb") as file:
            file.seek(self._read)
            text = file.read()
            self._read = file.tell()
        return [json.loads(line) for line in text.splitlines()]

    def _left(self) -> str:
        """Wait for what ends by itself; a sandbox may hold as many processes as it had."""
        until = time.monotonic() + 2.0
        while True:
            now = family(os.getpid())
            if len(now) <= len(self._family) and max(now.values(), default=1) <= max(
                self._family.values(), default=1
            ):
                return ""
            if time.monotonic() > until:
                return f"{len(now)} processes for {len(self._family)}, threads {sorted(now.values())}"
            time.sleep(0.01)


def _changed(before: Any, after: Any) -> list[str]:
    if isinstance(before, dict) and isinstance(after, dict):
        return [
            f"{name}: {before.get(name)} -> {after.get(name)}"[:300]
            for name in before | after
            if before.get(name) != after.get(name)
        ]
    return [f"{before} -> {after}"[:300]]


def breaches(seen: Seen, secret: str) -> list[str]:
    """Return what an attack got away with; nothing is as it should be.

    Where something around the sandbox denies calls in silence, nobody can ask that all are noted.
    """
    result = seen.result
    found = [*seen.reached, *(f"the next execution found {what}" for what in seen.residue)]
    if secret in json.dumps(msgspec.to_builtins(result)):
        found.append("the secret is in the result")
    if _LEAK.search(result.stdout) or _LEAK.search(json.dumps(result.value)):
        found.append(f"it got {result.stdout[:200]!r}")
    if seen.left:
        found.append(f"it left {seen.left}")
    if seen.took_s > seen.attack.timeout_s + SLACK_S:
        found.append(f"it took {seen.took_s:.2f} s of {seen.attack.timeout_s} s")
    if sum(len(json.dumps(line)) for line in seen.lines) > MOST_LOGGED:
        found.append("it flooded the log")
    if any(
        violation.layer is Layer.KERNEL and not violation.authoritative for violation in result.violations
    ):
        found.append("it forged the kernel's word")
    return found + _unnoted(seen)


def _unnoted(seen: Seen) -> list[str]:
    result = seen.result
    if result.forensics != "full":
        return []
    found = ["it passed for harmless code"] if result.ok else []
    if result.isolation is Isolation.FULL and seen.attack.right(seen.setting):
        if not result.violations:
            found.append("no violation was noted")
        elif not seen.lines:
            found.append("no line is in the log")
    return found


def noted(seen: Seen) -> set[str]:
    """Return the types of violation that were noted."""
    return {violation.type.value for violation in seen.result.violations}


def has_right_type(seen: Seen) -> bool:
    """Return whether what was noted is what it was; bare, the kernel or the supervisor has to have."""
    right = seen.attack.right(seen.setting)
    bare = seen.setting is Setting.BARE
    if not right or seen.result.forensics != "full":
        return True
    return any(
        violation.type in right and (not bare or violation.layer in (Layer.KERNEL, Layer.SUPERVISOR))
        for violation in seen.result.violations
    )
