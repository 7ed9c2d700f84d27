"""An outcome that nobody waits for shares the fsync of what begins next; nobody is told of one before it."""

import asyncio
import errno
import json
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

from buddy import Call, ClosedStop, ExecutionConfig, Harness, Mode, Preview, Restored, Tool, tool
from buddy.adapters.home import leases
from buddy.adapters.journal import FileJournal
from buddy.adapters.journal.disk import Disk
from buddy.engine.run import WRITE_EVERY

AGENTS, STEPS = 4, 8
Line = tuple[str, str]


class Durable:
    """What of a journal is durable.

    Attributes:
        path: of the journal.
        lines: event types and steps, in order, as of the last fsync.
        syncs: how many there were.
        broken: whether the next one fails.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.lines: list[Line] = []
        self.syncs = 0
        self.broken = False

    def written(self) -> list[Line]:
        events = [json.loads(line) for line in self.path.read_bytes().splitlines()]
        return [(event["type"], event.get("step", "")) for event in events]

    def sync(self, real: Callable[[int], None], file: int) -> None:
        if os.readlink(f"/proc/self/fd/{file}") != str(self.path):
            return real(file)
        if self.broken:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        real(file)
        self.lines = self.written()
        self.syncs += 1
        return None


@pytest.fixture
def durable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Durable]:
    monkeypatch.setenv("BUDDY_HOME", str(tmp_path / "home"))
    seen, real = Durable(tmp_path / "run" / "journal.jsonl"), Disk.sync
    with patch.object(Disk, "sync", lambda disk, file: seen.sync(lambda one: real(disk, one), file)):
        yield seen


def put(
    name: str = "put",
    *,
    look: Callable[[str], None] = lambda row: None,
    act: Callable[[str], None] = lambda row: None,
    wait_s: float = 0.0,
    undo: str = "exact",
    **contract: Any,
) -> Tool:
    """Return a tool that calls `look` in its preview, waits, and calls `act`."""

    @tool(name=name, risk="LOW", effect="write", undo=undo, resources=["row:{row}"], **contract)
    async def acting(row: str) -> str:
        if wait_s:
            await asyncio.sleep(wait_s)
        act(row)
        return row

    @acting.preview
    async def _(row: str) -> Preview:
        look(row)
        return Preview(notes=[row])

    if undo != "none":

        @acting.undo
        async def _(call: Call, result: str) -> Restored:
            return Restored(verified=True)

    return acting


def steps(names: list[str], agent: str = "a", **fields: Any) -> dict[str, dict[str, Any]]:
    made = {"tool": "put", "agent": agent, "confidence": 0.95}
    return {name: made | {"args": {"row": name}} | fields for name in names}


def run(
    durable: Durable,
    tools: list[Tool],
    found: dict[str, Any],
    *,
    approve: Any = None,
    order: str = "parallel",
    **settings: Any,
) -> int:
    config = ExecutionConfig(mode=Mode.LIVE, output_dir=str(durable.path.parent), **settings)
    harness = Harness(config, tools, approval_callback=approve)
    return harness.run_sync({"plan_id": "p", "order": order, "steps": found}).exit_code


def test_outcomes_ride_on_the_intents_that_follow(durable: Durable) -> None:
    found = {}
    for agent in range(AGENTS):
        found |= steps([f"a{agent}s{number}" for number in range(STEPS)], agent=f"a{agent}")

    def act(row: str) -> None:
        assert ("intent", row) in durable.lines

    assert run(durable, [put(act=act)], found) == 0
    assert [kind for kind, _ in durable.lines].count("outcome") == len(found)
    # One for each round of intents; the others are the run's first and last lines.
    assert durable.syncs <= STEPS + 4


def test_what_an_agent_did_is_in_the_file_when_it_goes_on(durable: Durable) -> None:
    names = [f"s{number}" for number in range(STEPS)]
    seen: list[str] = []

    def look(row: str) -> None:
        assert [step for kind, step in durable.written() if kind == "outcome"] == seen
        seen.append(row)

    assert run(durable, [put(look=look)], steps(names)) == 0
    assert seen == names


def read(look: Callable[[str], None], **contract: Any) -> Tool:
    @tool(name="read", risk="LOW", effect="read", **contract)
    async def reading(row: str) -> str:
        look(row)
        return row

    return reading


@pytest.mark.parametrize("why", ["depends_on", "a reference", "the tool", "a conflict", "a chain"])
def test_whoever_waits_for_an_outcome_goes_on_when_it_is_durable(durable: Durable, why: str) -> None:
    looked = []

    def look(row: str) -> None:
        looked.append(row)
        assert ("outcome", "first") in durable.lines

    found = steps(["first"])
    tools = [put()]
    match why:
        case "depends_on":
            found |= steps(["then"], tool="read", depends_on=["first"])
            tools.append(read(look))
        case "a reference":
            found |= steps(["then"], tool="read", args={"row": {"$from": "first"}})
            tools.append(read(look))
        case "the tool":
            found |= steps(["then"], tool="read")
            tools.append(read(look, depends_on=["put"]))
        case _:
            row = "first" if why == "a conflict" else "another"
            found |= steps(["then"], agent="b", tool="other", args={"row": row})
            tools.append(put("other", look=look))
    assert run(durable, tools, found, order="strict" if why == "a chain" else "parallel") == 0
    assert len(looked) == 1


def test_nobody_is_asked_anything_before_what_happened_is_durable(durable: Durable) -> None:
    asked = []

    def approve(name: str, confidence: float) -> bool:
        asked.append(("outcome", "s0") in durable.lines)
        return True

    found = steps(["s0"]) | steps(["s1"], tool="mail")
    assert run(durable, [put(), put("mail", undo="none")], found, approve=approve) == 0
    assert asked == [True]


def test_claims_are_let_go_of_when_the_outcome_is_durable(durable: Durable) -> None:
    released = []
    release = leases.release

    def watched(connection: Any, owner: Any, holders: list[str]) -> None:
        for name in holders:
            step = name.rpartition("/")[2]
            released.append(step)
            assert ("outcome", step) in durable.lines
        release(connection, owner, holders)

    names = [f"s{number}" for number in range(STEPS)]
    with patch.object(leases, "release", watched):
        assert run(durable, [put()], steps(names)) == 0
    assert sorted(released) == names


def test_previews_that_hold_the_loop_up_do_not_put_it_off(durable: Durable) -> None:
    late = []

    def look(row: str) -> None:
        time.sleep(0.03)
        late.append(("outcome", "s0") not in durable.lines)

    found = steps(["s0"]) | steps([f"t{number}" for number in range(4)], tool="slow", confidence=0.66)
    assert run(durable, [put(), put("slow", look=look)], found) == 0
    assert late == [True, False, False, False]


def test_a_call_is_answered_when_its_outcome_is_durable(
    durable: Durable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("buddy.engine.syncs.RIDE_TURNS", 1_000)

    async def main() -> None:
        config = ExecutionConfig(mode=Mode.LIVE, output_dir=str(durable.path.parent))
        async with Harness(config, [put()]) as harness:

            async def one(name: str) -> None:
                answer = await harness.call("a", "put", {"row": name}, confidence=0.95, call_id=name)
                assert answer.result == name
                assert ("outcome", name) in durable.lines

            await asyncio.gather(*(one(f"c{number}") for number in range(AGENTS)))

    asyncio.run(main())


def test_a_result_that_cannot_be_kept_stops_the_run_before_anything_begins(durable: Durable) -> None:
    looked: list[str] = []

    @tool(name="large", risk="LOW", effect="write", undo="none", idempotent=True)
    async def large(row: str) -> str:
        return row * 100_000

    @large.preview
    async def _(row: str) -> Preview:
        return Preview()

    plans = [
        {"plan_id": "p", "steps": steps(["s0"], tool="large")},
        {"plan_id": "q", "steps": steps(["s1"])},
    ]
    config = ExecutionConfig(mode=Mode.LIVE, output_dir=str(durable.path.parent))
    harness = Harness(config, [large, put(look=looked.append)], approval_callback=lambda name, sure: True)
    broken = patch.object(FileJournal, "write_blob", side_effect=ClosedStop("the disk is full"))
    with broken, pytest.raises(ClosedStop, match="the disk is full"):
        harness.run_sync(plans)
    assert looked == []


@pytest.mark.parametrize("other", ["acts slowly", "waits for a person"])
def test_an_fsync_that_fails_on_the_way_stops_the_run_at_once(durable: Durable, other: str) -> None:
    acted = []

    def broken(row: str) -> None:
        durable.broken = True

    slow = put("slow", act=acted.append, wait_s=20.0)
    mail = put("mail", act=acted.append, undo="none")
    found = steps(["s0"]) | steps(["s1"], agent="b", tool="slow" if other == "acts slowly" else "mail")
    began = time.monotonic()
    with pytest.raises(ClosedStop, match="writing the journal failed"):
        run(durable, [put(act=broken, wait_s=0.3), slow, mail], found, approvals="wait")
    assert time.monotonic() - began < 10
    assert acted == []


def test_lines_that_nobody_waits_for_are_written_soon_and_synced_rarely(
    durable: Durable, tmp_path: Path
) -> None:
    writes: list[int] = []
    real = Disk.write

    def write(disk: Disk, file: int, data: memoryview) -> int:
        if os.readlink(f"/proc/self/fd/{file}") == str(durable.path):
            writes.append(bytes(data).count(b"\n"))
        return real(disk, file, data)

    steps = {f"s{number}": {"tool": "put", "args": {"row": str(number)}} for number in range(1_500)}
    plan = {"plan_id": "p", "order": "parallel", "agent_assignments": {"a": list(steps)}, "steps": steps}
    config = ExecutionConfig(output_dir=str(tmp_path / "run"))
    with patch.object(Disk, "write", write):
        assert Harness(config, [put()]).run_sync(plan).exit_code == 0
    assert sum(writes) > 1_500
    assert max(writes) <= WRITE_EVERY
    assert durable.syncs == 2  # when it begins and when it has finished
