"""Runs plans live in offices of their own, and reads what they left without the office's own code."""

import os
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

from e2e import office_replayer as replayer
from e2e.office_example import FOLDER

TOOLS, POLICY = FOLDER / "tools.py", FOLDER / "policy.toml"
TABLES = ("events", "emails", "customers", "tasks", "plots")
Rows = dict[str, list[tuple[Any, ...]]]


@contextmanager
def surroundings(folder: Path, data: Path | None = None) -> Iterator[None]:
    """A home and offices in this folder, made from these CSV files (the shipped staff by default)."""
    names = {"BUDDY_HOME": str(folder / "home"), "OFFICE_DIR": str(folder / "offices")}
    names |= {"OFFICE_DB": str(folder / "office.sqlite"), "OFFICE_DATA": str(data or "")}
    with patch.dict(os.environ, names):
        os.environ.pop("DRY_RUN", None)
        yield


def dump(path: Path) -> Rows:
    """Every row of an office that its tools can change, with the place that it is stored at."""
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as db:
        return {name: db.execute(f"SELECT rowid, * FROM {name} ORDER BY rowid").fetchall() for name in TABLES}


class Start:
    """The state that all offices begin with; rows that stay as they were stay the same objects."""

    def __init__(self, data: Path) -> None:
        self.state = replayer.load(data)
        self.columns = {name: tuple(rows[0]) for name, rows in self.state.items() if rows}
        self.columns["plots"] = ("file_path",)
        self._known = {name: {tuple(row.values()): row for row in rows} for name, rows in self.state.items()}

    def after(self, folder: Path, plan_id: str) -> replayer.State:
        """The state of a plan's own office; one that no call has needed has no file."""
        path = folder / "offices" / f"{re.sub(r'[^A-Za-z0-9._-]', '_', plan_id)}.sqlite"
        state = replayer.fresh(self.state)
        if path.exists():
            for name, rows in dump(path).items():
                known, columns = self._known[name], self.columns[name]
                state[name] = [known.get(row[1:]) or dict(zip(columns, row[1:], strict=True)) for row in rows]
        return state
