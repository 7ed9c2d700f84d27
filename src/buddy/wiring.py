"""The only place that chooses adapters: what each command and the Python interface do, end to end."""

import asyncio
import hashlib
import os
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, TypeVar

import msgspec
from msgspec import Struct
from msgspec.structs import replace

import buddy
from buddy.adapters.home import SqliteHome, home_folder
from buddy.adapters.inputs.canonical import StoredPlans, write_plans
from buddy.adapters.inputs.plans import PlanFiles
from buddy.adapters.inputs.settings import load as load_settings
from buddy.adapters.journal import FileJournal, FileSink, read
from buddy.adapters.people import Around, Quiet, read_policy
from buddy.adapters.system import EnvSecrets, RandomIds, RealClock, SeededIds, VirtualClock, run_virtual
from buddy.adapters.tools.catalogue import LoadedTools, load
from buddy.core.canonical import sha256
from buddy.engine import orchestrator
from buddy.engine.manual import cancel_all, resolve_step, undo_by_hand
from buddy.engine.recovery import Past
from buddy.engine.run import Ports, Run
from buddy.errors import BadInput
from buddy.journal.codec import Head
from buddy.journal.events import FORMAT, InputDigest, Record, RunResumed, RunStarted
from buddy.model.config import ExecutionConfig
from buddy.model.mode import Mode
from buddy.ports import Clock, HomeStore, Interaction, PlanSource, RunRow, World
from buddy.projections.anomalies import Watch
from buddy.projections.outputs import together

T = TypeVar("T")
PLANS = "plans.jsonl"
WORDS = ("ask", "wait", "exit")


class RunResult(Struct, frozen=True, kw_only=True):
    """How a run ended.

    Attributes:
        run_id: its name.
        folder: where its journal and outputs are.
        exit_code: what the command exits with.
        reason: one sentence.
        summary: the content of `orchestration_summary.json`.
    """

    run_id: str
    folder: str
    exit_code: int
    reason: str
    summary: dict[str, Any]


def home() -> SqliteHome:
    """Open the home: `$BUDDY_HOME`, else the platform's folder for a user's data."""
    return SqliteHome(home_folder(os.environ))


def settings(config_file: Path | None, flags: dict[str, Any]) -> tuple[ExecutionConfig, list[str]]:
    """Return the configuration in force, and warnings: flags over environment over file over defaults."""
    return load_settings(config_file, os.environ, flags)


def tools(files: Sequence[str], config: ExecutionConfig, given: Sequence[Any] = ()) -> LoadedTools:
    """Load tool files, and tools that are Python objects already."""
    return load(files, given, seed=config.seed, inline=config.clock == "virtual")


def environment_dry_run() -> bool:
    """Whether `DRY_RUN` is set in the environment to a word for yes."""
    return os.environ.get("DRY_RUN", "").strip().lower() in ("1", "true", "yes", "on")


def run(
    inputs: Sequence[str],
    tool_files: Sequence[str],
    config: ExecutionConfig,
    *,
    granted_by: str,
    interaction: Interaction | None = None,
) -> RunResult:
    """Run plan files to the end."""
    loaded = tools(tool_files, config)
    with closing(PlanFiles(inputs)) as source:
        scan = source.scan()
        session = Session(config, loaded, interaction or Quiet())
        return session.start(source, scan.inputs, granted_by)


