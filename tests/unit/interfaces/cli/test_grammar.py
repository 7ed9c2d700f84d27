import argparse
import shlex
import subprocess
import sys
from collections.abc import Iterator

import pytest

from buddy.interfaces.cli import grammar

HEAVY = ("asyncio", "msgspec", "jsonschema_rs", "rich", "sqlite3", "pathlib", "json", "threading", "tomllib")


def leaves(parser: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    groups = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    if not groups:
        yield parser
    for group in groups:
        for below in group.choices.values():
            yield from leaves(below)


LEAVES = {leaf.prog: leaf for leaf in leaves(grammar.parser())}


def test_every_command_of_the_specification_is_there() -> None:
    groups = {
        "runs": "list show",
        "approvals": "list show approve deny",
        "breaker": "list close",
        "keys": "create show",
        "providers": "check login",
        "tools": "list show validate",
        "sandbox": "run doctor",
    }
    alone = "demo run check resume rollback cancel outputs verify explain resolve lock unlock status schema"
    alone += " simulate"
    nested = [f"buddy {group} {name}" for group, names in groups.items() for name in names.split()]
    assert set(LEAVES) == {*(f"buddy {name}" for name in alone.split()), *nested}


@pytest.mark.parametrize("name", LEAVES)
def test_the_example_in_a_help_is_a_command_line_that_works(name: str) -> None:
    leaf = LEAVES[name]
    assert leaf.epilog is not None
    words = shlex.split(leaf.epilog.removeprefix("example: "))
    args = grammar.read(words[1:])
    assert f"buddy {' '.join(words[1:])}".startswith(name)
    assert args.command is leaf.get_default("command")
    assert args.json is False


@pytest.mark.parametrize("name", LEAVES)
def test_every_command_takes_json(name: str) -> None:
    assert any("--json" in action.option_strings for action in LEAVES[name]._actions)


def test_help_imports_the_command_line_alone() -> None:
    asked = (
        "import sys\n"
        "from buddy.interfaces.cli.main import main\n"
        "code = main(['--help'])\n"
        "print(code, *sorted(sys.modules), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True)
    code, *modules = done.stderr.split()
    assert code == "0"
    assert "exit codes" in done.stdout
    assert not set(HEAVY) & set(modules)
    ours = {name for name in modules if name.startswith("buddy.")}
    assert ours - {"buddy.interfaces"} == {name for name in ours if name.startswith("buddy.interfaces.cli")}


def test_an_abbreviated_flag_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        grammar.read(["run", "p.json", "--mod", "live"])
    assert left.value.code == 2
    assert "--mod" in capsys.readouterr().err


@pytest.mark.parametrize("limit", ["-1", "x"])
def test_a_limit_is_a_number(limit: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        grammar.read(["check", "p.json", f"--limit={limit}"])
    assert f"--limit: expected a number (0 or more), found '{limit}'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "command", "told"),
    [
        ("", "buddy", "expected a command, found nothing for it"),
        ("rnu", "buddy", "expected a command, found 'rnu' (did you mean run?)"),
        ("runs", "buddy runs", "expected a command, found nothing for it"),
        ("runs x", "buddy runs", "expected a command, found 'x'"),
        ("run", "buddy run", "expected INPUT, found nothing for it"),
        ("run p --mode foo", "buddy run", "--mode: expected one of mock, dry-run, live, found 'foo'"),
        ("run p --seed x", "buddy run", "--seed: expected a whole number, found 'x'"),
        ("check p --deadline soon", "buddy check", "--deadline: expected a number, found 'soon'"),
        ("unlock --now", "buddy unlock", "expected no such argument, found --now"),
        ("lock", "buddy lock", "expected --reason, found nothing for it"),
        ("lock --reason", "buddy lock", "--reason: expected a value, found none"),
        ("resolve r s", "buddy resolve", "expected one of --happened, --did-not, found none"),
        (
            "resolve r s --happened --did-not",
            "buddy resolve",
            "expected either --happened or --did-not, found both",
        ),
        ("resolve", "buddy resolve", "expected RUN, STEP, found nothing for it"),
        ("tools validate --tools", "buddy tools validate", "--tools: expected a value, found none"),
    ],
)
def test_what_is_wrong_with_a_command_line_is_one_sentence(
    words: str, command: str, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as left:
        grammar.read(words.split())
    assert left.value.code == 2
    shown = capsys.readouterr()
    assert (shown.out, shown.err) == ("", f"{command}: {told}; see `{command} --help`\n")
