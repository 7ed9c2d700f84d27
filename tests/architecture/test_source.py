import ast
import os
import re
import subprocess
import sys
import tomllib
from importlib import import_module
from pathlib import Path

import pytest

import buddy
from architecture.pages import ROOT, SOURCE

FILES = sorted(SOURCE.rglob("*.py"))
MOST_LINES = 400
PUBLIC = [
    "BadInput",
    "BuddyError",
    "Call",
    "CallContext",
    "CallResult",
    "Change",
    "ChangedSince",
    "ClosedStop",
    "ExecutionConfig",
    "Harness",
    "InvalidArguments",
    "Mode",
    "Preview",
    "Restored",
    "Risk",
    "Sandbox",
    "SandboxPolicy",
    "SandboxResult",
    "SandboxUnavailable",
    "Scratch",
    "Tool",
    "ToolError",
    "ToolPermissionError",
    "__version__",
    "get_gohighlevel_client",
    "get_mployer_client",
    "get_msgraph_client",
    "tool",
]
HEAVY = {"asyncio", "msgspec", "jsonschema_rs", "rich", "sqlite3"}
PURE = ("model", "journal", "core", "projections", "ports.py", "errors.py")


def test_the_public_names() -> None:
    assert buddy.__all__ == PUBLIC


@pytest.mark.parametrize("name", PUBLIC)
def test_every_public_name_exists(name: str) -> None:
    assert getattr(buddy, name) is not None


def test_the_package_is_typed_and_has_one_version() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert (SOURCE / "py.typed").exists()
    assert project["version"] == buddy.__version__
    assert f"## {buddy.__version__}" in (ROOT / "CHANGELOG.md").read_text("utf-8")


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(SOURCE)))
def test_no_file_is_long(file: Path) -> None:
    assert len(file.read_text("utf-8").splitlines()) <= MOST_LINES


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(SOURCE)))
def test_every_module_says_what_it_is_for(file: Path) -> None:
    code = file.read_text("utf-8")
    assert not code.strip() or ast.get_docstring(ast.parse(code))


def test_no_name_that_says_nothing() -> None:
    vague = re.compile(r"Manager|Helper|Handler$|Utils?$")
    named = [
        f"{file.relative_to(SOURCE)}: {node.name}"
        for file in FILES
        for node in ast.walk(ast.parse(file.read_text("utf-8")))
        if isinstance(node, ast.ClassDef) and vague.search(node.name) and node.name not in {"Handler"}
    ]
    assert named == []


def test_what_decides_asks_no_clock_and_no_chance() -> None:
    """Import contracts see modules; this sees the calls that a permitted module would still allow."""
    asked = re.compile(r"\bdatetime\.(now|utcnow|today)\(|\bdate\.today\(|\buuid\d?\(")
    found = [
        f"{file.relative_to(SOURCE)}:{number}"
        for file in FILES
        if file.relative_to(SOURCE).parts[0] in PURE
        for number, line in enumerate(file.read_text("utf-8").splitlines(), start=1)
        if asked.search(line)
    ]
    assert found == []


def test_imports_keep_their_contracts() -> None:
    done = subprocess.run(
        [sys.executable, "-c", "from importlinter.cli import lint_imports_command; lint_imports_command()"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]


def imported_by(code: str) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-c", code],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(SOURCE.parent)},
        capture_output=True,
        text=True,
    )
    lines = [line for line in done.stderr.splitlines() if line.startswith("import time:")]
    assert lines, done.stderr
    return {line.rsplit("|", 1)[1].strip() for line in lines}


def test_help_imports_nothing_heavy() -> None:
    start = "from buddy.interfaces.cli.main import main; import sys; sys.argv = ['buddy', '--help']; main()"
    before = imported_by("pass")
    found = imported_by(start) - before
    assert "argparse" in found
    assert not {name.split(".")[0] for name in found} & HEAVY


def test_the_package_itself_imports_nothing() -> None:
    found = {name for name in imported_by("import buddy") - imported_by("pass") if name.startswith("buddy")}
    assert found == {"buddy"}


def test_every_lazy_name_is_declared_for_type_checkers() -> None:
    code = ast.parse((SOURCE / "__init__.py").read_text("utf-8"))
    declared = {
        alias.asname: node.module
        for node in ast.walk(code)
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
        if alias.asname
    }
    homes = import_module("buddy")._HOMES
    assert declared == homes
