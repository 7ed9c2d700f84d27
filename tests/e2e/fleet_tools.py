"""A tool whose tasks succeed as often as they say, drawn by their name; one agent may break at a wave."""

import os
import random

from buddy import CallContext, Risk, ToolError, tool

BROKEN_RATE = 0.3


@tool(name="work", risk=Risk.LOW, effect="read", resources=["thing:{thing}"])
def work(thing: str, rate: float, wave: int) -> dict[str, str]:
    """Do a piece of work."""
    return {"thing": thing}


@work.mock
def _(thing: str, rate: float, wave: int, ctx: CallContext) -> dict[str, str]:
    broken = ctx.agent == os.environ.get("BROKEN_AGENT") and wave >= 2
    chance = random.Random(f"{os.environ['DRAW']}/{thing}").random()
    if chance >= (BROKEN_RATE if broken else rate):
        raise ToolError("it did not work out")
    return {"thing": thing}
