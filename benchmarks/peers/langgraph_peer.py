"""LangGraph: `interrupt()` in the tool, `Command(resume=...)` on the thread, a SQLite checkpointer.

The intended use is described by
  https://docs.langchain.com/oss/python/langgraph/interrupts (interrupts in tools; a node that is resumed
      starts from its beginning, so that what comes before an interrupt must be idempotent)
  https://docs.langchain.com/oss/python/langgraph/durable-execution (side effects in tasks, idempotent)
  https://docs.langchain.com/oss/python/langgraph/use-time-travel (a resume that names a checkpoint_id)
  https://github.com/langchain-ai/langgraph/pull/3126 (a ToolNode runs anew as a whole; with Send each call
      is a task of its own, and does not)
No model is needed: the node `agent` writes the message that a model would.
"""

from pathlib import Path
from typing import Any

from langchain_core.messages import AIMessage
from langchain_core.tools import tool
from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode
from langgraph.types import Command, Send, interrupt
from world import CALLS, act, gate, main

THREAD = {"thread_id": "one"}


@tool
def plain() -> str:
    """Act without asking."""
    return act("plain")


@tool
def risky() -> str:
    """Act once a person has approved."""
    return act("risky") if interrupt({"action": "risky"}) == "approve" else "denied"


def each_by_itself(state: MessagesState) -> list[Send]:
    """Make a task of each call, as the prebuilt agent does."""
    return [Send("tools", [call]) for call in state["messages"][-1].tool_calls]


def graph(kind: str, saver: SqliteSaver) -> Any:
    """Return the graph: agent, then tools."""
    names, _, send = kind.partition("-")

    def agent(_state: MessagesState) -> dict[str, Any]:
        calls = [{"name": name, "args": {}, "id": f"call_{name}"} for name in CALLS[names]]
        return {"messages": [AIMessage("", tool_calls=calls)]}

    builder = StateGraph(MessagesState)
    builder.add_node("agent", agent)
    builder.add_node("tools", ToolNode([plain, risky]))
    builder.add_edge(START, "agent")
    if send:
        builder.add_conditional_edges("agent", each_by_itself, ["tools"])
    else:
        builder.add_edge("agent", "tools")
    return builder.compile(checkpointer=saver)


def start(folder: Path, kind: str) -> str:
    """Run until a person is needed; the checkpointer saves."""
    (folder / "state").mkdir()
    with SqliteSaver.from_conn_string(str(folder / "state" / "graph.sqlite")) as saver:
        made = graph(kind, saver)
        paused = made.invoke({"messages": []}, {"configurable": THREAD})
        saved = made.get_state({"configurable": THREAD}).config["configurable"]["checkpoint_id"]
        (folder / "checkpoint").write_text(saved)
    return "done" if paused["__interrupt__"] else "refused: no interrupt"


def deliver(folder: Path, kind: str, **checkpoint: str) -> str:
    """Hand the approval to the thread."""
    with SqliteSaver.from_conn_string(str(folder / "state" / "graph.sqlite")) as saver:
        made = graph(kind, saver)
        gate()
        made.invoke(Command(resume="approve"), {"configurable": {**THREAD, **checkpoint}})
    return "done"


def replay(folder: Path, kind: str) -> str:
    """Hand the approval to the checkpoint that was saved when the graph paused."""
    return deliver(folder, kind, checkpoint_id=(folder / "checkpoint").read_text())


if __name__ == "__main__":
    main({"start": start, "deliver": deliver, "again": deliver, "replay": replay})
