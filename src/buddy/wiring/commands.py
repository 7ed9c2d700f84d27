"""What the commands do, end to end."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from buddy.adapters.inputs.canonical import StoredPlans
from buddy.adapters.inputs.plans import PlanFiles, PlanObjects
from buddy.adapters.people import Quiet
from buddy.adapters.system.collector import calm
from buddy.core import coordination
from buddy.core.coordination import Load
from buddy.core.fleet import Crew
from buddy.core.ordering import Schedule
from buddy.engine import orchestrator
from buddy.engine.checking import ceilings
from buddy.engine.manual import cancel_all, in_good_order, resolve_step, tools_to_undo, undo_by_hand
from buddy.engine.orchestrator import Survey
from buddy.engine.recovery import Past
from buddy.engine.run import Run
from buddy.errors import BadInput
from buddy.journal.events import FleetPlan, InputDigest, RunStarted
from buddy.model.config import ExecutionConfig
from buddy.model.conflict import Conflict
from buddy.model.mode import Mode
from buddy.ports import Interaction, PlanSource
from buddy.projections.phrases import command
from buddy.wiring.builtin import tools
from buddy.wiring.folder import PLANS, blob
from buddy.wiring.looking import opened, records
from buddy.wiring.session import RunResult, Session, environment_dry_run, home, settings
from buddy.wiring.signing import here


def run(
    inputs: Sequence[str],
    tool_files: Sequence[str],
    config: ExecutionConfig,
    *,
    granted_by: str,
    interaction: Interaction | None = None,
    begun: Callable[[], object] = lambda: None,
) -> RunResult:
    """Run plan files to the end.

    Args:
        inputs: of plans.
        tool_files: with the tools.
        config: of the run.
        granted_by: the person.
        interaction: the people around it.
        begun: is called when everything could be used and nothing has run yet.
    """
    with calm():
        return _run(inputs, tool_files, config, granted_by, interaction or Quiet(), begun)


def _run(
    inputs: Sequence[str],
    tool_files: Sequence[str],
    config: ExecutionConfig,
    granted_by: str,
    interaction: Interaction,
    begun: Callable[[], object],
) -> RunResult:
    loaded = tools(tool_files, config)
    source = PlanFiles(inputs, crew=crew_of(config))
    scan = source.scan()
    session = Session(config, loaded, interaction, heeds_signals=True, again=_again("resume", tool_files))
    session.begun = begun
    return session.start(source, scan.inputs, granted_by)


def _again(name: str, tool_files: Sequence[str], *more: str) -> Callable[[str], str]:
    return lambda folder: command(name, folder, tool_files, *more)


def crew_of(config: ExecutionConfig) -> Crew:
    """Return the agents of a fleet: the operator's where any are named, else `agent_0` and so on."""
    agents = tuple(config.agents) or tuple(f"agent_{number}" for number in range(config.num_agents))
    return Crew(
        agents=agents,
        strategy=config.assignment_strategy,
        kind=config.schedule,
        capacity={name: agent.capacity for name, agent in config.agents.items()},
    )


def _session(
    run: str,
    tool_files: Sequence[str],
    interaction: Interaction | None,
    approvals: str | None = None,
    config_file: Path | None = None,
    *,
    again: Callable[[str], str],
) -> tuple[Path, RunStarted, Session]:
    folder, started = opened(run)
    if started.plans_sha256:
        StoredPlans(folder / PLANS).verify(started.plans_sha256)
    config = here(_settings_of(started, folder))
    if approvals is not None:
        config = replace(config, approvals=approvals)
    if config_file is not None:
        granted, _ = settings(config_file, {})
        config = replace(here(config, granted.signing_key), agents=granted.agents, caps=granted.caps)
    loaded = tools(tool_files, config)
    session = Session(config, loaded, interaction or Quiet(), heeds_signals=True, again=again)
    return folder, started, session


def _settings_of(started: RunStarted, folder: Path) -> ExecutionConfig:
    try:
        return msgspec.convert({**started.config, "output_dir": str(folder)}, ExecutionConfig)
    except msgspec.ValidationError as problem:
        raise BadInput(
            f"{folder} was begun by Buddy {started.version[:40]!r}, with settings that this version does not"
            f" take: {problem}; go on with that version or a newer one"
        ) from problem


def resume(
    run: str,
    tool_files: Sequence[str],
    *,
    by: str,
    interaction: Interaction | None = None,
    approvals: str | None = None,
    config_file: Path | None = None,
) -> RunResult:
    """Go on with a run whose steps are held, or that was interrupted.

    Args:
        run: its id or folder.
        tool_files: those that it began with.
        by: the person.
        interaction: the people around it.
        approvals: instead of the run's own setting.
        config_file: its agents (with their permissions), caps and signing key replace those of the run,
            whose other settings stay.
    """
    more = [*(("--approvals", approvals) if approvals else ())]
    more += ["--config", str(config_file)] if config_file else []
    again = _again("resume", tool_files, *more)
    folder, started, session = _session(run, tool_files, interaction, approvals, config_file, again=again)
    _expect_plans("resume", folder, started)
    missing = [c.name for c in started.contracts if session.loaded.toolbox.get(c.name) is None]
    _refuse_without("resume", missing)

    async def work(under_way: Run, source: PlanSource, past: Past) -> int:
        key, dry = under_way.key, under_way.environment
        watch = session.detector(under_way.home, key, started.run_id, dry, ledger=False)
        known = orchestrator.survey(source, session.config, watch)
        again = session.detector(under_way.home, key, started.run_id, dry, ledger=False)
        return await orchestrator.carry_out(under_way, source, known, again, past)

    return session.take_up(folder, started.run_id, by, work)


