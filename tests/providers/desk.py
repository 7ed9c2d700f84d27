"""What the tests of providers share: contexts, environments, tools by name."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from buddy.adapters.tools.decorator import Tool
from buddy.model.mode import Mode
from buddy.model.outcome import Call
from buddy.ports import CallContext
from buddy.wiring.offered import offered

if TYPE_CHECKING:
    from buddy.adapters.providers.base.simulator import Simulator


def context(mode: Mode, key: str = "key-1") -> CallContext:
    return CallContext(
        mode=mode, run_id="run", step_id="step", agent="agent", attempt=1, deadline=0.0, idempotency_key=key
    )


def call_of(tool: str, args: Mapping[str, Any], key: str = "key-1") -> Call:
    return Call(tool=tool, args=dict(args), agent="agent", run_id="run", step_id="step", idempotency_key=key)


def environment(sim: "Simulator", url: str, home: Path, **more: str) -> dict[str, str]:
    """An environment that holds what a client of a served GoHighLevel needs, and nothing of ours besides."""
    greeting = sim.greeting(url)
    clean = {name: value for name, value in os.environ.items() if not name.startswith("BUDDY_")}
    clean.pop("DRY_RUN", None)
    return {
        **clean,
        "BUDDY_HOME": str(home),
        "BUDDY_GOHIGHLEVEL_TOKEN": greeting["token"],
        "BUDDY_GOHIGHLEVEL_LOCATION_ID": greeting["location_id"],
        "BUDDY_GOHIGHLEVEL_BASE_URL": url,
        **more,
    }


def tools(environ: Mapping[str, str]) -> dict[str, Tool]:
    return {one.name: one for one in offered(environ)}
