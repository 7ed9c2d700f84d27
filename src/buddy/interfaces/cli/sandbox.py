"""Commands about code that the kernel holds: run some, and see what this machine can enforce."""

import argparse
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from buddy.model.sandbox import Capabilities, SandboxResult

CODE_FAILED = 1
VIOLATION = 5
LIMIT = 6

LONGEST_S = 3_600.0
MAX_INPUTS = 16 * 1024 * 1024
"""Bytes of a file of inputs; a sandbox takes no more."""


def run(args: argparse.Namespace) -> int:
    """Run Python code in the sandbox."""
    from buddy.interfaces.cli.progress import Bar
    from buddy.wiring import sandbox

    if args.timeout is not None and not 0 < args.timeout <= LONGEST_S:
        from buddy.errors import BadInput

        raise BadInput(f"--timeout: expected seconds above 0, at most 3,600, found {args.timeout:g}")
    policy = sandbox.policy_of(args.policy, "--policy")
    inputs = _inputs(args)
    code = _code(args.file, policy.max_code_bytes)
    with Bar("running"):
        result = sandbox.run(code, policy, inputs, timeout_s=args.timeout, require=args.require)
    exit_code = _exit_code(result)
    if args.json:
        _emit(result, exit_code)
    else:
        _show(result, code)
    return exit_code


def _exit_code(result: "SandboxResult") -> int:
    from buddy.core.verdict import Verdict, verdict_of

    match verdict_of(result):
        case Verdict.RAN:
            return 0
        case Verdict.FAILED:
            return CODE_FAILED
        case Verdict.VIOLATION:
            return VIOLATION
        case Verdict.LIMIT:
            return LIMIT


# what is handed in


def _code(name: str, most: int) -> str:
    """Read the code of a file, or of stdin."""
    from buddy.errors import BadInput

    place = "stdin" if name == "-" else name
    if name == "-" and sys.stdin.isatty():
        from buddy.interfaces.cli.printing import warn

        warn("reading Python code; end it with Ctrl-D on a line of its own")
    text = _text(name, place, "Python code", most)
    if not text.strip():
        raise BadInput(f"{place}: expected Python code, found nothing")
    return text


def _text(name: str, place: str, expected: str, most: int) -> str:
    """Read a text of at most so many bytes; more are not even read."""
    from contextlib import nullcontext

    from buddy.errors import BadInput

    try:
        with nullcontext(sys.stdin.buffer) if name == "-" else open(name, "rb") as file:
            data = file.read(most + 1)
        if len(data) > most:
            raise BadInput(f"{place}: expected {expected} of at most {most:,} bytes, found more")
        return data.decode("utf-8-sig")
    except FileNotFoundError as problem:
        raise BadInput(f"{place}: expected a file of {expected}, found nothing there") from problem
    except IsADirectoryError as problem:
        raise BadInput(f"{place}: expected a file of {expected}, found a folder") from problem
    except UnicodeDecodeError as problem:
        found = f"found something else at byte {problem.start:,}"
        raise BadInput(f"{place}: expected UTF-8 text, {found}") from problem
    except (OSError, ValueError) as problem:
        reason = getattr(problem, "strerror", None) or problem
        raise BadInput(f"{place}: expected {expected}, found what cannot be read: {reason}") from problem


def _inputs(args: argparse.Namespace) -> dict[str, Any]:
    """Return the values for the code; those of `--input` come before those of the file."""
    from buddy.core.code_rules import may_be_given
    from buddy.errors import BadInput

    problems: list[str] = []
    found: dict[str, Any] = {}
    if args.inputs is not None:
        text = _text(args.inputs, args.inputs, "a JSON object", MAX_INPUTS)
        value = _json(text, args.inputs, problems)
        if isinstance(value, dict):
            found = value
        elif not problems:
            problems.append(f"{args.inputs}: expected a JSON object, found another value")
    by_flag: dict[str, Any] = {}
    for pair in args.input:
        name, equals, text = pair.partition("=")
        if not equals or not name.strip():
            problems.append(f"--input: expected NAME=JSON, found {pair!r}")
        elif name.strip() in by_flag:
            problems.append(f"--input {name.strip()}: expected each name once, found it twice")
        else:
            by_flag[name.strip()] = _json(text, f"--input {name.strip()}", problems)
    found = {**found, **by_flag}
    problems += [
        f"inputs: expected names that code can use, found {name!r}"
        for name in found
        if not may_be_given(name)
    ]
    if problems:
        raise BadInput(problems)
    return found


