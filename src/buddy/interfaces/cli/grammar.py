"""What can be said to `buddy`: every command with its arguments, its help and an example."""

import argparse
from collections.abc import Callable, Sequence
from typing import Any

from buddy import __version__
from buddy.interfaces.cli import approvals, checks, inspection, keys, providers, runs, sandbox, system, tools
from buddy.interfaces.cli.parser import COMMAND, Parser

Command = Callable[[argparse.Namespace], int]
Commands = Any
"""What `add_subparsers` returns, whose type argparse keeps to itself."""

EXITS = """\
exit codes:
  0    done
  1    a step failed, was aborted, skipped or rolled back, or verify found something
  2    bad input or usage, before anything ran
  3    steps are held
  4    an unknown outcome needs a person
  5    sandbox run: the code tried what it may not
  6    sandbox run: the code reached a limit
  74   the journal is damaged, or the disk failed
  130  interrupted"""


def read(words: Sequence[str]) -> argparse.Namespace:
    """Read a command line; `command` of what is returned does it.

    Raises:
        BadInput: a word is not UTF-8, so that no record could hold it.
        SystemExit: argparse printed what is wrong, or the help that was asked for.
    """
    for place, word in enumerate(words, 1):
        if not word.isascii() and any("\ud800" <= letter <= "\udfff" for letter in word):
            from buddy.errors import BadInput

            raise BadInput(f"argument {place}: expected UTF-8, found {word!r}")
    grammar = parser()
    args, more = grammar.parse_known_args(words)
    if not hasattr(args, "command"):
        grammar.error(f"the following arguments are required: {COMMAND}")
    if more:
        args.leaf.error(f"unrecognized arguments: {' '.join(more)}")
    return args


