"""The tools that are always loaded beside those of files: `python.execute` and those of the providers."""

import asyncio
import os
import threading
import time
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import msgspec
from msgspec.structs import replace

from buddy.adapters.inputs.sandbox_policies import policy_of
from buddy.adapters.tools.catalogue import LoadedTools, load
from buddy.adapters.tools.decorator import Tool, tool
from buddy.core import references
from buddy.core.code_rules import may_be_given
from buddy.core.verdict import Verdict, told, verdict_of, violation_told
from buddy.errors import (
    BadInput,
    BuddyError,
    CodeFailed,
    CodeViolation,
    InvalidArguments,
    SandboxUnavailable,
    ToolError,
)
from buddy.model.config import ExecutionConfig, SandboxSettings
from buddy.model.mode import Risk
from buddy.model.sandbox import (
    POLICIES,
    Isolation,
    Layer,
    SandboxPolicy,
    SandboxResult,
    Violation,
    ViolationType,
)
from buddy.model.violations import NAME as LOG
from buddy.ports import CallContext
from buddy.wiring.offered import offered

EXECUTE = "python.execute"

INPUT: dict[str, Any] = {
    "type": "object",
    "properties": {
        "code": {"type": "string", "minLength": 1},
        "inputs": {"type": "object"},
        "timeout_s": {"type": "number", "exclusiveMinimum": 0},
    },
    "required": ["code"],
    "additionalProperties": False,
}
OUTPUT: dict[str, Any] = {
    "type": "object",
    "properties": {
        "value": {},
        "stdout": {"type": "string"},
        "execution_id": {"type": "string"},
        "isolation": {"enum": [one.value for one in Isolation]},
        "forensics": {"enum": ["full", "degraded"]},
        "usage": {
            "type": "object",
            "properties": {
                name: {"type": "number"} for name in ("wall_s", "cpu_s", "memory_mb", "output_bytes")
            },
        },
    },
    "required": ["value", "stdout", "execution_id", "isolation"],
}
LOOKED_AT = 32 * 1024
"""Bytes of code that a rehearsal parses, in Buddy's own process, where a quarter of a MiB of the wrong kind
takes the parser seconds; larger code is looked at in the sandbox alone."""
PRINTED = 200
"""Characters of the end of what code printed that its error shows."""
QUEUE_S = 7_200.0
"""Seconds that a call may take with its wait for a free worker; the code has a deadline of its own."""


class Box(Protocol):
    """What is asked of a sandbox that has started."""

    async def aexecute(
        self, code: str, inputs: dict[str, Any] | None = None, timeout_s: float | None = None
    ) -> SandboxResult:
        """Run code; it is killed where this is cancelled."""
        ...

    def close(self) -> None:
        """End its processes."""
        ...


Start = Callable[[SandboxPolicy, SandboxSettings, Path], Box]
"""Policy, settings and violation log -> a sandbox."""


class NoSandbox(ToolError):
    """The code was not run, as this machine cannot hold it the way that the configuration asks for."""

    retryable = False
    counts_against_tool = False


class _Lazy:
    """A sandbox that the first call starts, which takes a while, and that is closed once for good."""

    def __init__(self, start: Callable[[], Box]) -> None:
        self._start = start
        self._lock = threading.Lock()
        self._box: Box | None = None
        self._refusal: BuddyError | None = None

    async def box(self) -> Box:
        return self._box if self._box is not None else await asyncio.to_thread(self._started)

    def _started(self) -> Box:
        with self._lock:
            if self._refusal is not None:
                raise self._refusal
            if self._box is None:
                try:
                    self._box = self._start()
                except (SandboxUnavailable, BadInput) as problem:
                    self._refusal = problem  # a machine does not get better within a run
                    raise
            return self._box

    def close(self) -> None:
        with self._lock:  # also waits for a start that a cancelled call has left behind
            box, self._box = self._box, None
            self._refusal = BuddyError("the run is over")
        if box is not None:
            box.close()