class Session:
    """The adapters of one run, chosen by its configuration.

    Args:
        config: of the run.
        loaded: its tools.
        interaction: the people around it.
        callback: the phase-13 approval callback.
    """

    def __init__(
        self,
        config: ExecutionConfig,
        loaded: LoadedTools,
        interaction: Interaction,
        callback: Callable[[str, float], Any] | None = None,
    ) -> None:
        self.config = config
        self.loaded = loaded
        policy = None if config.approvals in WORDS else read_policy(Path(config.approvals))
        self.interaction: Interaction = Around(
            interaction, policy=policy, callback=callback, on_alert=config.on_alert, on_approval=config.on_approval
        )
        self.virtual = config.clock == "virtual"
        self.clock: Clock = VirtualClock() if self.virtual else RealClock()
        self.world = self._world()

    def _world(self) -> World:
        config, loaded = self.config, self.loaded
        if config.isolate and config.mode is not Mode.MOCK and loaded.world is not None:
            return loaded.world
        if config.isolate and config.mode is Mode.LIVE:
            raise BadInput("--isolate --mode live: expected a tools file with 'def world(plan_id)', found none")
        return lambda plan_id: loaded.toolbox

    def key(self, store: HomeStore) -> bytes:
        """Return the key for digests; a simulation takes it from its seed, so that it repeats to the byte."""
        if self.virtual:
            return hashlib.sha256(b"simulation %d" % self.config.seed).digest()
        return store.key

    def execute(self, main: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine in the run's time."""
        if isinstance(self.clock, VirtualClock):
            return run_virtual(main, self.clock)
        return asyncio.run(main)

    def start(self, source: PlanSource, inputs: list[InputDigest], granted_by: str) -> RunResult:
        """Run plans to the end, in an event loop of its own."""
        return self.execute(self.begin(source, inputs, granted_by))

    async def begin(self, source: PlanSource, inputs: list[InputDigest], granted_by: str) -> RunResult:
        """Run plans to the end."""
        with closing(home()) as store, self._books(store) as books:
            config, key, dry = self.config, self.key(store), environment_dry_run()
            run_id = self._run_id(inputs)
            watch = self._detector(books, key, run_id, dry)
            known = orchestrator.survey(source, config, watch)
            folder = Path(config.output_dir or f"runs/{run_id}")
            journal = FileJournal.create(folder)
            stored = write_plans(folder / PLANS, source.plans())
            fold = Watch()
            ports = self._ports(journal, FileSink(folder, together(fold)), books)
            run = Run(run_id, config, ports, key, environment=dry, watch=fold)
            store.register_run(self._row(run_id, folder, Head(), "running"))
            contracts, handlers = orchestrator.contracts_of(self.loaded.toolbox, known.tools)
            begun = RunStarted(
                run_id=run_id, format=FORMAT, version=buddy.__version__, mode=config.mode, granted_by=granted_by,
                environment_dry_run=dry, config=_told(config), inputs=inputs, plans=known.plans, steps=known.steps,
                contracts=contracts, handlers=handlers, plans_sha256=stored,
            )  # fmt: skip
            again = self._detector(books, key, run_id, dry, ledger=False)

            async def work() -> int:
                run.record(begun)
                run.flush()
                return await orchestrator.carry_out(run, source, known, again)

            return await self._to_the_end(run, store, folder, work())

    async def _to_the_end(self, run: Run, store: SqliteHome, folder: Path, work: Coroutine[Any, Any, int]) -> RunResult:
        state = "stopped"
        try:
            code = await work
            state = "held" if code in (orchestrator.EXIT_HELD, orchestrator.EXIT_UNKNOWN) else "finished"
        finally:
            try:
                run.close()
            finally:
                store.keep_head(run.run_id, run.journal.head, state)
        summary = msgspec.json.decode((folder / "orchestration_summary.json").read_bytes())
        return RunResult(run_id=run.run_id, folder=str(folder), exit_code=code,
                         reason=str(summary.get("exit_reason", "")), summary=summary)  # fmt: skip

    @contextmanager
    def _books(self, store: SqliteHome) -> Iterator[HomeStore]:
        """Yield the home that the run works with: a simulation has one of its own, so that it repeats."""
        if not self.virtual:
            yield store
            return
        import tempfile

        with tempfile.TemporaryDirectory(prefix="buddy-") as folder, closing(SqliteHome(Path(folder))) as own:
            yield own

    def _ports(self, journal: FileJournal, sink: FileSink, books: HomeStore) -> Ports:
        ids = SeededIds(self.config.seed) if self.virtual else RandomIds()
        return Ports(clock=self.clock, ids=ids, journal=journal, sink=sink, home=books, secrets=EnvSecrets(),
                     interaction=self.interaction, world=self.world)  # fmt: skip

    def _detector(self, books: HomeStore, key: bytes, run_id: str, dry: bool, *, ledger: bool = True) -> Any:
        return orchestrator.detector(
            self.config, self.loaded.toolbox, books, key, self.clock.now(), run_id, environment=dry, ledger=ledger
        )

    def _run_id(self, inputs: list[InputDigest]) -> str:
        if not self.virtual:
            return RandomIds().new("run")
        config = replace(self.config, output_dir=None)
        return f"sim_{sha256([[entry.sha256 for entry in inputs], _told(config)])[:12]}"

    def _row(self, run_id: str, folder: Path, head: Head, state: str) -> RunRow:
        import time

        return RunRow(run_id=run_id, folder=str(folder.absolute()), mode=self.config.mode, started_at=time.time(),
                      state=state, head=head)  # fmt: skip

    # runs that go on

    def take_up(
        self, folder: Path, run_id: str, by: str, work: Callable[[Run, PlanSource, Past], Coroutine[Any, Any, int]]
    ) -> RunResult:
        """Open a run again and do something with it."""
        return self.execute(self._take_up(folder, run_id, by, work))

    async def _take_up(
        self, folder: Path, run_id: str, by: str, work: Callable[[Run, PlanSource, Past], Coroutine[Any, Any, int]]
    ) -> RunResult:
        with closing(home()) as store, self._books(store) as books:
            fold = Watch()
            past = Past(lambda digest: _blob(folder, digest))
            records: list[Record] = []
            journal = FileJournal.open(folder, seen=records.append)
            sink = FileSink(folder, together(fold))
            for record in records:
                past.feed(record)
                sink.feed(record)
                fold.feed(record)
            records.clear()
            run = Run(run_id, self.config, self._ports(journal, sink, books), self.key(store),
                      environment=environment_dry_run(), watch=fold)  # fmt: skip
            store.register_run(self._row(run_id, folder, journal.head, "running"))
            assert past.started is not None
            names = [contract.name for contract in past.started.contracts]
            contracts, handlers = orchestrator.contracts_of(self.loaded.toolbox, names)
            changed = [c.name for c in contracts if past.contracts.get(c.name) != c]

            async def goes_on() -> int:
                run.record(RunResumed(by=by, contracts=contracts, handlers=handlers, changed=changed))
                return await work(run, StoredPlans(folder / PLANS), past)

            return await self._to_the_end(run, store, folder, goes_on())


def _told(config: ExecutionConfig) -> dict[str, Any]:
    told: dict[str, Any] = msgspec.to_builtins(replace(config, output_dir=None))
    return told


def _blob(folder: Path, digest: str) -> bytes:
    from buddy.adapters.journal import blobs

    return blobs.read(folder, digest)


# what commands do with runs that exist


def folder_of(run: str) -> Path:
    """Return the folder of a run.

    Args:
        run: its id, or its folder.

    Raises:
        BadInput: the home knows no such run, and there is no such folder.
    """
    if (Path(run) / "journal.jsonl").is_file():
        return Path(run)
    with closing(home()) as store:
        rows = {row.run_id: row for row in store.runs()}
    if run in rows:
        return Path(rows[run].folder)
    raise BadInput(f"expected the id or the folder of a run, found {run!r}; 'buddy runs list' names them")


def records(run: str) -> Iterator[Record]:
    """Yield the records of a run's journal."""
    for record, _ in read(folder_of(run), allow_torn=True):
        yield record


def _opened(run: str) -> tuple[Path, RunStarted]:
    folder = folder_of(run)
    first = next(iter(records(str(folder))), None)
    if first is None or not isinstance(first.event, RunStarted):
        raise BadInput(f"{folder} holds no run: its journal does not begin with run_started")
    return folder, first.event


def _session(
    run: str, tool_files: Sequence[str], interaction: Interaction | None, approvals: str | None = None
) -> tuple[Path, RunStarted, Session]:
    folder, started = _opened(run)
    config = msgspec.convert({**started.config, "output_dir": str(folder)}, ExecutionConfig)
    if approvals is not None:
        config = replace(config, approvals=approvals)
    return folder, started, Session(config, tools(tool_files, config), interaction or Quiet())


def resume(
    run: str, tool_files: Sequence[str], *, by: str, interaction: Interaction | None = None, approvals: str | None = None
) -> RunResult:
    """Go on with a run whose steps are held, or that was interrupted."""
    folder, started, session = _session(run, tool_files, interaction, approvals)
    missing = [c.name for c in started.contracts if session.loaded.toolbox.get(c.name) is None]
    if missing:
        raise BadInput(f"resume: expected --tools files with {', '.join(missing[:5])}, which the run uses")

    async def work(under_way: Run, source: PlanSource, past: Past) -> int:
        key, dry = under_way.key, under_way.environment
        watch = session._detector(under_way.home, key, started.run_id, dry, ledger=False)
        known = orchestrator.survey(source, session.config, watch)
        again = session._detector(under_way.home, key, started.run_id, dry, ledger=False)
        return await orchestrator.carry_out(under_way, source, known, again, past)

    return session.take_up(folder, started.run_id, by, work)


def rollback(
    run: str, tool_files: Sequence[str], *, by: str, step: str | None = None, under_lock: bool = False
) -> RunResult:
    """Undo a run's live writes by hand, or those of one step."""
    folder, started, session = _session(run, tool_files, None)

    async def work(under_way: Run, source: PlanSource, past: Past) -> int:
        watch = session._detector(under_way.home, under_way.key, started.run_id, under_way.environment, ledger=False)
        return await undo_by_hand(under_way, source, watch, past, by=by, step=step, under_lock=under_lock)

    return session.take_up(folder, started.run_id, by, work)


def cancel(run: str, *, by: str) -> RunResult:
    """Give up what is held or was never tried in a run."""
    folder, started, session = _session(run, (), None)

    async def work(under_way: Run, source: PlanSource, past: Past) -> int:
        return await cancel_all(under_way, source, past, by)

    return session.take_up(folder, started.run_id, by, work)


def resolve(run: str, step: str, happened: bool, *, by: str) -> RunResult:
    """Record what a person found out about a call whose end nobody knew."""
    folder, started, session = _session(run, (), None)

    async def work(under_way: Run, source: PlanSource, past: Past) -> int:
        return await resolve_step(under_way, past, step, happened, by)

    return session.take_up(folder, started.run_id, by, work)


def rebuild_outputs(run: str) -> list[str]:
    """Write a run's outputs again from its journal; returns their names."""
    folder = folder_of(run)
    outputs = together(Watch())
    sink = FileSink(folder, outputs)
    for record, _ in read(folder):
        sink.feed(record)
    sink.close()
    return list(outputs)


def verify(run: str) -> Any:
    """Check a run: chain, head, outputs, lock, approvals and the safety rules."""
    from buddy.engine.verification import verify as check_all
    from buddy.projections.outputs import OUTPUTS

    folder = folder_of(run)
    outputs = {name: path.read_bytes() if (path := folder / name).is_file() else None for name in OUTPUTS}
    with closing(home()) as store:
        _, started = _opened(run) if (folder / "journal.jsonl").stat().st_size else (folder, None)
        run_id = started.run_id if started else ""
        head = next((row.head for row in store.runs() if row.run_id == run_id), None)
        import time

        with (folder / "journal.jsonl").open("rb") as lines:
            return check_all(lines, outputs, head, store.lock_history(), store.approvals(time.time(), run_id),
                             lambda digest: _blob(folder, digest))  # fmt: skip


class CheckedStep(Struct, frozen=True, kw_only=True):
    """How high a step would climb.

    Attributes:
        plan, step, tool, agent: whose.
        ceiling: the highest rung.
        rule: what stops it there, empty where nothing does.
        reason: one sentence.
        needs_approval: a person has to say yes before LIVE.
    """

    plan: str
    step: str
    tool: str
    agent: str
    ceiling: Mode
    rule: str
    reason: str
    needs_approval: bool


class CheckResult(Struct, frozen=True, kw_only=True):
    """What a run would do.

    Attributes:
        steps: can be gone through once.
        conflicts: in the order found.
        plans: how many.
        count: how many steps.
    """

    steps: Iterator[CheckedStep]
    conflicts: list[Any]
    plans: int
    count: int


def check(inputs: Sequence[str], tool_files: Sequence[str], config: ExecutionConfig) -> CheckResult:
    """Say how high each step would climb and which conflicts there are, without running anything."""
    from buddy.engine.checking import ceilings

    loaded = tools(tool_files, config)
    source = PlanFiles(inputs)
    source.scan()
    with closing(home()) as store:
        now, dry = RealClock().now(), environment_dry_run()
        watch = orchestrator.detector(config, loaded.toolbox, store, store.key, now, "", environment=dry)
        known = orchestrator.survey(source, config, watch)
        lock, breakers = store.lock_state(), store.breakers()
    again = orchestrator.detector(config, loaded.toolbox, store, store.key, now, "", environment=dry, ledger=False)
    found = ceilings(source, known, again, lock, breakers)
    steps = (CheckedStep(**one) for one in found)
    return CheckResult(steps=steps, conflicts=known.findings.conflicts, plans=known.plans, count=known.steps)


