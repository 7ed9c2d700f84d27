"""The sandbox as commands and Python programs use it: outside of any run, its log in Buddy's home."""

import os
from pathlib import Path
from typing import Any, Literal

from buddy.adapters import sandbox
from buddy.adapters.home import home_folder
from buddy.adapters.inputs.sandbox_policies import policy_of
from buddy.adapters.sandbox import capabilities
from buddy.model.sandbox import SandboxPolicy, SandboxResult
from buddy.model.violations import NAME

__all__ = ["Sandbox", "capabilities", "policy_of", "run"]

Require = Literal["full", "standard"]


class Sandbox(sandbox.Sandbox):
    """Runs code that nobody trusts in processes that the kernel holds.

    ```python
    with Sandbox() as box:
        result = box.execute("sum(numbers)", {"numbers": [1, 2, 3]}, timeout_s=2)
    ```

    Args:
        policy: what code may do: `spec`, `extended`, or one of your own.
        workers: executions at once.
        require: the least isolation that will do.
        log: file of the violation log; that of Buddy's home where it is left out.

    Raises:
        SandboxUnavailable: this machine cannot hold code that way; `missing` says what it lacks.
    """

    def __init__(
        self,
        policy: str | SandboxPolicy = "spec",
        *,
        workers: int = 2,
        require: Require = "standard",
        log: Path | None = None,
        _without: frozenset[str] = frozenset(),
    ) -> None:
        super().__init__(
            policy,
            workers=workers,
            require=require,
            log=home_folder(os.environ) / NAME if log is None else log,
            _without=_without,
        )


def run(
    code: str,
    policy: SandboxPolicy,
    inputs: dict[str, Any],
    *,
    timeout_s: float | None,
    require: Require,
) -> SandboxResult:
    """Run code once.

    Args:
        code: Python.
        policy: what it may do.
        inputs: name -> value, as its globals.
        timeout_s: seconds; the policy's where it is None.
        require: the least isolation that will do.

    Raises:
        SandboxUnavailable: this machine cannot hold it that way; nothing ran.
        BadInput: the inputs cannot be handed to code.
    """
    with Sandbox(policy, workers=1, require=require) as box:
        return box.execute(code, inputs, timeout_s)
