"""Plans as they come in: files and standard input, several read twice rather than held, or Python objects."""

import hashlib
import shutil
import stat
import sys
import tempfile
import weakref
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Protocol

from msgspec import Struct

from buddy.adapters.inputs.canonical import line_of
from buddy.adapters.inputs.predictions import TASKS, read_folder
from buddy.core import parsing, planning
from buddy.core.fleet import Crew
from buddy.errors import BadInput
from buddy.journal.events import InputDigest
from buddy.model.plan import Plan

STDIN = "-"
_BOM = b"\xef\xbb\xbf"
_CHUNK = 1 << 16
_EXPECTED = f"a file of plans (.json or .jsonl), or a folder of predictions with {TASKS} in it"


class Scan(Struct, frozen=True):
    """What a first look at the inputs found: every plan of them is valid.

    Attributes:
        plans: how many plans.
        steps: how many steps they declare.
        inputs: what was read, and its SHA-256.
    """

    plans: int
    steps: int
    inputs: list[InputDigest]


class _Input(Struct, frozen=True):
    """One input: its name in errors, the stem of default ids, if it has a plan a line, if it is a fleet."""

    label: str
    stem: str
    path: Path
    by_line: bool
    fleet: bool = False


class _Digest(Protocol):
    def update(self, data: bytes, /) -> None: ...


class _Tally:
    """Counts what is good and collects what is not; holds a plan as long as it is the only one."""

    def __init__(self) -> None:
        self.plans = 0
        self.steps = 0
        self.only: Plan | None = None
        self._places: dict[str, str] = {}
        self._problems: list[str] = []
        self._omitted = 0

    def add(self, plan: Plan, place: str) -> None:
        if plan.plan_id in self._places:
            found = f"{planning.shown(plan.plan_id)}, which {self._places[plan.plan_id]} has too"
            self.refuse(BadInput(f"{place}: plan_id: expected an id of its own, found {found}"))
        else:
            self._places[plan.plan_id] = place
        self.plans += 1
        self.steps += len(plan.steps)
        self.only = plan if self.plans == 1 else None

    def refuse(self, problem: BadInput) -> None:
        room = planning.MAX_PROBLEMS - len(self._problems)
        self._problems += problem.problems[:room]
        self._omitted += len(problem.problems[room:]) + problem.omitted

    def scan(self, inputs: list[InputDigest]) -> Scan:
        if self._problems:
            raise BadInput(self._problems, self._omitted)
        return Scan(self.plans, self.steps, inputs)


class PlanFiles:
    """Plans in files; `ports.PlanSource`.

    Args:
        paths: `.json` is one plan, `.jsonl` one plan a line, `-` standard input (one plan a line, or one
            plan over several lines), a folder the predictions of a fleet.
        stdin: what `-` reads; the process's standard input where it is left out.
        crew: the agents of a fleet.
    """

    def __init__(self, paths: Sequence[str], stdin: BinaryIO | None = None, crew: Crew | None = None) -> None:
        self._paths = tuple(paths)
        self._crew = crew or Crew(agents=("agent_0",))
        self._stdin = stdin
        self._spooled: _Input | None = None
        self._inputs: list[_Input] = []
        self._scan: Scan | None = None
        self._only: Plan | None = None

    def scan(self) -> Scan:
        """Read every plan of every input once, and keep none but one that is alone.

        Raises:
            BadInput: with every problem of all inputs; the first 100 are listed.
        """
        tally = _Tally()
        digests: list[InputDigest] = []
        self._inputs, self._scan, self._only = [], None, None
        if not self._paths:
            tally.refuse(BadInput("inputs: expected at least one file of plans, found none"))
        for number, path in enumerate(self._paths):
            try:
                if path == STDIN and STDIN in self._paths[:number]:
                    raise BadInput("-: expected standard input once, found it twice among the inputs")
                source = self._input(path)
                digests.append(InputDigest(source.label, self._examine(source, tally)))
                self._inputs.append(source)
            except BadInput as problem:
                tally.refuse(problem)
        self._scan = tally.scan(digests)
        self._only = tally.only
        return self._scan

    def plans(self) -> Iterator[Plan]:
        """Yield the plans in order; scans first where nobody has.

        Raises:
            BadInput: an input that is read again is not what the scan saw.
        """
        scanned = self._scan or self.scan()
        if self._only is not None:
            yield self._only
            return
        for source, seen in zip(self._inputs, scanned.inputs, strict=True):
            if source.fleet:
                plan, found = self._fleet(source)
                _refuse_change(source, found, seen)
                yield plan
                continue
            digest = hashlib.sha256()
            for place, default_id, data in _documents(source, digest):
                yield planning.plan_of(parsing.known_document(data, place), place, default_id)
            _refuse_change(source, digest.hexdigest(), seen)

    def _examine(self, source: _Input, tally: _Tally) -> str:
        """Check every plan of an input; returns the SHA-256 of its bytes."""
        if not source.fleet:
            return _examine(source, tally)
        tally.only = None
        plan, digest = self._fleet(source)
        tally.add(plan, source.label)
        return digest

    def _fleet(self, source: _Input) -> tuple[Plan, str]:
        return read_folder(source.path, source.label, source.stem, self._crew)

    def _input(self, path: str) -> _Input:
        if path != STDIN:
            return _file(path)
        if self._spooled is None:
            self._spooled = self._spool()
        return self._spooled

    def _spool(self) -> _Input:
        stdin = self._stdin or (sys.stdin and sys.stdin.buffer)
        if not stdin:
            raise BadInput("stdin: expected plans on standard input, found it closed")
        try:
            spool = tempfile.NamedTemporaryFile(prefix="buddy-plans-")  # noqa: SIM115 (lives as long as this)
            weakref.finalize(self, spool.close)
            shutil.copyfileobj(stdin, spool, _CHUNK)
            spool.flush()
            spool.seek(0)
            first = next((line for line in spool if line.strip()), b"")
        except (OSError, ValueError) as problem:
            raise _unreadable("stdin", problem) from problem
        by_line = not parsing.is_cut_short(first.removeprefix(_BOM))
        return _Input("stdin", "stdin", Path(spool.name), by_line)


