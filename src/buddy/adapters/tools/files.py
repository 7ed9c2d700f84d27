"""What a `--tools` file holds: tables of a TOML catalogue, or the tools that a Python file makes."""

import hashlib
import importlib.util
import re
import sys
import tomllib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType, TracebackType
from typing import Any

from msgspec import Struct

from buddy.adapters.tools.decorator import Tool
from buddy.core.schemas import shorten
from buddy.errors import BadInput


class ToolFile(Struct, frozen=True, kw_only=True):
    """One file, read.

    Attributes:
        path: as it was given.
        tables: tool -> the contract's fields that a catalogue names.
        tools: what a Python file makes.
        world: plan id -> the tools of that plan's own world, None where the file has one world.
    """

    path: Path
    tables: Mapping[str, Mapping[str, Any]] = {}
    tools: tuple[Tool, ...] = ()
    world: Callable[[str], tuple[Tool, ...]] | None = None


def read(path: Path) -> ToolFile:
    """Read a file; a Python file is executed.

    Raises:
        BadInput: with everything that is wrong with it.
    """
    match path.suffix:
        case ".toml":
            return _some(ToolFile(path=path, tables=_tables(path, _text(path))), 'a table [tools."NAME"]')
        case ".py":
            return _some(_python(path, _text(path)), "a function with @tool, or a world")
        case suffix:
            if not path.is_file():
                _text(path)
            found = f"one that ends with {suffix}" if suffix else "one without an ending"
            raise BadInput(f"{path}: expected a .toml catalogue or a .py file with tools, found {found}")


def _some(file: ToolFile, expected: str) -> ToolFile:
    if not file.tables and not file.tools and file.world is None:
        raise BadInput(f"{file.path}: expected {expected}, found no tool at all")
    return file


def _text(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError as problem:
        raise BadInput(f"{path}: expected a file of tools, found nothing there") from problem
    except IsADirectoryError as problem:
        raise BadInput(f"{path}: expected a file of tools, found a folder") from problem
    except UnicodeDecodeError as problem:
        raise BadInput(f"{path}: expected UTF-8, found something else at byte {problem.start}") from problem
    except (OSError, ValueError) as problem:
        raise BadInput(
            f"{path}: cannot be read: {getattr(problem, 'strerror', None) or problem}"
        ) from problem


def _tables(path: Path, text: str) -> Mapping[str, Mapping[str, Any]]:
    try:
        document = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as problem:
        raise BadInput(f"{path}: expected TOML: {problem}") from problem
    problems = [
        f'{path}: expected tables [tools."NAME"] alone, found {key}' for key in document if key != "tools"
    ]
    tables = document.get("tools", {})
    if not isinstance(tables, dict):
        raise BadInput([*problems, f'{path}: tools: expected tables [tools."NAME"], found {shorten(tables)}'])
    for name, fields in tables.items():
        if not isinstance(fields, dict):
            problems.append(
                f'{path}: [tools] {name}: expected a table [tools."{name}"], found {shorten(fields)}'
            )
        elif fields.get("name", name) != name:
            problems.append(
                f'{path}: [tools."{name}"] name: expected {name}, found {shorten(fields["name"])}'
            )
    if problems:
        raise BadInput(problems)
    return tables


def _python(path: Path, text: str) -> ToolFile:
    module = _module(path)
    with _told(path, "while it was loaded"), _beside(path):
        sys.modules[module.__name__] = module
        try:
            exec(compile(text, str(path), "exec", dont_inherit=True), module.__dict__)  # noqa: S102 (its purpose)
        except BaseException:
            del sys.modules[module.__name__]
            raise
    listed = getattr(module, "TOOLS", ())
    found = [value for value in vars(module).values() if isinstance(value, Tool)]
    tools = dict.fromkeys([*found, *_listed(f"{path}: TOOLS", listed)])
    world = getattr(module, "world", None)
    if world is not None and (isinstance(world, Tool) or not callable(world)):
        raise BadInput(f"{path}: world: expected a function of a plan's id, found {type(world).__name__}")
    return ToolFile(path=path, tools=tuple(tools), world=_world(path, world) if world else None)


def _module(path: Path) -> ModuleType:
    """Return an empty module under a name that no other file's module has."""
    whole = path.resolve()
    stem = re.sub(r"\W", "_", path.stem)
    name = f"buddy_tools_{stem}_{hashlib.sha256(str(whole).encode()).hexdigest()[:8]}"
    spec = importlib.util.spec_from_file_location(name, whole)
    assert spec is not None
    return importlib.util.module_from_spec(spec)


def _world(path: Path, world: Callable[[str], Any]) -> Callable[[str], tuple[Tool, ...]]:
    def make(plan_id: str) -> tuple[Tool, ...]:
        with _told(path, f"in world({plan_id!r})"), _beside(path):
            made = world(plan_id)
        return tuple(_listed(f"{path}: world({plan_id!r})", made))

    return make


def _listed(what: str, tools: Any) -> list[Tool]:
    if not isinstance(tools, list | tuple):
        raise BadInput(f"{what}: expected a list of tools, found {type(tools).__name__}")
    problems = [
        f"{what}[{number}]: expected what @tool makes, found {getattr(one, '__name__', type(one).__name__)}"
        for number, one in enumerate(tools)
        if not isinstance(one, Tool)
    ]
    if problems:
        raise BadInput(problems)
    return list(tools)


@contextmanager
def _beside(path: Path) -> Iterator[None]:
    """Let a file import what lies beside it, as it could if it were run."""
    folder = str(path.resolve().parent)
    sys.path.insert(0, folder)
    try:
        yield
    finally:
        if folder in sys.path:
            sys.path.remove(folder)


@contextmanager
def _told(path: Path, when: str) -> Iterator[None]:
    """Turn whatever a file raises into sentences with its line."""
    try:
        yield
    except KeyboardInterrupt:
        raise
    except BadInput as problem:
        at = f"{path}:{_line(path, problem.__traceback__)}"
        raise BadInput([f"{at}: {one}" for one in problem.problems], problem.omitted) from problem
    except SyntaxError as problem:
        where = f" in {problem.filename}" if problem.filename != str(path) else ""
        raise BadInput(f"{path}:{problem.lineno or 0}: expected Python: {problem.msg}{where}") from problem
    except BaseException as problem:  # also SystemExit: a tools file must not end Buddy
        line = _line(path, problem.__traceback__)
        raise BadInput(f"{path}:{line}: {type(problem).__name__} {when}: {problem}") from problem


def _line(path: Path, traceback: TracebackType | None) -> int:
    """Return the innermost line of the file that an error came through, 0 where none."""
    line = 0
    while traceback is not None:
        if traceback.tb_frame.f_code.co_filename == str(path):
            line = traceback.tb_lineno
        traceback = traceback.tb_next
    return line
