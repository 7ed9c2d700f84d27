"""Buddy: the control plane that lets fleets of AI agents act on real systems safely.

    plan or call -> assign -> detect conflicts -> gate -> execute rung by rung -> journal -> projections

`buddy.engine.orchestrator` reads as that flow; `buddy.core.gate` says what may happen, and
`buddy.journal.events` what did. Names are imported when they are first used, so that starting is cheap.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from buddy.adapters.tools.decorator import Tool as Tool
    from buddy.adapters.tools.decorator import tool as tool
    from buddy.errors import BadInput as BadInput
    from buddy.errors import BuddyError as BuddyError
    from buddy.errors import ChangedSince as ChangedSince
    from buddy.errors import ClosedStop as ClosedStop
    from buddy.errors import InvalidArguments as InvalidArguments
    from buddy.errors import SandboxUnavailable as SandboxUnavailable
    from buddy.errors import ToolError as ToolError
    from buddy.errors import ToolPermissionError as ToolPermissionError
    from buddy.interfaces.harness import Harness as Harness
    from buddy.model.config import ExecutionConfig as ExecutionConfig
    from buddy.model.mode import Mode as Mode
    from buddy.model.mode import Risk as Risk
    from buddy.model.outcome import Call as Call
    from buddy.model.outcome import CallResult as CallResult
    from buddy.model.outcome import Change as Change
    from buddy.model.outcome import Preview as Preview
    from buddy.model.outcome import Restored as Restored
    from buddy.model.sandbox import SandboxPolicy as SandboxPolicy
    from buddy.model.sandbox import SandboxResult as SandboxResult
    from buddy.model.sandbox import Scratch as Scratch
    from buddy.ports import CallContext as CallContext
    from buddy.wiring.providers import get_gohighlevel_client as get_gohighlevel_client
    from buddy.wiring.providers import get_mployer_client as get_mployer_client
    from buddy.wiring.providers import get_msgraph_client as get_msgraph_client
    from buddy.wiring.sandbox import Sandbox as Sandbox

__version__ = "0.1.0"

_HOMES = {
    "BadInput": "buddy.errors",
    "BuddyError": "buddy.errors",
    "Call": "buddy.model.outcome",
    "CallContext": "buddy.ports",
    "CallResult": "buddy.model.outcome",
    "Change": "buddy.model.outcome",
    "ChangedSince": "buddy.errors",
    "ClosedStop": "buddy.errors",
    "ExecutionConfig": "buddy.model.config",
    "Harness": "buddy.interfaces.harness",
    "InvalidArguments": "buddy.errors",
    "Mode": "buddy.model.mode",
    "Preview": "buddy.model.outcome",
    "Restored": "buddy.model.outcome",
    "Risk": "buddy.model.mode",
    "Sandbox": "buddy.wiring.sandbox",
    "SandboxPolicy": "buddy.model.sandbox",
    "SandboxResult": "buddy.model.sandbox",
    "SandboxUnavailable": "buddy.errors",
    "Scratch": "buddy.model.sandbox",
    "Tool": "buddy.adapters.tools.decorator",
    "ToolError": "buddy.errors",
    "ToolPermissionError": "buddy.errors",
    "get_gohighlevel_client": "buddy.wiring.providers",
    "get_msgraph_client": "buddy.wiring.providers",
    "get_mployer_client": "buddy.wiring.providers",
    "tool": "buddy.adapters.tools.decorator",
}

__all__ = sorted([*_HOMES, "__version__"])


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        value = getattr(import_module(_HOMES[name]), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module 'buddy' has no attribute {name!r}")


def __dir__() -> list[str]:
    return list(__all__)
