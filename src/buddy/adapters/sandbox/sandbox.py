"""The sandbox: code goes in, a verdict that the code could not forge comes out."""

import asyncio
import json
import queue
import sys
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal, Self

import msgspec

from buddy.adapters.sandbox import doctor, log, results
from buddy.adapters.sandbox.execution import Execution
from buddy.adapters.sandbox.settings import Settings
from buddy.adapters.sandbox.worker import Child, Worker
from buddy.core import parsing
from buddy.core.code_rules import may_be_given
from buddy.errors import BadInput, SandboxUnavailable
from buddy.model.sandbox import (
    POLICIES,
    Capabilities,
    Isolation,
    KilledBy,
    SandboxPolicy,
    SandboxResult,
)

RECYCLED_AFTER = 1000
"""Executions after which a zygote is replaced: its children share its address layout and hash seed."""
MAX_INPUT_BYTES = 16 * 1024 * 1024
MAX_TIMEOUT_S = 3600.0


class Sandbox:
    """Runs code that agents wrote in processes that the kernel holds.

    Args:
        policy: `spec`, `extended`, or one of your own.
        workers: executions that may run at once.
        require: `full` refuses to start where the machine allows `standard` only; what was had is in
            every result.
        log: file that violations are appended to, None for no file.

    Raises:
        BadInput: there is no such policy, a field of it does not fit, or not one worker.
        SandboxUnavailable: this machine cannot hold code that way; it says what is missing.
    """

    def __init__(
        self,
        policy: str | SandboxPolicy = "spec",
        *,
        workers: int = 2,
        require: Literal["full", "standard"] = "standard",
        log: Path | None = None,
        _without: frozenset[str] = frozenset(),
    ) -> None:
        self.policy = _policy(policy)
        if "result_cap" in _without:
            self.policy = msgspec.structs.replace(self.policy, max_result_bytes=sys.maxsize)
        self._without = _without
        self._log = log
        self._settings = settings_of(self.policy, _without)
        if workers < 1:
            raise BadInput(f"workers: expected 1 or more, found {workers}")
        needed = _level(require)
        self._idle: queue.SimpleQueue[Worker] = queue.SimpleQueue()
        self._threads = ThreadPoolExecutor(workers, "sandbox")
        self._life = threading.Lock()
        self._closed = False
        self._workers = [Worker(self._settings) for _ in range(workers)]
        try:
            self._capabilities = doctor.examine(self._workers[0], self._settings)
            self.isolation = self._isolation(needed)
        except BaseException:
            self.close()
            raise
        for worker in self._workers:
            worker.want()
            self._idle.put(worker)

    def _isolation(self, needed: Isolation) -> Isolation:
        found = self._capabilities
        if self._without:
            return found.isolation or Isolation.STANDARD
        if found.isolation is None or (needed is Isolation.FULL and found.isolation is not needed):
            raise SandboxUnavailable(found.missing)
        if self.policy.scratch is not None and found.isolation is not Isolation.FULL:
            raise SandboxUnavailable(("a private folder needs full isolation", *found.missing))
        return found.isolation

    def capabilities(self) -> Capabilities:
        """Return what held when the sandbox started."""
        return self._capabilities

    def execute(
        self, code: str, inputs: Mapping[str, Any] | None = None, timeout_s: float | None = None
    ) -> SandboxResult:
        """Run code and return what came of it; it raises for nothing that the code does.

        Args:
            code: Python; the value of a last expression is returned.
            inputs: global variables that it finds, as JSON holds them.
            timeout_s: wall seconds, None for the policy's.

        Raises:
            BadInput: the arguments cannot be used.
            SandboxUnavailable: it is closed, or its processes do not answer.
        """
        return self._execute(code, inputs, timeout_s, lambda execution: None)

    async def aexecute(
        self, code: str, inputs: Mapping[str, Any] | None = None, timeout_s: float | None = None
    ) -> SandboxResult:
        """Run code without holding up the event loop; where the caller is cancelled the code is killed."""
        running: list[Execution] = []
        cancelled = threading.Event()

        def begun(execution: Execution) -> None:
            running.append(execution)
            if cancelled.is_set():
                execution.kill(KilledBy.CANCELLED)

        try:
            job = self._threads.submit(self._execute, code, inputs, timeout_s, begun)
        except RuntimeError:
            raise SandboxUnavailable(["it is closed"]) from None
        future = asyncio.wrap_future(job)
        try:
            return await asyncio.shield(future)
        except asyncio.CancelledError:
            if job.cancel():  # it had not begun
                raise
            cancelled.set()
            for execution in running:
                execution.kill(KilledBy.CANCELLED)
            with suppress(SandboxUnavailable, BadInput):
                await future
            raise

    def _execute(
        self,
        code: str,
        inputs: Mapping[str, Any] | None,
        timeout_s: float | None,
        begun: Callable[[Execution], None],
    ) -> SandboxResult:
        request = _request(code, inputs)
        deadline = _deadline(timeout_s, self.policy)
        worker = self._idle.get()
        try:
            if self._closed:
                raise SandboxUnavailable(["it is closed"])
            worker = self._fresh(worker)
            try:
                child = self._child(worker)
            except SandboxUnavailable:
                worker = self._instead(worker)
                child = self._child(worker)
            execution = Execution(child, request, self.policy, self._until(deadline))
            try:
                with child:
                    if self._idle.empty():  # the next caller will want this worker's next child
                        worker.want()
                    begun(execution)
                    execution.run()
                worker.want()
            except SandboxUnavailable:
                worker = self._instead(worker)
                raise
        finally:
            self._idle.put(worker)
        result = results.judge(execution, self.policy, deadline, self.isolation)
        if self._log is not None and result.violations:
            log.write(self._log, result.execution_id, code, result.violations, time.time())
        return result

    def _until(self, timeout_s: float) -> float | None:
        return None if "deadline" in self._without else timeout_s

    def _fresh(self, worker: Worker) -> Worker:
        """Return a worker that may bear another child, its successor where it has borne enough."""
        if worker.born < RECYCLED_AFTER or "recycling" in self._without:
            return worker
        with self._life:
            if self._closed:
                raise SandboxUnavailable(["it is closed"])
            if worker.successor is None:
                worker.successor = Worker(self._settings)
            if not worker.successor.is_warm():
                return worker
            heir, worker.successor = worker.successor, None
            self._workers[self._workers.index(worker)] = heir
        worker.close()
        return heir

    def _child(self, worker: Worker) -> Child:
        """Return a sealed process, shut in no less than those that the canaries were.

        Raises:
            SandboxUnavailable: the zygote has died by itself, or is shut in less than the first one was.
        """
        greeting = worker.greeting()
        if self.isolation is Isolation.FULL and not greeting["spaces"]:
            raise SandboxUnavailable([f"isolation was full and would be no more: {greeting['why']}"])
        return worker.take()

    def _instead(self, worker: Worker) -> Worker:
        """Replace a worker that failed."""
        worker.close()
        with self._life:
            if self._closed:
                raise SandboxUnavailable(["it is closed"])
            fresh = Worker(self._settings)
            self._workers[self._workers.index(worker)] = fresh
        return fresh

    def close(self) -> None:
        """End every process of the sandbox, what runs included."""
        with self._life:
            self._closed = True
        for worker in self._workers:
            worker.close()
        self._threads.shutdown(wait=False)  # what waits for its turn finds that it is closed

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await asyncio.to_thread(self.close)


