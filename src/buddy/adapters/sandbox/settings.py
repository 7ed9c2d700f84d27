"""What a zygote is told about the code that it will run. Standard library only."""

import json
from typing import Any, NamedTuple


class Settings(NamedTuple):
    """A policy in plain values, see `buddy.model.sandbox.SandboxPolicy`.

    Attributes:
        imports: modules that the code may import.
        check: look at the code before it runs.
        facades: show modules and builtins by their public names only.
        scratch_bytes: of the private `/tmp`, 0 for none.
        scratch_files: files and folders of the private `/tmp`.
        max_code_bytes: of the code.
        max_result_bytes: of its value as JSON.
        memory_mb: MiB of address space above the interpreter's own.
        cpu_s: whole seconds of processor time.
        without: protective steps that are left out, so that a test can see what each is for.
    """

    imports: tuple[str, ...] = ()
    check: bool = True
    facades: bool = True
    scratch_bytes: int = 0
    scratch_files: int = 0
    max_code_bytes: int = 262_144
    max_result_bytes: int = 1_048_576
    memory_mb: int = 256
    cpu_s: int = 60
    without: tuple[str, ...] = ()

    def encode(self) -> bytes:
        """Return the settings as JSON."""
        return json.dumps(self._asdict()).encode()


def decode(line: bytes) -> Settings:
    """Read what `encode` wrote."""
    fields: dict[str, Any] = json.loads(line)
    for name in ("imports", "without"):
        fields[name] = tuple(fields[name])
    return Settings(**fields)
