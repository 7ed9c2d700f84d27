"""One execution, watched from outside: the hand-over, the kernel's word, the deadline, the end."""

import contextlib
import os
import select
import socket
import sys
import time
from typing import Any, Literal

import msgspec
from msgspec import Struct

from buddy.adapters.sandbox import verdicts
from buddy.adapters.sandbox.kernel import abi, filters, namespaces, seccomp
from buddy.adapters.sandbox.outcome import MOST_DEPTH
from buddy.adapters.sandbox.worker import NO_DESCRIPTORS, START_S, Child
from buddy.errors import SandboxUnavailable
from buddy.model.sandbox import CodeError, KilledBy, Layer, SandboxPolicy, Violation, ViolationType

_CHUNK = 1 << 16
_BESIDES = 1 << 20
"""Bytes that a report may take above its value: the error and what was found."""
_MOST_LINES = 256
"""More than a runner ever writes."""
_GRACE_S = 5.0
"""Seconds within which a killed process is gone."""

_NAMES = machine.names if (machine := abi.native()) else {}


class Report(Struct, kw_only=True):
    """What a child says of its code; nothing here is to be trusted."""

    value: Any = None
    error: CodeError | None = None
    ended: str | None = None
    held: bool = False
    details: str = ""


class _Line(Struct, kw_only=True):
    report: Report | None = None
    finding: tuple[ViolationType, str, int | None, Literal["policy", "facade"]] | None = None


class _End(Struct, kw_only=True):
    code: int = 0
    cpu_s: float = 0.0
    memory_kb: int = 0


_LINES = msgspec.json.Decoder(_Line)
_ENDS = msgspec.json.Decoder(_End)