def _expect_plans(name: str, folder: Path, started: RunStarted) -> None:
    if started.kind != "plans":
        raise BadInput(
            f"{name}: expected a run of plans, found one of calls in {folder}; a Harness with that output_dir"
            " goes on with it"
        )


def _refuse_without(name: str, missing: Sequence[str]) -> None:
    if missing:
        more = f" and {len(missing) - 5:,} more" if len(missing) > 5 else ""
        told = f"{', '.join(missing[:5])}{more}"
        raise BadInput(f"{name}: expected --tools files with {told}, which the run uses")


def rollback(
    run: str,
    tool_files: Sequence[str],
    *,
    by: str,
    step: str | None = None,
    under_lock: bool = False,
    interaction: Interaction | None = None,
) -> RunResult:
    """Undo a run's live writes by hand, or those of one step."""
    more = [*(("--step", step) if step else ()), *(("--under-lock",) if under_lock else ())]
    again = _again("rollback", tool_files, *more)
    folder, started, session = _session(run, tool_files, interaction, again=again)
    _expect_plans("rollback", folder, started)
    past = Past(lambda digest: blob(folder, digest)).read(records(str(folder)))
    box = session.loaded.toolbox
    used = tools_to_undo(past, step, started.handlers)
    _refuse_without("rollback", [n for n in used if (found := box.get(n)) is None or not found.handlers])

    async def work(under_way: Run, source: PlanSource, past: Past) -> int:
        watch = session.detector(
            under_way.home, under_way.key, started.run_id, under_way.environment, ledger=False
        )
        undo = undo_by_hand(under_way, source, watch, past, by=by, step=step, under_lock=under_lock)
        return await in_good_order(under_way, undo, "rollback")

    return session.take_up(folder, started.run_id, by, work)


def cancel(run: str, *, by: str) -> RunResult:
    """Give up what is held or was never tried in a run."""
    folder, started, session = _session(run, (), None, again=_again("cancel", ()))
    _expect_plans("cancel", folder, started)

    async def work(under_way: Run, source: PlanSource, past: Past) -> int:
        return await in_good_order(under_way, cancel_all(under_way, source, past, by), "cancel")

    return session.take_up(folder, started.run_id, by, work)


def resolve(run: str, step: str, happened: bool, *, by: str) -> RunResult:
    """Record what a person found out about a call whose end nobody knew."""
    again = _again("resolve", (), step, "--happened" if happened else "--did-not")
    folder, started, session = _session(run, (), None, again=again)

    async def work(under_way: Run, source: PlanSource, past: Past) -> int:
        return await in_good_order(under_way, resolve_step(under_way, past, step, happened, by), "resolve")

    return session.take_up(folder, started.run_id, by, work)


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


class FleetOutlook(Struct, frozen=True, kw_only=True):
    """What a fleet would do.

    Attributes:
        plan: who, by which rules, how long it should take.
        loads: what each agent would do in each wave.
    """

    plan: FleetPlan
    loads: list[Load]


class CheckResult(Struct, frozen=True, kw_only=True):
    """What a run would do.

    Attributes:
        steps: can be gone through once.
        conflicts: in the order found.
        plans: how many.
        count: how many steps.
        fleet: the coordination plan, where there is a fleet.
    """

    steps: Iterator[CheckedStep]
    conflicts: list[Conflict]
    plans: int
    count: int
    fleet: FleetOutlook | None


def check(inputs: Sequence[str], tool_files: Sequence[str], config: ExecutionConfig) -> CheckResult:
    """Say how high each step would climb and which conflicts there are, without running anything."""
    with calm():
        loaded = tools(tool_files, config)
        source = PlanFiles(inputs, crew=crew_of(config))
        source.scan()
        with closing(home()) as store:
            now, dry = time.time(), environment_dry_run()
            watch = orchestrator.detector(config, loaded.toolbox, store, store.key, now, "", environment=dry)
            known = orchestrator.survey(source, config, watch)
            lock, breakers = store.lock_state(), store.breakers()
        again = orchestrator.detector(
            config, loaded.toolbox, store, store.key, now, "", environment=dry, ledger=False
        )
        found = ceilings(source, known, again, lock, breakers)
        steps = (CheckedStep(**one) for one in found)
        return CheckResult(
            steps=steps,
            conflicts=known.findings.conflicts,
            plans=known.plans,
            count=known.steps,
            fleet=None if known.fleet is None else _outlook(known.fleet, known, config),
        )


def _outlook(schedule: Schedule, known: Survey, config: ExecutionConfig) -> FleetOutlook:
    edges = known.findings.within(known.fleet_at)
    return FleetOutlook(
        plan=orchestrator.outlook(schedule, config, known.findings, known.fleet_at),
        loads=list(coordination.loads(schedule, orchestrator.parallel_tasks(config), edges)),
    )


def plan_objects(objects: Sequence[Any]) -> tuple[PlanSource, list[InputDigest]]:
    """Read plans that are Python objects already."""
    source = PlanObjects(objects)
    return source, source.scan().inputs


def json_object(value: dict[str, Any], place: str) -> dict[str, Any]:
    """Return a JSON object as a file would have held it.

    Raises:
        BadInput: it is not one.
    """
    try:
        return msgspec.json.decode(msgspec.json.encode(value), type=dict[str, Any])
    except (TypeError, ValueError, RecursionError, msgspec.MsgspecError) as problem:
        raise BadInput(f"{place}: expected arguments made of JSON values, found {problem}") from problem
