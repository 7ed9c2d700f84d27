"""OpenAI Agents SDK: `needs_approval`, `RunState` to JSON and back, `approve`, `Runner.run(agent, state)`.

The intended use is described by
  https://openai.github.io/openai-agents-python/human_in_the_loop/ (pause, persist, approve, resume; the state
      may be kept in a database)
  https://github.com/openai/openai-agents-python/issues/4254 (tools that must not run twice are for the code
      of the user, say the maintainers)
The app keeps the state: after a run it stores `to_state().to_json()` in the place of what was stored before.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from agents import Agent, Model, ModelResponse, Runner, RunState, Usage, function_tool, set_tracing_disabled
from openai.types.responses import ResponseFunctionToolCall, ResponseOutputMessage, ResponseOutputText
from world import CALLS, act, gate, main

set_tracing_disabled(True)


class Scripted(Model):
    """A model that makes the calls of a kind, then says that it has done so."""

    def __init__(self, kind: str) -> None:
        self.calls = CALLS[kind]

    async def get_response(self, *_: Any, **given: Any) -> ModelResponse:
        output: list[Any]
        seen = given["input"]
        if isinstance(seen, list) and any(item.get("type") == "function_call_output" for item in seen):
            text = ResponseOutputText(text="done", type="output_text", annotations=[])
            message = {"id": "msg", "role": "assistant", "status": "completed", "type": "message"}
            output = [ResponseOutputMessage(content=[text], **message)]
        else:
            output = [
                ResponseFunctionToolCall(
                    name=name, call_id=f"call_{name}", arguments="{}", type="function_call"
                )
                for name in self.calls
            ]
        return ModelResponse(output=output, usage=Usage(), response_id=None)

    def stream_response(self, *_: Any, **__: Any) -> AsyncIterator[Any]:
        raise NotImplementedError


@function_tool
async def plain() -> str:
    """Act without asking."""
    return await asyncio.to_thread(act, "plain")


@function_tool(needs_approval=True)
async def risky() -> str:
    """Act once a person has approved."""
    return await asyncio.to_thread(act, "risky")


def agent(kind: str) -> "Agent[None]":
    """Return the agent."""
    return Agent(name="agent", model=Scripted(kind), tools=[plain, risky])


def start(folder: Path, kind: str) -> str:
    """Run until a person is needed, and store the state."""
    result = asyncio.run(Runner.run(agent(kind), "go"))
    (folder / "state").mkdir()
    for place in (folder / "state" / "run.json", folder / "first.json"):
        place.write_text(json.dumps(result.to_state().to_json()))
    return "done" if result.interruptions else "refused: no interruption"


async def go_on(stored: str, kind: str) -> str:
    """Approve what waits in a stored state, and run it; returns the state that it ends with."""
    made = agent(kind)
    state = await RunState.from_json(made, json.loads(stored))
    for interruption in state.get_interruptions():
        state.approve(interruption)
    result = await Runner.run(made, state)
    return json.dumps(result.to_state().to_json())


def deliver(folder: Path, kind: str) -> str:
    """Go on with what is stored, and store what comes of it."""
    stored = folder / "state" / "run.json"
    gate()
    stored.write_text(asyncio.run(go_on(stored.read_text(), kind)))
    return "done"


def again(folder: Path, kind: str) -> str:
    """Go on with what was saved when the run paused."""
    gate()
    asyncio.run(go_on((folder / "first.json").read_text(), kind))
    return "done"


if __name__ == "__main__":
    main({"start": start, "deliver": deliver, "again": again})
