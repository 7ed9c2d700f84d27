"""How often a call acts in the known cases of double execution, on Buddy and on three other frameworks.

A case is a few processes one after the other, or two at once: one starts a run that stops for a person,
others deliver the approval or go on with the saved state. What they do is counted outside of all of them.
Each framework is used as its documentation says (`peers/*_peer.py` name the pages), from PyPI, in a virtual
environment that is thrown away. Models are scripted; nothing needs a key, and only the installation needs
the network.

A cell is effects seen / effects wanted. Exit 1 if a framework could not be installed.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

HERE = Path(__file__).parent / "peers"
PINS = {
    "LangGraph": ("langgraph==1.2.24", "langgraph-checkpoint-sqlite==3.1.2"),
    "Pydantic AI": ("pydantic-ai-slim==2.68.0",),
    "OpenAI Agents SDK": ("openai-agents==0.24.0",),
}
NAMES = ("Buddy", *PINS)
LASTS_S = "1.5"
"""How long an effect lasts in a race, so that two processes meet."""
AT_MOST_S = 120.0


class Cell(NamedTuple):
    """What one framework did in one case.

    Attributes:
        seen: effects; None where the case could not be run.
        said: how the processes that were to go on went, where not simply done.
        also: what variants of the case gave, for the footnote.
    """

    seen: int | None
    said: tuple[str, ...] = ()
    also: str = ""


class Peer(NamedTuple):
    """A framework: the Python that has it, and its script."""

    name: str
    python: str

    def command(self, verb: str, folder: Path, kind: str) -> list[str]:
        script = HERE / f"{self.name.lower().removesuffix(' sdk').replace(' ', '_')}_peer.py"
        return [self.python, str(script), verb, str(folder), kind]


class World:
    """A folder for one case of one framework, and the effects that are counted."""

    def __init__(self, peer: Peer, folder: Path, kind: str) -> None:
        self.peer = peer
        self.kind = kind
        self.effects = folder / "effects"
        self.folder = folder / "case"
        self.folder.mkdir(parents=True)
        self.said: list[str] = []
        if (started := self.wait(self.begin("start"))) != "done":
            raise RuntimeError(f"could not start: {started}")

    def begin(self, verb: str, folder: Path | None = None, **fields: str) -> "subprocess.Popen[str]":
        """Begin a process."""
        env = {name: value for name, value in os.environ.items() if not name.startswith("DOUBLE_")}
        env |= {"DOUBLE_EFFECTS": str(self.effects)}
        env |= {f"DOUBLE_{name.upper()}": value for name, value in fields.items()}
        command = self.peer.command(verb, folder or self.folder, self.kind)
        return subprocess.Popen(
            command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, encoding="utf-8"
        )

    def wait(self, process: "subprocess.Popen[str]") -> str:
        """Wait for a process and return what it said."""
        try:
            out, err = process.communicate(timeout=AT_MOST_S)
        except subprocess.TimeoutExpired:
            process.kill()
            out, err = process.communicate()
        lines = out.splitlines()
        if lines:
            return str(json.loads(lines[-1])["said"])
        return "killed" if process.returncode == -9 else (err.splitlines() or ["no word"])[-1]

    def go(self, verb: str, folder: Path | None = None, **fields: str) -> None:
        """Run a process that goes on with the run."""
        self.said.append(self.wait(self.begin(verb, folder, **fields)))

    def race(self, verb: str) -> None:
        """Run two processes that go on with the run at the same time."""
        gate = self.folder / "gate"
        gate.mkdir()
        both = [self.begin(verb, gate=str(gate), seconds=LASTS_S) for _ in "12"]
        until = time.monotonic() + AT_MOST_S
        while len(list(gate.glob("*.ready"))) < 2 and time.monotonic() < until:
            time.sleep(0.005)
        (gate / "go").touch()
        self.said += [self.wait(process) for process in both]

    def seen(self, call: str) -> int:
        """Count the effects of a call."""
        return self.effects.read_text().splitlines().count(call) if self.effects.exists() else 0


def batch(world: World) -> None:
    """Approve one of two calls of a turn."""
    world.go("deliver")


def delivered_twice(world: World) -> None:
    """Take the same approval twice; what is stored after the first is what the second finds."""
    world.go("deliver")
    world.go("deliver")


def resumed_twice(world: World) -> None:
    """Go on twice from what was saved when the run stopped."""
    world.go("again")
    world.go("again")


def resumed_at_once(world: World) -> None:
    """Go on in two processes at the same time."""
    world.race("again")


def put_back(world: World) -> None:
    """Put back a copy of the saved state, as a restored backup would, and go on again."""
    state, kept = world.folder / "state", world.folder / "kept"
    shutil.copytree(state, kept)
    world.go("deliver")
    shutil.rmtree(state)
    kept.rename(state)
    world.go("again")


def killed(world: World) -> None:
    """End the process with kill -9 after the effect, before anyone could record it, and go on."""
    world.go("deliver", kill="risky")
    world.said.clear()
    world.go("again")


def replayed(world: World) -> None:
    """LangGraph alone: go on from the checkpoint by its id."""
    world.go("deliver")
    world.go("replay")


def all_put_back(world: World) -> None:
    """Go on with a copy of everything, the home too."""
    copy = world.folder.with_name("copy")
    shutil.copytree(world.folder, copy)
    world.go("deliver")
    world.go("deliver", copy)


class Case(NamedTuple):
    """A row: what it is called, how it goes, of which calls, and the call that is counted."""

    title: str
    play: Callable[[World], None]
    kind: str = "single"
    call: str = "risky"


CASES = {
    "batch_plain": Case("batch of two calls, one approved: the plain call", batch, "batch", "plain"),
    "batch_approved": Case("batch of two calls, one approved: the approved call", batch, "batch"),
    "approval_twice": Case("the same approval delivered twice", delivered_twice),
    "resumed_twice": Case("the same saved state resumed twice, in turn", resumed_twice),
    "resumed_at_once": Case("the same saved state resumed twice, at the same time", resumed_at_once),
    "put_back": Case("a copy of the saved state put back, and resumed again", put_back),
    "killed": Case("kill -9 between effect and record, then resumed", killed),
}
APP = "keeping the state is left to the app: one that replaces it after the first resume is in the row above"
ALSO: dict[tuple[str, str], tuple[str, Case | None]] = {
    ("LangGraph", "batch_plain"): (
        "with a task for each call (Send), as the prebuilt agent makes them: {}",
        Case("", batch, "batch-send", "plain"),
    ),
    ("LangGraph", "resumed_twice"): (
        "with the checkpoint_id of the saved state, which the documentation calls a replay: {}",
        Case("", replayed),
    ),
    ("Pydantic AI", "resumed_twice"): (APP, None),
    ("OpenAI Agents SDK", "resumed_twice"): (APP, None),
    ("Buddy", "put_back"): ("with a copy of the home too: {}", Case("", all_put_back)),
}
"""What else belongs to a cell, so that it is fair."""


def played(peer: Peer, case: Case, folder: Path) -> Cell:
    """Play a case."""
    try:
        world = World(peer, folder, case.kind)
        case.play(world)
    except RuntimeError as problem:
        return Cell(None, (str(problem),))
    said = dict.fromkeys(word.replace(str(world.folder), "")[:160] for word in world.said if word != "done")
    return Cell(world.seen(case.call), tuple(said))


def cell(peer: Peer, name: str, folder: Path) -> Cell:
    """Play a case and what else belongs to it."""
    found = played(peer, CASES[name], folder / name)
    also, variant = ALSO.get((peer.name, name), ("", None))
    if variant:
        other = played(peer, variant, folder / f"{name}-also")
        also = also.format("n/a" if other.seen is None else f"{other.seen}/1")
    print(f"{peer.name}: {CASES[name].title}: {found.seen}", file=sys.stderr)
    return found._replace(also=also)


def columns(peers: Sequence[Peer], folder: Path, pool: ThreadPoolExecutor) -> dict[str, dict[str, Cell]]:
    """Play every case of every framework, a few at a time; none knows of another."""
    cells = {
        peer.name: {name: pool.submit(cell, peer, name, folder / peer.name) for name in CASES}
        for peer in peers
    }
    return {peer: {name: one.result() for name, one in row.items()} for peer, row in cells.items()}


def installed(name: str, folder: Path) -> Peer | str:
    """Install a framework into an environment of its own; returns a sentence where that fails."""
    place = folder / name.replace(" ", "-")
    python = str(place / "bin" / "python")
    uv = shutil.which("uv")
    make: Sequence[str] = [uv, "venv", "--python", sys.executable] if uv else [sys.executable, "-m", "venv"]
    fill: Sequence[str] = (
        [uv, "pip", "install", "--python", python]
        if uv
        else [python, "-m", "pip", "install", "--disable-pip-version-check"]
    )
    for command in ([*make, str(place)], [*fill, *PINS[name]]):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            why = (done.stderr.strip() or done.stdout.strip() or "no word").splitlines()[-1]
            return f"{name} is not installed ({' '.join(PINS[name])}): {why}"
    return Peer(name, python)


def versions(peers: Sequence[Peer]) -> dict[str, str]:
    """Ask each environment for what it has."""
    script = (
        "import sys; from importlib.metadata import version as v; print(*(n+'=='+v(n) for n in sys.argv[1:]))"
    )
    found = {}
    for peer in peers:
        packages = [pin.partition("==")[0] for pin in PINS.get(peer.name, ("buddy-control",))]
        command = [peer.python, "-c", script, *packages]
        found[peer.name] = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    return found


def table(sides: dict[str, dict[str, Cell] | str]) -> Iterator[str]:
    """Lay out the rows, then the footnotes."""
    notes: list[str] = []
    width = max(len(case.title) for case in CASES.values())
    yield f"{'':{width}}" + "".join(f"  {name:>18}" for name in sides)
    for name, case in CASES.items():
        line = f"{case.title:{width}}"
        for cells in sides.values():
            line += f"  {shown(cells, name, notes):>18}"
        yield line
    yield "effects seen / effects wanted; calls that a person must approve, but for the first row"
    yield from (f"[{number}] {note}" for number, note in enumerate(notes, 1))


def shown(cells: dict[str, Cell] | str, name: str, notes: list[str]) -> str:
    """Return a cell's text, and append its footnote."""
    if isinstance(cells, str):
        return "not installed"
    found = cells[name]
    text = "n/a" if found.seen is None else f"{found.seen}/1"
    note = "; ".join((*found.said, *filter(None, [found.also])))
    if not note:
        return text
    if note not in notes:
        notes.append(note)
    return f"{text} [{notes.index(note) + 1}]"


