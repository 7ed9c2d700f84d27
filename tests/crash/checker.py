"""What the world and the journal must agree on once everything rests."""

from collections.abc import Iterator
from typing import Any

import msgspec
from msgspec import Struct

from crash.world import World

UNDECIDED = ("UNKNOWN", "HELD", "")
"""Where a step stands of which a call may be in doubt."""


class Told(Struct):
    """What the journal tells of a step.

    Attributes:
        status: the last one told since its last intent.
        tried: a live call was begun.
        done: one succeeded, or was found to have happened, and was not undone since.
        torn: nobody knows whether its undo happened.
    """

    status: str = ""
    tried: bool = False
    done: bool = False
    torn: bool = False

    def hear(self, event: dict[str, Any]) -> None:
        """Take in an event about the step."""
        match event["type"]:
            case "intent":
                self.status, self.tried = "", True
            case "outcome":
                self.done = self.done or event["outcome"] == "succeeded"
            case "resolved":
                self.done = event["happened"]
            case "undo_intent":
                self.torn = True
            case "undo":
                self.torn = "nobody knows" in event.get("error", "")
                self.done = self.done and event.get("status") != "ROLLED_BACK"
        self.status = event.get("status") or self.status


def events(world: World) -> Iterator[dict[str, Any]]:
    """Yield what the journal tells about steps."""
    for line in (world.out / "journal.jsonl").read_bytes().splitlines():
        try:
            event = msgspec.json.decode(line)
        except msgspec.DecodeError:
            # Of a line that does not hold, verify tells.
            continue
        if "step" in event:
            yield event


def told(world: World) -> dict[str, Told]:
    """Return what the journal tells, by step."""
    steps: dict[str, Told] = {}
    for event in events(world):
        steps.setdefault(event["step"], Told()).hear(event)
    return steps


def disagreements(world: World, steps: dict[str, Told]) -> Iterator[str]:
    """Yield where the journal tells of the world what is not so.

    Args:
        world: as it is.
        steps: what the journal tells of each.
    """
    yield from _unheard(world)
    for step in sorted(world.standing | steps.keys()):
        yield from _of_step(step, steps.get(step, Told()), step in world.standing)


def _of_step(step: str, said: Told, stands: bool) -> Iterator[str]:
    if stands and not said.tried:
        yield f"not told: {step} had an effect without an intent"
    elif stands and not (said.done if said.status == "SUCCEEDED" else said.status in UNDECIDED):
        yield f"told and not so: {step} is {said.status}, and its effect is there"
    elif said.done and not stands and not said.torn:
        yield f"told and not so: {step} is {said.status} and was done, and its effect is not there"


def _unheard(world: World) -> Iterator[str]:
    """Yield who acted under a lock that was engaged before what came before them in the journal."""
    alarms = {(step, attempt): epoch for step, attempt, epoch in world.alarms}
    locked = 0
    for event in events(world) if alarms else ():
        match event["type"]:
            case "outcome":
                locked = max(locked, alarms.get((event["step"], event.get("attempt", 1)), 0))
            case "intent" | "undo_intent" if event.get("lock_epoch", 0) < locked:
                yield f"not looked: {event['type']} of {event['step']} after the lock of epoch {locked}"
