"""The catalogue of a run: tools from files and from the caller, checked as a set."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from msgspec import Struct

from buddy.adapters.tools import files
from buddy.adapters.tools.contracted import ContractTool
from buddy.adapters.tools.declaration import declare
from buddy.adapters.tools.decorator import Tool
from buddy.adapters.tools.files import ToolFile
from buddy.adapters.tools.toolbox import Toolbox
from buddy.core import catalogue
from buddy.errors import BadInput
from buddy.model.contract import ToolContract

REPORTED = 100
"""Problems that are listed one by one."""

PROBE = "catalogue"
"""The plan id that `world` is asked for where a file has no other tools to take contracts from."""


class LoadedTools(Struct, frozen=True, kw_only=True):
    """What was loaded.

    Attributes:
        toolbox: every tool of the catalogue.
        world: plan id -> the same tools in that plan's own world, None where no file has worlds. Raises
            `BadInput` where the file's function fails or makes tools with other contracts.
        warnings: one sentence each.
    """

    toolbox: Toolbox
    world: Callable[[str], Toolbox] | None
    warnings: list[str]


class _Setting(Struct, frozen=True, kw_only=True):
    """What every world of a catalogue shares.

    Attributes:
        tables: what catalogue files say of each tool, in their order.
        seed: of made-up results.
        inline: run sync handlers on the event loop.
    """

    tables: Mapping[str, Sequence[tuple[Path, Mapping[str, Any]]]]
    seed: int
    inline: bool


BUILTIN = "Buddy itself"
"""Where the tools come from that are always loaded."""


def load(
    paths: Iterable[str | Path] = (),
    tools: Iterable[Tool] = (),
    *,
    builtin: Iterable[Tool] = (),
    seed: int = 0,
    inline: bool = False,
) -> LoadedTools:
    """Load the catalogue of a run.

    A TOML table overrides the fields that it names of a Python tool, or of a table read before it.

    Args:
        paths: TOML catalogues and Python files.
        tools: more tools, from the caller.
        builtin: tools that are always there, with contracts that hold; a table may override these, no tool
            may take their names.
        seed: of results made up from output schemas.
        inline: run sync handlers on the event loop, as virtual time needs it.

    Raises:
        BadInput: with the problems of all files together.
    """
    read, problems = _read_all(paths)
    tables: dict[str, list[tuple[Path, Mapping[str, Any]]]] = {}
    for file in read:
        for name, fields in file.tables.items():
            tables.setdefault(name, []).append((file.path, fields))
    setting = _Setting(tables=tables, seed=seed, inline=inline)
    given = [(str(file.path), one) for file in read for one in file.tools] + [("", one) for one in tools]
    own = {one.name: one for one in builtin}
    given += [(BUILTIN, one) for one in own.values()]
    problems += _duplicates(given)
    places = {name: str(of[0][0]) for name, of in tables.items()} | {one.name: at for at, one in given if at}
    bound, found = _bind([one for _, one in given], setting)
    alone, more = _alone([name for name in tables if name not in bound], setting)
    problems += found + more
    _refuse(problems)
    made = sorted([*bound.values(), *alone.values()], key=lambda one: one.name in own)
    contracts = [one.contract for one in made]
    handlers = {one.name: one.handlers for one in bound.values()}
    wrong, warnings = catalogue.validate(contracts, handlers, places, own.keys() - tables.keys())
    _refuse(wrong)
    worlds = [file for file in read if file.world is not None]
    return LoadedTools(
        toolbox=Toolbox(made),
        world=_worlds(worlds, bound, alone, setting) if worlds else None,
        warnings=[*_overridden(tables, bound), *warnings],
    )


def _read_all(paths: Iterable[str | Path]) -> tuple[list[ToolFile], list[str]]:
    read: list[ToolFile] = []
    problems: list[str] = []
    for path in dict.fromkeys(Path(path) for path in paths):
        try:
            file = files.read(path)
            if file.world is not None and not file.tools:
                file = ToolFile(path=path, tools=file.world(PROBE), world=file.world)
            read.append(file)
        except BadInput as problem:
            problems += problem.problems
    return read, problems


def _duplicates(given: Iterable[tuple[str, Tool]]) -> list[str]:
    seen: dict[str, tuple[str, Tool]] = {}
    problems: list[str] = []
    for at, one in given:
        where, first = seen.setdefault(one.name, (at, one))
        if first is not one:
            other = f"another in {where}" if where else "another"
            problems.append(f"{f'{at}: ' if at else ''}expected one tool {one.name}, found {other}")
    return problems


def _bind(tools: Iterable[Tool], setting: _Setting) -> tuple[dict[str, Tool], list[str]]:
    """Put tools under their final contracts."""
    bound: dict[str, Tool] = {}
    problems: list[str] = []
    for one in tools:
        contract, found = _contract(one.contract, setting.tables.get(one.name, ()))
        problems += found
        if contract is not None:
            bound[one.name] = one.bound(contract, seed=setting.seed, inline=setting.inline)
    return bound, problems


def _alone(names: Iterable[str], setting: _Setting) -> tuple[dict[str, ContractTool], list[str]]:
    """Make the tools that no Python file has."""
    made: dict[str, ContractTool] = {}
    problems: list[str] = []
    for name in names:
        base, wrong = declare({"name": name})
        contract, found = _contract(base, setting.tables[name]) if base else (None, [])
        problems += [
            f"{path}: [tools] {problem}" for path, _ in setting.tables[name] for problem in wrong
        ] + found
        if contract is not None:
            made[name] = ContractTool(contract, setting.seed)
    return made, problems


def _contract(
    base: ToolContract | None, tables: Iterable[tuple[Path, Mapping[str, Any]]]
) -> tuple[ToolContract | None, list[str]]:
    problems: list[str] = []
    contract = base
    for path, fields in tables:
        made, wrong = declare(fields, base)
        name = base.name if base else ""
        problems += [f'{path}: [tools."{name}"] {problem}' for problem in wrong]
        contract, base = made, made or base
    return (None if problems else contract), problems


def _overridden(tables: Mapping[str, Sequence[tuple[Path, Any]]], bound: Mapping[str, Tool]) -> list[str]:
    names: dict[Path, list[str]] = {}
    for name, of in tables.items():
        for path, _ in of if name in bound else of[1:]:
            names.setdefault(path, []).append(name)
    return [f"{path}: overrides the contracts of {', '.join(changed)}" for path, changed in names.items()]


def _worlds(
    worlds: Sequence[ToolFile],
    shared: Mapping[str, Tool],
    alone: Mapping[str, ContractTool],
    setting: _Setting,
) -> Callable[[str], Toolbox]:
    def world(plan_id: str) -> Toolbox:
        tools: dict[str, ContractTool] = {**shared, **alone}
        for file in worlds:
            assert file.world is not None
            made, problems = _bind(file.world(plan_id), setting)
            where = f"{file.path}: world({plan_id!r})"
            problems += _differences(where, {one.name: shared[one.name] for one in file.tools}, made)
            _refuse(problems)
            tools.update(made)
        return Toolbox(tools.values())

    return world


def _differences(where: str, expected: Mapping[str, Tool], made: Mapping[str, Tool]) -> list[str]:
    """Say where a world's contracts are not those of the catalogue, which the run was checked against."""
    problems = []
    for name in dict.fromkeys([*expected, *made]):
        if name not in made:
            problems.append(f"{where}: expected the tool {name} of the catalogue, found none")
        elif name not in expected:
            problems.append(f"{where}: expected the tools of the catalogue alone, found {name}")
        elif made[name].contract.digest != expected[name].contract.digest:
            ours, theirs = made[name].contract, expected[name].contract
            fields = [key for key in ours.__struct_fields__ if getattr(ours, key) != getattr(theirs, key)]
            problems.append(
                f"{where}: expected the catalogue's contract of {name}, found another {', '.join(fields)}"
            )
        elif made[name].handlers != expected[name].handlers:
            problems.append(f"{where}: expected the catalogue's handlers of {name}, found others")
    return problems


def _refuse(problems: Sequence[str]) -> None:
    if problems:
        raise BadInput(problems[:REPORTED], max(0, len(problems) - REPORTED))
