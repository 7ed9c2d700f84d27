"""The world of a simulation: plans, tools, effects and people, and what it knows by itself to be wrong."""

import asyncio
import random
from collections import Counter
from collections.abc import Callable, Coroutine
from contextlib import closing
from pathlib import Path
from typing import Any, TypeVar

from buddy import Call, CallContext, Preview, Restored, Risk, Tool, ToolError, tool
from buddy.adapters.home import SqliteHome
from buddy.adapters.journal import FileJournal
from buddy.engine.attempts import BLOB_BYTES
from buddy.errors import BuddyError
from buddy.journal.times import iso
from buddy.model.approval import ApprovalRequest, ApprovalState, Vote
from buddy.model.config import DEFAULT_STRATEGIES
from buddy.model.conflict import ConflictType, Strategy

T = TypeVar("T")
AGENTS = ("a", "b", "c")
TOOLS = ("put", "blind", "send", "post", "log")
ASKED = ("send", "post")
"""Tools for which a person is asked."""
QUIRKS = ("large", "breaks", "cracks", "touchy breaks", "balks breaks", "telling", "telling breaks")
"""What a call may be, in words.

It gives a `large` result; is `touchy`, so that a preview fails where its effect is there, `telling`, so
that it shows it, or `balks`, so that another call does; `breaks` after its effect the first time, or
`cracks` before it, and does not say which.
"""
LARGE = "." * (BLOB_BYTES + 1)
"""What makes a result too large for a line of the journal."""
TOLD = (b'"type":"outcome"', b'"type":"resolved"', b'"status":"UNKNOWN"')
"""What a line holds that says what became of a live call."""


