"""A process that the kernel holds, for code that agents write.

`sandbox` is the face; a `worker` is a zygote as its supervisor sees it, and an `execution` one piece of code
watched from outside. `zygote`, `child`, `seal`, `runner` and `kernel` run on the other side, with the
standard library alone, so nothing here is imported before it is asked for.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from buddy.adapters.sandbox.doctor import capabilities as capabilities
    from buddy.adapters.sandbox.sandbox import Sandbox as Sandbox

__all__ = ["Sandbox", "capabilities"]


def __getattr__(name: str) -> Any:
    if name == "Sandbox":
        from buddy.adapters.sandbox.sandbox import Sandbox

        return Sandbox
    if name == "capabilities":
        from buddy.adapters.sandbox.doctor import capabilities

        return capabilities
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
