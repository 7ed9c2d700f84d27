"""What each protection stops or undoes, on 1,920 recorded runs of language models in an office.

Every run is carried out live in an office of its own, once with every protection off and once with each on.
An independent replayer labels the state that is left: correct (as the task's plan leaves it) or harmful
(neither that nor untouched); "ids aside", a record that came back under a new id counts as untouched. The
reference is the label of the recording itself. Needs the shared data (BUDDY_DATA).
"""

import argparse
import json
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from buddy import ExecutionConfig, Mode, wiring
from buddy.journal.events import Settled
from buddy.model.config import DEFAULT_STRATEGIES, RetryStrategy
from buddy.model.conflict import ConflictType, Strategy
from e2e import office_replayer as replayer
from e2e.office_example import SHARED
from e2e.office_live import POLICY, TOOLS, Start, surroundings

Label = tuple[bool, bool, bool]
OFF: dict[str, Any] = {
    "enable_rollback_on_failure": False,
    "retry_strategy": RetryStrategy.NO_RETRY,
    "breaker": False,
    "conflicts": {**DEFAULT_STRATEGIES, ConflictType.DUPLICATE_ACTION: Strategy.ALLOW},
    "on_failure": "continue",
}
STOP = {**OFF, "on_failure": "stop"}
SETTINGS: dict[str, dict[str, Any]] = {
    "off": OFF,
    "duplicate": {**OFF, "conflicts": DEFAULT_STRATEGIES},
    "stop": STOP,
    "stop+rollback": {**STOP, "enable_rollback_on_failure": True},
    "all": {"retry_strategy": RetryStrategy.NO_RETRY, "breaker": False},
    "defaults": {},
}


class Recordings:
    """The recorded runs and the state that each one's task asks for."""

    def __init__(self, every: int) -> None:
        self.start = Start(SHARED / "db")
        self.runs = read("runs.jsonl")[::every]
        self.right = {}
        for plan in read("plans.jsonl"):
            self.right[plan["plan_id"]] = state = replayer.fresh(self.start.state)
            replayer.replay(state, replayer.calls_of(plan))

    def labels(self, folder: Path) -> dict[str, Label]:
        """Correct, harmful, and harmful not only by an id, of what each run left in its office."""
        found = {}
        for run in self.runs:
            meta, state = run["meta"], self.start.after(folder, run["plan_id"])
            right = self.right[f"workbench:{meta['domain']}:{meta['task']}"]
            correct, harmful = replayer.judge(self.start.state, right, state, meta["error"])
            found[run["plan_id"]] = correct, harmful, harmful and not as_begun(self.start.state, state)
        return found


def as_begun(start: replayer.State, state: replayer.State) -> bool:
    """Whether an office holds what it began with, under whatever ids."""
    for name, rows in state.items():
        before, after = {id(row) for row in start[name]}, {id(row) for row in rows}
        gone = sorted(list(row.values())[1:] for row in start[name] if id(row) not in after)
        come = sorted(list(row.values())[1:] for row in rows if id(row) not in before)
        if gone != come:
            return False
    return True


def read(name: str) -> list[dict[str, Any]]:
    """The lines of a file of the shared data."""
    return [json.loads(line) for line in (SHARED / name).read_text(encoding="utf-8").splitlines()]


def replay(
    recordings: Recordings, settings: dict[str, Any], folder: Path
) -> tuple[dict[str, Label], set[str]]:
    """Run everything live; returns the labels, and the plans that their rehearsal stopped."""
    folder.mkdir()
    plans = folder / "runs.jsonl"
    plans.write_text("".join(f"{json.dumps(run)}\n" for run in recordings.runs), encoding="utf-8")
    config = ExecutionConfig(
        mode=Mode.LIVE, isolate=True, approvals=str(POLICY), output_dir=str(folder / "run"), **settings
    )
    with surroundings(folder, SHARED / "db"):
        result = wiring.run([str(plans)], [str(TOOLS)], config, granted_by="bench")
        assert not wiring.verify(result.folder).violations
        rehearsed = {
            record.event.plan
            for record in wiring.records(result.folder)
            if isinstance(record.event, Settled) and record.event.rule == "rehearsal"
        }
    return recordings.labels(folder), rehearsed


