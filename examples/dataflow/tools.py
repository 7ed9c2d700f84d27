"""A garden in a JSON file, `$GARDEN` or `./garden.json`; one that is not there begins with three beds."""

import json
import os
from pathlib import Path
from typing import Any

from buddy import Call, Change, ChangedSince, InvalidArguments, Preview, Restored, Risk, tool

FILE = Path(os.environ.get("GARDEN") or "garden.json")
FULL = 60
BEGINNING = {"moisture": {"leeks": 12, "kale": 45, "beans": 25}, "notes": []}


def garden() -> dict[str, Any]:
    """What the garden is like."""
    found: dict[str, Any] = json.loads(FILE.read_text() if FILE.exists() else json.dumps(BEGINNING))
    return found


def moisture(bed: str) -> int:
    """How wet a bed is, in percent."""
    beds = garden()["moisture"]
    if bed not in beds:
        raise InvalidArguments(f"bed: expected one of {', '.join(beds)}, found {bed!r}")
    return int(beds[bed])


def set_moisture(bed: str, percent: int) -> None:
    """Change one bed."""
    now = garden()
    now["moisture"][bed] = percent
    FILE.write_text(json.dumps(now))


@tool(name="garden.dry_beds", risk=Risk.LOW, effect="read")
def dry_beds(below: int) -> dict[str, Any]:
    """Find the beds that are drier than so many percent."""
    dry = {bed: wet for bed, wet in garden()["moisture"].items() if wet < below}
    beds = [{"name": bed, "needs": FULL - wet} for bed, wet in dry.items()]
    return {"beds": beds, "summary": f"{len(beds)} beds were dry"}


@dry_beds.mock
def _(below: int) -> dict[str, Any]:
    return {"beds": [{"name": "a bed", "needs": 1}], "summary": "1 bed was dry"}


# Only this process waters, one call a bed at a time, hence max_concurrency: all beds share a file.
@tool(
    name="garden.water",
    risk=Risk.MEDIUM,
    effect="write",
    undo="exact",
    permissions={"garden.write"},
    resources=["bed:{bed}"],
    max_concurrency=1,
)
def water(bed: str, litres: int) -> dict[str, Any]:
    """Water a bed; a litre is a percent."""
    before = moisture(bed)
    set_moisture(bed, before + litres)
    return {"before": before, "after": before + litres}


@water.preview
def _(bed: str, litres: int) -> Preview:
    before = moisture(bed)
    change = Change(resource=f"bed:{bed}", before=before, after=before + litres)
    return Preview(changes=[change], result={"before": before, "after": before + litres})


@water.undo
def _(call: Call, result: dict[str, Any]) -> Restored:
    bed = call.args["bed"]
    if moisture(bed) != result["after"]:
        raise ChangedSince(f"{bed}: somebody has watered it since, or it has dried")
    set_moisture(bed, result["before"])
    return Restored(verified=moisture(bed) == result["before"])


@tool(
    name="garden.note",
    risk=Risk.MEDIUM,
    effect="write",
    undo="exact",
    permissions={"garden.write"},
    resources=["notes"],
)
def note(text: str) -> dict[str, Any]:
    """Write a line into the garden's book."""
    now = garden()
    FILE.write_text(json.dumps({**now, "notes": [*now["notes"], text]}))
    return {"line": len(now["notes"])}


@note.preview
def _(text: str) -> Preview:
    notes = garden()["notes"]
    return Preview(changes=[Change(resource="notes", before=notes, after=[*notes, text])])


@note.undo
def _(call: Call, result: dict[str, Any]) -> Restored:
    now = garden()
    if now["notes"][result["line"] :] != [call.args["text"]]:
        raise ChangedSince("the book has been written in since")
    FILE.write_text(json.dumps({**now, "notes": now["notes"][:-1]}))
    return Restored(verified=len(garden()["notes"]) == result["line"])
