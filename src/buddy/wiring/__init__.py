"""The only place that chooses adapters: what each command and the Python interface do, end to end."""

from buddy.adapters.people import Quiet
from buddy.wiring.builtin import tools
from buddy.wiring.calls import OpenCalls
from buddy.wiring.commands import (
    CheckedStep,
    CheckResult,
    FleetOutlook,
    cancel,
    check,
    json_object,
    plan_objects,
    resolve,
    resume,
    rollback,
    run,
)
from buddy.wiring.demo import DemoResult, demo
from buddy.wiring.looking import (
    expect_whole,
    folder_of,
    rebuild_outputs,
    records,
    verify,
    violations,
    wrong_edit,
)
from buddy.wiring.providers import (
    check_providers,
    get_gohighlevel_client,
    get_mployer_client,
    get_msgraph_client,
    sign_in,
    simulate,
    simulated,
)
from buddy.wiring.session import RunResult, Session, home, settings
from buddy.wiring.signing import KeyTold, create_key, show_key

__all__ = [
    "CheckResult",
    "CheckedStep",
    "DemoResult",
    "FleetOutlook",
    "KeyTold",
    "OpenCalls",
    "Quiet",
    "RunResult",
    "Session",
    "cancel",
    "check",
    "check_providers",
    "create_key",
    "demo",
    "expect_whole",
    "folder_of",
    "get_gohighlevel_client",
    "get_mployer_client",
    "get_msgraph_client",
    "home",
    "json_object",
    "plan_objects",
    "rebuild_outputs",
    "records",
    "resolve",
    "resume",
    "rollback",
    "run",
    "settings",
    "show_key",
    "sign_in",
    "simulate",
    "simulated",
    "tools",
    "verify",
    "violations",
    "wrong_edit",
]