def parser() -> argparse.ArgumentParser:
    """Return the parser of the whole command line."""
    top = Parser(
        prog="buddy",
        description="The control plane that lets fleets of AI agents act on real systems safely.",
        epilog=f"example: buddy demo\n\n{EXITS}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    top.add_argument("--version", action="version", version=f"buddy {__version__}")
    commands = top.add_subparsers(metavar=COMMAND, title="commands")
    _running(commands)
    _after(commands)
    _approvals(commands)
    _system(commands)
    _tools(commands)
    _sandbox(commands)
    _providers(commands)
    return top


def _leaf(
    commands: Commands, name: str, command: Command, summary: str, example: str
) -> argparse.ArgumentParser:
    leaf: argparse.ArgumentParser = commands.add_parser(
        name,
        help=summary,
        description=f"{summary[0].upper()}{summary[1:]}.",
        epilog=f"example: buddy {example}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    leaf.add_argument("--json", action="store_true", help="print one JSON document")
    leaf.set_defaults(command=command, leaf=leaf)
    return leaf


def _group(commands: Commands, name: str, summary: str, example: str) -> Commands:
    group = commands.add_parser(
        name,
        help=summary,
        description=f"{summary[0].upper()}{summary[1:]}.",
        epilog=f"example: buddy {example}",
        allow_abbrev=False,
    )
    return group.add_subparsers(metavar=COMMAND, title="commands", required=True)


def _tool_files(leaf: argparse.ArgumentParser) -> None:
    leaf.add_argument(
        "--tools",
        metavar="FILE",
        action="append",
        default=[],
        help="a TOML catalogue, or a Python file with @tool functions; may be given again",
    )


def _run_id(leaf: argparse.ArgumentParser) -> None:
    leaf.add_argument("run", metavar="RUN", help="a run's id, or its folder")


def _planned(leaf: argparse.ArgumentParser) -> None:
    """Add what `run` and `check` have in common."""
    leaf.add_argument(
        "inputs",
        metavar="INPUT",
        nargs="+",
        help="a plan (.json), plans (.jsonl), a folder of predictions, - for stdin",
    )
    _tool_files(leaf)
    leaf.add_argument("--mode", choices=("mock", "dry-run", "live"), help="the highest rung (default: mock)")
    leaf.add_argument("--isolate", action="store_true", default=None, help="the plans do not share a world")
    leaf.add_argument("--deadline", metavar="S", type=float, help="seconds that the run may take")
    leaf.add_argument("--agents", metavar="N", type=_natural, help="agents of a fleet (default: 4)")
    leaf.add_argument(
        "--strategy",
        choices=("ROUND_ROBIN", "LOAD_BALANCED", "PRIORITY_BASED", "CONFIDENCE_BASED"),
        help="how the tasks of a fleet come to its agents (default: LOAD_BALANCED)",
    )
    leaf.add_argument(
        "--schedule",
        choices=("waves", "continuous"),
        help="waves of a fleet one after another, or each task as soon as it can (default: waves)",
    )
    leaf.add_argument("--on-failure", choices=("stop", "continue"), help="for plans that do not say")
    leaf.add_argument("--config", metavar="FILE", help="configuration (default: buddy.toml, if it is there)")
    leaf.add_argument(
        "--set",
        metavar="KEY=VALUE",
        action="append",
        default=[],
        help="any setting of the configuration, as TOML; may be given again",
    )


def _approvals_flag(leaf: argparse.ArgumentParser) -> None:
    leaf.add_argument(
        "--approvals",
        metavar="ask|wait|exit|FILE",
        help="ask in the terminal, wait, exit and resume later, or a policy file"
        " (default: ask in a terminal, else exit)",
    )


def _running(commands: Commands) -> None:
    leaf = _leaf(commands, "demo", runs.demo, "run the office demo, with nothing to configure", "demo")
    leaf.add_argument("--out", metavar="DIR", help="folder to run it in")
    leaf = _leaf(
        commands, "run", runs.run, "run plans as far as they may go",
        "run plan.json --tools tools.py --mode live",
    )  # fmt: skip
    _planned(leaf)
    _approvals_flag(leaf)
    leaf.add_argument("--out", metavar="DIR", help="the run's folder (default: runs/RUN_ID)")
    leaf.add_argument("--clock", choices=("real", "virtual"), help="virtual: simulate in MOCK, in no time")
    leaf.add_argument("--seed", metavar="N", type=int, help="of simulation and jitter")
    leaf = _leaf(
        commands, "check", checks.check, "say what a run would do, and run nothing",
        "check plan.json --tools tools.py --mode live",
    )  # fmt: skip
    _planned(leaf)
    leaf.add_argument(
        "--limit", metavar="N", type=_natural, default=50, help="steps to list, 0 is all (default: 50)"
    )
    leaf = _leaf(commands, "resume", runs.resume, "take a run up where it stopped", "resume run-7f3a")
    _run_id(leaf)
    _tool_files(leaf)
    _approvals_flag(leaf)
    leaf.add_argument(
        "--config", metavar="FILE", help="take agents, permissions, caps and signing_key from it"
    )
    leaf = _leaf(
        commands, "rollback", runs.rollback, "undo what a run did", "rollback run-7f3a --step plan_1/fill"
    )
    _run_id(leaf)
    _tool_files(leaf)
    leaf.add_argument("--step", metavar="STEP", help="undo this step alone, STEP or PLAN/STEP")
    leaf.add_argument("--under-lock", action="store_true", help="undo although the system is locked")
    leaf = _leaf(commands, "cancel", runs.cancel, "end a run: what is held is given up", "cancel run-7f3a")
    _run_id(leaf)
    leaf = _leaf(
        commands, "resolve", runs.resolve, "say how a call ended whose outcome nobody knows",
        "resolve run-7f3a plan_1/send --did-not",
    )  # fmt: skip
    _run_id(leaf)
    leaf.add_argument("step", metavar="STEP", help="STEP or PLAN/STEP")
    told = leaf.add_mutually_exclusive_group(required=True)
    told.add_argument("--happened", dest="happened", action="store_true", help="it did happen")
    told.add_argument("--did-not", dest="happened", action="store_false", help="it did not happen")


def _after(commands: Commands) -> None:
    leaf = _leaf(
        commands, "outputs", inspection.outputs, "write a run's outputs again from its journal",
        "outputs run-7f3a",
    )  # fmt: skip
    _run_id(leaf)
    leaf = _leaf(
        commands, "verify", inspection.verify, "check that a run is what its journal says", "verify run-7f3a"
    )
    _run_id(leaf)
    leaf.add_argument(
        "--key",
        metavar="PUBLICKEY|FILE",
        action="append",
        default=[],
        help="check its signatures with this public key, or those of a file; may be given again",
    )
    leaf = _leaf(
        commands, "explain", inspection.explain, "tell the story of one step",
        "explain run-7f3a plan_1/fill",
    )  # fmt: skip
    _run_id(leaf)
    leaf.add_argument("step", metavar="STEP", help="STEP or PLAN/STEP")
    group = _group(commands, "runs", "the runs of this home", "runs list")
    leaf = _leaf(group, "list", inspection.list_runs, "list runs, newest first", "runs list --limit 5")
    leaf.add_argument(
        "--limit", metavar="N", type=_natural, default=20, help="runs to list, 0 is all (default: 20)"
    )
    leaf = _leaf(group, "show", inspection.show_run, "show how a run stands", "runs show run-7f3a")
    _run_id(leaf)
    leaf.add_argument(
        "--limit", metavar="N", type=_natural, default=20, help="open steps to list, 0 is all (default: 20)"
    )


def _approvals(commands: Commands) -> None:
    group = _group(commands, "approvals", "what people are asked", "approvals list")
    leaf = _leaf(group, "list", approvals.list_requests, "list requests, oldest first", "approvals list")
    leaf.add_argument("--run", metavar="RUN", help="of this run only")
    leaf.add_argument("--all", action="store_true", help="decided ones too")
    leaf = _leaf(group, "show", approvals.show, "show all that is asked", "approvals show ap-7f3a")
    leaf.add_argument("ids", metavar="ID", nargs="+")
    leaf = _leaf(
        group, "approve", approvals.approve, "say yes", 'approvals approve ap-7f3a ap-7f3b --reason "seen"'
    )
    _vote(leaf)
    leaf.add_argument(
        "--edit",
        metavar="JSON|@FILE",
        help="other arguments to use; they are rehearsed, and asked about again",
    )
    leaf = _leaf(group, "deny", approvals.deny, "say no", 'approvals deny ap-7f3a --reason "wrong customer"')
    _vote(leaf)


def _vote(leaf: argparse.ArgumentParser) -> None:
    leaf.add_argument("ids", metavar="ID", nargs="+")
    leaf.add_argument("--reason", metavar="TEXT", default="", help="why, for the record")
    leaf.add_argument("--as", dest="person", metavar="NAME", help="who decides (default: the user)")


def _system(commands: Commands) -> None:
    leaf = _leaf(
        commands, "lock", system.lock, "freeze everything to MOCK at once", 'lock --reason "mail is broken"'
    )
    leaf.add_argument("--reason", metavar="TEXT", required=True, help="why, for the record")
    _leaf(commands, "unlock", system.unlock, "open the system lock", "unlock")
    _leaf(commands, "status", system.status, "show lock, runs, approvals and breakers", "status")
    group = _group(commands, "breaker", "tools and agents that failed too often", "breaker list")
    _leaf(group, "list", system.list_breakers, "list open breakers", "breaker list")
    leaf = _leaf(group, "close", system.close_breaker, "close breakers", "breaker close tool:email.send")
    leaf.add_argument("subjects", metavar="SUBJECT", nargs="+", help="tool:NAME or agent:NAME")
    group = _group(commands, "keys", "the keys that runs are signed with", "keys show")
    leaf = _leaf(group, "create", keys.create, "make a private key", "keys create --out signing.pem")
    leaf.add_argument("--out", metavar="FILE", help="file to write (default: signing.pem in Buddy's home)")
    leaf = _leaf(
        group, "show", keys.show, "print the public key, as `verify --key` takes it", "keys show signing.pem"
    )
    leaf.add_argument(
        "file", metavar="FILE", nargs="?",
        help="a private key (default: that of the setting signing_key, else signing.pem in Buddy's home)",
    )  # fmt: skip


def _tools(commands: Commands) -> None:
    group = _group(commands, "tools", "the tools of a catalogue", "tools list --tools tools.py")
    leaf = _leaf(group, "list", tools.list_tools, "list tools", "tools list --tools tools.py")
    _several_files(leaf, required=False)
    leaf = _leaf(group, "show", tools.show, "show a contract", "tools show email.send --tools tools.py")
    leaf.add_argument("name", metavar="NAME")
    _tool_files(leaf)
    leaf = _leaf(
        group, "validate", tools.validate, "find all that is wrong with a catalogue",
        "tools validate --tools tools.py more.toml",
    )  # fmt: skip
    _several_files(leaf, required=True)
    leaf = _leaf(commands, "schema", tools.schema, "print the JSON Schema of a file", "schema plan")
    leaf.add_argument("name", metavar="NAME", nargs="?", help="without it, the names are listed")


def _sandbox(commands: Commands) -> None:
    group = _group(commands, "sandbox", "code that the kernel holds", "sandbox run code.py")
    leaf = _leaf(
        group, "run", sandbox.run, "run Python code in the sandbox",
        "sandbox run code.py --policy extended --input n=10 --timeout 2",
    )  # fmt: skip
    leaf.add_argument("file", metavar="FILE", help="Python code, - for stdin")
    leaf.add_argument(
        "--policy", metavar="spec|extended|FILE.toml", default="spec", help="what it may do (default: spec)"
    )
    leaf.add_argument("--timeout", metavar="S", type=float, help="seconds (default: the policy's, 5)")
    leaf.add_argument(
        "--input",
        metavar="NAME=JSON",
        action="append",
        default=[],
        help="a value that the code finds under this name; may be given again",
    )
    leaf.add_argument("--inputs", metavar="FILE", help="a JSON object of such values")
    _require(leaf, "the least isolation to run it in (default: standard)")
    leaf = _leaf(
        group, "doctor", sandbox.doctor, "try what this machine can enforce, and say how to get more",
        "sandbox doctor",
    )  # fmt: skip
    _require(leaf, "the isolation to exit 0 for (default: standard)")


def _require(leaf: argparse.ArgumentParser, told: str) -> None:
    leaf.add_argument("--require", choices=("full", "standard"), default="standard", help=told)


def _providers(commands: Commands) -> None:
    group = _group(commands, "providers", "the services that have tools built in", "providers check")
    _leaf(group, "check", providers.check, "say of each whether it can be used from here", "providers check")
    leaf = _leaf(
        group, "login", providers.login, "let a person sign in, by a code on another device",
        "providers login msgraph",
    )  # fmt: skip
    leaf.add_argument("name", metavar="NAME", help="of the service: msgraph")
    leaf = _leaf(
        commands, "simulate", providers.simulate, "serve a simulated service until it is stopped",
        "simulate gohighlevel --port 8081 --faults seeds",
    )  # fmt: skip
    leaf.add_argument("name", metavar="NAME", help="of the service: gohighlevel, ...")
    leaf.add_argument("--host", metavar="HOST", default="127.0.0.1", help="address (default: 127.0.0.1)")
    leaf.add_argument("--port", metavar="N", type=int, default=0, help="port (default: a free one)")
    leaf.add_argument("--seed", metavar="N", type=int, default=0, help="of its data and faults (default: 0)")
    leaf.add_argument(
        "--faults", metavar="RATES", default="none",
        help="none (default), seeds, or shares of the requests such as 429=0.05,500=0.02; lag=SECONDS",
    )  # fmt: skip
    leaf.add_argument("--latency", metavar="MS", default="0", help="of every answer: 20, or 20-200")
    leaf.add_argument(
        "--codes-to", metavar="URL", default="", help="mployer: mail a sign-in code by POST to this address"
    )


def _several_files(leaf: argparse.ArgumentParser, *, required: bool) -> None:
    leaf.add_argument(
        "--tools",
        metavar="FILE",
        action="extend",
        nargs="+",
        default=[],
        required=required,
        help="TOML catalogues, or Python files with @tool functions",
    )


def _natural(text: str) -> int:
    number = int(text)
    if number < 0:
        raise ValueError(text)
    return number


_natural.__name__ = "number (0 or more)"
