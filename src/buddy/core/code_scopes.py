"""Which names code defines itself: they are neither builtins nor private parts of others."""

import ast
from collections.abc import Container, Iterable, Iterator

SELVES = frozenset({"self", "cls", "mcs", "mcls"})
"""Names by which methods call what they belong to."""

_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
_SCOPES = (*_FUNCTIONS, ast.ClassDef)


def unbound(tree: ast.AST, names: Container[str]) -> Iterator[ast.Name]:
    """Uses of names that no scope around them binds, so that they mean the builtins.

    Args:
        tree: parsed code.
        names: of the builtins that are looked for.
    """
    outermost = frozenset(bound(tree))
    pending: list[tuple[ast.AST, frozenset[str], frozenset[str]]] = [(tree, outermost, outermost)]
    while pending:
        node, lasting, visible = pending.pop()
        if isinstance(node, ast.Name) and node.id in names and node.id not in visible:
            yield node
        elif isinstance(node, _FUNCTIONS):
            lasting = visible = lasting | bound(node)
        elif isinstance(node, ast.ClassDef):  # what a class binds is seen by its body, not by its methods
            visible = lasting | bound(node)
        pending.extend((child, lasting, visible) for child in ast.iter_child_nodes(node))


def bound(scope: ast.AST) -> set[str]:
    """The names that a module, class or function binds itself.

    Args:
        scope: its node.
    """
    found: set[str] = set()
    pending = list(ast.iter_child_nodes(scope))
    while pending:
        node = pending.pop()
        found.update(binds(node))
        if not isinstance(node, _SCOPES):
            pending.extend(ast.iter_child_nodes(node))
    return found


def binds(node: ast.AST) -> tuple[str, ...]:
    """The names that one node binds.

    Args:
        node: of any kind.
    """
    match node:
        case ast.Name(id=name, ctx=ast.Store()) | ast.arg(arg=name):
            return (name,)
        case (
            ast.FunctionDef(name=name)
            | ast.AsyncFunctionDef(name=name)
            | ast.ClassDef(name=name)
            | ast.ExceptHandler(name=str(name))
            | ast.MatchAs(name=str(name))
            | ast.MatchStar(name=str(name))
            | ast.MatchMapping(rest=str(name))
        ):
            return (name,)
        case ast.alias(name=name, asname=asname):
            return ((asname or name).partition(".")[0],)
    return ()


def own_attributes(classes: Iterable[ast.ClassDef], attributes: Iterable[ast.Attribute]) -> set[str]:
    """Attributes that classes of the code define: in their bodies, or by setting them on `self`.

    Args:
        classes: of the code.
        attributes: that it uses.
    """
    found = {name for node in classes for name in bound(node)}
    for node in attributes:
        if isinstance(node.ctx, ast.Store) and getattr(node.value, "id", "") in SELVES:
            found.add(node.attr)
    return found
