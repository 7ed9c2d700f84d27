"""What code means to do that its policy does not allow, read from the code before it runs.

It is here for friendly messages with line numbers, not to hold anybody: what it overlooks meets the facades
and then the kernel. Only the standard library is imported, because it runs inside the sandbox.
"""

import ast
from collections.abc import Callable
from typing import Any, NamedTuple

from buddy.core.code_rules import (
    BLOCKED_BUILTINS,
    BUILTIN,
    IMPORT,
    INTERPRETER,
    MATCHED_WHOLE,
    OPEN_UNDERSCORES,
    PROCESS,
    PROCESS_NAMES,
    REACHING_NAMES,
    RESOURCE,
    SETTABLE_UNDERSCORES,
    builtin_violation,
    closed_field,
    closed_part,
    import_refusal,
    importable,
    module_violation,
)
from buddy.core.code_scopes import SELVES, binds, own_attributes, unbound

MOST_FINDINGS = 50
"""More tell nothing new about code."""

_BY_NAME = frozenset({"attrgetter", "methodcaller"})
_FORMATS = frozenset({"format", "format_map", "vformat", "get_field"})
_LOOSE = frozenset({"obj"})  # of an AttributeError: what the attribute was missing on
_WATCHED_NAMES = frozenset(BLOCKED_BUILTINS) | REACHING_NAMES
_WATCHED_TEXTS = REACHING_NAMES | INTERPRETER - {"mro"}
_NO_NODES = frozenset(
    {"id", "ctx", "attr", "arg", "name", "names", "module", "level", "kind", "type_comment", "op", "ops"}
    | {"conversion", "simple", "is_async", "rest", "kwd_attrs"}
)


class Finding(NamedTuple):
    """One thing that code must not do.

    Attributes:
        type: value of a `ViolationType`.
        details: one sentence that says what to do instead.
        line: of the code, 1-based.
    """

    type: str
    details: str
    line: int


def check(
    source: str, imports: frozenset[str], max_bytes: int, given: frozenset[str] = frozenset()
) -> list[Finding]:
    """What code must not do, in line order, at most `MOST_FINDINGS`.

    Code that does not parse has no findings: that is its own error, told when it is run.

    Args:
        source: the code.
        imports: modules that it may import.
        max_bytes: that it may have in UTF-8.
        given: names that its inputs define.
    """
    if found := oversize(source, max_bytes):
        return [found]
    try:
        tree = ast.parse(source, "<code>")
    except (SyntaxError, ValueError, RecursionError, MemoryError, OverflowError):
        return []
    return judge(tree, imports, given)


def oversize(source: str, max_bytes: int) -> Finding | None:
    """The finding that code is too long, None where it is not.

    Args:
        source: the code.
        max_bytes: that it may have in UTF-8.
    """
    size = len(source.encode("utf-8", "surrogatepass"))
    if size <= max_bytes:
        return None
    told = f"the code has {size:,} bytes where {max_bytes:,} are allowed: pass data in as inputs"
    return Finding(RESOURCE, told, 1)


def judge(tree: ast.Module, imports: frozenset[str], given: frozenset[str] = frozenset()) -> list[Finding]:
    """What parsed code must not do, in line order, at most `MOST_FINDINGS`.

    Args:
        tree: the code.
        imports: modules that it may import.
        given: names that its inputs define.
    """
    reading = _Reading(tree, imports, given)
    reading.read()
    return sorted(dict.fromkeys(reading.findings), key=lambda finding: finding.line)[:MOST_FINDINGS]


