"""What `verify` finds in a finished run of the office after somebody laid hands on it."""

import json
import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from buddy import ExecutionConfig, Mode, wiring
from buddy.errors import JournalDamaged
from buddy.journal import codec
from buddy.journal.events import (
    AnyEvent,
    ApprovalDecided,
    ApprovalRequested,
    Intent,
    LockSeen,
    Outcome,
    Record,
    Rung,
    RunStarted,
)
from buddy.model.approval import ApprovalState
from buddy.model.outcome import OutcomeKind
from e2e import some_runs
from e2e.office_cases import CRM, CUSTOMER, EVENT, MAIL
from e2e.office_example import FOLDER, STAFF

SUMMARY = "orchestration_summary.json"
STEPS: dict[str, Any] = {
    "look": {
        "tool": "calendar.get_event_information_by_id",
        "args": {"event_id": "00000001", "field": "event_name"},
    },
    "meet": {"tool": "calendar.create_event", "args": EVENT},
    "move": {
        "tool": "calendar.update_event",
        "args": {"event_id": "00000001", "field": "event_name", "new_value": "Tea"},
        "depends_on": ["look"],
    },
    "tell": {"tool": "email.send_email", "args": MAIL, "depends_on": ["meet"]},
    "tell2": {"tool": "email.send_email", "args": {**MAIL, "subject": "Again"}},
    "add": {"tool": f"{CRM}.add_customer", "args": CUSTOMER},
    "drop": {"tool": "email.delete_email", "args": {"email_id": "00000001"}, "confidence": 0.7},
}
PLAN = {
    "plan_id": "day",
    "order": "parallel",
    "steps": {name: {"agent": "ann", "confidence": 0.95, **step} for name, step in STEPS.items()},
}


@contextmanager
def variables(**values: str) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a home and a finished run, in which the lock was once engaged and released."""
    folder = tmp_path_factory.mktemp("office")
    (folder / "plan.json").write_text(json.dumps(PLAN))
    with variables(BUDDY_HOME=str(folder / "home"), OFFICE_DB=str(folder / "db"), OFFICE_DATA=str(STAFF)):
        with closing(wiring.home()) as home:
            home.set_lock(True, "eve", "drill", 1.0)
            home.set_lock(False, "eve", "over", 2.0)
        config = ExecutionConfig(
            mode=Mode.LIVE, approvals=str(FOLDER / "policy.toml"), output_dir=str(folder / "out")
        )
        done = wiring.run([str(folder / "plan.json")], [str(FOLDER / "tools.py")], config, granted_by="ann")
        assert done.exit_code == 0, done.summary["steps"]
        assert done.summary["steps"]["by_final_mode"] == {
            **done.summary["steps"]["by_final_mode"], "LIVE": 6, "MOCK": 1,
        }  # fmt: skip
    return folder


class Crime:
    """A copy of the run to lay hands on."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.out = folder / "out"
        self.journal = self.out / "journal.jsonl"

    @property
    def lines(self) -> list[bytes]:
        return self.journal.read_bytes().splitlines(keepends=True)

    @lines.setter
    def lines(self, lines: list[bytes]) -> None:
        self.journal.write_bytes(b"".join(lines))

    def records(self) -> list[Record]:
        return [record for record, _ in codec.records(self.lines)]

    def rewrite(self, change: Callable[[list[Record]], list[Record]]) -> codec.Head:
        """Change the events, recompute the chain and every output."""
        head, lines = codec.Head(), []
        for record in change(self.records()):
            line, head = codec.encode(record.event, head, record.time)
            lines.append(line)
        self.lines = lines
        some_runs.project(self.out)
        return head

    def keep(self, head: codec.Head) -> None:
        """Change what the home knows too."""
        with closing(wiring.home()) as home:
            home.keep_head(self.run_id(), head, "finished")

    def run_id(self) -> str:
        first = self.records()[0].event
        assert isinstance(first, RunStarted)
        return first.run_id

    def found(self) -> set[str]:
        return {violation.rule for violation in wiring.verify(str(self.out)).violations}