class World:
    """What is outside of Buddy.

    Attributes:
        effects: what happened, counted: `put KEY`, `undo KEY`.
        standing: steps that had an effect which was not taken back.
        agreed: step -> the note that a person said yes to last; nobody has where they wanted another, until
            somebody is asked about that.
        alarms: step, failed attempt, and epoch of the lock that a person engaged who saw it fail.
        wrong: what the world itself saw and must not be.
        machine: on which Buddy runs now; a dead one has no effects.
    """

    def __init__(self, rng: random.Random, out: Path) -> None:
        self.rng = rng
        self.effects: Counter[str] = Counter()
        self.standing: set[str] = set()
        self.alarms: list[tuple[str, int, int]] = []
        self.wrong: list[str] = []
        self.machine: Any = None
        self.out = out
        self.sources: dict[str, list[str]] = {}
        self.agents: dict[str, str] = {}
        self.strategies = dict(DEFAULT_STRATEGIES)
        if rng.random() < 0.5:
            # Without edges between steps only the claims keep two writers apart.
            self.strategies[ConflictType.RESOURCE] = Strategy.ALLOW
        self.agreed: dict[str, str] = {}
        self._notes: dict[str, str] = {}
        self._acting: Counter[str] = Counter()
        self._flaky: dict[str, int] = {}
        self._broken: set[str] = set()
        self._made_on: dict[str, Any] = {}
        self._people: list[Coroutine[Any, Any, None]] = []
        self._alarm: Callable[[], int] | None = None

    # what is to be done

    def plans(self) -> list[dict[str, Any]]:
        """Return the plans."""
        return [self._plan(f"p{number}") for number in range(self.rng.choice((1, 1, 2)))]

    def _plan(self, name: str) -> dict[str, Any]:
        rng = self.rng
        steps: dict[str, Any] = {}
        for number in range(rng.randint(3, 8)):
            key = f"{name}s{number}"
            step: dict[str, Any] = {
                "tool": rng.choice(TOOLS),
                "agent": rng.choice(AGENTS),
                "confidence": 0.95,
                "args": {"key": key, "thing": rng.choice("xyz"), "dawdle": rng.choice((0.0, 0.0, 0.3))},
            }
            if rng.random() < 0.3:
                step["args"]["quirk"] = rng.choice(QUIRKS)
            if rng.random() < 0.25:
                step["args"]["fails"] = rng.choice((1, 1, 9))
            if steps and rng.random() < 0.3:
                step["depends_on"] = [rng.choice(list(steps))]
            if rng.random() < 0.4:
                step["group"] = rng.choice("gh")
            steps[key] = step
            self.sources[key] = step.get("depends_on", [])
            self.agents[key] = step["agent"]
        self._repeat(steps)
        return {"plan_id": name, "order": "parallel", "steps": steps}

    def _repeat(self, steps: dict[str, Any]) -> None:
        """Have a step ask once more for what another one does, on a thing that nobody else writes."""
        chosen = [key for key, step in steps.items() if step["tool"] in ("put", "send", "blind")]
        if not chosen or self.rng.random() < 0.7:
            return
        key = self.rng.choice(chosen)
        steps[key]["args"] = {"key": key, "thing": f"only {key}"}
        steps[f"{key}again"] = {**steps[key], "args": dict(steps[key]["args"]), "depends_on": [key]}
        steps[f"{key}again"].pop("group", None)
        self.sources[f"{key}again"] = [key]
        self.agents[f"{key}again"] = steps[key]["agent"]

    # what happens

    def look(self, step: str) -> None:
        """Look at the world for a step.

        What it depends on must be on the disk before anybody acts on it, and what its agent did before in the
        file at least, which outlives the process.
        """
        if self.machine.dead:
            return
        written = (self.out / "journal.jsonl").read_bytes()
        durable = written[: self.machine.synced].splitlines()
        for source in self.sources.get(step, ()):
            if self._made_on.get(source) is self.machine and not _told(source, durable):
                self.wrong.append(f"told too early: {step} went on with {source}, which is not on the disk")
        for before, machine in self._made_on.items():
            its_own = before != step and self.agents.get(before) == self.agents.get(step)
            if its_own and machine is self.machine and not _told(before, written.splitlines()):
                self.wrong.append(f"kept to itself: {step} went on after {before}, which is in no file")

    async def act(
        self,
        kind: str,
        ctx: CallContext,
        key: str,
        thing: str,
        dawdle: float,
        fails: int,
        quirk: str,
        note: str,
    ) -> str:
        """Have an effect for a step, or fail."""
        step = ctx.step_id
        self.machine.point()
        self.mind("balks" in quirk, key)
        if self._flaky.get(key, 0) < fails:
            self._flaky[key] = self._flaky.get(key, 0) + 1
            if self._alarm is not None and self.rng.random() < 0.2:
                self.alarms.append((step, ctx.attempt, self._alarm()))
            raise ToolError("not now")
        self._acting[thing] += 1
        if self._acting[thing] > 1:
            self.wrong.append(f"two at once: {key} wrote {thing} while another did")
        try:
            if dawdle:
                await asyncio.sleep(dawdle)
            if self.machine.dead:
                raise ToolError("nobody is there any more")
            if "cracks" in quirk:
                self._break_once(key)
            if kind in ASKED and self.agreed.get(step) != note:
                self.wrong.append(f"nobody asked: {step} acted with '{note}', which nobody had approved")
            if self.there(key) and self._notes[key] != note:
                self.wrong.append(
                    f"made again as another: {step} acted with '{self._notes[key]}' and '{note}'"
                )
            self._happen(f"{kind} {key}")
            self._notes[key] = note
            self.standing.add(step)
            self._made_on[key] = self.machine
        finally:
            self._acting[thing] -= 1
        self.machine.point()
        if "breaks" in quirk:
            self._break_once(key)
        return key

    def mind(self, minds: bool, key: str) -> None:
        """Fail, without an effect, where one is there already and is minded."""
        if minds and self.there(key):
            raise ToolError("it is there already")

    def _break_once(self, key: str) -> None:
        if key not in self._broken:
            self._broken.add(key)
            raise RuntimeError("it broke")

    def _happen(self, what: str) -> None:
        self.effects[what] += 1
        if self.effects[what] > 1 and not what.startswith(("log", "post")):
            self.wrong.append(f"twice: {what}")

    def undo(self, step: str, key: str, note: str, machine: Any) -> None:
        """Take an effect of a step back."""
        machine.point()
        if self._notes.get(key) != note:
            self.wrong.append(f"undone as another: {step} acted with '{self._notes.get(key)}', not '{note}'")
        self._happen(f"undo {key}")
        self.standing.discard(step)
        machine.point()

    def probed(self, step: str, key: str, note: str) -> bool:
        """Whether an effect that a step is asked about is there."""
        if self.there(key) and self._notes[key] != note:
            self.wrong.append(f"probed as another: {step} acted with '{self._notes[key]}', not '{note}'")
        return self.there(key)

    def there(self, key: str) -> bool:
        """Whether an effect is there and not taken back; what may come twice is there once."""
        return bool(self._count(key)) and not self.effects[f"undo {key}"]

    # who else is there

    def vote(self, home: SqliteHome, asked: ApprovalRequest, now: float, *, whim: bool = False) -> None:
        """Have a person agree, or on a whim refuse or agree to other arguments."""
        assert isinstance(asked.args, dict)
        approve, edited = not whim or self.rng.random() < 0.9, None
        if whim and self.rng.random() < 0.3:
            note = self.rng.choice(({}, {"note": "m"}, {"note": "n"}))
            edited = {name: value for name, value in asked.args.items() if name != "note"} | note
        if approve and edited in (None, asked.args):
            self.agreed[asked.step_id] = asked.args.get("note", "")
        else:
            self.agreed.pop(asked.step_id, None)
        vote = Vote(by="eve", approve=approve, at=iso(now), edited_args=edited)
        home.vote(asked.approval_id, vote, now)

    def _decide(self, home: SqliteHome, now: float, *, said: bool = False) -> None:
        for approval in home.approvals(now, None, ApprovalState.PENDING):
            if self.rng.random() < 0.7:
                said = True
                self.vote(home, approval.request, now, whim=True)
        if said:
            self.machine.keep(home)

    def people(self, simulation: Any) -> None:
        """Have people lock, unlock and decide while the next part of the run goes on, or waits for them."""
        rng, folder = self.rng, simulation.folder

        async def meddle() -> None:
            for _ in range(rng.randint(0, 4)):
                await asyncio.sleep(rng.choice((0.05, 0.2, 0.6)))
                with closing(SqliteHome(folder / "home")) as home:
                    if rng.random() < 0.1:
                        simulation.clock.behind += rng.choice((2.0, 600.0, -2.0, -90_000.0))
                    now, said = simulation.clock.now(), False
                    if rng.random() < 0.3:
                        said = True
                        home.set_lock(not home.lock_state().engaged, "eve", "a drill", now)
                    self._decide(home, now, said=said)
            while simulation.waits and not self.machine.dead:
                await asyncio.sleep(0.5)
                with closing(SqliteHome(folder / "home")) as home:
                    self._decide(home, simulation.clock.now())

        def alarm() -> int:
            with closing(SqliteHome(folder / "home")) as home:
                epoch = home.set_lock(True, "eve", "a call failed", simulation.clock.now()).epoch
                self.machine.keep(home)
                return epoch

        async def intrude() -> None:
            await asyncio.sleep(rng.choice((0.0, 0.1, 0.4)))
            try:
                journal = FileJournal.open(self.out)
            except BuddyError:
                return
            journal.close()
            self.wrong.append("two processes: the journal of a run under way was opened by another")

        self._people, self._alarm = [meddle(), intrude()], alarm

    def leave(self) -> None:
        """Send home whoever did not come to do anything, as the process died first."""
        for one in self._people:
            one.close()
        self._people, self._alarm = [], None

    async def around(self, main: Coroutine[Any, Any, T]) -> T:
        """Run something with the people around it."""
        asyncio.get_running_loop().set_exception_handler(lambda loop, context: None)
        others = [asyncio.get_running_loop().create_task(one) for one in self._people]
        self._people = []
        try:
            return await main
        finally:
            for task in others:
                task.cancel()

    def _count(self, key: str) -> int:
        return sum(self.effects[f"{kind} {key}"] for kind in TOOLS)


