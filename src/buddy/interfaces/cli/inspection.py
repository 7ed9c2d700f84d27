"""Commands that look at runs and change nothing but their outputs."""

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from buddy.journal.events import Record
    from buddy.model.outcome import StepStatus
    from buddy.projections.story import Story


def outputs(args: argparse.Namespace) -> int:
    """Write a run's outputs again from its journal."""
    from buddy import wiring
    from buddy.interfaces.cli.printing import emit, say
    from buddy.interfaces.cli.progress import Bar

    with Bar("projecting"):
        names = wiring.rebuild_outputs(args.run)
    if args.json:
        emit({"folder": str(wiring.folder_of(args.run)), "files": names})
    else:
        say(*names)
    return 0


def verify(args: argparse.Namespace) -> int:
    """Check that a run is what its journal says; 1 where it is not."""
    from buddy import wiring
    from buddy.interfaces.cli.printing import counted, emit, say
    from buddy.interfaces.cli.progress import Bar

    with Bar("verifying"):
        report = wiring.verify(args.run, args.key)
    if args.json:
        emit(report)
        return 1 if report.violations else 0
    for found in report.violations:
        place = f"line {found.seq}" if found.seq else "the run"
        whose = f" ({found.plan}/{found.step})" if found.step else ""
        say(f"{place}: {found.rule}{whose}: {found.message}")
    told = f"{counted(report.events, 'event')}, {counted(len(report.outputs_checked), 'output')} compared"
    known = (
        "" if report.head_checked else "; this home does not know the run, so its end could not be checked"
    )
    if args.key:
        told = f"{told}, {counted(report.signatures_checked, 'signature')} checked"
    verdict = counted(len(report.violations), "violation") if report.violations else "all is as it should be"
    say(f"{report.run_id or args.run}: {told}: {verdict}{known}")
    return 1 if report.violations else 0


def explain(args: argparse.Namespace) -> int:
    """Tell the story of one step."""
    from buddy import wiring
    from buddy.interfaces.cli.printing import emit, say
    from buddy.interfaces.cli.progress import Bar

    with Bar("reading"):
        wiring.expect_whole(args.run)
        story = _story(args.run, args.step)
    if args.json:
        emit(story)
    else:
        say(f"Step {story.plan}/{story.step} of {story.run_id}", *story.sentences)
    return 0


def _story(run: str, name: str) -> "Story":
    """Find the step that a person means: both ids may have a slash in them."""
    from buddy import wiring
    from buddy.errors import BadInput
    from buddy.projections.phrases import quoted
    from buddy.projections.story import story

    parts = name.split("/")
    splits = [("/".join(parts[:at]), "/".join(parts[at:])) for at in range(1, len(parts))]
    for plan, step in [*splits, (None, name)]:
        found = story(wiring.records(run), plan, step)
        if isinstance(found, list):
            listed = ", ".join(quoted(f"{one}/{step}") for one in found[:10])
            more = f" and {len(found) - 10:,} more" if len(found) > 10 else ""
            raise BadInput(f"step '{name}' is in several plans: expected one of {listed}{more}")
        if found is not None:
            return found
    raise BadInput(
        f"expected a step of the run, STEP or PLAN/STEP, found '{name}', which its journal never names"
    )


def list_runs(args: argparse.Namespace) -> int:
    """List runs, newest first."""
    from contextlib import closing

    from buddy import wiring
    from buddy.interfaces.cli.printing import emit, say, table
    from buddy.journal.times import iso

    with closing(wiring.home()) as home:
        rows = home.runs()
    shown = rows[: args.limit or None]
    if args.json:
        emit(
            [
                {
                    "run_id": row.run_id,
                    "mode": row.mode,
                    "state": row.state,
                    "started_at": iso(row.started_at),
                    "events": row.head.seq,
                    "folder": row.folder,
                }
                for row in shown
            ]
        )
        return 0
    if not rows:
        say("no runs yet; `buddy demo` makes one")
        return 0
    table(
        ("run", "state", "mode", "started (UTC)", "folder"),
        [(it.run_id, it.state, it.mode.value, iso(it.started_at)[:19], it.folder) for it in shown],
    )
    if len(rows) > len(shown):
        say(f"... and {len(rows) - len(shown):,} more; --limit 0 lists them all")
    return 0


def show_run(args: argparse.Namespace) -> int:
    """Show how a run stands, from its journal, which is right even where the run was killed."""
    import msgspec

    from buddy import wiring
    from buddy.interfaces.cli import summary
    from buddy.interfaces.cli.printing import emit, say, table
    from buddy.interfaces.cli.progress import Bar
    from buddy.projections.anomalies import Watch
    from buddy.projections.fleet.summary import summarise as summarise_fleet
    from buddy.projections.summary import summarise

    watch, steps = Watch(audited=False), _OpenSteps()
    with Bar("reading"):
        wiring.expect_whole(args.run)
        for record in wiring.records(args.run):
            watch.follow(record)
            steps.feed(record)
    run, fleet = watch.run, None
    told = msgspec.to_builtins(summarise(run))
    if watch.fleet is not None:
        fleet = msgspec.to_builtins(summarise_fleet(watch.fleet, run.run_id, run.config))
    shown = steps.listed(args.limit)
    if args.json:
        names = ("plan", "step", "status", "rule", "reason")
        open_steps = [dict(zip(names, row, strict=True)) for row in shown]
        emit({"summary": told, "fleet": fleet, "open_steps": open_steps})
        return 0
    say(*summary.lines(told, str(wiring.folder_of(args.run)), fleet=fleet))
    if shown:
        say("")
        table(("plan", "step", "status", "rule", "reason"), shown)
    if len(steps.found) > len(shown):
        say(f"... and {len(steps.found) - len(shown):,} more; --limit 0 lists them all")
    return 0


class _OpenSteps:
    """Steps that came to rest otherwise than well, as of the last event that settled them."""

    def __init__(self) -> None:
        self.found: dict[tuple[str, str], tuple[StepStatus, str, str]] = {}

    def feed(self, record: "Record") -> None:
        from buddy.model.outcome import StepStatus

        event = record.event
        status = getattr(event, "status", None)
        if status is None:
            return
        key = (event.plan, event.step)  # type: ignore[union-attr]
        if status is StepStatus.SUCCEEDED:
            self.found.pop(key, None)
            return
        error = getattr(event, "error", None)
        told = getattr(error, "message", error) or getattr(event, "reason", "")
        self.found[key] = (status, getattr(event, "rule", ""), str(told))

    def listed(self, limit: int) -> list[tuple[str, ...]]:
        """Return a row a step, the first to come to rest first."""
        rows: list[tuple[str, ...]] = [
            (*key, status.value, rule, why) for key, (status, rule, why) in self.found.items()
        ]
        return rows[: limit or None]
