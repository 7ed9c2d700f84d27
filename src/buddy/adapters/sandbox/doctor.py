"""What this machine can enforce, found out by attacks that have to fail."""

import os
import socket
from typing import Any

from buddy.adapters.sandbox.canaries import ATTACKS
from buddy.adapters.sandbox.execution import Execution
from buddy.adapters.sandbox.settings import Settings
from buddy.adapters.sandbox.worker import Worker
from buddy.errors import SandboxUnavailable
from buddy.model.sandbox import Canary, Capabilities, Isolation, KilledBy, SandboxPolicy

_NEEDED = ("landlock", "seccomp", "limits", "supervisor")
"""Steps without which there is no sandbox at all."""
_DEADLINE_S = 0.02
_SLEEP_S = 2.0
_PATIENCE_S = 10.0

_REMEDIES = {
    "namespaces": (
        "full isolation needs namespaces: run as root, or let users have them (sysctl "
        "kernel.unprivileged_userns_clone=1, user.max_user_namespaces above 0, "
        "kernel.apparmor_restrict_unprivileged_userns=0); in Docker, a seccomp profile that allows unshare, "
        "mount and pivot_root"
    ),
    "root": "full isolation needs mount and pivot_root, which this container or security module denies",
    "landlock": (
        "Landlock is needed: Linux 5.13 or later with landlock in the list of security modules (boot with "
        "lsm=landlock,...)"
    ),
    "seccomp": "seccomp filters are needed: Linux 5.9 or later built with CONFIG_SECCOMP_FILTER",
    "limits": "resource limits do not hold here",
    "supervisor": "a process could not be killed in time",
}


def capabilities() -> Capabilities:
    """Return what this machine can enforce, also where no sandbox could start."""
    settings = Settings()
    try:
        with Worker(settings) as worker:
            return examine(worker, settings)
    except SandboxUnavailable as problem:
        return Capabilities(isolation=None, missing=problem.missing)


def examine(worker: Worker, settings: Settings) -> Capabilities:
    """Try every attack in a child of a zygote.

    Args:
        worker: that nobody else uses.
        settings: of the worker.

    Raises:
        SandboxUnavailable: the zygote could not start.
    """
    try:
        greeting = worker.greeting()
    except SandboxUnavailable as problem:
        raise SandboxUnavailable([_explained(text) for text in problem.missing]) from None
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(8)
        bait = {
            "port": listener.getsockname()[1],
            "path": os.devnull,
            "memory": (settings.memory_mb + 64) * 1024 * 1024,
            "sleep_s": _SLEEP_S,
        }
        told: list[bool] = []
        canaries = tuple(_try(worker, name, bait, told) for name in ATTACKS if _fits(name, greeting))
    failed = [one.layer for one in canaries if not one.held]
    if not greeting["spaces"]:
        failed.append("namespaces")
    missing = tuple(
        f"{_REMEDIES[layer]} ({_reason(layer, canaries, greeting)})" for layer in dict.fromkeys(failed)
    )
    isolation = None if set(failed) & set(_NEEDED) else Isolation.STANDARD if failed else Isolation.FULL
    return Capabilities(
        isolation=isolation,
        canaries=canaries,
        missing=missing,
        forensics="full" if all(told) and told else "degraded",
    )


def _explained(reason: str) -> str:
    """Return what would help with a zygote that could not start."""
    remedy = next((text for layer, text in _REMEDIES.items() if reason.startswith(layer)), "")
    return f"{remedy} ({reason})" if remedy else reason


def _fits(name: str, greeting: dict[str, Any]) -> bool:
    """Whether an attack means anything here: what was not entered holds nothing."""
    return bool(greeting["spaces"]) or ATTACKS[name][0] not in ("namespaces", "root")


def _reason(layer: str, canaries: tuple[Canary, ...], greeting: dict[str, Any]) -> str:
    if layer in ("namespaces", "root") and not greeting["spaces"]:
        return str(greeting["why"])
    return next(f"{one.name}: {one.details}" for one in canaries if one.layer == layer and not one.held)


def _try(worker: Worker, name: str, bait: dict[str, Any], told: list[bool]) -> Canary:
    layer = ATTACKS[name][0]
    deadline = layer == "supervisor"
    try:
        worker.want(want="canary", name=name, bait=bait)
        with worker.take() as child:
            execution = Execution(child, b"", SandboxPolicy(), _DEADLINE_S if deadline else _PATIENCE_S)
            execution.run()
    except SandboxUnavailable as problem:
        return Canary(name=name, layer=layer, held=False, details=problem.missing[0])
    if layer == "seccomp":
        told.append(bool(execution.violations))
    if deadline:
        late = execution.wall_s - _DEADLINE_S
        held = execution.killed_by is KilledBy.TIMEOUT and execution.wall_s < _SLEEP_S
        return Canary(
            name=name, layer=layer, held=held, details=f"ended {late * 1000:.0f} ms after its deadline"
        )
    report = execution.report
    if report is None:
        ended = f"ended without a word (exit code {execution.end.code})"
        return Canary(name=name, layer=layer, held=False, details=ended)
    return Canary(name=name, layer=layer, held=report.held, details=report.details)


__all__ = ["capabilities", "examine"]
