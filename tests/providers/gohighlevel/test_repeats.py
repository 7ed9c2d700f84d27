"""An idempotent write that was tried again: what it puts back is what was there before the first try."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from msgspec.structs import replace

from buddy.adapters.providers.base import serving
from buddy.adapters.providers.base.errors import Uncertain
from buddy.adapters.providers.base.faults import Faults
from buddy.adapters.providers.base.simulator import Simulator
from buddy.adapters.providers.gohighlevel.simulator.app import simulator
from buddy.adapters.tools.decorator import Tool
from buddy.errors import ChangedSince
from buddy.model.mode import Mode
from providers.desk import call_of, context, environment, tools


@pytest.fixture
def served(tmp_path: Any) -> Iterator[tuple[Simulator, dict[str, Tool]]]:
    sim = simulator(3)
    with serving.running(sim) as url:
        yield sim, tools(environment(sim, url, tmp_path))


@pytest.mark.parametrize("name", ["update_contact", "upsert_contact"])
def test_what_was_before_a_doubtful_first_try_is_not_made_up(
    served: tuple[Simulator, dict[str, Tool]], name: str
) -> None:
    sim, known = served
    tool = known[f"gohighlevel.{name}"]
    contact = sim.state()["contacts"][0]
    named = {"contact_id": contact["id"]} if name == "update_contact" else {"email": "new@x.example"}
    args = {**named, "city": "Reykjavik"}
    sim.layer.set(Faults(rates={"cut-after": 1.0}, on="writes", most=1))
    with pytest.raises(Uncertain):
        asyncio.run(tool.live(args, context(Mode.LIVE)))
    again = replace(context(Mode.LIVE), attempt=2)
    result = asyncio.run(tool.live(args, again))
    assert result["contact"]["city"] == "Reykjavik"
    with pytest.raises(ChangedSince, match="not known"):
        asyncio.run(tool.undo(call_of(f"gohighlevel.{name}", args), result))


def test_what_a_first_try_left_alone_is_put_back(served: tuple[Simulator, dict[str, Tool]]) -> None:
    sim, known = served
    tool = known["gohighlevel.update_contact"]
    before = sim.state()["contacts"][0]
    args = {"contact_id": before["id"], "city": "Reykjavik"}
    result = asyncio.run(tool.live(args, replace(context(Mode.LIVE), attempt=2)))
    undone = asyncio.run(tool.undo(call_of("gohighlevel.update_contact", args), result))
    assert undone.verified
    assert sim.state()["contacts"][0]["city"] == before["city"]