def _file(path: str) -> _Input:
    label = path if path.isprintable() else planning.shown(path)
    file = Path(path)
    try:
        mode = file.stat().st_mode
        bare = stat.S_ISDIR(mode) and not (file / TASKS).exists()
    except FileNotFoundError as problem:
        raise BadInput(f"{label}: expected {_EXPECTED}, found nothing there") from problem
    except (OSError, ValueError) as problem:
        raise _unreadable(label, problem) from problem
    if stat.S_ISDIR(mode):
        if bare:
            raise BadInput(f"{label}: expected {_EXPECTED}, found a folder without that file")
        return _Input(label, _stem(file.resolve().name) or "fleet", file, False, True)
    if not stat.S_ISREG(mode):
        raise BadInput(
            f"{label}: expected a file that can be read twice, found a pipe or device; use - instead"
        )
    suffix = file.suffix.lower()
    if suffix not in (".json", ".jsonl"):
        raise BadInput(f"{label}: expected {_EXPECTED}, or - for standard input, found {suffix!r}")
    return _Input(label, _stem(file.stem), file, suffix == ".jsonl")


def _stem(name: str) -> str:
    """Return a file's stem as an id may be spelled."""
    return "".join(one if one.isprintable() and one not in "[]#" else "_" for one in name)[:200]


def _refuse_change(source: _Input, found: str, seen: InputDigest) -> None:
    if found != seen.sha256:
        kind = "folder" if source.fleet else "file"
        raise BadInput(f"{source.label}: expected the {kind} as it was checked, found it changed since")


def _examine(source: _Input, tally: _Tally) -> str:
    """Check every plan of an input; returns the SHA-256 of its bytes."""
    digest = hashlib.sha256()
    found = False
    for place, default_id, data in _documents(source, digest):
        found = True
        tally.only = None  # here, or it would be held beside the next one
        try:
            tally.add(planning.plan_of(parsing.plan_document(data, place), place, default_id), place)
        except BadInput as problem:
            tally.refuse(problem)
    if not found:
        raise BadInput(f"{source.label}: expected at least one plan, found none")
    return digest.hexdigest()


def _documents(source: _Input, digest: _Digest) -> Iterator[tuple[str, str, bytes]]:
    """Yield place, default id and text of each plan."""
    with _opened(source) as file:
        if not source.by_line:
            data = file.read()
            digest.update(data)
            yield source.label, f"{source.stem}:1", data.removeprefix(_BOM)
            return
        for number, line in enumerate(file, 1):
            digest.update(line)
            # Without its end, or a syntax error at the end of a line would be reported on the next.
            text = (line.removeprefix(_BOM) if number == 1 else line).rstrip()
            if text:
                yield f"{source.label} line {number}", f"{source.stem}:{number}", text


@contextmanager
def _opened(source: _Input) -> Iterator[BinaryIO]:
    try:
        with source.path.open("rb", buffering=_CHUNK) as file:
            yield file
    except OSError as problem:
        raise _unreadable(source.label, problem) from problem


def _unreadable(label: str, problem: OSError | ValueError) -> BadInput:
    reason = getattr(problem, "strerror", None) or problem
    return BadInput(f"{label}: expected plans that can be read, found that they cannot: {reason}")


class PlanObjects:
    """Plans made in Python, as dicts, `PlanDocument` or `Plan`; `ports.PlanSource`.

    Args:
        objects: the plans; one without an id is `plan:1`, `plan:2`, ... by its place.
    """

    def __init__(self, objects: Iterable[Any]) -> None:
        self._objects = tuple(objects)
        self._plans: list[Plan] | None = None

    def scan(self) -> Scan:
        """Read every plan.

        Raises:
            BadInput: with every problem of all plans; the first 100 are listed.
        """
        tally = _Tally()
        digest = hashlib.sha256()
        plans: list[Plan] = []
        for number, value in enumerate(self._objects, 1):
            place = f"plan {number}"
            try:
                plan = _plan(value, place, f"plan:{number}")
            except BadInput as problem:
                tally.refuse(problem)
                continue
            tally.add(plan, place)
            digest.update(line_of(plan))
            plans.append(plan)
        scan = tally.scan([InputDigest("objects", digest.hexdigest())])
        self._plans = plans
        return scan

    def plans(self) -> Iterator[Plan]:
        """Yield the plans in order; scans first where nobody has.

        Raises:
            BadInput: as `scan`.
        """
        if self._plans is None:
            self.scan()
        yield from self._plans or ()


def _plan(value: Any, place: str, default_id: str) -> Plan:
    if isinstance(value, Plan):
        return parsing.plan_from_plan(value, place)
    return planning.plan_of(parsing.plan_from_object(value, place), place, default_id)