@pytest.fixture
def crime(finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Crime:
    folder = tmp_path / "copy"
    shutil.copytree(finished, folder)
    monkeypatch.setenv("BUDDY_HOME", str(folder / "home"))
    return Crime(folder)


def test_the_untouched_run_is_clean(crime: Crime) -> None:
    report = wiring.verify(str(crime.out))
    assert report.violations == ()
    assert report.head_checked
    assert report.events == len(crime.lines)


def test_a_chain_recomputed_without_a_change_is_the_same(crime: Crime) -> None:
    before = crime.journal.read_bytes()
    crime.keep(crime.rewrite(lambda records: records))
    assert crime.journal.read_bytes() == before
    assert crime.found() == set()


# On the bytes.


def edit(old: bytes, new: bytes) -> Callable[[list[bytes]], list[bytes]]:
    def do(lines: list[bytes]) -> list[bytes]:
        whole = b"".join(lines)
        assert old in whole
        return whole.replace(old, new, 1).splitlines(keepends=True)

    return do


BYTES: dict[str, tuple[Callable[[list[bytes]], list[bytes]], str]] = {
    "an argument edited": (edit(b'"subject":"Hello"', b'"subject":"HELLO"'), "chain_broken"),
    "an agent edited": (edit(b'"agent":"ann"', b'"agent":"bob"'), "chain_broken"),
    "a confidence raised": (edit(b'"confidence":0.7', b'"confidence":0.9'), "chain_broken"),
    "a time edited": (edit(b'{"seq":9,"time":"2', b'{"seq":9,"time":"3'), "chain_broken"),
    "a blank added": (edit(b'{"seq":9,', b'{"seq": 9,'), "chain_broken"),
    "a hash edited": (lambda lines: [*lines[:8], lines[8][:-4] + b'x"}\n', *lines[9:]], "chain_broken"),
    "a line dropped": (lambda lines: lines[:5] + lines[6:], "chain_broken"),
    "two lines swapped": (lambda lines: [*lines[:5], lines[6], lines[5], *lines[7:]], "chain_broken"),
    "a line said twice": (lambda lines: [*lines[:6], lines[5], *lines[6:]], "chain_broken"),
    "a foreign line": (lambda lines: [*lines[:6], b'{"seq":7}\n', *lines[6:]], "chain_broken"),
    "an empty line": (lambda lines: [*lines[:6], b"\n", *lines[6:]], "chain_broken"),
    "the last line dropped": (lambda lines: lines[:-1], "head_differs"),
    "the second half dropped": (lambda lines: lines[: len(lines) // 2], "head_differs"),
    "the last line cut": (lambda lines: [*lines[:-1], lines[-1][:40]], "line_torn"),
    "a line in the middle cut": (
        lambda lines: [*lines[:5], lines[5][:40] + b"\n", *lines[6:]],
        "chain_broken",
    ),
    "everything dropped": (lambda lines: [], "journal_empty"),
}


@pytest.mark.parametrize("name", BYTES)
def test_bytes_that_were_changed_are_found(crime: Crime, name: str) -> None:
    change, rule = BYTES[name]
    crime.lines = change(crime.lines)
    assert rule in crime.found()


@pytest.mark.parametrize(
    "change", [lambda lines: lines[1:], edit(b'"mode":"LIVE"', b'"mode":"MOCK"')], ids=["dropped", "edited"]
)
def test_a_run_whose_first_line_does_not_hold_is_refused_by_its_number(
    crime: Crime, change: Callable[[list[bytes]], list[bytes]]
) -> None:
    crime.lines = change(crime.lines)
    assert told(crime) <= {"line 1", "chain_broken", "head_differs", "output_differs"}
    assert told(crime) & {"line 1", "chain_broken"}


def told(crime: Crime) -> set[str]:
    try:
        return crime.found()
    except JournalDamaged as damage:
        return {f"line {damage.line}"}


@pytest.mark.parametrize(
    "name", ["tool_execution_log.jsonl", "rollback_events.jsonl", SUMMARY, "system_health.json"]
)
def test_an_output_that_was_forged_is_found(crime: Crime, name: str) -> None:
    path = crime.out / name
    path.write_bytes(path.read_bytes() + b"{}\n")
    assert crime.found() == {"output_differs"}
    path.unlink()
    assert crime.found() == {"output_missing"}


# On the events, with the chain, the outputs and the head that the home keeps made to fit.


def of(kind: type[AnyEvent], step: str, **fields: Any) -> Callable[[Any], bool]:
    def matches(event: Any) -> bool:
        same = isinstance(event, kind) and getattr(event, "step", step) == step
        return same and all(getattr(event, name) == value for name, value in fields.items())

    return matches


def without(matches: Callable[[Any], bool]) -> Callable[[list[Record]], list[Record]]:
    def do(records: list[Record]) -> list[Record]:
        kept = [record for record in records if not matches(record.event)]
        assert len(kept) < len(records)
        return kept

    return do


def changed(matches: Callable[[Any], bool], **fields: Any) -> Callable[[list[Record]], list[Record]]:
    def do(records: list[Record]) -> list[Record]:
        assert any(matches(record.event) for record in records)
        return [
            msgspec.structs.replace(record, event=msgspec.structs.replace(record.event, **fields))
            if matches(record.event)
            else record
            for record in records
        ]

    return do


def said_again(matches: Callable[[Any], bool]) -> Callable[[list[Record]], list[Record]]:
    def do(records: list[Record]) -> list[Record]:
        again = [record for record in records if matches(record.event)]
        assert again
        return [*records[:-1], *again, records[-1]]

    return do


def under_lock(records: list[Record]) -> list[Record]:
    place = next(n for n, record in enumerate(records) if isinstance(record.event, Intent))
    seen = LockSeen(epoch=3, engaged=True, by="eve", reason="drill")
    return [*records[:place], msgspec.structs.replace(records[place], event=seen), *records[place:]]


def with_the_others_approval(records: list[Record]) -> list[Record]:
    other = next(r.event.approval for r in records if isinstance(r.event, Intent) and r.event.step == "tell")
    return changed(of(Intent, "tell2"), approval=other)(records)


def of_run(kind: type[AnyEvent], **fields: Any) -> Callable[[list[Record]], list[Record]]:
    return changed(lambda event: isinstance(event, kind), **fields)


EVENTS: dict[str, tuple[Callable[[list[Record]], list[Record]], str]] = {
    "MOCK removed": (without(of(Rung, "meet", mode=Mode.MOCK)), "live_without_rehearsal"),
    "DRY_RUN removed": (without(of(Rung, "meet", mode=Mode.DRY_RUN)), "live_without_rehearsal"),
    "MOCK of a read removed": (without(of(Rung, "look", mode=Mode.MOCK)), "dry_run_without_rehearsal"),
    "other arguments rehearsed": (changed(of(Intent, "meet"), digest="0" * 32), "live_without_rehearsal"),
    "an intent removed": (without(of(Intent, "move")), "outcome_without_intent"),
    "an outcome removed": (without(of(Outcome, "move")), "intent_without_outcome"),
    "an outcome said twice": (said_again(of(Outcome, "move")), "second_outcome"),
    "a call said twice": (
        said_again(lambda event: isinstance(event, Intent | Outcome) and event.step == "move"),
        "executed_twice",
    ),
    "an approval used twice": (with_the_others_approval, "approval_reused"),
    "an approval left out": (changed(of(Intent, "tell"), approval=None), "live_without_approval"),
    "an approval invented": (changed(of(Intent, "tell"), approval="ap_none"), "approval_unknown"),
    "a yes made a no": (changed(of(ApprovalDecided, "tell"), state=ApprovalState.DENIED), "approval_differs"),
    "a decider changed": (changed(of(ApprovalDecided, "tell"), by=["mallory"]), "approval_differs"),
    "a decision removed": (without(of(ApprovalDecided, "tell")), "live_without_approval"),
    "a request removed": (
        without(lambda event: isinstance(event, ApprovalRequested) and event.request.step_id == "tell"),
        "approval_not_journaled",
    ),
    "live under lock": (under_lock, "live_under_lock"),
    "an epoch that never was": (changed(of(Intent, "move"), lock_epoch=9), "live_in_locked_time"),
    "an engaged epoch": (changed(of(Intent, "move"), lock_epoch=1), "live_in_locked_time"),
    "an unsure step live": (changed(of(Intent, "move"), confidence=0.2), "confidence_too_low"),
    "the run's mode lowered": (of_run(RunStarted, mode=Mode.DRY_RUN), "live_above_mode"),
    "DRY_RUN of a read removed": (without(of(Rung, "look", mode=Mode.DRY_RUN)), "live_without_rehearsal"),
    "a contract removed": (of_run(RunStarted, contracts=[]), "unknown_tool_live"),
    "a failure made of a success": (
        changed(of(Outcome, "meet"), outcome=OutcomeKind.FAILED, status=None), "invented_data",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", EVENTS)
def test_events_that_were_changed_are_found_even_with_a_chain_that_fits(crime: Crime, name: str) -> None:
    change, rule = EVENTS[name]
    head = crime.rewrite(change)
    without_home = crime.found()
    assert "chain_broken" not in without_home
    assert {rule, "head_differs"} <= without_home
    crime.keep(head)
    both = crime.found()
    assert rule in both
    assert not both & {"head_differs", "chain_broken", "output_differs", "output_missing"}


def test_a_home_that_was_changed_is_found(crime: Crime) -> None:
    with closing(wiring.home()) as home:
        locked = home.set_lock(True, "eve", "later", 3.0)
        database = home.folder / "buddy.db"
    assert "live_in_locked_time" not in crime.found()
    with closing(sqlite3.connect(database, isolation_level=None)) as connection:
        connection.execute("UPDATE lock_epochs SET at = 3.0 WHERE epoch = ?", (locked.epoch,))
    assert "live_in_locked_time" in crime.found()


def test_every_live_call_comes_after_its_rehearsals(crime: Crime) -> None:
    passed: dict[tuple[str, str], set[Mode]] = {}
    lives = 0
    for record in crime.records():
        event = record.event
        if isinstance(event, Rung) and event.error is None:
            if event.mode is Mode.LIVE:
                lives += 1
                assert passed[event.step, event.digest] == {Mode.MOCK, Mode.DRY_RUN}
            else:
                passed.setdefault((event.step, event.digest), set()).add(event.mode)
        elif isinstance(event, Intent):
            lives += 1
            assert passed[event.step, event.digest] == {Mode.MOCK, Mode.DRY_RUN}
    assert lives == 6
