"""Runs one piece of code in the process that has been sealed for it, and says what came of it.

Nothing is read or written here: what to run comes in, what came of it goes out. Only the standard library is
imported.
"""

import ast
import builtins
import sys
from collections.abc import Callable
from types import CodeType, ModuleType
from typing import Any, NamedTuple

from buddy.adapters.sandbox.facades import FORMATS, facades
from buddy.adapters.sandbox.outcome import CODE, failed, misread, outcome, steady, succeeded
from buddy.core.code_check import MOST_FINDINGS, judge, oversize

VALUE = " value"
"""Under this name, which no code can write, the code leaves the value of its last expression."""

_RESERVE = 1 << 18

Note = Callable[[str, str, int | None, str], None]
"""Takes type, details, line and layer of one thing that code must not do, when it is found."""


class Settings(NamedTuple):
    """What a run needs to know of its policy.

    Attributes:
        imports: modules that the code may import.
        check: look at the code before it runs.
        facades: show builtins and modules by what they publish.
        max_code_bytes: of the code in UTF-8, looked at by the check.
        max_result_bytes: of the value of the last expression as JSON.
    """

    imports: frozenset[str]
    check: bool = True
    facades: bool = True
    max_code_bytes: int = 256 * 1024
    max_result_bytes: int = 1024 * 1024


def run(source: str, inputs: dict[str, Any], settings: Settings, note: Note | None = None) -> dict[str, Any]:
    """Runs code and says what came of it; never raises.

    Returns:
        JSON: `value` of the last expression; `error` (type, message, line, traceback) or None; `findings`, each
        of type, details, line and layer; `ended`, "memory", "disk" or "result" where a limit ended the code.

    Args:
        source: the code.
        inputs: global variables that it finds, JSON.
        settings: of its policy.
        note: is told of each finding at once, which the code may prevent from being returned.
    """
    findings: list[list[Any]] = []

    def tell(kind: str, details: str, line: int | None, layer: str) -> None:
        if len(findings) < MOST_FINDINGS:
            findings.append([kind, details, line, layer])
            if note is not None:
                note(kind, details, line, layer)

    try:
        told = _told(source, inputs, settings, tell)
    except BaseException:  # noqa: BLE001 - only what the code set off can still arrive here
        told = outcome(error=dict(_LOST))
    told["findings"] = findings
    return told


_LOST = {"type": "Lost", "message": "what came of the code cannot be told", "line": None, "traceback": ""}


def _told(source: str, inputs: dict[str, Any], settings: Settings, tell: Note) -> dict[str, Any]:
    if settings.check and (found := oversize(source, settings.max_code_bytes)):
        tell(*found, "policy")
        return outcome()
    try:
        tree = ast.parse(source, CODE)
        if settings.check:
            refused = judge(tree, settings.imports, frozenset(inputs))
            for finding in refused:
                tell(*finding, "policy")
            if refused:
                return outcome()
        code = _compiled(tree, settings.facades and _may_format(source))
    except BaseException as error:  # noqa: BLE001 - whatever the compiler says is the code's own error
        return misread(error)
    return _ran(code, source, inputs, settings, tell)


def _compiled(tree: ast.Module, guarded: bool) -> CodeType:
    """The code, with the value of its last expression kept and, under facades, its format calls guarded."""
    if guarded:
        _guard_formats(tree)
    last = tree.body[-1] if tree.body else None
    if isinstance(last, ast.Expr):
        kept = ast.copy_location(ast.Name(VALUE, ast.Store()), last)
        tree.body[-1] = ast.copy_location(ast.Assign([kept], last.value), last)
    code: CodeType = compile(tree, CODE, "exec", dont_inherit=True)
    return code


def _may_format(source: str) -> bool:
    """Whether it can name `format`, also in letters that Python takes for those."""
    return "format" in source or not source.isascii()


def _guard_formats(tree: ast.Module) -> None:
    pending: list[Any] = [tree]
    while pending:
        node = pending.pop()
        if isinstance(node, ast.Attribute) and node.attr in {"format", "format_map"}:
            guard = ast.copy_location(ast.Name(FORMATS, ast.Load()), node.value)
            pending.append(node.value)
            node.value = ast.copy_location(ast.Call(guard, [node.value], []), node.value)
        else:
            pending.extend(ast.iter_child_nodes(node))


def _ran(
    code: CodeType, source: str, inputs: dict[str, Any], settings: Settings, tell: Note
) -> dict[str, Any]:
    module = ModuleType("__main__")
    names = vars(module)
    names.update(inputs)
    names["__name__"] = "__main__"
    names["__builtins__"] = builtins
    if settings.facades:
        shown = facades(settings.imports)
        names["__builtins__"] = shown.begin(lambda kind, details, line: tell(kind, details, line, "facade"))
    limit, around = sys.getrecursionlimit(), sys.modules["__main__"]
    modules = sys.modules
    modules["__main__"] = module  # dataclasses and enums look for the module of a class there
    reserve = bytearray(_RESERVE)
    try:
        exec(code, names)  # noqa: S102 - this is what the process has been sealed for
        steady(limit)
        return succeeded(names.get(VALUE), settings.max_result_bytes)
    except BaseException as error:  # noqa: BLE001 - whatever the code raises is its own error
        del reserve
        steady(limit)
        return failed(error, source)
    finally:
        modules["__main__"] = around