def _told(step: str, lines: list[bytes]) -> bool:
    """Whether lines of a journal say what became of the live call of a step."""
    name = f'"step":"{step}"'.encode()
    return any(name in line and any(how in line for how in TOLD) for line in lines)


def tools(world: World) -> list[Tool]:
    """Return the tools of a world."""

    def made(name: str, **contract: Any) -> Tool:
        promise = tool(name=name, effect="write", permissions={"w"}, resources=["thing:{thing}"], **contract)

        async def handler(
            ctx: CallContext,
            key: str,
            thing: str,
            dawdle: float = 0.0,
            fails: int = 0,
            quirk: str = "",
            note: str = "",
        ) -> str:
            """Have an effect."""
            done = await world.act(name, ctx, key, thing, dawdle, fails, quirk, note)
            return done + LARGE * (quirk == "large")

        built: Tool = promise(handler)

        @built.preview
        async def _(
            ctx: CallContext,
            key: str,
            thing: str,
            dawdle: float = 0.0,
            fails: int = 0,
            quirk: str = "",
            note: str = "",
        ) -> Preview:
            """Show the same whatever the note is."""
            world.look(ctx.step_id)
            world.mind("touchy" in quirk, key)
            return Preview(changes=[thing, key] + ["again"] * ("telling" in quirk and world.there(key)))

        if contract["undo"] != "none":

            @built.undo
            async def _(call: Call, result: Any) -> Restored:
                world.undo(call.step_id, call.args["key"], call.args.get("note", ""), world.machine)
                return Restored(verified=True, exact=True)

        if name in ("put", "send", "post"):

            @built.probe
            async def _(call: Call) -> bool:
                return world.probed(call.step_id, call.args["key"], call.args.get("note", ""))

        return built

    return [
        made("put", risk=Risk.MEDIUM, undo="exact"),
        made("blind", risk=Risk.MEDIUM, undo="exact"),
        made("send", risk=Risk.HIGH, undo="none"),
        made("post", risk=Risk.HIGH, undo="exact", idempotent=True),
        made("log", risk=Risk.LOW, undo="exact", idempotent=True),
    ]