class Sandboxes:
    """The sandboxes of the runs under way: one a run, for its own violation log.

    Args:
        settings: how code is run.
        start: makes a sandbox; that of this machine where it is left out.
    """

    def __init__(self, settings: SandboxSettings, start: Start | None = None) -> None:
        self.settings = settings
        self._start = start or _start
        self._folders: dict[str, Path] = {}
        self._open: dict[str, _Lazy] = {}

    @cached_property
    def policy(self) -> SandboxPolicy:
        """What code may do."""
        return policy_of(self.settings.policy, "sandbox.policy")

    def expect_policy(self) -> None:
        """Refuse a policy that cannot be used before anything has run.

        Raises:
            BadInput: with every problem of its file.
        """
        _ = self.policy

    def expect(self, run_id: str, folder: Path) -> None:
        """Know where the violation log of a run lies."""
        self._folders[run_id] = folder
        log = folder / LOG
        self._open[run_id] = _Lazy(lambda: self._start(self.policy, self.settings, log))

    async def execute(
        self, run_id: str, code: str, inputs: dict[str, Any] | None, timeout_s: float | None
    ) -> SandboxResult:
        """Run code for a run.

        Raises:
            InvalidArguments: the inputs cannot be handed to code.
            NoSandbox: it cannot be run here; nothing ran.
        """
        chosen = self.timeout(timeout_s)
        try:
            box = await self._open[run_id].box()
        except SandboxUnavailable as problem:
            missing = "; ".join(problem.missing)
            raise NoSandbox(
                f"the sandbox cannot be had here, so nothing ran: {missing}"
                " (`buddy sandbox doctor` says more)"
            ) from problem
        except BadInput as problem:
            raise NoSandbox(f"the sandbox cannot be started: {'; '.join(problem.problems)}") from problem
        try:
            return await box.aexecute(code, inputs, chosen)
        except BadInput as problem:
            raise InvalidArguments("; ".join(problem.problems)) from problem

    def timeout(self, asked: float | None) -> float:
        """Return the seconds that code may run.

        Raises:
            InvalidArguments: the call asks for more than the operator allows.
        """
        most = self.settings.max_timeout_s
        if asked is not None and asked > most:
            raise InvalidArguments(
                f"/timeout_s: expected at most {most:g}, the setting sandbox.max_timeout_s, found {asked:g}"
            )
        return asked or self.settings.timeout_s or self.policy.timeout_s

    def note(self, ctx: CallContext, code: str, violations: Sequence[Violation]) -> str:
        """Write what a rehearsal found in code into the run's log; returns the id that its lines have.

        Raises:
            ClosedStop: it cannot be written.
        """
        from buddy.adapters.sandbox import log

        execution_id = f"mock-{ctx.idempotency_key[:16]}"
        log.write(self._folders[ctx.run_id] / LOG, execution_id, code, violations, time.time())
        return execution_id

    def close(self, run_id: str) -> None:
        """End the processes of a run's sandbox, if any were started."""
        self._folders.pop(run_id, None)
        lazy = self._open.pop(run_id, None)
        if lazy is not None:
            lazy.close()


def _start(policy: SandboxPolicy, settings: SandboxSettings, log: Path) -> Box:
    from buddy.adapters.sandbox import Sandbox  # here, as most runs never start one

    return Sandbox(policy, workers=settings.workers, require=settings.require, log=log)


class Loaded(LoadedTools, frozen=True, kw_only=True):
    """The tools of a run, Buddy's own among them.

    Attributes:
        builtin: names of Buddy's own.
        sandboxes: in which `python.execute` runs code.
    """

    builtin: frozenset[str]
    sandboxes: Sandboxes


def tools(files: Sequence[str], config: ExecutionConfig, given: Sequence[Any] = ()) -> Loaded:
    """Load tool files, tools that are Python objects already, and Buddy's own."""
    sandboxes = Sandboxes(config.sandbox)
    own = [python_execute(sandboxes), *offered(os.environ)]
    loaded = load(files, given, builtin=own, seed=config.seed, inline=config.clock == "virtual")
    return Loaded(
        toolbox=loaded.toolbox,
        world=loaded.world,
        warnings=loaded.warnings,
        builtin=frozenset(one.name for one in own),
        sandboxes=sandboxes,
    )


