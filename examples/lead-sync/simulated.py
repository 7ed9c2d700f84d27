"""Run a command with all three services simulated: python simulated.py [--codes] COMMAND [ARGUMENT...].

The command finds the address and the credentials of each in its environment, as it would find those of the
real ones. With --codes the portal mails a code at each sign-in, to the mailbox of the simulated Graph.
"""

import json
import os
import secrets
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

BUDDY = (sys.executable, "-m", "buddy")


@contextmanager
def served(name: str, *options: str) -> Iterator[dict[str, Any]]:
    """Serve a simulator; yields what it says that a client needs."""
    command = [*BUDDY, "simulate", name, *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603 (fixed words)
        assert process.stdout is not None
        try:
            said = process.stdout.readline()
            if not said:
                sys.exit(f"simulated.py: the simulator of {name} did not start")
            yield json.loads(said)
        finally:
            process.terminate()


def environment(crm: dict[str, Any], mail: dict[str, Any], portal: dict[str, Any]) -> dict[str, str]:
    """Return the credentials of the three, by the names that Buddy looks for."""
    return {
        "BUDDY_GOHIGHLEVEL_BASE_URL": crm["base_url"],
        "BUDDY_GOHIGHLEVEL_TOKEN": crm["token"],
        "BUDDY_GOHIGHLEVEL_LOCATION_ID": crm["location_id"],
        "BUDDY_MSGRAPH_BASE_URL": mail["base_url"],
        "BUDDY_MSGRAPH_TOKEN": mail["token"],
        "BUDDY_MSGRAPH_MAILBOX": mail["mailbox"],
        "BUDDY_MPLOYER_BASE_URL": portal["base_url"],
        "BUDDY_MPLOYER_USERNAME": portal["login"]["username"],
        "BUDDY_MPLOYER_PASSWORD": portal["login"]["password"],
    }


def main(arguments: list[str]) -> int:
    """Serve the three, run the command, and stop them; returns the command's exit code."""
    codes = arguments[:1] == ["--codes"]
    command = arguments[codes:]
    if not command:
        sys.exit((__doc__ or "").splitlines()[0])
    with ExitStack() as opened:
        crm = opened.enter_context(served("gohighlevel"))
        # A mailbox with ids of its own each time: a home remembers for good which messages were sent.
        mail = opened.enter_context(served("msgraph", "--seed", str(secrets.randbelow(10**9))))
        where = f"{mail['admin_url']}/deliver?mailbox={mail['mailbox']}"
        portal = opened.enter_context(served("mployer", *(("--codes-to", where) if codes else ())))
        known = {**os.environ, **environment(crm, mail, portal)}
        return subprocess.call(command, env=known)  # noqa: S603 (what the person at the keyboard typed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
