"""What the home's ledger of actions and the world must agree on once everything rests."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from crash.checker import UNDECIDED, Told
from crash.world import World


def disagreements(world: World, steps: dict[str, Told], home: Path) -> Iterator[str]:
    """Yield actions that had no effect and are in the way of the same ones, and effects that the home missed.

    An action is entered before its call, with the intent, and taken out where the call had no effect or was
    undone; so what is in stands in the world, unless nobody knows.

    Args:
        world: as it is.
        steps: what the journal tells of each.
        home: the folder of Buddy's home.
    """
    with closing(sqlite3.connect(home / "buddy.db")) as database:
        rows = [step.partition("/")[2] for (step,) in database.execute("SELECT step FROM actions")]
        loose = database.execute(
            "SELECT count(*) FROM action_resources WHERE action NOT IN (SELECT id FROM actions)"
        ).fetchone()[0]
    if loose or len(set(rows)) < len(rows):
        yield f"ledger: {loose} resources of no action, {len(rows) - len(set(rows))} actions entered twice"
    for step in sorted(world.standing.difference(rows)):
        yield f"ledger: {step} had an effect, and the home does not know"
    for step in sorted(set(rows) - world.standing):
        said = steps.get(step, Told())
        if not (said.torn or (said.tried and said.status in UNDECIDED)):
            yield f"ledger: {step} is {said.status or 'nowhere'}, and in the way of the same action"
