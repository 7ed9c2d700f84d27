"""Commands about the services that have tools built in."""

import argparse
from collections.abc import Mapping
from typing import Any


def check(args: argparse.Namespace) -> int:
    """Say of each provider whether it can be used from here; 1 where one that is configured cannot."""
    from buddy import wiring
    from buddy.interfaces.cli.printing import emit, table, warn

    found = wiring.check_providers()
    if args.json:
        emit(found)
    else:
        headers = ("provider", "credentials", "reachable", "token", "scopes")
        rows = []
        for one in found:
            scopes = ", ".join(f"{name} {_word(has)}" for name, has in one.scopes.items())
            found_some = "found" if one.configured else "missing"
            rows.append(
                (one.provider, found_some, _word(one.reachable), _word(one.token_valid), scopes or "-")
            )
        table(headers, rows)
        warn(*(one.problem for one in found if one.problem))
    return int(any(one.configured and not one.well for one in found))


def _word(fact: bool | None) -> str:
    return "?" if fact is None else "yes" if fact else "no"


def login(args: argparse.Namespace) -> int:
    """Let a person sign in; what they have to do is said on standard error."""
    from buddy import wiring
    from buddy.interfaces.cli.printing import emit, warn

    wiring.sign_in(args.name, warn)
    if args.json:
        emit({"provider": args.name, "signed_in": True})
    else:
        print(f"signed in to {args.name}")
    return 0


def simulate(args: argparse.Namespace) -> int:
    """Serve a simulated service; the first line says all that a client needs."""
    import sys

    from buddy import wiring
    from buddy.errors import BadInput

    known = wiring.simulated()
    if args.name not in known:
        raise BadInput(f"simulate: expected one of {', '.join(known)}, found {args.name!r}")

    def say(greeting: Mapping[str, Any]) -> None:
        import json

        sys.stdout.write(f"{json.dumps(greeting)}\n")
        sys.stdout.flush()

    wiring.simulate(
        args.name,
        host=args.host,
        port=args.port,
        seed=args.seed,
        faults=args.faults,
        latency=args.latency,
        codes_to=args.codes_to,
        say=say,
    )
    return 0
