"""Pydantic AI: `requires_approval`, `DeferredToolRequests`, `DeferredToolResults`, and stored messages.

The intended use is described by
  https://ai.pydantic.dev/deferred-tools/ (the run ends with requests; another run gets history and results)
  https://ai.pydantic.dev/message-history/ (storing messages as JSON, `ModelMessagesTypeAdapter`)
The app keeps the state: after a run it stores `all_messages_json()` in the place of what was stored before.
"""

from pathlib import Path

from pydantic_ai import (
    Agent,
    DeferredToolRequests,
    DeferredToolResults,
    ModelMessage,
    ModelMessagesTypeAdapter,
    ModelRequest,
    ModelResponse,
    TextPart,
    ToolCallPart,
    ToolReturnPart,
)
from pydantic_ai.models.function import AgentInfo, FunctionModel
from world import CALLS, act, gate, main


def agent(kind: str) -> "Agent[None, str | DeferredToolRequests]":
    """Return an agent whose model makes the calls of a kind, then says that it has done so."""

    def model(messages: list[ModelMessage], _info: AgentInfo) -> ModelResponse:
        requests = [message for message in messages if isinstance(message, ModelRequest)]
        if any(isinstance(part, ToolReturnPart) for message in requests for part in message.parts):
            return ModelResponse(parts=[TextPart("done")])
        return ModelResponse(parts=[ToolCallPart(name, {}, f"call_{name}") for name in CALLS[kind]])

    made = Agent(FunctionModel(model), output_type=[str, DeferredToolRequests])

    @made.tool_plain
    def plain() -> str:
        return act("plain")

    @made.tool_plain(requires_approval=True)
    def risky() -> str:
        return act("risky")

    return made


def start(folder: Path, kind: str) -> str:
    """Run until a person is needed, and store the messages."""
    result = agent(kind).run_sync("go")
    (folder / "state").mkdir()
    for place in (folder / "state" / "messages.json", folder / "first.json"):
        place.write_bytes(result.all_messages_json())
    return "done" if isinstance(result.output, DeferredToolRequests) else "refused: no request"


def go_on(stored: Path, kind: str) -> bytes:
    """Hand the approval to a run with the stored messages; returns the messages that it ends with."""
    gate()
    messages = ModelMessagesTypeAdapter.validate_json(stored.read_bytes())
    results = DeferredToolResults(approvals={"call_risky": True})
    return agent(kind).run_sync(message_history=messages, deferred_tool_results=results).all_messages_json()


def deliver(folder: Path, kind: str) -> str:
    """Go on with what is stored, and store what comes of it."""
    stored = folder / "state" / "messages.json"
    stored.write_bytes(go_on(stored, kind))
    return "done"


def again(folder: Path, kind: str) -> str:
    """Go on with what was saved when the run paused."""
    go_on(folder / "first.json", kind)
    return "done"


if __name__ == "__main__":
    main({"start": start, "deliver": deliver, "again": again})
