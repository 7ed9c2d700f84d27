import ast
import subprocess
import sys
from pathlib import Path

import pytest

import buddy
from buddy.core import code_rules
from buddy.core.code_check import MOST_FINDINGS, Finding, check, judge
from buddy.model.sandbox import POLICIES, ViolationType
from unit.core.code_benign import BENIGN
from unit.core.code_escapes import ESCAPES

SPEC = frozenset(POLICIES["spec"].imports)
EXTENDED = frozenset(POLICIES["extended"].imports)
NETWORK, PROCESS, FILES = code_rules.NETWORK, code_rules.PROCESS, code_rules.FILES
IMPORT, BUILTIN, RESOURCE = code_rules.IMPORT, code_rules.BUILTIN, code_rules.RESOURCE


def checked(code: str, imports: frozenset[str] = EXTENDED, most: int = 10_000) -> list[Finding]:
    return check(code, imports, most)


def kinds(code: str, imports: frozenset[str] = EXTENDED) -> list[tuple[str, int]]:
    return [(finding.type, finding.line) for finding in checked(code, imports)]


@pytest.mark.parametrize("technique", ESCAPES)
def test_every_published_escape_is_named_with_its_line(technique: str) -> None:
    code, kind, line = ESCAPES[technique]
    if kind is None:
        assert kinds(code) == []
    else:
        assert (kind, line) in kinds(code)


@pytest.mark.parametrize("name", BENIGN)
def test_usual_code_passes(name: str) -> None:
    assert checked(BENIGN[name]) == []


def test_there_are_enough_usual_programs() -> None:
    assert len(BENIGN) >= 60


def test_a_finding_says_what_to_do_instead_in_one_sentence() -> None:
    [found] = checked("x = 1\ny = open('a')")
    assert found == Finding(
        FILES, "`open` is not available: there are no files here, pass data in as inputs", 2
    )
    [found] = checked("import numpy", frozenset({"math"}))
    assert found.details == "`numpy` cannot be imported: this policy allows math"
    [found] = checked("import numpy", frozenset())
    assert found.details == "`numpy` cannot be imported: this policy allows no module"


def test_all_findings_come_together_in_line_order_and_none_twice() -> None:
    code = "import os, os\nx = eval('1') + eval('2')\nimport socket\n"
    assert kinds(code) == [(FILES, 1), (BUILTIN, 2), (NETWORK, 3)]


def test_findings_are_capped() -> None:
    assert len(checked("open\n" * 80)) == MOST_FINDINGS


class TestSize:
    def test_code_that_is_too_long_is_not_read(self) -> None:
        [found] = checked("import os\n" * 10, most=99)
        assert found.type == RESOURCE
        assert found.line == 1
        assert "100 bytes where 99" in found.details

    def test_bytes_count_not_letters(self) -> None:
        assert checked("'é'", most=4) == []
        assert checked("'é'", most=3)[0].type == RESOURCE

    def test_half_a_surrogate_pair_is_no_crash(self) -> None:
        assert checked("'\ud800'") == []


@pytest.mark.parametrize(
    "code",
    [
        "def f(:",
        "\0",
        "(" * 5_000,
        "-" * 9_000 + "1",
        "x" + ".a" * 4_900,
        "1" + "+1" * 4_900,
        "[" * 200 + "]" * 200,
    ],
    ids=["syntax", "null", "parentheses", "unary", "attributes", "sums", "lists"],
)
def test_code_that_does_not_parse_or_nests_deeply_has_no_findings(code: str) -> None:
    assert checked(code) == []


def test_depth_that_parses_is_read_without_recursion() -> None:
    tree = ast.parse("x = 1")
    inner: ast.expr = ast.Name("open", ast.Load(), lineno=7, col_offset=0)
    for _ in range(20_000):
        inner = ast.UnaryOp(ast.USub(), inner)
    tree.body = [ast.Expr(inner)]
    assert [(found.type, found.line) for found in judge(tree, SPEC)] == [(FILES, 7)]
    while isinstance(inner, ast.UnaryOp):  # taken apart by hand, as freeing it recurses too
        inner, inner.operand = inner.operand, ast.Constant(0)


def test_names_of_inputs_are_the_code_s_own() -> None:
    assert check("input + 1", SPEC, 100, frozenset({"input"})) == []
    assert check("__builtins__", SPEC, 100, frozenset({"__builtins__"})) != []


def test_the_policy_says_what_may_be_imported() -> None:
    assert kinds("import copy", SPEC) == [(IMPORT, 1)]
    assert kinds("import copy", EXTENDED) == []
    assert kinds("import collections.abc", frozenset({"math"})) == [(IMPORT, 1)]
    assert kinds("import os.path as p", frozenset({"os.path"})) == []
    assert kinds("from os import system", frozenset({"os"})) == []
    assert kinds("import os\nos.system('x')", frozenset({"os"})) == [(PROCESS, 2)]


def test_templates_that_do_not_parse_are_left_to_the_code() -> None:
    assert checked("'{a.b'.format(1)") == []


def test_every_type_that_is_told_exists() -> None:
    told = {NETWORK, PROCESS, FILES, IMPORT, BUILTIN, RESOURCE}
    assert told <= {kind.value for kind in ViolationType}


def test_every_builtin_is_shown_or_blocked_or_of_the_console() -> None:
    import builtins

    shown = code_rules.SAFE_BUILTINS | set(code_rules.BLOCKED_BUILTINS)
    console = {
        "copyright",
        "credits",
        "license",
        "exit",
        "quit",
        "__debug__",
        "__doc__",
        "__name__",
        "__package__",
    }
    left = {
        name
        for name, value in vars(builtins).items()
        if not (isinstance(value, type) and issubclass(value, BaseException))
    }
    assert left - shown - console <= {
        "None",
        "True",
        "False",
        "Ellipsis",
        "NotImplemented",
        "_",
        "PythonFinalizationError",
    }
    assert not code_rules.SAFE_BUILTINS & set(code_rules.BLOCKED_BUILTINS)


def test_it_loads_nothing_but_the_standard_library() -> None:
    source = str(Path(buddy.__file__).parents[1])
    code = (
        f"import sys; sys.path.insert(0, {source!r}); import buddy.core.code_check; "
        "print(sorted(name for name in sys.modules if name.startswith('buddy')), 'msgspec' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True, check=True
    )
    loaded = [
        "buddy",
        "buddy.core",
        "buddy.core.code_check",
        "buddy.core.code_rules",
        "buddy.core.code_scopes",
    ]
    assert done.stdout.strip() == f"{loaded} False"
