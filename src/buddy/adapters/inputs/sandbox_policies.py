"""The policy of a sandbox: by name, or from a TOML file with the fields of `SandboxPolicy`."""

import json
import keyword
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from buddy.core import parsing
from buddy.core.planning import bad_input, shown
from buddy.errors import BadInput
from buddy.model.sandbox import POLICIES, SandboxPolicy


def policy_of(chosen: str, place: str) -> SandboxPolicy:
    """Return the policy that a person chose.

    Args:
        chosen: `spec`, `extended`, or the path of a TOML file; a file of such a name needs its `./`.
        place: of the choice, for the errors.

    Raises:
        BadInput: with every problem of the file.
    """
    if chosen in POLICIES:
        return POLICIES[chosen]
    if "." not in chosen and "/" not in chosen:
        raise BadInput(f"{place}: expected {', '.join(POLICIES)} or a TOML file, found {shown(chosen)}")
    return _read(Path(chosen))


def _read(path: Path) -> SandboxPolicy:
    place = str(path) if str(path).isprintable() else shown(str(path))
    try:
        document = tomllib.loads(path.read_bytes().decode("utf-8-sig"))
    except FileNotFoundError as problem:
        raise BadInput(f"{place}: expected a policy in TOML, found nothing there") from problem
    except IsADirectoryError as problem:
        raise BadInput(f"{place}: expected a policy in TOML, found a folder") from problem
    except UnicodeDecodeError as problem:
        raise BadInput(
            f"{place}: expected UTF-8 text, found something else at byte {problem.start:,}"
        ) from problem
    except (tomllib.TOMLDecodeError, RecursionError) as problem:
        raise BadInput(f"{place}: expected TOML, found a syntax error: {problem}") from problem
    except (OSError, ValueError) as problem:
        reason = getattr(problem, "strerror", None) or problem
        raise BadInput(
            f"{place}: expected a policy that can be read, found that it cannot: {reason}"
        ) from problem
    # Dates are TOML and no JSON; as texts they are told like any other wrong value.
    plain = json.loads(json.dumps(document, default=str))
    problems = [*parsing.problems_of(plain, SandboxPolicy), *_wrong_imports(plain.get("imports"))]
    if problems:
        raise bad_input(place, iter(problems))
    try:
        return msgspec.convert({"name": path.stem, **plain}, SandboxPolicy)
    except msgspec.ValidationError as problem:  # what no schema tells: 2.0 is an integer for JSON Schema
        raise BadInput(f"{place}: {parsing.sentence_of(problem)}") from problem


def _wrong_imports(imports: Any) -> Iterator[str]:
    for number, name in enumerate(imports if isinstance(imports, list) else ()):
        if isinstance(name, str) and not _is_module(name):
            yield f"imports[{number}]: expected the name of a module, found {shown(name)}"


def _is_module(name: str) -> bool:
    return all(part.isidentifier() and not keyword.iskeyword(part) for part in name.split("."))