class _Reading:
    """One pass over code; what needs to know the code's own names is put aside and judged after it."""

    def __init__(self, tree: ast.Module, imports: frozenset[str], given: frozenset[str]) -> None:
        self.tree = tree
        self.imports = imports
        self.given = given
        self.findings: list[Finding] = []
        self.names = False
        self.formats = False
        self.attributes: list[ast.Attribute] = []
        self.loose: list[ast.Attribute] = []
        self.templates: list[tuple[ast.Constant, str]] = []
        self.classes: list[ast.ClassDef] = []
        self.caught = False
        self.positional: list[ast.MatchClass] = []
        self.modules: set[str] = set()

    def read(self) -> None:
        """Collects the findings."""
        pending: list[ast.AST] = [self.tree]
        while pending:
            node = pending.pop()
            kind = type(node)
            rule = _RULES.get(kind)
            if rule is not None:
                rule(self, node)
            for field in _fields(kind):
                value = getattr(node, field)
                if type(value) is list:
                    pending.extend(value)
                elif isinstance(value, ast.AST):
                    pending.append(value)
        self.judge_names()
        self.judge_attributes()
        self.judge_templates()
        self.judge_patterns()

    def tell(self, kind: str, details: str, node: ast.AST) -> None:
        self.findings.append(Finding(kind, details, getattr(node, "lineno", 1)))

    def see_name(self, node: ast.Name) -> None:
        if node.id in _WATCHED_NAMES:
            self.names = True

    def see_attribute(self, node: ast.Attribute) -> None:
        name = node.attr
        if name[0] == "_" or name in INTERPRETER or name in PROCESS_NAMES:
            self.attributes.append(node)
        elif name in _LOOSE:
            self.loose.append(node)
        elif name in _FORMATS:
            self.formats = True

    def see_import(self, node: ast.Import) -> None:
        for alias in node.names:
            self.see_alias(alias)
            if not importable(alias.name, self.imports):
                self.tell(module_violation(alias.name), import_refusal(alias.name, self.imports), node)

    def see_alias(self, alias: ast.alias) -> None:
        self.modules.update(binds(alias))
        self.see_binding(alias)

    def see_import_from(self, node: ast.ImportFrom) -> None:
        if node.level or not node.module:
            self.tell(IMPORT, "there is no package around the code: import modules by their names", node)
            return
        allowed = importable(node.module, self.imports)
        for alias in node.names:
            self.see_alias(alias)
            if alias.name in PROCESS_NAMES and not allowed:
                self.tell(PROCESS, import_refusal(f"{node.module}.{alias.name}", self.imports), node)
            elif alias.name.startswith("_"):
                told = f"`{node.module}.{alias.name}` is private: import what {node.module} publishes"
                self.tell(BUILTIN, told, node)
        if not allowed:
            self.tell(module_violation(node.module), import_refusal(node.module, self.imports), node)

    def see_constant(self, node: ast.Constant) -> None:
        value = node.value
        if type(value) is not str:
            return
        if value in _WATCHED_TEXTS:
            self.tell(BUILTIN, f"the text `{value}` names a part of the interpreter: leave it out", node)
        elif "{" in value and "." in value:
            self.templates.append((node, value))

    def see_call(self, node: ast.Call) -> None:
        called = node.func
        name = called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", "")
        if name not in _BY_NAME:
            return
        for argument in node.args:
            path = argument.value if isinstance(argument, ast.Constant) else None
            if path in _FORMATS:
                self.formats = True
            if isinstance(path, str) and (part := closed_part(path)):
                self.tell(BUILTIN, _private(part), node)

    def see_match_class(self, node: ast.MatchClass) -> None:
        if node.patterns:
            self.positional.append(node)
        for name in node.kwd_attrs:
            if name[0] == "_" or name in INTERPRETER or name in _FORMATS:
                self.tell(
                    BUILTIN, f"the pattern reads `{name}`: match on attributes of your own classes", node
                )

    def see_declaration(self, node: ast.Global | ast.Nonlocal) -> None:
        for name in node.names:
            if name in REACHING_NAMES:
                self.tell(BUILTIN, _unreachable(name), node)

    def see_class(self, node: ast.ClassDef) -> None:
        self.classes.append(node)
        self.see_binding(node)

    def see_handler(self, node: ast.ExceptHandler) -> None:
        self.caught = self.caught or node.name is not None
        self.see_binding(node)

    def see_binding(self, node: ast.AST) -> None:
        for name in binds(node):
            if name in REACHING_NAMES:
                self.tell(BUILTIN, _unreachable(name), node)

    def judge_names(self) -> None:
        if not self.names:
            return
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Name) and node.id in REACHING_NAMES:
                self.tell(BUILTIN, _unreachable(node.id), node)
        for node in unbound(self.tree, BLOCKED_BUILTINS.keys() - REACHING_NAMES - self.given):
            told = f"`{node.id}` is not available: {BLOCKED_BUILTINS[node.id]}"
            self.tell(builtin_violation(node.id), told, node)

    def judge_attributes(self) -> None:
        loose = self.loose if self.caught else []
        if not self.attributes and not loose:
            return
        own = own_attributes(self.classes, [*self.attributes, *loose])
        for node in loose:
            if node.attr not in own:
                self.tell(BUILTIN, _private(node.attr), node)
        for node in self.attributes:
            name = node.attr
            if name in PROCESS_NAMES:
                if name not in own:
                    self.tell(PROCESS, f"`.{name}` starts programs, and none can be started here", node)
            elif not (_is_open(node) or self.is_own(node, own)):
                self.tell(BUILTIN, _private(name), node)

    def is_own(self, node: ast.Attribute, own: set[str]) -> bool:
        """Whether a private attribute is the code's own: on `self`, or defined by one of its classes."""
        name, base = node.attr, getattr(node.value, "id", "")
        if not name.startswith("_") or (name.startswith("__") and name.endswith("__")):
            return False
        return base not in self.modules and (base in SELVES or name in own)

    def judge_templates(self) -> None:
        if not self.formats:
            return
        for node, template in self.templates:
            if part := closed_field(template):
                self.tell(BUILTIN, f"a format field reads `{part}`: format the value itself", node)

    def judge_patterns(self) -> None:
        """Positions in a pattern read the attributes that the class names, whatever they are."""
        if not self.positional:
            return
        whole = {id(node) for node in unbound(self.tree, MATCHED_WHOLE - self.given)}
        for node in self.positional:
            if id(node.cls) not in whole:
                name = ast.unparse(node.cls)
                self.tell(BUILTIN, f"name the attributes in the pattern: `{name}(x=..., y=...)`", node)


