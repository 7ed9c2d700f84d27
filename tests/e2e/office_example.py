"""The example office, imported from its folder as the tools loader does, and the data to try it on."""

import importlib
import os
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

REPO = Path(__file__).parents[2]
FOLDER = REPO / "examples" / "office"
STAFF = FOLDER / "data"
SHARED = Path(os.environ.get("BUDDY_DATA") or REPO.parent / "shared" / "data") / "workbench"


def example(name: str) -> ModuleType:
    """A module of the example; its folder is on the path only while it is imported."""
    sys.path.insert(0, str(FOLDER))
    try:
        return importlib.import_module(name)
    finally:
        sys.path.remove(str(FOLDER))


Office: Any = example("office").Office


def changed(before: dict[str, list[Any]], after: dict[str, list[Any]]) -> dict[str, list[Any]]:
    """The rows, as (table, before, after), in which two states differ; a row is known by its first column."""
    found: dict[str, list[Any]] = {}
    for table in before:
        one, other = ({next(iter(row.values())): row for row in state[table]} for state in (before, after))
        for key in [*one, *(key for key in other if key not in one)]:
            if one.get(key) != other.get(key):
                found.setdefault(table, []).append((one.get(key), other.get(key)))
    return found