def with_policy_placed(config: ExecutionConfig) -> ExecutionConfig:
    """Return the configuration with the whole path of its policy, so that the run finds it from anywhere."""
    chosen = config.sandbox.policy
    if chosen in POLICIES:
        return config
    whole = str(Path(chosen).expanduser().absolute())
    return replace(config, sandbox=replace(config.sandbox, policy=whole))


class CodeTool(Tool):
    """A tool whose result nobody can know before its code has run."""

    @classmethod
    def over(cls, made: Tool) -> "CodeTool":
        """Return the same tool as one of these."""
        return cls(made.contract, made._handlers["live"], made._converted, made._names)

    async def _mock(self, args: dict[str, Any], ctx: CallContext) -> Any:
        # Made-up values would fail steps that take data from it: only the code says what shape it has.
        if not any(value is references.UNKNOWN for value in args.values()):
            inputs = dict.fromkeys(args.get("inputs") or ())  # what they are called says what the code may
            await self._run(self._handlers["mock"], {**args, "inputs": inputs}, ctx)
        return references.UNKNOWN


def python_execute(sandboxes: Sandboxes) -> Tool:
    """Return the tool `python.execute`.

    Args:
        sandboxes: of the runs.
    """

    @tool(
        name=EXECUTE,
        summary="Run Python code in a sandbox; the value of its last expression is the result.",
        risk=Risk.LOW,
        effect="read",
        idempotent=True,
        timeout_s=QUEUE_S,
        input=INPUT,
        output=OUTPUT,
    )
    async def execute(
        code: str, ctx: CallContext, inputs: dict[str, Any] | None = None, timeout_s: float | None = None
    ) -> dict[str, Any]:
        result = await sandboxes.execute(ctx.run_id, code, inputs, timeout_s)
        _refuse(result)
        return {
            "value": result.value,
            "stdout": result.stdout,
            "execution_id": result.execution_id,
            "isolation": result.isolation.value,
            "forensics": result.forensics,
            "usage": msgspec.to_builtins(result.usage),
        }

    made = CodeTool.over(execute)

    @made.mock
    async def _(
        code: str, ctx: CallContext, inputs: dict[str, Any] | None = None, timeout_s: float | None = None
    ) -> None:
        sandboxes.timeout(timeout_s)
        for name in inputs or ():
            if not may_be_given(name):
                raise InvalidArguments(f"inputs: expected names that code can use, found {name!r}")
        found = _found(code, sandboxes.policy, frozenset(inputs or ()))
        if found:
            execution_id = sandboxes.note(ctx, code, found)
            more = f" (and {len(found) - 1:,} more)" if len(found) > 1 else ""
            raise CodeViolation(f"{violation_told(found[0])}{more}; {execution_id} in {LOG}")

    return made


def _refuse(result: SandboxResult) -> None:
    match verdict_of(result):
        case Verdict.RAN:
            return
        case Verdict.VIOLATION:
            raise CodeViolation(f"{told(result)}; {result.execution_id} in {LOG}")
        case Verdict.LIMIT | Verdict.FAILED:
            raise CodeFailed(f"the code failed: {told(result)}{_printed(result.stdout)}")


def _printed(text: str) -> str:
    """Return the end of what code printed, for whoever has to mend it: a failed call has no result."""
    said = text.rstrip()
    return f"; it printed last {said[-PRINTED:]!r}" if said else ""


def _found(code: str, policy: SandboxPolicy, given: frozenset[str]) -> tuple[Violation, ...]:
    """Return what a look at code finds, without running any of it."""
    size = len(code.encode("utf-8", "surrogatepass"))
    if not policy.check or LOOKED_AT < size <= policy.max_code_bytes:
        return ()
    from buddy.core import code_check

    return tuple(
        Violation(
            type=ViolationType(one.type),
            details=one.details,
            layer=Layer.POLICY,
            authoritative=False,
            line=one.line,
        )
        for one in code_check.check(code, frozenset(policy.imports), policy.max_code_bytes, given)
    )