def report(sides: dict[str, dict[str, Cell] | str], found: dict[str, str], *, as_json: bool) -> None:
    """Print it all."""
    if as_json:
        rows: dict[str, Any] = {
            name: {
                side: "not installed" if isinstance(cells, str) else cells[name]._asdict() | {"wanted": 1}
                for side, cells in sides.items()
            }
            for name in CASES
        }
        print(json.dumps({"versions": found, "cases": rows}, indent=2))
        return
    print("\n".join(table(sides)))
    print(f"{'; '.join(found.values())}; Python {sys.version.split()[0]}")


def main() -> None:
    """Install, play, and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", nargs="+", choices=NAMES, default=NAMES, metavar="NAME", help=str(NAMES))
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="buddy-double-") as name, ThreadPoolExecutor(4) as pool:
        folder = Path(name)
        found = dict(
            zip(PINS, pool.map(lambda one: one in chosen.only and installed(one, folder), PINS), strict=True)
        )
        sides = {"Buddy": Peer("Buddy", sys.executable)} | found
        sides = {one: side for one, side in sides.items() if one in chosen.only}
        missing = [side for side in sides.values() if isinstance(side, str)]
        peers = [side for side in sides.values() if isinstance(side, Peer)]
        ran = columns(peers, folder / "cases", pool)
        report(
            {one: ran.get(one, str(side)) for one, side in sides.items()},
            versions(peers),
            as_json=chosen.json,
        )
    if missing:
        sys.exit("\n".join(missing))


if __name__ == "__main__":
    main()
