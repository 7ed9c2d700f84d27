import re
from importlib import import_module
from typing import Any

import msgspec
import pytest

from architecture.pages import names, rows, text
from buddy.projections.fleet.files import REPORT
from buddy.projections.fleet.report import GANTT
from buddy.projections.outputs import FLEET_SCHEMAS, OUTPUTS

ROWS = list(rows(text("seeds.md")))
PLANNED = re.compile(r"planned: providers\b")
FILE = re.compile(r"[\w./]+\.(?:jsonl|json|md|svg)")
WRITTEN = {*OUTPUTS, *FLEET_SCHEMAS, REPORT, GANTT}


def found(name: str) -> Any:
    """What a dotted name leads to: modules as far as they go, then attributes."""
    parts = name.split(".")
    value: Any = import_module(parts[0])
    for number, part in enumerate(parts[1:], start=2):
        if isinstance(value, type) and issubclass(value, msgspec.Struct) and part in value.__struct_fields__:
            return part
        value = getattr(value, part) if hasattr(value, part) else import_module(".".join(parts[:number]))
    return value


def code_names() -> list[str]:
    return sorted({name for row in ROWS for name in names(row[1]) if name.startswith("buddy.")})


@pytest.mark.parametrize("name", code_names())
def test_every_code_name_exists(name: str) -> None:
    found(name)


@pytest.mark.parametrize(
    "name", ["buddy.core.retry.backof", "buddy.core.gatee", "buddy.model.mode.Mode.LIVID"]
)
def test_a_name_that_does_not_exist_is_noticed(name: str) -> None:
    with pytest.raises((AttributeError, ImportError)):
        found(name)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_every_name_has_a_place_or_a_reason(row: list[str]) -> None:
    assert len(row) == 2, row
    here = row[1]
    has_code = any(name.startswith("buddy.") for name in names(here))
    has_file = any(name in WRITTEN for name in names(here))
    is_ruled = here.startswith(("overruled: ", "outside: "))
    assert has_code or has_file or is_ruled or PLANNED.search(here), here


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_every_file_named_as_a_place_is_an_output(row: list[str]) -> None:
    if row[1].startswith("overruled: "):
        return
    files = [name for name in names(row[1]) if FILE.fullmatch(name)]
    assert set(files) <= WRITTEN


def test_every_output_is_among_the_names() -> None:
    placed = {name for row in ROWS for name in names(row[1])}
    assert placed >= WRITTEN
