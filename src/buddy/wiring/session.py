"""One run and its adapters."""

import asyncio
import hashlib
import os
import tempfile
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import ExitStack, closing, contextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from buddy import __version__
from buddy.adapters.home import SqliteHome, home_folder
from buddy.adapters.inputs.canonical import StoredPlans, write_plans
from buddy.adapters.inputs.settings import check as check_settings
from buddy.adapters.inputs.settings import load as load_settings
from buddy.adapters.journal import FileJournal, FileSink
from buddy.adapters.people import Around, read_policy
from buddy.adapters.system import EnvSecrets, RandomIds, RealClock, SeededIds, VirtualClock, run_virtual
from buddy.adapters.system.collector import set_aside
from buddy.core.canonical import sha256
from buddy.core.conflicts import Detector
from buddy.engine import orchestrator
from buddy.engine.calls import Desk
from buddy.engine.recovery import Past
from buddy.engine.run import Ports, Run
from buddy.errors import BadInput, Interrupted
from buddy.journal.events import FORMAT, InputDigest, RunStarted
from buddy.model.config import ExecutionConfig
from buddy.model.mode import Mode
from buddy.ports import RUNNING, Clock, HomeStore, Interaction, OutputSink, PlanSource, RunRow, World
from buddy.projections.alarms import Alarms
from buddy.projections.anomalies import Watch
from buddy.projections.outputs import together
from buddy.projections.phrases import command
from buddy.wiring.builtin import Loaded, with_policy_placed
from buddy.wiring.calls import OpenCalls
from buddy.wiring.folder import (
    PLANS,
    blob,
    deliver_feedback,
    fleet_summary,
    looked_back,
    outputs_of,
    read_again,
)
from buddy.wiring.interrupts import heeding
from buddy.wiring.offered import close_windows, without_credentials
from buddy.wiring.signing import Seal, placed

T = TypeVar("T")
WORDS = ("ask", "wait", "exit")
RESUME = partial(command, "resume")
Work = Callable[[Run, PlanSource, Past], Coroutine[Any, Any, int]]


class RunResult(Struct, frozen=True, kw_only=True):
    """How a run ended.

    Attributes:
        run_id: its name.
        folder: where its journal and outputs are.
        exit_code: what the command exits with.
        reason: one sentence.
        summary: the content of `orchestration_summary.json`.
        fleet: the content of `phase21_execution_summary.json`, where the run is one of a fleet.
    """

    run_id: str
    folder: str
    exit_code: int
    reason: str
    summary: dict[str, Any]
    fleet: dict[str, Any] | None


def home() -> SqliteHome:
    """Open the home: `$BUDDY_HOME`, else the platform's folder for a user's data."""
    return SqliteHome(home_folder(os.environ))


def settings(
    config_file: Path | None, flags: dict[str, Any], pairs: dict[str, Any] | None = None
) -> tuple[ExecutionConfig, list[str]]:
    """Return the configuration in force, and warnings: flags over environment over file over defaults."""
    return load_settings(config_file, without_credentials(os.environ), flags, pairs)


def environment_dry_run() -> bool:
    """Whether `DRY_RUN` is set in the environment to a word for yes."""
    return os.environ.get("DRY_RUN", "").strip().lower() in ("1", "true", "yes", "on")