def settings_of(policy: SandboxPolicy, without: frozenset[str] = frozenset()) -> Settings:
    """Return a policy in the plain values that a zygote takes."""
    scratch = policy.scratch
    return Settings(
        imports=policy.imports,
        check=policy.check and "check" not in without,
        facades=policy.facades and "facades" not in without,
        scratch_bytes=scratch.size_mb * 1024 * 1024 if scratch else 0,
        scratch_files=scratch.files if scratch else 0,
        max_code_bytes=policy.max_code_bytes,
        max_result_bytes=policy.max_result_bytes,
        memory_mb=policy.memory_mb,
        cpu_s=policy.cpu_s,
        without=tuple(sorted(without)),
    )


def _policy(policy: str | SandboxPolicy) -> SandboxPolicy:
    if isinstance(policy, SandboxPolicy):
        try:  # a struct that a program makes is checked by nobody else
            return msgspec.convert(msgspec.to_builtins(policy), SandboxPolicy)
        except (msgspec.ValidationError, TypeError) as problem:
            raise BadInput(f"policy: {parsing.sentence_of(problem)}") from problem
    if not isinstance(policy, str) or policy not in POLICIES:
        raise BadInput(f"policy: expected {', '.join(POLICIES)} or a SandboxPolicy, found {policy!r}")
    return POLICIES[policy]


def _level(require: str) -> Isolation:
    try:
        return Isolation(require)
    except ValueError:
        raise BadInput(f"require: expected full or standard, found {require!r}") from None


def _deadline(timeout_s: float | None, policy: SandboxPolicy) -> float:
    if timeout_s is None:
        return policy.timeout_s
    if not isinstance(timeout_s, (int, float)) or not 0 < timeout_s <= MAX_TIMEOUT_S:
        raise BadInput(f"timeout_s: expected above 0 and at most {MAX_TIMEOUT_S:g}, found {timeout_s!r}")
    return timeout_s


def _request(code: str, inputs: Mapping[str, Any] | None) -> bytes:
    """Return what a child reads.

    Raises:
        BadInput: the inputs are not JSON, or have names that code cannot use.
    """
    if not isinstance(code, str):
        raise BadInput(f"code: expected a str, found {type(code).__name__}")
    if not isinstance(inputs, Mapping | None):
        raise BadInput(f"inputs: expected a mapping, found {type(inputs).__name__}")
    given = dict(inputs or {})
    for name in given:
        if not isinstance(name, str) or not may_be_given(name):
            raise BadInput(f"inputs: expected names that code can use, found {name!r}")
    try:
        request = json.dumps({"code": code, "inputs": given}, allow_nan=False).encode()
    except (TypeError, ValueError, RecursionError) as problem:
        raise BadInput(f"inputs: expected what JSON can hold: {problem}") from None
    if len(request) > MAX_INPUT_BYTES:
        raise BadInput(f"code and inputs: expected at most {MAX_INPUT_BYTES:,} bytes, found {len(request):,}")
    return request
