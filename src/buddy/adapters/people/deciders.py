"""Who answers an approval request at once, and who is told of what happens."""

import json
import shlex
import subprocess
import threading
import tomllib
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from buddy.core.approvals import Policy, matching_rule
from buddy.core.parsing import problems_of
from buddy.errors import BadInput
from buddy.model.approval import ApprovalRequest, Vote
from buddy.ports import Interaction

TELL_TIMEOUT_S = 10.0


class Quiet:
    """Nobody is there: requests wait, nobody is told."""

    async def decide(self, request: ApprovalRequest, confidence: float | None) -> Vote | None:
        """Leave the request to somebody else."""
        return None

    def approval_requested(self, request: ApprovalRequest) -> None:
        """Tell nobody."""

    def alert(self, message: str) -> None:
        """Tell nobody."""

    def progress(self, settled: int, total: int) -> None:
        """Tell nobody."""


class Around:
    """A policy, a callback and hooks in front of another interaction.

    Args:
        inner: who is asked where neither policy nor callback decides.
        policy: rules.
        callback: the phase-13 callback `(tool_name, confidence) -> bool`; an exception or anything but
            True denies.
        on_alert: command or URL told of every HIGH anomaly.
        on_approval: command or URL told of every request.
    """

    def __init__(
        self,
        inner: Interaction,
        *,
        policy: Policy | None = None,
        callback: Callable[[str, float], Any] | None = None,
        on_alert: str | None = None,
        on_approval: str | None = None,
    ) -> None:
        self._inner = inner
        self._policy = policy
        self._callback = callback
        self._on_alert = on_alert
        self._on_approval = on_approval

    async def decide(self, request: ApprovalRequest, confidence: float | None) -> Vote | None:
        """Answer by the first rule that matches, or by the callback, or leave it to the other."""
        if self._policy is not None:
            rule = matching_rule(self._policy, request.tool, request.agent, request.args)
            if rule is not None:
                yes = rule.decision == "approve"
                return Vote(by="policy", approve=yes, at=request.requested_at, reason=rule.reason)
        if self._callback is not None:
            return self._called(request, confidence or 0.0)
        return await self._inner.decide(request, confidence)

    def _called(self, request: ApprovalRequest, confidence: float) -> Vote:
        assert self._callback is not None
        try:
            yes, reason = self._callback(request.tool, confidence) is True, ""
        except Exception as problem:  # noqa: BLE001 - whatever it raises denies
            yes, reason = False, f"the callback raised {type(problem).__name__}: {problem}"
        return Vote(by="callback", approve=yes, at=request.requested_at, reason=reason)

    def approval_requested(self, request: ApprovalRequest) -> None:
        """Tell the hook, and the other."""
        if self._on_approval:
            _tell(self._on_approval, msgspec.json.encode(request))
        self._inner.approval_requested(request)

    def alert(self, message: str) -> None:
        """Tell the hook, and the other."""
        if self._on_alert:
            _tell(self._on_alert, json.dumps({"alert": message}).encode())
        self._inner.alert(message)

    def progress(self, settled: int, total: int) -> None:
        """Tell the other."""
        self._inner.progress(settled, total)


def _tell(where: str, data: bytes) -> None:
    """Hand a JSON document to a command (standard input) or a URL (POST), without waiting for it."""
    threading.Thread(target=_hand_over, args=(where, data), daemon=True).start()


def _hand_over(where: str, data: bytes) -> None:
    if where.startswith(("http://", "https://")):
        request = urllib.request.Request(where, data, {"Content-Type": "application/json"})  # noqa: S310
        try:
            urllib.request.urlopen(request, timeout=TELL_TIMEOUT_S).close()  # noqa: S310
        except OSError:
            return
        return
    try:
        subprocess.run(shlex.split(where), input=data, timeout=TELL_TIMEOUT_S, check=False)  # noqa: S603
    except (OSError, subprocess.SubprocessError, ValueError):
        return


def read_policy(path: Path) -> Policy:
    """Read a policy file.

    Raises:
        BadInput: with every problem of the file.
    """
    try:
        table = tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError as problem:
        raise BadInput(
            f"{path}: expected a policy file, or one of ask, wait and exit; found nothing"
        ) from problem
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as problem:
        raise BadInput(f"{path}: expected a policy file in TOML, found {problem}") from problem
    try:
        return msgspec.convert(table, Policy)
    except msgspec.ValidationError as problem:
        found = problems_of(json.loads(json.dumps(table, default=str)), Policy)
        raise BadInput([f"{path}: {sentence}" for sentence in found or [str(problem)]]) from problem
