"""The project's pages, as tests read them."""

import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
DOCS = ROOT / "docs"
SOURCE = ROOT / "src" / "buddy"

_CELL = re.compile(r"(?<!\\)\|")
_NAME = re.compile(r"`([^`]+)`")


def text(name: str) -> str:
    return (DOCS / name).read_text("utf-8")


def section(page: str, title: str) -> str:
    """The text under a heading, up to the next heading of the same level or above."""
    lines = page.splitlines()
    start = lines.index(title)
    level = len(title) - len(title.lstrip("#"))
    rest = lines[start + 1 :]
    ends = (number for number, line in enumerate(rest) if re.match(rf"#{{1,{level}}} ", line))
    return "\n".join(rest[: next(ends, len(rest))])


def rows(page: str) -> Iterator[list[str]]:
    """The cells of every row of every table, heads and rules left out."""
    lines = page.splitlines()
    for number, line in enumerate(lines):
        head = number + 1 < len(lines) and lines[number + 1].startswith("|---")
        if line.startswith("|") and not line.startswith("|---") and not head:
            yield [cell.strip() for cell in _CELL.split(line)[1:-1]]


def first_cells(page: str) -> set[str]:
    """The code names that stand first in their rows."""
    return {name for row in rows(page) for name in _NAME.findall(row[0])}


def names(cell: str) -> list[str]:
    return _NAME.findall(cell)
