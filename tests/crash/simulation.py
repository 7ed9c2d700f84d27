"""The real engine in a simulated world: clock, disk, tools and people, and faults at every point.

A seed makes a plan, tools that fail or dawdle, people who lock, unlock, decide and edit at any time, and a
fault: the process dies before or after a call of the disk, a transaction of the home or an effect, with or
without the power; or a call of the disk fails. The run is resumed until nothing is in its way, and then the
checker looks at the world, the journal and the home.
"""

import gc
import os
import random
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import cache, partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

from msgspec import Struct, field

from buddy import ExecutionConfig, Mode, wiring
from buddy.adapters.home import SqliteHome
from buddy.adapters.inputs.plans import PlanObjects
from buddy.adapters.journal import FileJournal, FileSink, sink
from buddy.adapters.journal import file as journal_file
from buddy.adapters.journal.disk import Disk
from buddy.adapters.people import Quiet
from buddy.adapters.tools.catalogue import load
from buddy.core.audit import Violation
from buddy.engine import orchestrator
from buddy.errors import BuddyError
from buddy.model.approval import ApprovalState
from buddy.model.config import RetryStrategy, SandboxSettings
from buddy.wiring import commands, session
from buddy.wiring.builtin import Loaded, Sandboxes
from crash import books, checker
from crash.machine import Died, Fault, Machine, SimClock, SimDisk, SimHome, close_if
from crash.world import World, tools

POINTS = (60, 160, 400)
"""Until where a fault is drawn, one as likely as the other: most runs pass the second, few the third."""
ROUNDS = 6
"""How often a run is gone on with while people are around, and how often without them."""
HELD = orchestrator.EXIT_HELD
NOTHING = Fault(0, "kill", 0.0)
_MADE = frozenset({"intent", "outcome", "undo_intent", "undo_outcome"})


class Outcome(Struct):
    """What became of a seed.

    Attributes:
        wrong: what does not hold, a sentence each.
        faults: how often the run was cut off or stopped.
        effects: how many there were.
        exit: of the last part of the run, None where the journal was refused.
    """

    wrong: list[str] = field(default_factory=list)
    faults: int = 0
    effects: int = 0
    exit: int | None = None


class Stand(Struct, frozen=True):
    """How everything stands at a point.

    Attributes:
        over: the part ended before.
        journal: every line written, and
        synced: how many bytes of it survive the loss of power.
        kept: how many transactions of the home are durable.
        effects: how often each happened.
    """

    over: bool
    journal: bytes
    synced: int
    kept: int
    effects: Counter[str]

    def is_as(self, other: "Stand | None") -> bool:
        """Whether all is as at another point of the same part; ids differ from one run to another."""
        return other is not None and (len(self.journal), self.synced, self.kept, self.effects) == (
            len(other.journal), other.synced, other.kept, other.effects
        )  # fmt: skip


