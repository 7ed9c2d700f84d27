import sys

from architecture.pages import first_cells, names, rows, section, text
from buddy.adapters.sandbox.guards import MOST_FRAMES, guarded, system
from buddy.core.code_check import MOST_FINDINGS
from buddy.core.code_rules import BLOCKED_BUILTINS, HIDDEN, SAFE_BUILTINS
from buddy.model.sandbox import POLICIES, ViolationType

PAGE = text("reference/sandbox.md")


def test_the_policies_and_their_modules() -> None:
    table = {names(row[0])[0]: names(row[1]) for row in rows(section(PAGE, "## Policies"))}
    assert table.keys() == POLICIES.keys()
    spec, extended = POLICIES["spec"].imports, POLICIES["extended"].imports
    assert table["spec"] == list(spec)
    assert table["extended"] == ["spec", *(name for name in extended if name not in spec)]


def test_the_published_builtins() -> None:
    told = section(PAGE, "## Builtins").split("These are refused")[0]
    assert sorted(names(told)) == sorted(SAFE_BUILTINS)


def test_the_blocked_builtins_and_what_to_do_instead() -> None:
    table = {name: row[1] for row in rows(section(PAGE, "## Builtins")) for name in names(row[0])}
    assert table == BLOCKED_BUILTINS


def test_the_types_of_what_the_check_finds() -> None:
    told = {name for row in rows(section(PAGE, "## What the check finds")) for name in names(row[1])}
    assert told == {kind.value for kind in ViolationType} - {"SYSCALL_DENIED", "TIMEOUT"}
    assert f"the first {MOST_FINDINGS}" in PAGE


def test_names_that_are_other_than_usual() -> None:
    told = first_cells(section(PAGE, "## What facades show"))
    for module, stands in guarded(sys.exit).items():
        assert {f"{module}.{name}" for name in stands} <= told
    evaluating = {f"{module}.{name}" for module in ("functools", "typing") for name in HIDDEN[module]}
    assert evaluating - {"typing.evaluate_forward_ref"} <= told


def test_what_sys_shows() -> None:
    row = next(row for row in rows(section(PAGE, "## What facades show")) if names(row[0]) == ["sys"])
    assert sorted(names(row[1])) == sorted(vars(system()))
    assert f"up to {MOST_FRAMES:,}" in row[1]
