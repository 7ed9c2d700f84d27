"""Commands about the keys that runs are signed with. Nothing here prints a private one."""

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from buddy.wiring import KeyTold


def create(args: argparse.Namespace) -> int:
    """Make a private key and print its public half."""
    from buddy import wiring

    made = wiring.create_key(args.out)
    return _print(args, made, f"# sign runs with it: signing_key = {_quoted(made.file)}")


def show(args: argparse.Namespace) -> int:
    """Print the public half of a private key."""
    from buddy import wiring

    config, _ = wiring.settings(None, {})
    return _print(args, wiring.show_key(args.file, config))


def _print(args: argparse.Namespace, told: "KeyTold", *more: str) -> int:
    """Print a key so that what is printed is a file for `verify --key`."""
    from buddy.interfaces.cli.printing import emit, say

    if args.json:
        emit(told)
    else:
        say(told.public_key, f"# key {told.key_id}, whose private half is {told.file}", *more)
    return 0


def _quoted(text: str) -> str:
    import json

    return json.dumps(text, ensure_ascii=False)
