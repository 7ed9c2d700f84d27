"""`buddy`: read the command line, do what it says, and turn what went wrong into a sentence and a code."""

import sys
from collections.abc import Sequence

BAD_INPUT = 2
CLOSED_STOP = 74
INTERRUPTED = 130
BROKEN_PIPE = 141


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code.

    Args:
        argv: the words after `buddy`; those of this process where they are left out.
    """
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")
    try:
        from buddy.interfaces.cli import grammar  # here, so that Ctrl-C while it is imported is one line too

        args = grammar.read(sys.argv[1:] if argv is None else argv)
        code = args.command(args)
        sys.stdout.flush()
    except SystemExit as leaving:  # argparse has said what is wrong, or has shown the help
        return leaving.code if isinstance(leaving.code, int) else BAD_INPUT
    except KeyboardInterrupt:
        print("buddy: interrupted", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        _close_stdout()
        return BROKEN_PIPE
    except Exception as problem:  # noqa: BLE001 - the last place that can tell it in a sentence
        return _tell(problem)
    return int(code)


def _tell(problem: Exception) -> int:
    from buddy.errors import BadInput, BuddyError, ClosedStop, Interrupted, JournalDamaged, SandboxUnavailable
    from buddy.interfaces.cli.printing import warn

    if not isinstance(problem, BuddyError):
        if sys.flags.dev_mode:
            raise problem
        warn(f"buddy: a defect in Buddy, {_where(problem)}: {type(problem).__name__}: {problem}")
        return 1
    for line in str(problem).splitlines() or [type(problem).__name__]:
        warn(f"buddy: {line}")
    closed = (ClosedStop, JournalDamaged)
    codes = (
        ((BadInput, SandboxUnavailable), BAD_INPUT),
        (closed, CLOSED_STOP),
        (Interrupted, INTERRUPTED),
        (BuddyError, 1),
    )
    return next(code for kind, code in codes if isinstance(problem, kind))


def _where(problem: Exception) -> str:
    import traceback

    *_, frame = traceback.extract_tb(problem.__traceback__)
    return f"{frame.filename}, line {frame.lineno}"


def _close_stdout() -> None:
    """Point stdout at nothing, so that the interpreter has nothing to complain of when it leaves."""
    import os

    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, 1)
    os.close(nothing)