class Simulation:
    """One seed.

    Args:
        seed: makes everything.
        folder: for the run and its home; it is taken away at the end.
    """

    def __init__(self, seed: int, folder: Path) -> None:
        self.rng = random.Random(seed)
        self.folder = folder
        self.out = folder / "out"
        self.world = World(self.rng, self.out)
        self.clock = SimClock()
        self.machine = Machine(NOTHING)
        self.outcome = Outcome()
        self.plans = self.world.plans()
        made = load([], tools(self.world), seed=0, inline=True)
        self.tools = Loaded(
            toolbox=made.toolbox,
            world=made.world,
            warnings=made.warnings,
            builtin=frozenset(),
            sandboxes=Sandboxes(SandboxSettings()),
        )
        self.run_id = ""
        # People are there, and the run waits for them.
        self.waits = False
        # With the power the home may lose what it had not synced of the last calls.
        self._behind = False
        (folder / "home").mkdir(mode=0o700, parents=True)
        (folder / "home" / "buddy.db").write_bytes(_new_home())

    # one part of the run

    @contextmanager
    def _process(self, fault: Fault) -> Iterator[None]:
        before, machine = self.machine, Machine(fault)
        self.machine = self.world.machine = machine
        machine.take_over(before, self.out / "journal.jsonl")
        if self.rng.random() < 0.15:
            self.clock.behind += self.rng.choice((5.0, 600.0, 90_000.0, -5.0, -90_000.0, -900_000.0))
        disk = SimDisk(machine, self.out / "journal.jsonl")
        homes: list[SqliteHome] = []

        def home() -> Any:
            opened = SqliteHome(self.folder / "home")
            homes.append(opened)
            if not machine.snapshot:
                machine.keep(opened)
            return SimHome(opened, machine)

        class Journal(FileJournal):
            @classmethod
            def create(cls, folder: Path, *, disk: Disk | None = None) -> FileJournal:
                return FileJournal.create(folder, disk=sim)

            @classmethod
            def open(cls, folder: Path, *, seen: Any = None, disk: Disk | None = None) -> FileJournal:
                return FileJournal.open(folder, seen=seen, disk=sim)

        sim, files = disk, list[tuple[int, int]]()
        locked = journal_file._locked

        def kept(path: Path, folder: Path, flags: int) -> int:
            file = locked(path, folder, flags)
            files.append((file, os.fstat(file).st_ino))
            return file

        outputs = sink.lock_outputs

        def kept_outputs(folder: Path) -> int:
            file = outputs(folder)
            files.append((file, os.fstat(file).st_ino))
            return file

        with (
            patch.object(journal_file, "_locked", kept),
            patch.object(sink, "lock_outputs", kept_outputs),
            patch.object(session, "home", home),
            patch.object(session, "FileJournal", Journal),
            patch("buddy.wiring.folder.FileJournal", Journal),
            patch("buddy.wiring.folder.FileSink", partial(FileSink, disk=sim)),
        ):
            try:
                yield
            finally:
                for one in homes:
                    one._let_go()
                # What a dead process still holds would close files later, by numbers that are others' then.
                self.world.leave()
                gc.collect()
                for file, inode in files:
                    close_if(file, inode)

    def _session(self) -> session.Session:
        found = session.Session(self.config(), self.tools, Quiet())
        self.clock = self.clock.later()
        found.clock = self.clock
        return found

    def config(self) -> ExecutionConfig:
        """Return the settings of the run."""
        return ExecutionConfig(
            mode=Mode.LIVE,
            output_dir=str(self.out),
            approvals="wait" if self.waits else "exit",
            retry_strategy=RetryStrategy.LINEAR_BACKOFF,
            linear_base=0.1,
            max_retries=2,
            breaker=False,
            conflicts=self.world.strategies,
            max_live_escalations=4,
        )

    def part(self, fault: Fault, *, alone: bool = False) -> None:
        """Run, or go on, until the end or the fault, with people around unless it is alone."""
        with self._process(fault):
            self.waits = not alone and self.rng.random() < 0.5
            if not alone:
                self.world.people(self)
            try:
                self.outcome.exit = self._resume() if self._begun() else self._start()
            except (Died, BuddyError, OSError, RuntimeError) as stopped:
                if isinstance(stopped, RuntimeError) and not self.machine.dead:
                    raise
                self.outcome.faults += 1
                self.outcome.exit = None
        if self.machine.dead and self.machine.fault.kind == "power":
            self._lose_power()
            self._behind = True
        elif self.outcome.exit is not None:
            self._behind = False

    def _start(self) -> int:
        source = PlanObjects(self.plans)
        inputs = source.scan().inputs
        found = self._session()
        return found.execute(self.world.around(found.begin(source, inputs, "sim"))).exit_code

    def _resume(self) -> int:
        started = commands.opened(str(self.out))[1]
        self.run_id = started.run_id
        found = self._session()

        async def work(run: Any, source: Any, past: Any) -> int:
            watch = found.detector(run.home, run.key, started.run_id, False, ledger=False)
            known = orchestrator.survey(source, found.config, watch)
            again = found.detector(run.home, run.key, started.run_id, False, ledger=False)
            return await orchestrator.carry_out(run, source, known, again, past)

        main = found._take_up(self.out, started.run_id, "sim", work)
        return found.execute(self.world.around(main)).exit_code

    def _begun(self) -> bool:
        journal = self.out / "journal.jsonl"
        return journal.exists() and b"\n" in journal.read_bytes()

    def _lose_power(self) -> None:
        journal = self.out / "journal.jsonl"
        if journal.exists():
            whole = journal.read_bytes()
            kept = self.machine.synced + round((len(whole) - self.machine.synced) * self.machine.fault.torn)
            journal.write_bytes(whole[:kept])
        self.machine.lose_names()
        if self.machine.snapshot:
            for name in ("buddy.db-wal", "buddy.db-shm"):
                (self.folder / "home" / name).unlink(missing_ok=True)
            (self.folder / "home" / "buddy.db").write_bytes(_as_wal(self.machine.snapshot))

    # the whole

    def run(self) -> Outcome:
        """Run the seed and return what does not hold."""
        try:
            faults = self.rng.choice((0, 1, 1, 2, 2))
            for _ in range(faults):
                kind = self.rng.choice(("kill", "kill", "power", "power", "EIO", "ENOSPC"))
                at = self.rng.randint(1, self.rng.choice(POINTS))
                self.part(Fault(at, kind, self.rng.choice((0.0, 0.4, 1.0))))
            if self.rng.random() < 0.1 and self._begun():
                self._tamper()
                return self.outcome
            if self._begun() and not self._behind:
                self._put_older_copy_back()
            self._end()
        finally:
            shutil.rmtree(self.folder, ignore_errors=True)
        return self.outcome

    def run_into(self, part: int, fault: Fault) -> Outcome:
        """Run into one fault in one part of the run, go on to the end, and return what does not hold."""
        try:
            self._lead_to(part)
            self.part(fault)
            self._end()
        finally:
            shutil.rmtree(self.folder, ignore_errors=True)
        return self.outcome

    def until(self, part: int, at: int) -> Stand:
        """Run up to a point of a part, and return how everything stands there."""
        try:
            self._lead_to(part)
            self.part(Fault(at, "power", 1.0))
            journal = self.out / "journal.jsonl"
            return Stand(
                over=not self.machine.dead,
                journal=journal.read_bytes() if journal.exists() else b"",
                synced=self.machine.synced,
                kept=self.machine.kept,
                effects=self.world.effects,
            )
        finally:
            shutil.rmtree(self.folder, ignore_errors=True)

    def _lead_to(self, part: int) -> None:
        for _ in range(part):
            self.part(NOTHING)
            self.decide()

    def _end(self) -> None:
        self._settle()
        self.outcome.wrong += list(self.check())
        self.outcome.effects = sum(self.world.effects.values())

    def decide(self) -> None:
        """Open the lock, and approve whatever is asked."""
        self.machine.snapshot = b""
        with closing(SqliteHome(self.folder / "home")) as home:
            if home.lock_state().engaged:
                home.set_lock(False, "sim", "", self.clock.now())
            for approval in home.approvals(self.clock.now(), None, ApprovalState.PENDING):
                self.world.vote(home, approval.request, self.clock.now())

    def _settle(self) -> None:
        """Go on until nothing is held any more."""
        for number in range(2 * ROUNDS):
            self.decide()
            self.part(NOTHING, alone=number >= ROUNDS)
            if self.outcome.exit != HELD:
                return

    def _tamper(self) -> None:
        """Change a digit somewhere in the journal: nobody may go on with it."""
        journal = self.out / "journal.jsonl"
        data = bytearray(journal.read_bytes())
        end = data.rfind(b"\n")
        digits = [place for place in range(end) if 48 <= data[place] <= 57]
        place = self.rng.choice(digits)
        data[place] = 48 + (data[place] - 47) % 10
        journal.write_bytes(data)
        self.part(NOTHING)
        if self.outcome.exit is not None:
            self.outcome.wrong.append(f"tampered: went on with a journal of which byte {place} was changed")

    def _put_older_copy_back(self) -> None:
        """Cut the journal back to before a call or an undo that was made: nobody may go on with it."""
        told = [event for event in checker.events(self.world) if event["type"] in _MADE]
        ends = [place for place, event in enumerate(told) if "outcome" in event["type"]]
        if not ends:
            return
        end = self.rng.choice(ends)
        kind = told[end]["type"].replace("outcome", "intent")
        begun = [e for e in told[:end] if (e["type"], e["step"]) == (kind, told[end]["step"])]
        if not begun:
            return
        journal, number = self.out / "journal.jsonl", begun[-1]["seq"]
        whole = journal.read_bytes()
        journal.write_bytes(b"".join(whole.splitlines(keepends=True)[: number - 1]))
        faults = self.outcome.faults
        self.part(NOTHING)
        self.outcome.faults = faults
        if self.outcome.exit is not None:
            self.outcome.wrong.append(f"older: went on with a journal that was cut off before line {number}")
        journal.write_bytes(whole)

    def check(self) -> Iterator[str]:
        """Yield what does not hold in the end."""
        if self.outcome.exit is None:
            yield "the run could not be ended"
            return
        if self.outcome.exit == HELD:
            yield "held for good: nobody locks anything, whatever is asked is approved, and no step goes on"
        yield from self.world.wrong
        for violation in self.violations():
            yield f"verify: {violation.rule}: {violation.message}"
        steps = checker.told(self.world)
        yield from checker.disagreements(self.world, steps)
        yield from books.disagreements(self.world, steps, self.folder / "home")

    def violations(self) -> list[Violation]:
        """Return what `buddy verify` finds."""
        with patch("buddy.wiring.looking.home", lambda: SqliteHome(self.folder / "home")):
            return list(wiring.verify(str(self.out)).violations)


@cache
def _new_home() -> bytes:
    """Return the database of a home in which nothing happened; making one takes as long as many steps."""
    with tempfile.TemporaryDirectory() as folder:
        SqliteHome(Path(folder)).close()
        return (Path(folder) / "buddy.db").read_bytes()


def _as_wal(data: bytes) -> bytes:
    """Return a serialized database marked as one with a write-ahead log, as it was."""
    return data[:18] + b"\x02\x02" + data[20:]
