"""Runs one piece of code in the process that has been sealed for it, and says what came of it.

Nothing is read or written here: what to run comes in, what came of it goes out. Only the standard library is
imported.
"""

import ast
import builtins
import sys
from collections.abc import Callable
from types import CodeType, ModuleType
from typing import Any

from buddy.adapters.sandbox.facades import FORMATS, facades
from buddy.adapters.sandbox.outcome import CODE, failed, misread, outcome, sound, succeeded
from buddy.adapters.sandbox.preload import preload
from buddy.adapters.sandbox.settings import Settings
from buddy.core.code_check import MOST_FINDINGS, judge, oversize

__all__ = ["preload", "run"]

VALUE = " value"
"""Under this name, which no code can write, the code leaves the value of its last expression."""

POLICY, FACADE = "policy", "facade"
"""The layers that find something here."""

MOST_DETAILS = 500
"""Characters of a sentence that tells a finding: names that code makes up can be long."""

_RESERVE = 1 << 15

_getlimit, _gettrace, _getprofile = sys.getrecursionlimit, sys.gettrace, sys.getprofile
_setlimit, _settrace, _setprofile = sys.setrecursionlimit, sys.settrace, sys.setprofile

Finding = tuple[str, str, int | None, str]
"""Type, details, line and layer of one thing that code must not do."""

Note = Callable[[Finding], None]


def run(source: str, inputs: dict[str, Any], settings: Settings, note: Note | None = None) -> dict[str, Any]:
    """Runs code and says what came of it; never raises.

    Returns:
        JSON: `value` of the last expression; `error` (type, message, line, traceback) or None; `findings`;
        `ended`, "memory", "disk" or "result" where a limit ended the code.

    Args:
        source: the code.
        inputs: global variables that it finds, JSON.
        settings: of its policy.
        note: is told of each finding at once, which the code may prevent from being returned.
    """
    findings: list[Finding] = []

    def tell(finding: Finding) -> None:
        if len(findings) < MOST_FINDINGS:
            kind, details, line, layer = finding
            finding = kind, sound(details[:MOST_DETAILS]), line, layer
            findings.append(finding)
            if note is not None:
                note(finding)

    try:
        told = _told(source, inputs, settings, tell)
    except BaseException:  # noqa: BLE001 - only what the code set off can still arrive here
        told = outcome(error=dict(_LOST))
    told["findings"] = [list(finding) for finding in findings]
    return told


_LOST = {"type": "Lost", "message": "what came of the code cannot be told", "line": None, "traceback": ""}


def _told(source: str, inputs: dict[str, Any], settings: Settings, tell: Note) -> dict[str, Any]:
    if settings.check and (found := oversize(source, settings.max_code_bytes)):
        tell((*found, POLICY))
        return outcome()
    try:
        tree = ast.parse(source, CODE)
        if settings.check:
            refused = judge(tree, frozenset(settings.imports), frozenset(inputs))
            for finding in refused:
                tell((*finding, POLICY))
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
        shown = facades(frozenset(settings.imports))
        names["__builtins__"] = shown.begin(lambda kind, details, line: tell((kind, details, line, FACADE)))
    modules = sys.modules
    around = modules["__main__"]
    modules["__main__"] = module  # dataclasses and enums look for the module of a class there
    reserve = bytearray(_RESERVE)
    raised = _raised(code, names)
    del reserve
    modules["__main__"] = around
    if raised is not None:
        return failed(raised, source)
    return succeeded(names.get(VALUE), settings.max_result_bytes)


def _raised(code: CodeType, names: dict[str, Any]) -> BaseException | None:
    """What code raised; what it has set of the interpreter is taken back, before any function is called."""
    limit, trace, profile = _getlimit(), _gettrace(), _getprofile()
    raised = None
    try:
        exec(code, names)  # noqa: S102 - this is what the process has been sealed for
    except BaseException as error:  # noqa: BLE001 - whatever the code raises is its own error
        raised = error
    if _getprofile() is not profile:
        _setprofile(profile)
    if _gettrace() is not trace:
        _settrace(trace)
    _setlimit(limit)
    return raised