def effect(before: dict[str, Label], after: dict[str, Label], among: set[str] | None = None) -> list[int]:
    """Harmful runs that are not any more, also ids aside, correct ones lost, what got worse or better."""
    tally: Counter[str] = Counter()
    for plan, (correct, harmful, beyond) in before.items():
        if among is None or plan in among:
            now_correct, now_harmful, now_beyond = after[plan]
            tally.update(saved=harmful and not now_harmful, lost=correct and not now_correct)
            tally.update(ids=beyond and not now_beyond)
            tally.update(harmed=now_harmful and not harmful, fixed=now_correct and not correct)
    return [tally[name] for name in ("saved", "ids", "lost", "harmed", "fixed")]


def main() -> None:
    """Replay, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--every", type=int, default=1, help="take every N-th run")
    parser.add_argument("--json", action="store_true")
    chosen = parser.parse_args()
    if not (SHARED / "runs.jsonl").exists():
        parser.error(f"expected recorded runs in {SHARED}; set BUDDY_DATA")
    recordings = Recordings(chosen.every)
    found: dict[str, dict[str, Label]] = {}
    rehearsed: dict[str, set[str]] = {}
    for name, settings in SETTINGS.items():
        began = time.perf_counter()
        with tempfile.TemporaryDirectory() as folder:
            found[name], rehearsed[name] = replay(recordings, settings, Path(folder) / "it")
        print(f"{name}: {time.perf_counter() - began:.0f} s", file=sys.stderr)
    report(recordings, found, rehearsed["stop"], as_json=chosen.json)


def report(
    recordings: Recordings, found: dict[str, dict[str, Label]], rehearsed: set[str], *, as_json: bool
) -> None:
    """Print what the labels say."""
    off = found["off"]
    truth = {run["plan_id"]: (run["meta"]["correct"], run["meta"]["harmful"]) for run in recordings.runs}
    same = [sum(off[plan][place] == truth[plan][place] for plan in truth) for place in (0, 1)]
    rows = {
        "rehearsal": effect(off, found["stop"], rehearsed),
        "stop on failure": effect(off, found["stop"], set(off) - rehearsed),
        "rollback, after stop": effect(found["stop"], found["stop+rollback"]),
        "duplicate": effect(off, found["duplicate"]),
        "all four": effect(off, found["all"]),
        "defaults, with breakers": effect(off, found["defaults"]),
    }
    harmful, correct = sum(label[1] for label in off.values()), sum(label[0] for label in off.values())
    if as_json:
        print(
            json.dumps(
                {"runs": len(off), "harmful": harmful, "correct": correct, "agree": same, "rows": rows}
            )
        )
        return
    print(
        f"{len(off)} runs, unprotected: {harmful} harmful, {correct} correct; labels as recorded: correct"
        f" {same[0] / len(off):.2%}, harmful {same[1] / len(off):.2%}"
    )
    heads = ("harmful, no more", "ids aside", "correct, lost", "made harmful", "made correct")
    print(f"{'protection':<24} {heads[0]:>17} {heads[1]:>10} {heads[2]:>14} {heads[3]:>13} {heads[4]:>13}")
    for name, (saved, ids, lost, harmed, fixed) in rows.items():
        shares = saved / max(1, harmful), lost / max(1, correct)
        print(
            f"{name:<24} {saved:>10} {shares[0]:>6.1%} {ids:>10} {lost:>7} {shares[1]:>6.1%}"
            f" {harmed:>13} {fixed:>13}"
        )


if __name__ == "__main__":
    main()
