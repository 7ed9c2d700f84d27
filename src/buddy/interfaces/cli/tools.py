"""Commands about tools, and about the form of files."""

import argparse
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from buddy.ports import ToolRuntime
    from buddy.wiring.builtin import Loaded


def _load(files: "Sequence[str]") -> "Loaded":
    """Return the tools of files, and Buddy's own; what is odd about them goes to stderr."""
    from buddy import wiring
    from buddy.interfaces.cli.printing import warn
    from buddy.interfaces.cli.progress import Bar
    from buddy.model.config import ExecutionConfig

    with Bar("loading"):
        loaded = wiring.tools(files, ExecutionConfig())
    warn(*(f"warning: {sentence}" for sentence in loaded.warnings))
    return loaded


def list_tools(args: argparse.Namespace) -> int:
    """List tools."""
    from buddy.interfaces.cli.printing import emit, table

    toolbox = _load(args.tools).toolbox
    found = [tool for name in toolbox.names() if (tool := toolbox.get(name)) is not None]
    if args.json:
        emit([_document(tool) for tool in found])
    else:
        table(("tool", "risk", "effect", "undo", "handlers", "summary"), [_row(tool) for tool in found])
    return 0


def _row(tool: "ToolRuntime") -> tuple[str, ...]:
    it = tool.contract
    undo = it.undo.value if it.writes else "-"
    return (it.name, it.risk.value, it.effect.value, undo, " ".join(sorted(tool.handlers)) or "-", it.summary)


def _document(tool: "ToolRuntime") -> dict[str, Any]:
    import msgspec

    contract = tool.contract
    # What a contract leaves at its default counts too, and a reader should not have to know the defaults.
    fields = {field.name: getattr(contract, field.name) for field in msgspec.structs.fields(contract)}
    whole = {name: value for name, value in fields.items() if value is not msgspec.UNSET}
    return {**msgspec.to_builtins(whole), "digest": contract.digest, "handlers": sorted(tool.handlers)}


def show(args: argparse.Namespace) -> int:
    """Show a contract."""
    from buddy.errors import BadInput
    from buddy.interfaces.cli.printing import emit, say

    toolbox = _load(args.tools).toolbox
    tool = toolbox.get(args.name)
    if tool is None:
        import difflib

        close = difflib.get_close_matches(args.name, list(toolbox.names()), 1)
        hint = f" (did you mean {close[0]}?)" if close else ""
        raise BadInput(f"expected a tool of these files, found {args.name!r}{hint}")
    document = _document(tool)
    if args.json:
        emit(document)
        return 0
    import msgspec

    for name, value in document.items():
        if value not in (None, "", [], ()):
            say(f"{name:<16}{value if isinstance(value, str) else msgspec.json.encode(value).decode()}")
    return 0


def validate(args: argparse.Namespace) -> int:
    """Find all that is wrong with a catalogue; nothing is printed to stdout where something is."""
    from buddy.interfaces.cli.printing import counted, emit, say

    loaded = _load(args.tools)
    names, warnings = [one for one in loaded.toolbox.names() if one not in loaded.builtin], loaded.warnings
    if args.json:
        emit({"tools": names, "warnings": warnings})
    else:
        say(f"{counted(len(names), 'tool')}, {counted(len(warnings), 'warning')}: valid")
    return 0


def _published(module: str, kind: str) -> dict[str, Any]:
    from importlib import import_module

    from buddy.core.parsing import schema_of

    return schema_of(getattr(import_module(module), kind))


def _catalogue() -> dict[str, Any]:
    """Return the schema of a TOML catalogue: contracts by name, the name said by the table's own."""
    import copy

    whole = copy.deepcopy(_published("buddy.model.contract", "ToolContract"))
    contract = whole["$defs"]["ToolContract"]
    contract["required"] = [name for name in contract.get("required", ()) if name != "name"]
    tables = {"type": "object", "additionalProperties": {"$ref": whole["$ref"]}}
    return {
        "$schema": whole["$schema"],
        "title": "Catalogue",
        "type": "object",
        "properties": {"tools": tables},
        "additionalProperties": False,
        "$defs": whole["$defs"],
    }


INPUTS: dict[str, Callable[[], dict[str, Any]]] = {
    "plan": lambda: _published("buddy.model.plan", "PlanDocument"),
    "catalogue": _catalogue,
    "config": lambda: _published("buddy.model.config", "ExecutionConfig"),
    "policy": lambda: _published("buddy.core.approvals", "Policy"),
    "predicted_tasks.jsonl": lambda: _published("buddy.model.fleet", "PredictedTask"),
    "predicted_schedule.jsonl": lambda: _published("buddy.model.fleet", "ScheduledTask"),
}
"""Name -> schema of what people write; the outputs have their own names."""

SANDBOX: dict[str, Callable[[], dict[str, Any]]] = {
    "sandbox_policy": lambda: _published("buddy.model.sandbox", "SandboxPolicy"),
    "sandbox_violation_log.jsonl": lambda: _published("buddy.model.violations", "ViolationLine"),
}
"""The same for what belongs to the sandbox."""


def schema(args: argparse.Namespace) -> int:
    """Print the JSON Schema of a file, or the names that there are."""
    from buddy.errors import BadInput
    from buddy.interfaces.cli.printing import emit, say
    from buddy.projections.outputs import FLEET_SCHEMAS, SCHEMAS
    from buddy.projections.outputs import schema as output_schema

    own = INPUTS | SANDBOX
    names = [*INPUTS, *SCHEMAS, *FLEET_SCHEMAS, *SANDBOX]
    if args.name is None:
        if args.json:
            emit(names)
        else:
            say(*names)
        return 0
    if args.name not in names:
        raise BadInput(f"schema: expected one of {', '.join(names)}, found {args.name!r}")
    emit(own[args.name]() if args.name in own else output_schema(args.name))
    return 0
