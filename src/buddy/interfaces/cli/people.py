"""Who sits at the terminal."""

import sys
from collections.abc import Sequence


def user() -> str:
    """Return the name of the operating system's user."""
    import getpass
    import os

    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):  # a container may run under a number that has no name
        return f"uid-{os.getuid()}"


def at_terminal(inputs: Sequence[str] = ()) -> bool:
    """Whether a person can be asked: stdin and stderr are a terminal, and no plan comes from stdin."""
    return "-" not in inputs and sys.stdin is not None and sys.stdin.isatty() and sys.stderr.isatty()