def _json(text: str, place: str, problems: list[str]) -> Any:
    import json

    def refuse(name: str) -> Any:
        raise ValueError(f"{name} is no JSON")

    try:
        return json.loads(text, parse_constant=refuse)
    except json.JSONDecodeError as problem:
        hint = '; a text needs its quotes, as in "text"' if place.startswith("--input") else ""
        problems.append(
            f"{place}: expected JSON, found a syntax error at line {problem.lineno} column"
            f" {problem.colno}: {problem.msg}{hint}"
        )
    except (ValueError, RecursionError) as problem:
        problems.append(f"{place}: expected JSON, found what is none: {problem}")
    return None


# what is told


def _emit(result: "SandboxResult", exit_code: int) -> None:
    import msgspec

    from buddy.interfaces.cli.printing import emit

    emit({"exit_code": exit_code, **msgspec.to_builtins(result)})


def _show(result: "SandboxResult", code: str) -> None:
    """Print what the code printed and its value to stdout, and all else to stderr."""
    from buddy.interfaces.cli.printing import json_text, say, warn

    printed, to_a_person = result.stdout, sys.stdout.isatty()
    # Who reads it into a file or another program gets every byte of it, and no more.
    sys.stdout.write(_harmless(printed) if to_a_person else printed)
    if printed and not printed.endswith("\n") and (to_a_person or result.value is not None):
        sys.stdout.write("\n")
    if result.value is not None:
        say(json_text(result.value))
    sys.stdout.flush()
    warn(*_told(result, code))
    _dim(_used(result))


def _harmless(text: str) -> str:
    """Return a text that steers no terminal, with its lines and tabs."""
    from buddy.interfaces.cli.printing import plain

    lines = ("\t".join(plain(cell) for cell in line.split("\t")) for line in text.split("\n"))
    return "\n".join(lines)


def _told(result: "SandboxResult", code: str) -> Iterator[str]:
    from buddy.core.verdict import ENDS, error_told, violation_told
    from buddy.model.sandbox import Layer

    for one in result.violations:
        times = f", {one.count:,} times" if one.count > 1 else ""
        yield f"{violation_told(one)}{times}{_source(code, one.line)}"
    # What the supervisor says of an end stands among the violations, with the limit itself.
    if result.killed_by is not None and not any(one.layer is Layer.SUPERVISOR for one in result.violations):
        yield f"{result.killed_by.value}: {ENDS[result.killed_by]}"
    if result.error is not None:
        yield f"{error_told(result.error)}{_source(code, result.error.line)}"


def _source(code: str, line: int | None) -> str:
    lines = code.replace("\r\n", "\n").replace("\r", "\n").split("\n")  # as Python counts them
    if line is None or not 0 < line <= len(lines):
        return ""
    return f" | {lines[line - 1].strip()[:80]}"


def _used(result: "SandboxResult") -> str:
    used = result.usage
    degraded = "" if result.forensics == "full" else f", forensics {result.forensics}"
    return (
        f"{used.wall_s:.3f} s, CPU {used.cpu_s:.3f} s, {used.memory_mb:.1f} MB, {used.output_bytes:,} bytes"
        f" printed; isolation {result.isolation.value}{degraded}; {result.execution_id}"
    )


def _dim(line: str) -> None:
    import os

    from buddy.interfaces.cli.printing import plain, warn

    if sys.stderr.isatty() and not os.environ.get("NO_COLOR"):
        sys.stderr.write(f"\x1b[2m{plain(line)}\x1b[0m\n")
    else:
        warn(line)


# the doctor


def doctor(args: argparse.Namespace) -> int:
    """Try what this machine can enforce; 1 where it is less than what is required."""
    from buddy.interfaces.cli.printing import emit, say, table
    from buddy.interfaces.cli.progress import Bar
    from buddy.wiring import sandbox

    with Bar("trying"):
        found = sandbox.capabilities()
    enough = _enough(found, args.require)
    if args.json:
        emit({"enough": enough, "required": args.require, "capabilities": found})
        return 0 if enough else 1
    rows = [(one.name, one.layer, "held" if one.held else "NOT HELD", one.details) for one in found.canaries]
    if rows:
        table(("canary", "layer", "held", "what happened"), rows)
        say("")
    say(*_verdict(found))
    return 0 if enough else 1


def _enough(found: "Capabilities", required: str) -> bool:
    from buddy.model.sandbox import Isolation

    return found.isolation is not None and (required == "standard" or found.isolation is Isolation.FULL)


def _verdict(found: "Capabilities") -> Iterator[str]:
    import os
    import platform

    yield f"machine: {platform.system()} {platform.release()} {platform.machine()}, user {os.getuid()}"
    if found.isolation is None:
        yield "isolation: none; no code is run here"
    else:
        yield f"isolation: {found.isolation.value}; forensics: {found.forensics}"
    for sentence in found.missing:
        yield f"- {sentence}"
