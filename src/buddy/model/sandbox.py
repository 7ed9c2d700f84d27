"""The sandbox: what code may do, what it did, and what it tried."""

from enum import Enum
from typing import Annotated, Any

from msgspec import Meta, Struct, field


class ViolationType(Enum):
    """What code tried that its policy does not allow."""

    NETWORK_ACCESS_ATTEMPT = "NETWORK_ACCESS_ATTEMPT"
    SUBPROCESS_ATTEMPT = "SUBPROCESS_ATTEMPT"
    FILESYSTEM_ATTEMPT = "FILESYSTEM_ATTEMPT"
    IMPORT_ALLOWLIST_VIOLATION = "IMPORT_ALLOWLIST_VIOLATION"
    BUILTIN_VIOLATION = "BUILTIN_VIOLATION"
    RESOURCE_LIMIT = "RESOURCE_LIMIT"
    SYSCALL_DENIED = "SYSCALL_DENIED"
    TIMEOUT = "TIMEOUT"


class Layer(Enum):
    """What noticed a violation; only what the supervisor or the kernel noticed is authoritative."""

    POLICY = "policy"
    FACADE = "facade"
    KERNEL = "kernel"
    SUPERVISOR = "supervisor"


class Isolation(Enum):
    """How far code is shut in, as canary attacks found it when the sandbox started."""

    FULL = "full"
    STANDARD = "standard"


class KilledBy(Enum):
    """What ended an execution before the code came to its own end."""

    TIMEOUT = "timeout"
    CPU = "cpu"
    MEMORY = "memory"
    OUTPUT = "output"
    RESULT = "result"
    DISK = "disk"
    VIOLATIONS = "violations"
    CRASH = "crash"
    CANCELLED = "cancelled"


class Violation(Struct, frozen=True, kw_only=True):
    """One thing that code tried and was not allowed to do.

    Attributes:
        type: what it is a case of.
        details: one sentence.
        layer: what noticed it.
        authoritative: the code could not have forged or hidden it.
        line: of the code, 1-based, None where it is not known.
        syscall: name of the system call that was denied, "" where it was none.
        path: that the call named, cut at 500 characters, "" where it named none or it could not be read.
        count: how often, one after another.
    """

    type: ViolationType
    details: str
    layer: Layer
    authoritative: bool
    line: int | None = None
    syscall: str = ""
    path: str = ""
    count: int = 1


class CodeError(Struct, frozen=True, kw_only=True):
    """How the code itself failed.

    Attributes:
        type: name of the exception.
        message: what it said, cut at 10,000 characters.
        line: of the code, 1-based, None where it is not known.
        traceback: the frames of the code, as Python prints them.
    """

    type: str
    message: str
    line: int | None = None
    traceback: str = ""


class Usage(Struct, frozen=True, kw_only=True):
    """What an execution used.

    Attributes:
        wall_s: seconds from the hand-over of the code to the end of its process.
        cpu_s: seconds of processor time, user and system.
        memory_mb: largest resident size of the process in MiB, the interpreter's own share included.
        output_bytes: bytes that it printed, what was cut off included as far as it was read.
    """

    wall_s: float
    cpu_s: float = 0.0
    memory_mb: float = 0.0
    output_bytes: int = 0


class SandboxResult(Struct, frozen=True, kw_only=True):
    """What came of an execution.

    Attributes:
        execution_id: names it in the violation log.
        ok: the code came to its end, tried nothing that it may not, and was not killed.
        value: of the last expression, as JSON holds it; None where it was no expression.
        stdout: what it printed, stderr included, up to the policy's cap.
        error: how the code failed, None where it did not.
        violations: what it tried, in order; equal ones that follow each other are one with a count.
        usage: time, memory and output.
        killed_by: what ended it, None where it came to its own end.
        isolation: how far it was shut in.
        forensics: "full", or "degraded" where the kernel denies without telling what.
    """

    execution_id: str
    ok: bool
    value: Any
    stdout: str
    error: CodeError | None
    violations: tuple[Violation, ...]
    usage: Usage
    killed_by: KilledBy | None
    isolation: Isolation
    forensics: str = "full"


SPEC_IMPORTS = (
    "math",
    "random",
    "string",
    "collections",
    "re",
    "itertools",
    "functools",
    "operator",
    "datetime",
    "time",
    "json",
    "decimal",
)
"""Modules that the seeds allow."""

EXTENDED_IMPORTS = (
    "typing",
    "copy",
    "hashlib",
    "heapq",
    "bisect",
    "statistics",
    "fractions",
    "cmath",
    "array",
    "dataclasses",
    "enum",
    "sys",
)
"""Modules that `extended` allows besides; `sys` only as a facade."""

Positive = Annotated[int, Meta(ge=1)]
Memory = Annotated[int, Meta(ge=4, le=65_536)]
"""MiB of address space; with less an interpreter cannot even say that it has too little."""
Seconds = Annotated[float, Meta(gt=0, le=3600)]


class Scratch(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A private folder that is the code's `/tmp` for one execution; it needs full isolation.

    Attributes:
        size_mb: MiB that all its files may hold together.
        files: files and folders that it may hold.
    """

    size_mb: Positive = 16
    files: Positive = 256


class SandboxPolicy(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What code may import and use up.

    Attributes:
        name: shown in messages.
        imports: modules that it may import.
        check: look at the code before it runs, for friendly errors with line numbers.
        facades: show modules by their public names only, and builtins by a published list.
        scratch: the folder that it may write to, None for no file at all.
        max_code_bytes: of the code, UTF-8.
        max_output_bytes: of what it prints; more kills it.
        max_result_bytes: of its value as JSON; more is an error of the code.
        memory_mb: MiB of address space above what the interpreter takes; more is a MemoryError.
        cpu_s: whole seconds of processor time.
        timeout_s: wall seconds where the caller names none.
        max_violations: system calls that are denied before the code is killed.
    """

    name: str = "own"
    imports: tuple[str, ...] = SPEC_IMPORTS
    check: bool = True
    facades: bool = True
    scratch: Scratch | None = None
    max_code_bytes: Positive = 256 * 1024
    max_output_bytes: Positive = 1024 * 1024
    max_result_bytes: Positive = 1024 * 1024
    memory_mb: Memory = 256
    cpu_s: Positive = 60
    timeout_s: Seconds = 5.0
    max_violations: Positive = 100


POLICIES: dict[str, SandboxPolicy] = {
    "spec": SandboxPolicy(name="spec"),
    "extended": SandboxPolicy(name="extended", imports=(*SPEC_IMPORTS, *EXTENDED_IMPORTS)),
}
"""The policies that have names."""


class Canary(Struct, frozen=True, kw_only=True):
    """One attack that was tried on this machine to see what holds.

    Attributes:
        name: short, e.g. `network`.
        layer: the step that has to stop it: namespaces, root, landlock, seccomp, limits or supervisor.
        held: whether it was stopped.
        details: what happened, one sentence.
    """

    name: str
    layer: str
    held: bool
    details: str


class Capabilities(Struct, frozen=True, kw_only=True):
    """What this machine can enforce.

    Attributes:
        isolation: the best that holds, None where not even `standard` does.
        canaries: what was tried, in order.
        missing: what stands in the way of more, one sentence each with what would change it.
        forensics: "full" or "degraded".
    """

    isolation: Isolation | None
    canaries: tuple[Canary, ...] = field(default=())
    missing: tuple[str, ...] = field(default=())
    forensics: str = "full"