class Execution:
    """Drives a child from the hand-over of the code to its end.

    Args:
        child: sealed, or about to be.
        request: what it is to run, as it reads it.
        policy: of the sandbox.
        timeout_s: wall seconds from the hand-over on, None for no deadline.
    """

    def __init__(self, child: Child, request: bytes, policy: SandboxPolicy, timeout_s: float | None) -> None:
        self._child = child
        self._unsent = memoryview(request)
        self._policy = policy
        self._timeout_s = timeout_s
        self._poll = select.poll()
        self._said = bytearray()
        self._printed = bytearray()
        self._told = bytearray()
        self._open: set[int] = set()
        self._denied = 0
        self.listener = -1
        self.killed_by: KilledBy | None = None
        self.violations: list[Violation] = []
        self.findings: list[Violation] = []
        self.report: Report | None = None
        self.wall_s = 0.0
        self.end = _End()

    @property
    def told_of(self) -> bool:
        """Whether the kernel tells of denied calls."""
        return self.listener >= 0

    @property
    def printed(self) -> str:
        """What the code printed, up to the cap."""
        return self._printed[: self._policy.max_output_bytes].decode("utf-8", "replace")

    @property
    def output_bytes(self) -> int:
        """How much it printed."""
        return len(self._printed)

    def kill(self, why: KilledBy) -> None:
        """End the code at once; the first reason counts."""
        if self.killed_by is None:
            self.killed_by = why
        self._child.kill()

    def run(self) -> None:
        """Hand the code over and watch until its process has ended.

        Raises:
            SandboxUnavailable: the process could not seal itself or did not end when it was killed, or nobody
                saw how it ended.
        """
        try:
            self._meet()
            self._watch()
        finally:
            if self.listener >= 0:
                os.close(self.listener)
        self._conclude()

    def _meet(self) -> None:
        """Wait until the child says that it is sealed."""
        channel = self._child.channel
        channel.settimeout(START_S)
        try:
            said, rights, _, _ = channel.recvmsg(1, socket.CMSG_SPACE(4), socket.MSG_CMSG_CLOEXEC)
        except TimeoutError:
            raise SandboxUnavailable([f"a process was not sealed within {START_S:g} s"]) from None
        if said == b"H":
            if not rights:
                raise SandboxUnavailable([NO_DESCRIPTORS])
            self.listener = int.from_bytes(rights[0][2][:4], sys.byteorder)
        elif said != b"S":
            with contextlib.suppress(OSError):
                said = channel.recv(_CHUNK)
            words = said.decode("utf-8", "replace")
            raise SandboxUnavailable([words or "a process ended before it was sealed"])
        channel.setblocking(False)

    def _watch(self) -> None:
        child, poll = self._child, self._poll
        channel = child.channel.fileno()
        for descriptor in (channel, child.printed, child.end):
            poll.register(descriptor, select.POLLIN)
            self._open.add(descriptor)
        if self.listener >= 0:
            poll.register(self.listener, select.POLLIN)
        started = time.monotonic()
        until = None if self._timeout_s is None else started + self._timeout_s
        self._send()
        gone_by = None
        while child.end in self._open:
            now = time.monotonic()
            if until is not None and now >= until and self.killed_by is None:
                self.kill(KilledBy.TIMEOUT)
            if self.killed_by is not None:
                gone_by = gone_by or now + _GRACE_S
                if now > gone_by:
                    raise SandboxUnavailable([f"a killed process was not gone after {_GRACE_S:g} s"])
            due = gone_by if self.killed_by is not None else until
            for ready, event in poll.poll(None if due is None else max(0.0, due - now) * 1000 + 1):
                self._serve(ready, event)
        self.wall_s = time.monotonic() - started
        for left in (channel, child.printed):
            while left in self._open:
                self._serve(left, select.POLLIN)

    def _send(self) -> None:
        """Hand over as much of the code as the channel takes."""
        channel = self._child.channel
        try:
            self._unsent = self._unsent[channel.send(self._unsent) :]
        except BlockingIOError:
            pass
        except OSError:  # it has ended, which its end will say
            self._unsent = self._unsent[:0]
        self._poll.modify(channel, select.POLLIN | (select.POLLOUT if self._unsent else 0))
        if not self._unsent:
            with contextlib.suppress(OSError):
                channel.shutdown(socket.SHUT_WR)

    def _serve(self, ready: int, event: int) -> None:
        child = self._child
        if ready == self.listener:
            self._hear(event)
        elif ready == child.end:
            self._take(ready, self._told)
        elif ready == child.printed:
            self._take(ready, self._printed)
            if len(self._printed) > self._policy.max_output_bytes:
                self.kill(KilledBy.OUTPUT)
                self._shut(ready)
        else:
            if event & select.POLLOUT and self._unsent:
                self._send()
            if event & ~select.POLLOUT:
                self._take(ready, self._said)
            if len(self._said) > self._policy.max_result_bytes + _BESIDES:
                self.kill(KilledBy.RESULT)
                self._shut(ready)

    def _take(self, ready: int, into: bytearray) -> None:
        try:
            part = os.read(ready, _CHUNK)
        except BlockingIOError:
            if self._child.end not in self._open:  # nobody is left who could write more
                self._shut(ready)
            return
        except OSError:
            part = b""
        into += part
        if not part:
            self._shut(ready)

    def _shut(self, descriptor: int) -> None:
        self._poll.unregister(descriptor)
        self._open.discard(descriptor)

    def _hear(self, event: int) -> None:
        """Record a call that the kernel denied, and let it fail."""
        if not event & select.POLLIN:
            self._poll.unregister(self.listener)
            return
        heard = seccomp.receive(self.listener)
        if heard is None:
            return
        name = _NAMES.get(heard.number, f"call {heard.number}")
        paths = self._paths(name, heard)
        if self._policy.scratch is not None and name in filters.NAMING:
            astray = [path for path, start in paths if verdicts.goes_astray(path, start, namespaces.SCRATCH)]
            if not astray:
                seccomp.go_on(self.listener, heard.cookie)
                return
            paths = [(astray[0], "")]
        path = paths[0][0] if paths else ""
        if not verdicts.is_the_parser(name, path):
            self._keep(verdicts.denied(name, path))
        self._denied += 1
        if self._denied >= self._policy.max_violations:
            self.kill(KilledBy.VIOLATIONS)
        else:
            seccomp.deny(self.listener, heard.cookie)

    def _paths(self, name: str, heard: seccomp.Notification) -> list[tuple[str, str]]:
        """Return what a call names, each with the folder in which it starts if it is relative."""
        folders = name not in verdicts.WITHOUT_FOLDERS
        return [
            (
                seccomp.text_of(self.listener, heard.cookie, heard.pid, heard.args[place]),
                seccomp.start_of(heard.pid, heard.args, place if folders else 0),
            )
            for place in verdicts.path_arguments(name)
        ]

    def _keep(self, violation: Violation) -> None:
        last = self.violations[-1] if self.violations else None
        if last is not None and msgspec.structs.replace(last, count=1) == violation:
            self.violations[-1] = msgspec.structs.replace(last, count=last.count + 1)
        else:
            self.violations.append(violation)

    def _conclude(self) -> None:
        """Read what came over the channel; the code may have written there too."""
        reports, strange = 0, 0
        for line in filter(None, bytes(self._said).split(b"\n", _MOST_LINES)):
            told = _understood(line, self._policy.max_result_bytes)
            if told is None:
                strange += 1
                continue
            if told.finding is not None and len(self.findings) < self._policy.max_violations:
                self.findings.append(_finding(*told.finding))
            if told.report is not None:
                self.report = self.report or told.report
                reports += 1
        if strange or reports > 1:
            self.violations.append(verdicts.FORGED)
        try:
            self.end = _ENDS.decode(self._told)
        except msgspec.MsgspecError:
            raise SandboxUnavailable(["the zygote of an execution is gone"]) from None


def _understood(line: bytes, most: int) -> _Line | None:
    """Return what a line says, None where no runner would say so.

    Args:
        line: as it came.
        most: bytes that a value may have as JSON.
    """
    try:
        told = _LINES.decode(line)
    except (msgspec.MsgspecError, RecursionError):
        return None
    if told.report is None:
        return told
    value = told.report.value
    if line.count(b"[") + line.count(b"{") > MOST_DEPTH and _is_deep(value):
        return None
    return None if len(line) > most and len(msgspec.json.encode(value)) > most else told


def _finding(
    kind: ViolationType, details: str, line: int | None, layer: Literal["policy", "facade"]
) -> Violation:
    return Violation(
        type=kind, details=verdicts.shown(details), layer=Layer(layer), authoritative=False, line=line
    )


def _is_deep(value: Any) -> bool:
    """Whether a value has more levels than a runner lets through: to encode it may exhaust the stack."""
    level: list[Any] = [[value]]
    for _ in range(MOST_DEPTH + 1):
        level = [
            member
            for part in level
            for member in (part.values() if isinstance(part, dict) else part)
            if isinstance(member, (list, dict))
        ]
        if not level:
            return False
    return True