class Session:
    """The adapters of one run, chosen by its configuration.

    Args:
        config: of the run.
        loaded: its tools.
        interaction: the people around it.
        callback: the phase-13 approval callback.
        heeds_signals: the first SIGINT or SIGTERM lets what acts come to its end.
        again: folder of the run -> the command that goes on with it after a signal.

    Attributes:
        begun: is called when the run has begun and nothing of it has run.
    """

    def __init__(
        self,
        config: ExecutionConfig,
        loaded: Loaded,
        interaction: Interaction,
        callback: Callable[[str, float], Any] | None = None,
        *,
        heeds_signals: bool = False,
        again: Callable[[str], str] = RESUME,
    ) -> None:
        check_settings(config)
        self.heeds_signals = heeds_signals
        self.again = again
        self.begun: Callable[[], object] = lambda: None
        self.config = with_policy_placed(placed(config))
        self.loaded = loaded
        policy = None if config.approvals in WORDS else read_policy(Path(config.approvals))
        self.interaction: Interaction = Around(
            interaction,
            policy=policy,
            callback=callback,
            on_alert=config.on_alert,
            on_approval=config.on_approval,
        )
        self.virtual = config.clock == "virtual"
        self.clock: Clock = VirtualClock() if self.virtual else RealClock()
        self.seal = Seal(self.config, self.clock)
        self._is_alone = False
        self.world = self._world()

    def _world(self) -> World:
        config, loaded = self.config, self.loaded
        if config.isolate and config.mode is not Mode.MOCK and loaded.world is not None:
            return loaded.world
        if config.isolate and config.mode is Mode.LIVE:
            raise BadInput(
                "--isolate --mode live: expected a tools file with 'def world(plan_id)', found none"
            )
        return lambda plan_id: loaded.toolbox

    def key(self, store: HomeStore) -> bytes:
        """Return the key for digests; a simulation takes it from its seed, so that it repeats to the byte."""
        if self.virtual:
            return hashlib.sha256(b"simulation %d" % self.config.seed).digest()
        return store.key

    def execute(self, main: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine in the run's time."""
        self._is_alone = True
        if isinstance(self.clock, VirtualClock):
            return run_virtual(main, self.clock)
        return asyncio.run(main)

    def start(self, source: PlanSource, inputs: list[InputDigest], granted_by: str) -> RunResult:
        """Run plans to the end, in an event loop of its own."""
        return self.execute(self.begin(source, inputs, granted_by))

    async def begin(self, source: PlanSource, inputs: list[InputDigest], granted_by: str) -> RunResult:
        """Run plans to the end."""
        with closing(home()) as store, self._books(store) as books, ExitStack() as opened:
            config, key, dry = self.config, self.key(store), environment_dry_run()
            self.loaded.sandboxes.expect_policy()
            run_id = self._run_id(inputs)
            watch = self.detector(books, key, run_id, dry)
            known = orchestrator.survey(source, config, watch)
            await asyncio.sleep(0)  # who interrupted it until here leaves nothing behind
            folder = Path(config.output_dir or f"runs/{run_id}")
            journal = FileJournal.create(folder)
            opened.callback(journal.close)
            stored = write_plans(folder / PLANS, known.again(source))
            sink, fold = outputs_of(folder, config.mode, known)
            opened.callback(sink.drop)
            run = self._opened(run_id, folder, store, self._ports(journal, sink, books), fold)
            contracts, handlers = orchestrator.contracts_of(self.loaded.toolbox, known.tools)
            begun = RunStarted(
                run_id=run_id,
                format=FORMAT,
                version=__version__,
                mode=config.mode,
                granted_by=granted_by,
                environment_dry_run=dry,
                config=told(config),
                inputs=inputs,
                plans=known.plans,
                steps=known.steps,
                contracts=contracts,
                handlers=handlers,
                plans_sha256=stored,
            )
            again = self.detector(books, key, run_id, dry, ledger=False)

            async def work() -> int:
                run.record(begun)
                run.flush()
                self.begun()
                with set_aside() if self._is_alone else nullcontext():
                    return await orchestrator.carry_out(run, source, known, again)

            opened.pop_all()
            return await self._to_the_end(run, store, folder, work())

    async def _to_the_end(
        self, run: Run, store: SqliteHome, folder: Path, work: Coroutine[Any, Any, int]
    ) -> RunResult:
        state, again = "stopped", self.again(str(folder))
        async with heeding(run, again, self.interaction.alert) if self.heeds_signals else nullcontext():
            try:
                code = await work
                state = "held" if code in (orchestrator.EXIT_HELD, orchestrator.EXIT_UNKNOWN) else "finished"
            except Interrupted as stopped:
                raise Interrupted(f"{stopped}; `{again}` goes on") from stopped
            finally:
                self._rest(run, store, folder, state)
                await close_windows(run.run_id)
        deliver_feedback(folder, self.config)
        summary = msgspec.json.decode((folder / "orchestration_summary.json").read_bytes())
        return RunResult(
            run_id=run.run_id,
            folder=str(folder),
            exit_code=code,
            reason=str(summary.get("exit_reason", "")),
            summary=summary,
            fleet=fleet_summary(folder),
        )

    def _rest(self, run: Run, store: SqliteHome, folder: Path, state: str) -> None:
        """Close a run, have the home keep where it ends, and sign that."""
        with ExitStack() as last:
            last.callback(self.loaded.sandboxes.close, run.run_id)
            last.callback(lambda: store.keep_head(run.run_id, run.journal.durable, state))
            run.close()
        self.seal.sign(folder, run.run_id, run.journal.durable)

    @contextmanager
    def _books(self, store: SqliteHome) -> Iterator[HomeStore]:
        """Yield the home that the run works with: a simulation has one of its own, so that it repeats."""
        if not self.virtual:
            yield store
            return
        with tempfile.TemporaryDirectory(prefix="buddy-") as folder, closing(SqliteHome(Path(folder))) as own:
            yield own

    def _ports(self, journal: FileJournal, sink: OutputSink, books: HomeStore) -> Ports:
        ids = SeededIds(self.config.seed) if self.virtual else RandomIds()
        return Ports(
            clock=self.clock,
            ids=ids,
            journal=journal,
            sink=sink,
            home=books,
            secrets=EnvSecrets(),
            interaction=self.interaction,
            world=self.world,
        )

    def detector(
        self, books: HomeStore, key: bytes, run_id: str, dry: bool, *, ledger: bool = True
    ) -> Detector:
        """Return a conflict detector for this run's settings and tools."""
        return orchestrator.detector(
            self.config,
            self.loaded.toolbox,
            books,
            key,
            self.clock.now(),
            run_id,
            environment=dry,
            ledger=ledger,
        )

    def _run_id(self, inputs: list[InputDigest]) -> str:
        if not self.virtual:
            return RandomIds().new("run")
        config = replace(self.config, output_dir=None)
        return f"sim_{sha256([[entry.sha256 for entry in inputs], told(config)])[:12]}"

    def _opened(self, run_id: str, folder: Path, store: SqliteHome, ports: Ports, fold: Alarms) -> Run:
        """Return a run that the home knows to be under way."""
        dry = environment_dry_run()
        run = Run(run_id, self.config, ports, self.key(store), environment=dry, watch=fold)
        goes_on = store.runs() if ports.journal.head.seq else []
        began = next((row.started_at for row in goes_on if row.run_id == run_id), time.time())
        row = RunRow(
            run_id=run_id,
            folder=str(folder.absolute()),
            mode=self.config.mode,
            started_at=began,
            state=RUNNING,
            head=ports.journal.head,
        )
        store.register_run(row)
        self.loaded.sandboxes.expect(run_id, folder)
        return run

    # runs that go on

    def take_up(self, folder: Path, run_id: str, by: str, work: Work) -> RunResult:
        """Open a run again and do something with it."""
        return self.execute(self._take_up(folder, run_id, by, work))

    async def _take_up(self, folder: Path, run_id: str, by: str, work: Work) -> RunResult:
        with closing(home()) as store, self._books(store) as books, ExitStack() as opened:
            fold = Watch()
            past = Past(partial(blob, folder))
            self.seal.agree(folder, run_id, store)
            journal, sink = read_again(folder, fold, past, opened)
            run = self._opened(run_id, folder, store, self._ports(journal, sink, books), fold)
            assert past.started is not None
            names = [contract.name for contract in past.started.contracts]
            contracts, handlers = orchestrator.contracts_of(self.loaded.toolbox, names)

            async def goes_on() -> int:
                past.go_on(run, by, __version__, contracts, handlers)
                return await work(run, StoredPlans(folder / PLANS), past)

            opened.pop_all()
            return await self._to_the_end(run, store, folder, goes_on())

    # calls

    async def open_calls(self, granted_by: str) -> OpenCalls:
        """Begin a run that takes calls one at a time, or go on with the one in the run's folder."""
        if self.virtual:
            raise BadInput("clock: expected 'real' for calls, found 'virtual'")
        with ExitStack() as opened:
            store = opened.enter_context(closing(home()))
            calls = self._open_calls(store, granted_by, opened)
            opened.pop_all()
            return calls

    def _open_calls(self, store: SqliteHome, granted_by: str, opened: ExitStack) -> OpenCalls:
        config, dry = self.config, environment_dry_run()
        chosen = Path(config.output_dir) if config.output_dir else None
        fold = Watch()
        past: Past | None = None
        if chosen is not None and (chosen / "journal.jsonl").is_file():
            past = Past(partial(blob, chosen))
            journal, sink = read_again(chosen, fold, past, opened)
            assert past.started is not None
            if past.started.kind != "calls":
                raise BadInput(f"{chosen} holds a run of plans; choose another folder for calls")
            folder, run_id = chosen, past.started.run_id
            self.seal.agree(folder, run_id, store)
        else:
            self.loaded.sandboxes.expect_policy()
            run_id = RandomIds().new("run")
            folder = chosen or Path(f"runs/{run_id}")
            journal = FileJournal.create(folder)
            opened.callback(journal.close)
            sink = FileSink(folder, together(fold))
            opened.callback(sink.drop)
        run = self._opened(run_id, folder, store, self._ports(journal, sink, store), fold)
        if past is None:
            run.record(
                RunStarted(
                    run_id=run_id,
                    format=FORMAT,
                    version=__version__,
                    kind="calls",
                    mode=config.mode,
                    granted_by=granted_by,
                    environment_dry_run=dry,
                    config=told(config),
                    inputs=[],
                    plans=0,
                    steps=0,
                    contracts=[],
                    handlers={},
                )
            )
        else:
            contracts, handlers = orchestrator.contracts_of(self.loaded.toolbox, past.contracts)
            past.go_on(run, granted_by, __version__, contracts, handlers)
        run.flush()
        desk = Desk(run, past, partial(looked_back, folder))
        return OpenCalls(run, desk, store, partial(self._rest, run, store, folder))


def told(config: ExecutionConfig) -> dict[str, Any]:
    """Return the settings as the journal keeps them; where the run lies is no setting of its own."""
    told: dict[str, Any] = msgspec.to_builtins(replace(config, output_dir=None))
    return told
