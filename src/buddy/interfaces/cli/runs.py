"""Commands that carry plans out, go on with runs, and take them back."""

import argparse
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from buddy.model.config import ExecutionConfig
    from buddy.wiring import RunResult


def demo(args: argparse.Namespace) -> int:
    """Run the office demo."""
    from pathlib import Path

    from buddy import wiring
    from buddy.interfaces.cli.printing import emit, say
    from buddy.interfaces.cli.progress import Bar

    with Bar("demo"):
        result = wiring.demo(Path(args.out) if args.out else None)
    if args.json:
        emit({"exit_code": result.exit_code, "lines": result.lines})
    else:
        say(*result.lines)
    return int(result.exit_code)


def run(args: argparse.Namespace) -> int:
    """Run plans as far as they may go."""
    from buddy import wiring
    from buddy.interfaces.cli import people, settings
    from buddy.interfaces.cli.terminal import at_terminal

    config = _asking(args, settings.chosen(args))
    person = people.user()
    with at_terminal("running", config.approvals == "ask", person, wiring.home) as interaction:
        result = wiring.run(
            args.inputs,
            args.tools,
            config,
            granted_by=person,
            interaction=interaction,
            begun=lambda: _hint_at_the_clock(args.inputs, config, interaction.note),
        )
    return _report(args, result)


def _hint_at_the_clock(inputs: list[str], config: "ExecutionConfig", note: "Callable[[str], object]") -> None:
    from pathlib import Path

    from buddy.model.mode import Mode

    if config.mode is Mode.MOCK and config.clock == "real" and any(Path(path).is_dir() for path in inputs):
        note("simulated tasks last as long as estimated; with --clock virtual nobody has to wait")


def _asking(args: argparse.Namespace, config: "ExecutionConfig") -> "ExecutionConfig":
    """Return the configuration with `approvals` settled: a terminal asks where nothing was said."""
    import msgspec

    from buddy.errors import BadInput
    from buddy.interfaces.cli import people, settings

    present = people.at_terminal(args.inputs)
    if config.approvals == "ask" and not present:
        raise BadInput(
            "--approvals ask: expected a terminal to ask in, with no plan on stdin; found none (wait, exit or"
            " a policy file need no terminal)"
        )
    if present and config.approvals == "exit" and not settings.says(args, "approvals"):
        return msgspec.structs.replace(config, approvals="ask")
    return config


def resume(args: argparse.Namespace) -> int:
    """Take a run up where it stopped."""
    from pathlib import Path

    from buddy import wiring
    from buddy.errors import BadInput
    from buddy.interfaces.cli import people
    from buddy.interfaces.cli.terminal import at_terminal

    present = people.at_terminal()
    approvals = args.approvals
    if approvals == "ask" and not present:
        raise BadInput("--approvals ask: expected a terminal to ask in, found none")
    if approvals is None and _stored_approvals(args.run) == "ask":
        approvals = "ask" if present else "exit"
    person = people.user()
    with at_terminal("running", approvals == "ask", person, wiring.home) as interaction:
        result = wiring.resume(
            args.run,
            args.tools,
            by=person,
            interaction=interaction,
            approvals=approvals,
            config_file=Path(args.config) if args.config else None,
        )
    return _report(args, result)


def _stored_approvals(run_id: str) -> Any:
    from buddy import wiring
    from buddy.journal.events import RunStarted

    first = next(iter(wiring.records(run_id)), None)
    started = first.event if first is not None else None
    return started.config.get("approvals") if isinstance(started, RunStarted) else None


def rollback(args: argparse.Namespace) -> int:
    """Undo what a run did."""
    from buddy import wiring
    from buddy.interfaces.cli import people
    from buddy.interfaces.cli.terminal import at_terminal

    person = people.user()
    with at_terminal("rolling back", False, person, wiring.home) as interaction:
        result = wiring.rollback(
            args.run,
            args.tools,
            by=person,
            step=args.step,
            under_lock=args.under_lock,
            interaction=interaction,
        )
    return _report(args, result)


def cancel(args: argparse.Namespace) -> int:
    """End a run: what is held is given up."""
    from buddy import wiring
    from buddy.interfaces.cli import people
    from buddy.interfaces.cli.progress import Bar

    with Bar("cancelling"):
        result = wiring.cancel(args.run, by=people.user())
    return _report(args, result)


def resolve(args: argparse.Namespace) -> int:
    """Say how a call ended whose outcome nobody knows."""
    from buddy import wiring
    from buddy.interfaces.cli import people
    from buddy.interfaces.cli.progress import Bar

    with Bar("resolving"):
        result = wiring.resolve(args.run, args.step, args.happened, by=people.user())
    return _report(args, result)


def _report(args: argparse.Namespace, result: "RunResult") -> int:
    from buddy.interfaces.cli import summary
    from buddy.interfaces.cli.printing import emit, say
    from buddy.projections.phrases import command

    if args.json:
        emit(
            {
                "run_id": result.run_id,
                "folder": result.folder,
                "exit_code": result.exit_code,
                "reason": result.reason,
                "summary": result.summary,
                "fleet": result.fleet,
            }
        )
    else:
        # A command that takes no tools does not know which the run has.
        resume_it = command("resume", result.run_id, args.tools) if hasattr(args, "tools") else ""
        say(*summary.lines(result.summary, result.folder, resume_it, result.fleet))
        say(*summary.reasons(result.summary))
    return result.exit_code
