"""A parser that says what is wrong with a command line in one sentence: what was expected, what was found."""

import argparse
import re
import sys
from typing import NoReturn

from buddy.interfaces.cli.printing import warn

BAD_USAGE = 2

_CHOICE = re.compile(r"argument (.+?): invalid choice: (.*?) \(choose from (.*)\)", re.DOTALL)
_VALUE = re.compile(r"argument (.+?): invalid (.+?) value: (.*)", re.DOTALL)
_WORDS = re.compile(r"argument (.+?): expected (one|at least one) argument")
_REQUIRED = re.compile(r"the following arguments are required: (.*)", re.DOTALL)
_ONE_OF = re.compile(r"one of the arguments (.*) is required")
_NOT_BOTH = re.compile(r"argument (.+?): not allowed with argument (.*)")
_MORE = re.compile(r"unrecognized arguments: (.*)", re.DOTALL)
_KINDS = {"float": "a number", "int": "a whole number"}
COMMAND = "<command>"


class Parser(argparse.ArgumentParser):
    """Reads a command line; what it refuses ends with `BAD_USAGE`."""

    def error(self, message: str) -> NoReturn:
        """Print what is wrong, and how to get help."""
        warn(f"{self.prog}: {sentence_of(message)}; see `{self.prog} --help`")
        sys.exit(BAD_USAGE)


def sentence_of(message: str) -> str:
    """Return what argparse says in the words of the other sentences."""
    if found := _CHOICE.fullmatch(message):
        return _choice(*found.groups())
    if found := _VALUE.fullmatch(message):
        name, kind, value = found.groups()
        return f"{name}: expected {_KINDS.get(kind, f'a {kind}')}, found {value}"
    if found := _WORDS.fullmatch(message):
        return f"{found[1]}: expected a value, found none"
    if found := _REQUIRED.fullmatch(message):
        return f"expected {'a command' if found[1] == COMMAND else found[1]}, found nothing for it"
    if found := _ONE_OF.fullmatch(message):
        return f"expected one of {', '.join(found[1].split())}, found none"
    if found := _NOT_BOTH.fullmatch(message):
        return f"expected either {found[2]} or {found[1]}, found both"
    if found := _MORE.fullmatch(message):
        return f"expected no such argument, found {found[1]}"
    return message


def _choice(name: str, found: str, choices: str) -> str:
    known = [one.strip("'") for one in choices.split(", ")]
    if name != COMMAND:
        return f"{name}: expected one of {', '.join(known)}, found {found}"
    import difflib

    close = difflib.get_close_matches(found.strip("'"), known, 1)
    return f"expected a command, found {found}{f' (did you mean {close[0]}?)' if close else ''}"