def _fields(kind: type) -> tuple[str, ...]:
    """The fields of a kind of node that can hold nodes; lists hold a None here and there, which has none."""
    fields = _FIELDS.get(kind)
    if fields is None:
        fields = _FIELDS[kind] = tuple(n for n in getattr(kind, "_fields", ()) if n not in _NO_NODES)
    return fields


def _is_open(node: ast.Attribute) -> bool:
    allowed = OPEN_UNDERSCORES if isinstance(node.ctx, ast.Load) else SETTABLE_UNDERSCORES
    return node.attr in allowed


def _private(name: str) -> str:
    what = "is private" if name.startswith("_") else "leads into the interpreter"
    return f"`.{name}` {what}: use what the value publishes"


def _unreachable(name: str) -> str:
    return f"`{name}` is not available: {BLOCKED_BUILTINS.get(name, 'it leads into the interpreter')}"


_FIELDS: dict[type, tuple[str, ...]] = {}
_RULES: dict[type, Callable[[_Reading, Any], None]] = {
    ast.Name: _Reading.see_name,
    ast.Attribute: _Reading.see_attribute,
    ast.Constant: _Reading.see_constant,
    ast.Call: _Reading.see_call,
    ast.Import: _Reading.see_import,
    ast.ImportFrom: _Reading.see_import_from,
    ast.MatchClass: _Reading.see_match_class,
    ast.Global: _Reading.see_declaration,
    ast.Nonlocal: _Reading.see_declaration,
    ast.FunctionDef: _Reading.see_binding,
    ast.AsyncFunctionDef: _Reading.see_binding,
    ast.ClassDef: _Reading.see_class,
    ast.ExceptHandler: _Reading.see_handler,
    ast.MatchAs: _Reading.see_binding,
    ast.MatchStar: _Reading.see_binding,
    ast.MatchMapping: _Reading.see_binding,
    ast.arg: _Reading.see_binding,
}
